//! From a place to a descriptor, at the moment of use. A container's place is resolved inside the container's root,
//! whatever links the image holds; missing parts are made there one by one, each in a directory that is open.

use core::ffi::CStr;

use crate::sys::{AsFd, OwnedFd};

use super::Applier;
use crate::abi::Errno;
use crate::limits::PATH_BYTES_MAX;
use crate::plan::step::{Base, Place, Step};
use crate::sys::Result;
use crate::sys::file::{self, CWD, FileType, Open};
use crate::sys::path::copied;
use crate::text::cut_last;
use crate::texts::{last, until_nul};

/// Permissions of directories that are made on the way to a place.
const PARENT_MODE: u32 = 0o755;

impl Applier<'_, '_> {
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

    /// Opens the directory that holds the last component of a place, made when missing, and hands both to `act`.
    pub(super) fn in_parent(&mut self, at: &Place, act: &mut dyn FnMut(&OwnedFd, &CStr) -> Result<()>) -> Result<()> {
        let mut buffer = [0; PATH_BYTES_MAX];
        let (parent, name) = split_last(at.path, &mut buffer)?;
        let parent = self.open_directory(&Place { base: at.base, path: parent }, PARENT_MODE)?;
        act(&parent, name)
    }

    /// Makes what is missing of a path, component by component. Every component that exists is walked through as the
    /// base demands; a dangling link is not followed but an error (EEXIST): what it points to is not ours to make.
    fn make(&mut self, at: &Place, mode: u32, kind: FileType) -> Result<OwnedFd> {
        let mut buffer = [0; PATH_BYTES_MAX];
        let path = at.path.to_bytes();
        copied(&mut buffer, path)?;
        let mut parent = self.open(&Place { base: at.base, path: c"/" }, Open::Place)?;
        let mut start = 0;
        while start < path.len() {
            let rest = path.get(start..).unwrap_or(&[]);
            let length = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let end = start + length;
            if length > 0 {
                let last = path.get(end..).unwrap_or(&[]).iter().all(|byte| *byte == b'/');
                parent =
                    self.make_component(at.base, &parent, &mut buffer, start, end, last.then_some((mode, kind)))?;
            }
            start = end + 1;
        }
        Ok(parent)
    }

    /// Notes what takes back that something was made on the machine, for a launch that may fail.
    fn keep_made(&mut self, path: &CStr, kind: FileType) {
        if let Some(made) = &mut self.made {
            let path = self.arena.string(&[path.to_bytes()]);
            let is_directory = kind == FileType::DIRECTORY;
            let step = if is_directory { Step::RemoveDirectory { path } } else { Step::RemoveFile { path } };
            self.arena.push(made, step);
        }
    }

    /// Opens `buffer[..end]`, or makes its last component (from `start`) in `parent` when missing. `last` has the wanted
    /// permissions and kind of the path's own last component.
    fn make_component(
        &mut self,
        base: Base,
        parent: &OwnedFd,
        buffer: &mut [u8],
        start: usize,
        end: usize,
        last: Option<(u32, FileType)>,
    ) -> Result<OwnedFd> {
        let after = buffer.get(end).copied().unwrap_or(0);
        if let Some(byte) = buffer.get_mut(end) {
            *byte = 0;
        }
        let prefix = terminated(buffer, 0)?;
        let opened = match self.open(&Place { base, path: prefix }, Open::Place) {
            Err(Errno::NOENT) => {
                let made = make_in(parent, terminated(buffer, start)?, last);
                if base == Base::Machine && made.is_ok() {
                    let kind = last.map_or(FileType::DIRECTORY, |(_, kind)| kind);
                    self.keep_made(terminated(buffer, 0)?, kind);
                }
                made
            }
            found => found,
        };
        if let Some(byte) = buffer.get_mut(end) {
            *byte = after;
        }
        opened
    }
}

/// Makes one directory or file in an open directory and opens it, itself and not what somebody may have put there. The
/// umask is 0 wherever permissions beyond 0755 are asked for.
fn make_in(parent: &OwnedFd, name: &CStr, last: Option<(u32, FileType)>) -> Result<OwnedFd> {
    let (mode, kind) = last.unwrap_or((PARENT_MODE, FileType::DIRECTORY));
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

/// A path's parent, written to `buffer`, and its last component. The root has neither.
fn split_last<'p>(path: &'p CStr, buffer: &'p mut [u8]) -> Result<(&'p CStr, &'p CStr)> {
    let bytes = path.to_bytes();
    let (parent, name) = cut_last(bytes, b'/');
    if matches!(name, b"" | b"." | b"..") || name.len() == bytes.len() {
        return Err(Errno::INVAL);
    }
    let name = last(path, name.len());
    Ok((copied(buffer, if parent.is_empty() { b"/" } else { parent })?, name.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_splits_into_parent_and_name() {
        let mut buffer = [0; PATH_BYTES_MAX];
        assert_eq!(split_last(c"/dev/null", &mut buffer), Ok((c"/dev", c"null")));
        assert_eq!(split_last(c"/dev", &mut [0; PATH_BYTES_MAX]), Ok((c"/", c"dev")));
        assert_eq!(split_last(c"/", &mut [0; PATH_BYTES_MAX]), Err(Errno::INVAL));
        assert_eq!(split_last(c"/a/..", &mut [0; PATH_BYTES_MAX]), Err(Errno::INVAL));
    }
}
