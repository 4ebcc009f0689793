//! Directories, device nodes, links and small files.

use crate::sys::{AsFd, BorrowedFd};
use crate::sys::{file::FileType, process};
use crate::texts::CStr;

use super::{Applier, Parent, absence_is_fine, is_absent, numbered};
use crate::abi::Errno;
use crate::limits;
use crate::plan::step::{Absent, DeviceKind, DeviceNode, Place};
use crate::sys::Result;
use crate::sys::file::{self, CWD, Open, Status};
use crate::sys::path::copied;
use crate::text::fields;

impl<'a> Applier<'_, 'a> {
    pub(super) fn make_directory(&mut self, at: &Place, mode: u32) -> Result<()> {
        self.open_directory(at, mode).map(drop)
    }

    pub(super) fn make_device(&mut self, node: &DeviceNode<'a>) -> Result<()> {
        let kind = match node.kind {
            DeviceKind::Character => FileType::CHARACTER_DEVICE,
            DeviceKind::Block => FileType::BLOCK_DEVICE,
            DeviceKind::Fifo => FileType::FIFO,
        };
        let number = rustix::fs::makedev(node.major, node.minor);
        self.in_parent(&node.at, &mut |parent, name| {
            let Parent { directory, alike, .. } = parent;
            let made = file::make_node(directory.as_fd(), name, kind, node.mode, number);
            file::existing_is_fine(made)?;
            // As it should be, unless it was there before or the directory has a say in it: what it made of one, it makes of
            // all.
            let wanted = Status { kind, mode: node.mode, user: node.uid, group: node.gid, device: number };
            let permissions = Some([node.mode, node.uid, node.gid]);
            if made.is_ok() && (*alike == permissions || file::status_in(directory.as_fd(), name)? == wanted) {
                *alike = permissions;
                return Ok(());
            }
            // From here on by descriptor: who else may write to this directory could put a link in the node's place.
            let made = file::open(directory.as_fd(), name, Open::PlaceItself)?;
            // What is in the place of a device must be that very device.
            if !file::is_node(made.as_fd(), kind, number)? {
                return Err(Errno::EXIST);
            }
            file::set_owner(made.as_fd(), node.uid, node.gid)?;
            set_mode(made.as_fd(), node.mode)
        })
    }

    pub(super) fn make_symlink(&mut self, at: &Place<'a>, to: &CStr) -> Result<()> {
        self.in_parent(at, &mut |parent, name| {
            file::existing_is_fine(file::make_link(to, parent.directory.as_fd(), name))
        })
    }

    pub(super) fn write(&self, at: &Place, text: &CStr, absent: Absent) -> Result<()> {
        let written = self.open(at, Open::Write).and_then(|opened| file::write(opened.as_fd(), text.to_bytes()));
        absent.judge(written)
    }
}

#[inline(never)]
pub(super) fn expect_line(path: &CStr, text: &CStr) -> Result<()> {
    let mut buffer = [0; limits::PATH_BYTES_MAX];
    for line in fields(file::read_file(path, &mut buffer)?, b'\n') {
        if line.trim_ascii() == text.to_bytes() {
            return Ok(());
        }
    }
    Err(Errno::INVAL)
}

/// Copies what a directory holds into an empty one, with owners and permissions, and those of the directory itself.
/// The recursion is bounded by `depth`, not by what the directory holds.
pub(super) fn copy(from: BorrowedFd, to: BorrowedFd, depth: usize) -> Result<()> {
    file::for_each_entry(from, &mut |name, _| {
        let source = file::open(from, name, Open::PlaceItself)?;
        let Status { kind, device, user, group, .. } = file::status_of(source.as_fd())?;
        match kind {
            FileType::DIRECTORY if depth == 0 => return Err(Errno::NAMETOOLONG),
            FileType::DIRECTORY => {
                file::make_directory_in(to, name, 0o700)?;
                return copy(file::open_itself(from, name)?.as_fd(), file::open_itself(to, name)?.as_fd(), depth - 1);
            }
            FileType::SYMLINK => {
                let mut target = [0; limits::PATH_BYTES_MAX];
                let target = file::read_link_in(source.as_fd(), s!(""), &mut target)?;
                let mut buffer = [0; limits::PATH_BYTES_MAX];
                file::make_link(copied(&mut buffer, target)?, to, name)?;
                let made = file::open(to, name, Open::PlaceItself)?;
                return file::set_owner(made.as_fd(), user, group);
            }
            FileType::REGULAR_FILE => {
                let made = file::open(to, name, Open::New)?;
                let source = file::open(from, name, Open::Read)?;
                let mut buffer = [0; 4096];
                loop {
                    let piece = file::read_all(source.as_fd(), &mut buffer)?;
                    if piece.is_empty() {
                        break;
                    }
                    file::write_all(made.as_fd(), piece)?;
                }
            }
            _ => file::make_node(to, name, kind, 0, device)?,
        }
        resemble(file::open(to, name, Open::PlaceItself)?.as_fd(), source.as_fd())
    })?;
    resemble(to, from)
}

/// Gives one file the owner and permissions of another.
fn resemble(file: BorrowedFd, other: BorrowedFd) -> Result<()> {
    let Status { mode, user, group, .. } = file::status_of(other)?;
    file::set_owner(file, user, group)?;
    set_mode(file, mode)
}

/// Sets the permissions of what a descriptor is open on as a place, which chmod(2) can only reach through /proc.
pub(super) fn set_mode(place: BorrowedFd, mode: u32) -> Result<()> {
    let mut path = [0; 32];
    let path = numbered(&mut path, "/proc/self/fd/", place.number(), b"")?;
    file::set_mode(path, mode)
}

/// Enters the working directory, and checks that it is inside the root: a leaked descriptor's `/proc/self/fd/N` is not
/// (CVE-2024-21626).
#[inline(never)]
pub(super) fn change_directory(path: &CStr) -> Result<()> {
    process::change_directory(path)?;
    if path == s!("/") {
        return Ok(());
    }
    let mut buffer = [0; limits::PATH_BYTES_MAX];
    if file::current_directory(&mut buffer)?.first() == Some(&b'/') { Ok(()) } else { Err(Errno::XDEV) }
}

pub(super) fn remove(path: &CStr) -> Result<()> {
    absence_is_fine(file::remove(CWD, path))
}

/// A control group with processes or groups in it is busy rather than not empty.
pub(super) fn remove_directory(path: &CStr) -> Result<()> {
    match file::remove_directory(CWD, path) {
        Err(Errno::NOTEMPTY | Errno::BUSY) => Ok(()),
        result => absence_is_fine(result),
    }
}

/// Removes all that a directory of the machine holds, staying on its file system.
pub(super) fn empty(path: &CStr) -> Result<()> {
    match file::open(CWD, path, Open::Directory) {
        Err(errno) if is_absent(errno) => Ok(()),
        Err(errno) => Err(errno),
        Ok(directory) => empty_directory(directory.as_fd(), limits::EMPTY_DEPTH_MAX),
    }
}

/// The recursion is bounded by `depth`, not by what the directory holds.
fn empty_directory(directory: BorrowedFd, depth: usize) -> Result<()> {
    file::for_each_entry(directory, &mut |name, kind| {
        if kind != FileType::DIRECTORY {
            return file::remove(directory, name);
        }
        let inner = file::open_itself(directory, name)?;
        if depth == 0 || !file::are_on_same_device(inner.as_fd(), directory)? {
            return Err(Errno::NOTEMPTY);
        }
        empty_directory(inner.as_fd(), depth - 1)?;
        file::remove_directory(directory, name)
    })
}
