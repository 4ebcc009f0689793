//! Where a container's output goes: to the logger, by pipes whose other ends are put into its store.

use crate::limits::LOG_SOURCE_BYTES;
use crate::logger::file::{OLD, PATH_BYTES, Place, path};
use crate::logger::store::Store;
use crate::plan::facts::Section;
use crate::sys::Result;
use crate::sys::file::{self, CWD, FileType, Open};
use crate::sys::path::join;
use crate::sys::{AsFd, BorrowedFd, OwnedFd, pipe, process};
use crate::texts::CStr;

/// A container's standard descriptors, opened by the launcher while it still sees the machine. `None` keeps the
/// launcher's.
#[derive(Default)]
pub struct Streams {
    input: Option<OwnedFd>,
    out: Option<OwnedFd>,
    err: Option<OwnedFd>,
}

/// What is behind a container's name in a stream's.
const OUT: &[u8] = b".out";
const ERR: &[u8] = b"";

impl Streams {
    /// Those of a container of PID 1. What cannot be given to the logger is a file if there are `files`, else the launcher's
    /// own.
    pub fn open(store: &Store, files: bool, section: Section, name: &CStr) -> Result<Streams> {
        let mut streams = Streams { input: Some(file::open(CWD, s!("/dev/null"), Open::Read)?), ..Streams::default() };
        make_directories(section)?;
        for (stream, suffix) in [(&mut streams.out, OUT), (&mut streams.err, ERR)] {
            let mut buffer = [0; LOG_SOURCE_BYTES];
            let source = source(&mut buffer, section, name, suffix)?;
            let (ours, theirs) = pipe::pair()?;
            if store.put(place(section), source, ours.as_fd()).is_ok() {
                *stream = Some(theirs);
            } else if files {
                *stream =
                    Some(file::open(CWD, path(&mut [0; PATH_BYTES], place(section), source, b"")?, Open::Append)?);
            }
        }
        Ok(streams)
    }

    /// Gives them to who is not root, who could not open them again otherwise, by names such as /dev/stderr. Devices stay
    /// whose they are, and so does what is nobody's in this user namespace. Before a filter might deny it.
    pub(super) fn give(&self, (user, group): (u32, u32)) {
        let give = |stream: &Option<OwnedFd>, inherited: BorrowedFd| {
            let stream = stream.as_ref().map_or(inherited, AsFd::as_fd);
            if user != 0 && file::kind_of(stream) != Ok(FileType::CHARACTER_DEVICE) {
                let _ = file::set_owner(stream, user, group);
            }
        };
        give(&self.input, file::standard_input());
        give(&self.out, file::standard_output());
        give(&self.err, file::standard_error());
    }

    /// Makes them this process's standard descriptors.
    pub(super) fn install(&self) -> Result<()> {
        for (number, stream) in [&self.input, &self.out, &self.err].into_iter().enumerate() {
            if let Some(stream) = stream {
                process::set_standard(stream.as_fd(), number as u32)?;
            }
        }
        Ok(())
    }
}

/// The name LinuxKit gives a section's logs: none for services.
fn log_name(section: Section) -> &'static [u8] {
    match section {
        Section::Onboot => b"onboot.",
        Section::Onshutdown => b"shutdown.",
        Section::Services | Section::Other => b"",
    }
}

fn place(section: Section) -> Place {
    match section {
        Section::Onboot => Place::Onboot,
        Section::Onshutdown => Place::Shutdown,
        Section::Services | Section::Other => Place::Machine,
    }
}

/// A stream's name.
fn source<'b>(buffer: &'b mut [u8], section: Section, name: &CStr, suffix: &[u8]) -> Result<&'b [u8]> {
    Ok(join(buffer, &[log_name(section), name.to_bytes(), suffix])?.to_bytes())
}

/// /run/log/onboot, and the link to it in /var/log that images read.
fn make_directories(section: Section) -> Result<()> {
    let (directory, link) = match section {
        Section::Onboot => (s!("/run/log/onboot"), s!("/var/log/onboot")),
        Section::Onshutdown => (s!("/run/log/shutdown"), s!("/var/log/shutdown")),
        Section::Services | Section::Other => return Ok(()),
    };
    file::make_directory(s!("/run/log"), 0o755)?;
    file::make_directory(directory, 0o755)?;
    file::existing_is_fine(file::make_link(directory, CWD, link))
}

/// Shows what a one-shot container wrote, standard output first, in pieces handed to `write`.
pub fn dump_log(section: Section, name: &CStr, mut write: impl FnMut(&[u8])) {
    for (suffix, age) in [(OUT, OLD), (OUT, b""), (ERR, OLD), (ERR, b"")] {
        let (mut source_buffer, mut path_buffer) = ([0; LOG_SOURCE_BYTES], [0; PATH_BYTES]);
        let opened = source(&mut source_buffer, section, name, suffix)
            .and_then(|source| path(&mut path_buffer, place(section), source, age))
            .and_then(|path| file::open(CWD, path, Open::Read));
        let Ok(log) = opened else { continue };
        let mut buffer = [0; 4096];
        while let Ok(piece) = file::read_all(log.as_fd(), &mut buffer) {
            if piece.is_empty() {
                break;
            }
            write(piece);
        }
    }
}
