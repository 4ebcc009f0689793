//! From a place to a descriptor, at the moment of use. A container's place is resolved inside the container's root,
//! whatever links the image holds; missing parts are made there one by one, each in a directory that is open.

use crate::sys::{AsFd, OwnedFd};
use crate::texts::CStr;

use super::{Applier, Parent};
use crate::abi::Errno;
use crate::limits::PATH_BYTES_MAX;
use crate::plan::step::{Base, Place, Step};
use crate::sys::Result;
use crate::sys::file::{self, CWD, FileType, Open};
use crate::sys::path::{PathBuffer, copied};
use crate::text::cut_last;
use crate::texts::{last, until_nul};

/// Permissions of directories that are made on the way to a place.
const PARENT_MODE: u32 = 0o755;

impl<'a> Applier<'_, 'a> {
    /// Opens an existing place.
    pub(super) fn open(&self, at: &Place, how: Open) -> Result<OwnedFd> {
        match at.base {
            Base::Machine => file::open(CWD, at.path, how),
            Base::Below(directory) => {
                file::open_in_root(file::open(CWD, directory, Open::Place)?.as_fd(), at.path, how)
            }
            Base::Container => file::open_in_root(self.root()?.as_fd(), at.path, how),
        }
    }

    /// Opens a directory as a place, made with its parents when missing.
    pub(super) fn open_directory(&mut self, at: &Place, mode: u32) -> Result<OwnedFd> {
        match self.open(at, Open::Place) {
            Err(Errno::NOENT) => self.make(at, mode, FileType::DIRECTORY),
            found => found,
        }
    }

    /// Opens a mount target as a place, made when missing: a directory, or an empty file for anything else.
    pub(super) fn open_target(&mut self, at: &Place, kind: FileType) -> Result<OwnedFd> {
        let kind = if kind == FileType::DIRECTORY { kind } else { FileType::REGULAR_FILE };
        match self.open(at, Open::Place) {
            Err(Errno::NOENT) => self.make(at, PARENT_MODE, kind),
            found => found,
        }
    }

    /// Opens the directory that holds the last component of a place, made when missing, and hands both to `act`. Of steps
    /// that follow each other in one directory the first one opens it.
    pub(super) fn in_parent(
        &mut self,
        at: &Place<'a>,
        act: &mut dyn FnMut(&mut Parent<'a>, &CStr) -> Result<()>,
    ) -> Result<()> {
        let (path, name) = split_last(at.path)?;
        let is_inside = at.base == Base::Container;
        let mut parent = match self.parent.take() {
            Some(parent) if parent.path == path && is_inside => parent,
            _ => {
                let mut buffer = PathBuffer::empty();
                let place = Place { base: at.base, path: buffer.join(&[path])? };
                Parent { path, directory: self.open_directory(&place, PARENT_MODE)?, alike: None }
            }
        };
        act(&mut parent, name)?;
        self.parent = is_inside.then_some(parent);
        Ok(())
    }

    /// Makes a directory where the step before has made something, if this is to be there and nothing is.
    pub(super) fn make_beside(&mut self, at: &Place) -> Option<OwnedFd> {
        let (path, name) = split_last(at.path).ok()?;
        let parent = self.parent.as_ref().filter(|parent| parent.path == path && at.base == Base::Container)?;
        make_in(&parent.directory, name, PARENT_MODE, FileType::DIRECTORY).ok()
    }

    /// Makes a directory that is not there.
    pub(super) fn make_new(&mut self, at: &Place<'a>) -> Result<OwnedFd> {
        let mut made = Err(Errno::EXIST);
        if at.base == Base::Container {
            let _ = self.in_parent(at, &mut |parent, name| {
                made = make_in(&parent.directory, name, PARENT_MODE, FileType::DIRECTORY);
                made.as_ref().map(drop).map_err(|errno| *errno)
            });
        }
        // A link that leads nowhere yet, or something of the machine's, of which there is a list.
        made.or_else(|_| self.make(at, PARENT_MODE, FileType::DIRECTORY))
    }

    /// Makes what a path leads to, and what is missing on the way there. Every component that exists is walked through as
    /// the base demands; what a link points to that leads nowhere yet is made as well, since images have such links in the
    /// places of what engines mount (`/etc/resolv.conf`).
    pub(super) fn make(&mut self, at: &Place, mode: u32, kind: FileType) -> Result<OwnedFd> {
        let mut buffer = [0; PATH_BYTES_MAX];
        copied(&mut buffer, at.path.to_bytes())?;
        self.make_component(at.base, &mut buffer, at.path.count_bytes(), mode, kind)
    }

    /// Makes and opens what the first `length` bytes lead to. There are at most as many levels as slashes.
    fn make_component(
        &mut self,
        base: Base,
        buffer: &mut [u8; PATH_BYTES_MAX],
        length: usize,
        mode: u32,
        kind: FileType,
    ) -> Result<OwnedFd> {
        let path = buffer.get(..length).unwrap_or_default();
        let length = path.iter().rposition(|byte| *byte != b'/').ok_or(Errno::NOENT)? + 1;
        let start =
            path.get(..length).unwrap_or_default().iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        // Cut off behind the directory that holds it, and then behind itself.
        let first = cut_at(buffer, start, 0);
        let parent = match self.open(&Place { base, path: terminated(buffer, 0)? }, Open::Place) {
            Err(Errno::NOENT) => self.make_component(base, buffer, start, PARENT_MODE, FileType::DIRECTORY),
            found => found,
        }?;
        cut_at(buffer, start, first);
        let behind = cut_at(buffer, length, 0);
        let made = match terminated(buffer, start)?.to_bytes() {
            b"." | b".." => self.open(&Place { base, path: terminated(buffer, 0)? }, Open::Place)?,
            _ => {
                let made = match make_in(&parent, terminated(buffer, start)?, mode, kind) {
                    Err(Errno::EXIST) => self.make_linked(base, &parent, buffer, start, mode, kind),
                    made => {
                        if base == Base::Machine && made.is_ok() {
                            self.keep_made(terminated(buffer, 0)?, kind);
                        }
                        made
                    }
                };
                made?
            }
        };
        cut_at(buffer, length, behind);
        Ok(made)
    }

    /// Makes what the link points to whose name begins at `start`. Who makes links all the time does not hold us.
    #[inline(never)]
    fn make_linked(
        &mut self,
        base: Base,
        parent: &OwnedFd,
        buffer: &[u8; PATH_BYTES_MAX],
        start: usize,
        mode: u32,
        kind: FileType,
    ) -> Result<OwnedFd> {
        let mut text = [0; PATH_BYTES_MAX];
        let link = file::read_link_in(parent.as_fd(), terminated(buffer, start)?, &mut text);
        let link: &[u8] = link.map_err(|_| Errno::EXIST)?;
        let before = if link.starts_with(b"/") { b"" } else { buffer.get(..start).unwrap_or_default() };
        let at = Place { base, path: self.arena.string(&[before, link]) };
        self.links = self.links.checked_sub(1).ok_or(Errno::LOOP)?;
        self.make(&at, mode, kind)
    }

    /// Notes what takes back that something was made on the machine, for a launch that may fail.
    fn keep_made(&mut self, path: &CStr, kind: FileType) {
        if let Some(made) = &mut self.made {
            let path = self.arena.copy(path.to_bytes());
            let is_directory = kind == FileType::DIRECTORY;
            let step = if is_directory { Step::RemoveDirectory { path } } else { Step::RemoveFile { path } };
            self.arena.push(made, step);
        }
    }
}

/// Puts a byte into a buffer; what was there.
fn cut_at(buffer: &mut [u8; PATH_BYTES_MAX], at: usize, byte: u8) -> u8 {
    buffer.get_mut(at).map_or(0, |place| core::mem::replace(place, byte))
}

/// Makes one directory or file in an open directory and opens it, itself and not what somebody may have put there. The
/// umask is 0 wherever permissions beyond 0755 are asked for.
fn make_in(parent: &OwnedFd, name: &CStr, mode: u32, kind: FileType) -> Result<OwnedFd> {
    if kind == FileType::DIRECTORY {
        file::make_directory_in(parent.as_fd(), name, mode)?;
    } else {
        file::make_node(parent.as_fd(), name, FileType::REGULAR_FILE, 0o644, 0)?;
    }
    file::open(parent.as_fd(), name, Open::PlaceItself)
}

/// A C string from `start` to the first NUL.
fn terminated(buffer: &[u8], start: usize) -> Result<&CStr> {
    until_nul(buffer.get(start..).unwrap_or(&[])).ok_or(Errno::NAMETOOLONG)
}

/// A path's parent and its last component. The root has neither.
fn split_last(path: &CStr) -> Result<(&[u8], &CStr)> {
    let bytes = path.to_bytes();
    let (parent, name) = cut_last(bytes, b'/');
    if matches!(name, b"" | b"." | b"..") || name.len() == bytes.len() {
        return Err(Errno::INVAL);
    }
    let name = last(path, name.len());
    Ok((if parent.is_empty() { b"/" } else { parent }, name.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_splits_into_parent_and_name() {
        assert_eq!(split_last(s!("/dev/null")), Ok((&b"/dev"[..], s!("null"))));
        assert_eq!(split_last(s!("/dev")), Ok((&b"/"[..], s!("dev"))));
        assert_eq!(split_last(s!("/")), Err(Errno::INVAL));
        assert_eq!(split_last(s!("/a/..")), Err(Errno::INVAL));
    }
}
