//! The OCI runtime command line: what podman, containerd and CRI-O call, and what an operator types. One file a command;
//! the machine's PID 1 uses nothing of it.
//!
//! Reading order: [`options`] (what was given), this file (which command it is), [`state`] (a container's directory),
//! [`create`], then whichever command.

mod attend;
mod create;
mod delete;
mod exec;
mod group;
mod kill;
mod list;
mod model;
pub mod options;
pub mod packed;
mod process;
mod report;
mod start;
mod state;
mod texts;

use crate::texts::CStr;
use core::cell::{Cell, RefCell};
use core::ops::Range;

use crate::abi::Errno;
use crate::arena::Arena;
use crate::config::spec::Kept;
use crate::error::{Cause, Error, Result};
use crate::sys::path::PathBuffer;
use crate::sys::process::{Vector, exit};
use crate::sys::region::{self, Lent, Regions};
use crate::sys::{self, file, identity, image, map, signal};
use crate::text::{Print, fields, number, position};
use crate::texts::last;

pub use options::Words;
use options::{Name, Options};
use state::{Container, Place, Status};
pub use state::{forget, record};

/// Exit code of a command that failed.
const FAILED: u8 = 1;

/// Room for pointers to words, as often as they are listed.
fn room(words: usize) -> usize {
    (words + 4) * 4 * size_of::<&CStr>()
}

/// Where words that follow each other begin, or so many bytes before, and end.
fn place_of(words: Words, before: usize) -> Range<usize> {
    let (first, last) = (words.first().copied().unwrap_or_default(), words.last().copied().unwrap_or_default());
    let start = first.as_ptr() as usize;
    start - before..(last.as_ptr() as usize + last.count_bytes() + 1).max(start)
}

/// The signals that whoever started this process had ignored; all where that cannot be found out.
fn ignored_signals() -> u64 {
    let mut buffer = [0; 4096];
    let status = file::read_start(s!("/proc/self/status"), &mut buffer).unwrap_or_default();
    let ignored = fields(status, b'\n').find_map(|line| line.strip_prefix(b"SigIgn:\t"));
    ignored.and_then(|ignored| number(ignored, 16)).unwrap_or(!0)
}

/// Who called, and what for.
struct Caller {
    /// How long the name of the program is, which stands before the options.
    program: usize,
    options: Options,
    environment: Words,
    /// Where states are kept.
    root: &'static CStr,
    regions: RefCell<&'static mut Regions>,
    /// The exit code if there is no process.
    code: Cell<u8>,
}

/// What a command line turned out to be.
pub enum Outcome {
    /// A command, with its exit code.
    Done(u8),
    /// `--help`, with or without a command.
    Help(Option<&'static CStr>),
    /// `--version`.
    Version,
    /// No command of this kind: its name, if there is one.
    Unknown(Option<&'static CStr>),
}

/// Runs the command that the words name.
#[inline(never)]
pub fn main(program: &[u8], words: Words, environment: Words) -> Outcome {
    let Some(regions) = region::take() else { return Outcome::Unknown(None) };
    let mut caller = Caller {
        program: program.len(),
        options: Options::none(),
        environment,
        root: s!(""),
        regions: RefCell::new(regions),
        code: Cell::new(FAILED),
    };
    let result = caller.options.read(words);
    let options = &caller.options;
    if options.has(Name::Help) {
        return Outcome::Help(options.name);
    }
    if options.has(Name::Version) {
        return Outcome::Version;
    }
    let place = options.name.and_then(|name| position(options::COMMANDS, name.to_bytes()));
    caller.set_log();
    if let (Err(problem), true) = (result, place.is_some() || options.name.is_none()) {
        caller.say(&problem);
        return Outcome::Done(FAILED);
    }
    let Some(command) = place.and_then(|place| RUN.get(place)) else { return Outcome::Unknown(options.name) };
    if !matches!(options.get(Name::LogFormat).map(CStr::to_bytes), None | Some(b"text" | b"json")) {
        caller.refuse(s!("--log-format"), c!("must be text or json"));
    }
    caller.find_root();
    Outcome::Done(command(&caller))
}

/// The commands, in the order of [`options::COMMANDS`].
static RUN: [fn(&Caller) -> u8; 15] = [
    create::create,
    start::start,
    create::run,
    exec::exec,
    state::print,
    kill::kill,
    delete::delete,
    list::list,
    list::ps,
    group::pause,
    group::resume,
    group::update,
    group::events,
    texts::spec,
    texts::features,
];

impl Caller {
    /// Makes the process fit for making others: it runs on from a file that no container can write to, and ignores no signal.
    fn protect(&self) {
        let words = self.options.words();
        if image::is_writable()
            && image::leave(place_of(words, self.program + 1), place_of(self.environment, 0)).is_err()
        {
            self.execute_copy();
        }
        signal::restore(ignored_signals());
    }

    /// Executes a copy of the file, or ends.
    fn execute_copy(&self) {
        let words = self.options.words();
        let mut arena = Arena::new(map::zeroed(room(words.len() + self.environment.len())).unwrap_or_default());
        let mut list = arena.list();
        arena.push(&mut list, s!("pidone"));
        for word in words {
            arena.push(&mut list, *word);
        }
        let words = arena.finish(list);
        let protected = Vector::new(words, &mut arena)
            .and_then(|words| image::execute_copy(&words, &Vector::new(self.environment, &mut arena)?));
        self.must_do(c!("protect the running file, which the caller may write to"), protected);
    }

    /// Where states are: as asked for; an ordinary user's own, root of a user namespace included; or root's.
    #[inline(never)]
    fn find_root(&mut self) {
        const DOING: &CStr = c!("find the directory of states");
        let mut buffer = PathBuffer::empty();
        let root = match (self.options.get(Name::Root), self.variable(b"XDG_RUNTIME_DIR")) {
            (Some(root), _) => file::absolute(&mut buffer, root),
            (None, Some(own)) if !own.is_empty() && !identity::is_root_of_machine() => {
                buffer.join(&[own.to_bytes(), b"/pidone"])
            }
            _ => {
                self.root = state::ROOT;
                return;
            }
        };
        self.root = self.kept(self.must_do(DOING, root));
        // There was no memory for it.
        if self.root.is_empty() {
            self.end(Error::kernel(DOING, Errno::NOMEM));
        }
    }

    /// Reports a failure. Whoever waits for a process learns from the exit code what kind of failure it was, as from a
    /// shell: 127, no such program; 126, it cannot be executed; 125, all else.
    fn fail(&self, failure: &dyn Print, error: &Error) {
        self.report(failure, error);
        self.code.set(match error.cause() {
            Cause::Step { errno: Errno::NOENT, .. } if error.is_of_program() => 127,
            _ if error.is_of_program() => 126,
            _ => 125,
        });
    }

    /// A copy that lives as long as the process.
    fn kept(&self, text: &CStr) -> &'static CStr {
        Arena::new(map::zeroed(text.to_bytes().len() + 1).unwrap_or_default()).copy(text.to_bytes())
    }

    /// A variable of the environment.
    #[inline(never)]
    fn variable(&self, name: &[u8]) -> Option<&'static CStr> {
        self.environment.iter().find_map(|pair| {
            let value = pair.to_bytes().strip_prefix(name)?.strip_prefix(b"=")?;
            last(pair, value.len())
        })
    }

    /// Reports a failure and ends the process, as one does that has nothing to take back.
    #[inline(never)]
    fn end(&self, error: Error) -> ! {
        self.report(&error, &error);
        exit(FAILED)
    }

    /// What must be had, or the process ends.
    fn must<T>(&self, result: Result<T>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => self.end(error),
        }
    }

    /// As above, of the kernel.
    fn must_do<T>(&self, doing: &'static CStr, result: sys::Result<T>) -> T {
        match result {
            Ok(value) => value,
            Err(errno) => self.end(Error::kernel(doing, errno)),
        }
    }

    /// Ends the process for a reason of ours.
    #[inline(never)]
    fn refuse(&self, doing: &'static CStr, problem: &'static CStr) -> ! {
        self.end(Error::wrong(doing, problem))
    }

    /// Writes to standard output.
    #[inline(never)]
    fn show(&self, doing: &'static CStr, text: &[u8]) {
        self.must_do(doing, file::write_all(file::standard_output(), text));
    }

    /// The container's id.
    fn id(&self) -> &'static CStr {
        let Some(id) = self.options.id else { self.refuse(c!("container id"), s!("required")) };
        self.must(state::check_id(id));
        id
    }

    /// The container.
    fn container(&self) -> &'static Container {
        self.must(self.find(false))
    }

    /// The container, if wanted changed by nobody else meanwhile. Once in the life of a process.
    #[inline(never)]
    fn find(&self, lock: bool) -> Result<&'static Container> {
        static PATH: Lent<PathBuffer> = Lent::new(PathBuffer::empty());
        static FOUND: Lent<Option<Container>> = Lent::new(None);
        let (Some(path), Some(container)) = (PATH.take(), FOUND.take()) else {
            return Err(Error::kernel(state::LOAD, Errno::NOMEM));
        };
        let place = Place::find(path, self.root, self.id())?;
        if lock {
            place.lock()?;
        }
        let container = container.insert(Container { place, kept: Kept::default(), status: Status::Stopped });
        container.status = container.place.load(&mut container.kept)?;
        Ok(container)
    }
}
