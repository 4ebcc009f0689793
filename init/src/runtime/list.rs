//! `pidone list` and `pidone ps`: what there is.

use super::Caller;
use super::options::Name;
use super::state::{self, Container, Place};
use crate::abi::Errno;
use crate::apply;
use crate::config::spec::Kept;
use crate::sys::file::{self, CWD, FileType, Open};
use crate::sys::path::{PathBuffer, decimal, join};
use crate::sys::process::Pid;
use crate::sys::{self, AsFd};
use crate::text::Line;
use crate::texts::CStr;

const WRITE: &CStr = c!("write the list");

fn show(text: &[u8]) -> sys::Result<()> {
    file::write_all(file::standard_output(), text)
}

/// Whether `--format json` was given.
fn is_json(caller: &Caller) -> bool {
    match caller.options.get(Name::Format).map(CStr::to_bytes) {
        None | Some(b"table") => false,
        Some(b"json") => true,
        Some(_) => caller.refuse(s!("--format"), c!("must be table or json")),
    }
}

/// `pidone list`.
pub(super) fn list(caller: &Caller) -> u8 {
    let (json, quiet) = (is_json(caller), caller.options.has(Name::Quiet));
    let mut separator: &[u8] = b"[";
    let mut each = |name: &CStr, kind| -> sys::Result<()> {
        // One that goes meanwhile is none, and neither is what was not made by us.
        let mut path = PathBuffer::empty();
        let mut kept = Kept::default();
        let Ok(status) = Place::find(&mut path, caller.root, name).and_then(|place| place.load(&mut kept)) else {
            return Ok(());
        };
        if kind != FileType::DIRECTORY {
            return Ok(());
        }
        let mut line = Line::new(state::buffer(&kept).map_err(|_| Errno::NOMEM)?);
        if quiet {
            line.raw(name.to_bytes()).byte(b'\n');
        } else if json {
            show(separator)?;
            separator = b",";
            state::write(&mut line, name, &kept, status);
        } else {
            row(&mut line, name, &kept, status);
        }
        show(line.bytes())
    };
    if !json && !quiet {
        caller.show(WRITE, b"ID                        PID      STATUS    CREATED               OWNER  BUNDLE\n");
    }
    match file::open(CWD, caller.root, Open::Directory) {
        Err(Errno::NOENT) => {}
        root => {
            let listed = root.and_then(|root| file::for_each_entry(root.as_fd(), &mut each));
            caller.must_do(WRITE, listed);
        }
    }
    if json {
        // Where nothing was, the list is still to begin.
        caller.show(WRITE, if separator == b"[" { b"[]\n" } else { b"]\n" });
    }
    0
}

fn row(line: &mut Line, name: &CStr, kept: &Kept, status: state::Status) {
    let mut digits = [0; 10];
    let pid = if status.is_alive() { kept.pid().unsigned_abs() } else { 0 };
    line.pad(name.to_bytes(), 26).pad(decimal(&mut digits, pid), 9).pad(status.name().as_bytes(), 10);
    line.pad(kept.created.unwrap_or_default().to_bytes(), 22);
    line.pad(kept.owner.unwrap_or_default().to_bytes(), 7);
    line.quoted(kept.bundle.unwrap_or_default().to_bytes()).byte(b'\n');
}

/// `pidone ps`.
pub(super) fn ps(caller: &Caller) -> u8 {
    let json = is_json(caller);
    let Container { kept, status, .. } = caller.container();
    if !status.is_alive() {
        caller.refuse(s!("ps"), c!("container not running"));
    }
    let mut separator: &[u8] = b"[";
    let mut each = |pid: Pid| -> sys::Result<()> {
        let (mut buffer, mut digits) = ([0; 4096], [0; 10]);
        let mut line = Line::new(&mut buffer);
        let digits = decimal(&mut digits, pid.unsigned_abs());
        if json {
            line.raw(core::mem::replace(&mut separator, b",")).raw(digits);
        } else {
            let (mut path, mut command) = ([0; 32], [0; 3072]);
            let words = join(&mut path, &[b"/proc/", digits, b"/cmdline"])
                .and_then(|path| file::read_file(path, &mut command))
                .unwrap_or_default();
            line.pad(digits, 9);
            for byte in words {
                line.byte(if matches!(byte, b' '..=b'~') { *byte } else { b' ' });
            }
            line.byte(b'\n');
        }
        show(line.bytes())
    };
    if !json {
        caller.show(WRITE, b"PID      COMMAND\n");
    }
    let listed = match kept.cgroup {
        Some(group) => apply::each_process(group, &mut each),
        None => each(kept.pid()),
    };
    caller.must_do(WRITE, listed);
    if json {
        caller.show(WRITE, b"]\n");
    }
    0
}
