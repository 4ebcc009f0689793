//! Where a container's output goes. The names are LinuxKit's: `/var/log/NAME.log` holds standard error and
//! `/var/log/NAME.out.log` standard output of a service; those of one-shot containers are under /run/log.

use core::ffi::CStr;

use crate::sys::process;
use crate::sys::{AsFd, OwnedFd};

use crate::plan::facts::Section;
use crate::sys::Result;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::join;

/// Where a container's standard output and error go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To two files.
    Log,
    /// To the launcher's own standard output and error: the console.
    Inherit,
}

/// A container's standard descriptors, opened by the launcher while it still sees the machine. `None` keeps the
/// launcher's.
#[derive(Default)]
pub struct Streams {
    input: Option<OwnedFd>,
    out: Option<OwnedFd>,
    err: Option<OwnedFd>,
}

/// Longest: `/run/log/onshutdown/onshutdown.`, a name, `.out.log`.
const LOG_PATH_BYTES: usize = 64 + crate::limits::NAME_BYTES_MAX;

const OUT: &str = ".out.log";
const ERR: &str = ".log";

impl Streams {
    /// Those of a container of PID 1.
    pub fn open(output: Output, section: Section, name: &CStr) -> Result<Streams> {
        let mut streams = Streams { input: Some(file::open(CWD, c"/dev/null", Open::Read)?), ..Streams::default() };
        if output == Output::Log {
            make_directories(section)?;
            let open = |suffix| {
                let mut buffer = [0; LOG_PATH_BYTES];
                file::open(CWD, log_path(&mut buffer, section, name, suffix)?, Open::Append)
            };
            streams.out = Some(open(OUT)?);
            streams.err = Some(open(ERR)?);
        }
        Ok(streams)
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

/// The name LinuxKit gives a section's logs: `None` for services, whose logs are in /var/log itself.
fn log_name(section: Section) -> Option<&'static str> {
    match section {
        Section::Onboot => Some("onboot"),
        Section::Onshutdown => Some("shutdown"),
        Section::Services | Section::Other => None,
    }
}

fn log_path<'b>(buffer: &'b mut [u8], section: Section, name: &CStr, suffix: &str) -> Result<&'b CStr> {
    let (name, suffix) = (name.to_bytes(), suffix.as_bytes());
    match log_name(section).map(str::as_bytes) {
        Some(log) => join(buffer, &[b"/run/log/", log, b"/", log, b".", name, suffix]),
        None => join(buffer, &[b"/var/log/", name, suffix]),
    }
}

/// /run/log/onboot, and the link to it in /var/log that images read.
fn make_directories(section: Section) -> Result<()> {
    let (directory, link) = match log_name(section) {
        Some("onboot") => (c"/run/log/onboot", c"/var/log/onboot"),
        Some(_) => (c"/run/log/shutdown", c"/var/log/shutdown"),
        None => return Ok(()),
    };
    file::make_directory(c"/run/log", 0o755)?;
    file::make_directory(directory, 0o755)?;
    file::existing_is_fine(file::make_link(directory, CWD, link))
}

/// Shows what a one-shot container wrote, standard output first, in pieces handed to `write`.
pub fn dump_log(section: Section, name: &CStr, mut write: impl FnMut(&[u8])) {
    for suffix in &[OUT, ERR] {
        let mut path = [0; LOG_PATH_BYTES];
        let Ok(log) = log_path(&mut path, section, name, suffix).and_then(|path| file::open(CWD, path, Open::Read))
        else {
            continue;
        };
        let mut buffer = [0; 4096];
        while let Ok(piece) = file::read_all(log.as_fd(), &mut buffer) {
            if piece.is_empty() {
                break;
            }
            write(piece);
        }
    }
}
