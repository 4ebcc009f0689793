//! The OCI runtime command line: what podman, containerd and CRI-O call, and what an operator types. One file a command;
//! the machine's PID 1 uses nothing of it.
//!
//! Reading order: [`options`] (what was given), this file (which command it is), [`state`] (a container's directory),
//! [`create`], then whichever command.

mod attend;
mod create;
mod delete;
mod exec;
mod kill;
pub mod options;
mod process;
mod report;
mod start;
mod state;

use core::cell::{Cell, RefCell};
use core::ffi::CStr;

use crate::abi::Errno;
use crate::arena::Arena;
use crate::error::{Cause, Error, Result};
use crate::sys::path::PathBuffer;
use crate::sys::region::{self, Regions};
use crate::sys::{file, identity, map};
use crate::text::{Print, Value, position};

use options::{Name, Options, Words};
use report::Report;
use state::Place;

/// Exit code of a command that failed.
const FAILED: u8 = 1;

/// The words of a command line and the environment, kept for as long as the process lives.
pub fn keep(words: &mut dyn Iterator<Item = &'static CStr>) -> Words {
    // As many as the kernel lets anybody pass; pages that are never touched cost nothing.
    const BYTES: usize = 16 * 1024 * 1024;
    let mut arena = Arena::new(map::zeroed(BYTES).unwrap_or_default());
    let mut list = arena.list();
    for word in words {
        arena.push(&mut list, word);
    }
    arena.finish(list)
}

/// Who called, and what for.
struct Caller {
    options: Options,
    environment: Words,
    report: Report,
    /// Where states are kept.
    root: &'static CStr,
    regions: RefCell<&'static mut Regions>,
    /// The exit code if there is no process.
    code: Cell<u8>,
}

/// Runs a command; its exit code. `None` if the words name no command of this kind.
pub fn main(words: Words, environment: Words) -> Option<u8> {
    let mut options = Options::none();
    let result = options.read(words);
    let name = options.name?.to_bytes();
    let command: fn(&Caller) -> Result<u8> = match position(options::COMMANDS, name)? {
        0 => create::create,
        1 => start::start,
        2 => create::run,
        3 => exec::exec,
        4 => state::print,
        5 => kill::kill,
        6 => delete::delete,
        _ => return None,
    };
    let report = Report::new(&options);
    if let Err(problem) = result {
        report.say(&[Value::Name(problem.0), Value::Text(": "), Value::Text(problem.1)]);
        return Some(FAILED);
    }
    let regions = RefCell::new(region::take()?);
    let mut caller = Caller { options, environment, report, root: c"", regions, code: Cell::new(FAILED) };
    let result = caller.find_root().and_then(|()| command(&caller));
    Some(result.unwrap_or_else(|error| {
        caller.report.failure(&error, &error);
        FAILED
    }))
}

impl Caller {
    /// Where states are: as asked for; an ordinary user's own, root of a user namespace included; or root's.
    fn find_root(&mut self) -> Result<()> {
        let mut buffer = PathBuffer::empty();
        let root = match (self.options.get(Name::Root), self.variable(b"XDG_RUNTIME_DIR")) {
            (Some(root), _) => file::absolute(&mut buffer, root),
            (None, Some(own)) if !own.is_empty() && !identity::is_root_of_machine() => {
                buffer.join(&[own.to_bytes(), b"/pidone"])
            }
            _ => Ok(c"/run/pidone"),
        };
        let root = root.map_err(|errno| Error::kernel(c"find the directory of states", errno))?;
        self.root = self.kept(root);
        Ok(())
    }

    /// Reports a failure. Whoever waits for a process learns from the exit code what kind of failure it was, as from a
    /// shell: 127, no such program; 126, it cannot be executed; 125, all else.
    fn fail(&self, failure: &dyn Print, error: &Error) {
        self.report.failure(failure, error);
        self.code.set(match error.cause() {
            Cause::Step { errno: Errno::NOENT, .. } if error.is_of_program() => 127,
            _ if error.is_of_program() => 126,
            _ => 125,
        });
    }

    /// A copy that lives as long as the process.
    fn kept(&self, text: &CStr) -> &'static CStr {
        Arena::new(map::zeroed(text.to_bytes().len() + 1).unwrap_or_default()).string(&[text.to_bytes()])
    }

    /// A variable of the environment.
    fn variable(&self, name: &[u8]) -> Option<&'static CStr> {
        self.environment.iter().find_map(|pair| {
            let value = pair.to_bytes().strip_prefix(name)?.strip_prefix(b"=")?;
            let all = pair.to_bytes_with_nul();
            all.get(all.len() - value.len() - 1..).and_then(crate::texts::until_nul)
        })
    }

    /// The container's id.
    fn id(&self) -> Result<&'static CStr> {
        let id = self.options.id.ok_or(Error::wrong(c"container id", c"required"))?;
        state::check_id(id)?;
        Ok(id)
    }

    /// The container's directory.
    fn place(&self) -> Result<Place> {
        Place::find(self.root, self.id()?)
    }
}
