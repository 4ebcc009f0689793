//! Directories, device nodes, links and small files.

use core::ffi::CStr;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid};

use super::{Applier, absence_is_fine, is_absent, numbered};
use crate::abi::Errno;
use crate::limits;
use crate::plan::step::{Absent, DeviceKind, DeviceNode, Place};
use crate::sys::Result;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;

impl Applier<'_, '_> {
    pub(super) fn make_directory(&self, at: &Place, mode: u32) -> Result<()> {
        self.open_directory(at, mode).map(drop)
    }

    pub(super) fn make_device(&self, node: &DeviceNode) -> Result<()> {
        let kind = match node.kind {
            DeviceKind::Character => FileType::CharacterDevice,
            DeviceKind::Block => FileType::BlockDevice,
            DeviceKind::Fifo => FileType::Fifo,
        };
        let number = rustix::fs::makedev(node.major, node.minor);
        self.in_parent(&node.at, &mut |parent, name| {
            match rustix::fs::mknodat(parent, name, kind, Mode::from_raw_mode(node.mode), number) {
                Err(Errno::EXIST) => {}
                result => result?,
            }
            // From here on by descriptor: who else may write to this directory could put a link in the node's place.
            let made = file::open(parent.as_fd(), name, Open::PlaceItself)?;
            check_device(made.as_fd(), kind, number)?;
            let (owner, group) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
            rustix::fs::chownat(&made, c"", Some(owner), Some(group), AtFlags::EMPTY_PATH)?;
            set_mode(made.as_fd(), node.mode)
        })
    }

    pub(super) fn make_symlink(&self, at: &Place, to: &CStr) -> Result<()> {
        self.in_parent(at, &mut |parent, name| match rustix::fs::symlinkat(to, parent, name) {
            Err(Errno::EXIST) => Ok(()),
            result => result,
        })
    }

    pub(super) fn write(&self, at: &Place, text: &CStr, absent: Absent) -> Result<()> {
        let written = self.open(at, Open::Write).and_then(|file| rustix::io::write(file, text.to_bytes()).map(drop));
        if absent == Absent::Ok { absence_is_fine(written) } else { written }
    }
}

/// What is in the place of a device must be that very device.
fn check_device(node: BorrowedFd, kind: FileType, number: u64) -> Result<()> {
    let found = rustix::fs::fstat(node)?;
    let same = FileType::from_raw_mode(found.st_mode) == kind && (kind == FileType::Fifo || found.st_rdev == number);
    if same { Ok(()) } else { Err(Errno::EXIST) }
}

/// Sets the permissions of what a descriptor is open on as a place, which chmod(2) can only reach through /proc.
fn set_mode(place: BorrowedFd, mode: u32) -> Result<()> {
    let mut path = [0; 32];
    let path = numbered(&mut path, "/proc/self/fd/", place.as_raw_fd().unsigned_abs(), "")?;
    rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), AtFlags::empty())
}

/// Enters the working directory, made when missing, and checks that it is inside the root: a leaked descriptor's
/// `/proc/self/fd/N` is not (CVE-2024-21626).
pub(super) fn change_directory(path: &CStr) -> Result<()> {
    match rustix::process::chdir(path) {
        Err(Errno::NOENT) => {
            // The process is the container's user by now: what it may not make, it may not.
            make_with_parents(path)?;
            rustix::process::chdir(path)?;
        }
        result => result?,
    }
    let mut buffer = [0; limits::PATH_BYTES_MAX];
    if file::current_directory(&mut buffer)?.first() == Some(&b'/') { Ok(()) } else { Err(Errno::XDEV) }
}

/// mkdir(1) -p, below the process's own root.
fn make_with_parents(path: &CStr) -> Result<()> {
    let bytes = path.to_bytes();
    let ends = (1..=bytes.len()).filter(|end| bytes.get(*end).is_none_or(|byte| *byte == b'/'));
    for prefix in ends.filter_map(|end| bytes.get(..end)) {
        let mut buffer = PathBuffer::empty();
        match rustix::fs::mkdirat(CWD, buffer.join(&[prefix])?, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => {}
            result => result?,
        }
    }
    Ok(())
}

pub(super) fn remove(path: &CStr) -> Result<()> {
    absence_is_fine(rustix::fs::unlinkat(CWD, path, AtFlags::empty()))
}

/// A control group with processes or groups in it is busy rather than not empty.
pub(super) fn remove_directory(path: &CStr) -> Result<()> {
    match rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::BUSY) => Ok(()),
        result => absence_is_fine(result),
    }
}

/// Removes all that a directory of the machine holds, staying on its file system.
pub(super) fn empty(path: &CStr) -> Result<()> {
    match file::open(CWD, path, Open::Directory) {
        Err(errno) if is_absent(errno) => Ok(()),
        Err(errno) => Err(errno),
        Ok(directory) => {
            let device = rustix::fs::fstat(&directory)?.st_dev;
            empty_directory(directory.as_fd(), device, limits::EMPTY_DEPTH_MAX)
        }
    }
}

/// The recursion is bounded by `depth`, not by what the directory holds.
fn empty_directory(directory: BorrowedFd, device: u64, depth: usize) -> Result<()> {
    file::for_each_entry(directory, &mut |name, kind| {
        if kind != FileType::Directory {
            return rustix::fs::unlinkat(directory, name, AtFlags::empty());
        }
        let inner = file::open_itself(directory, name)?;
        if depth == 0 || rustix::fs::fstat(&inner)?.st_dev != device {
            return Err(Errno::NOTEMPTY);
        }
        empty_directory(inner.as_fd(), device, depth - 1)?;
        rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
    })
}
