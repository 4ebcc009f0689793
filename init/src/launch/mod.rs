//! One container, from its bundle to its exec: read, parse, plan, clone, apply, report.
//!
//! All of it happens in a process of its own, the *launcher*, forked by whoever wants the container. It plans before it
//! clones, so that both sides hold the same plan and a failure crosses between them as a few bytes; the container's
//! process is made as a sibling, so that its exit status goes to whoever forked the launcher.
//!
//! Reading order: this file, [`bundle`] (what is read), [`child`] (the container's side), [`listener`] (who
//! answers for its system calls), [`output`] (where its output goes), [`ready`] (when it is ready), [`report`] (what is said when it fails).

pub mod bundle;
mod child;
mod listener;
mod output;
pub mod ready;
mod report;

use core::cell::OnceCell;

use crate::abi::Errno;
use crate::apply::{self, Applier, Mapped};
use crate::arena::{Arena, List};
use crate::error::{Context, Error, Result};
use crate::launch::bundle::Source;
use crate::launch::child::{Answer, Channel, Said};
use crate::launch::listener::Connection;
use crate::limits;
use crate::log;
use crate::plan::step::{Plan, Step, Undo};
use crate::sys::process::{self, Fork, Pid};
use crate::sys::region::Regions;
use crate::sys::{self, AsFd, BorrowedFd, OwnedFd};
use crate::text::{Print, Value};
use crate::texts::CStr;

pub use child::start;
pub use output::{Streams, dump_log};

/// How a container's process is made, and who is told what.
pub struct Request<'r> {
    /// Whether it becomes a sibling: a child of PID 1's, not of the launcher.
    pub sibling: bool,
    /// Opens its standard descriptors.
    pub streams: &'r dyn Fn() -> sys::Result<Streams>,
    /// A listening socket, on which it waits for [`start`] with its exec. Without one it does not wait.
    pub gate: Option<BorrowedFd<'r>>,
    /// The first process of the container that is joined.
    pub target: Option<BorrowedFd<'r>>,
    /// Where the other end of its terminal is sent to.
    pub console: Option<&'r OnceCell<OwnedFd>>,
    /// Whether the container's process may have this one's memory until its exec, if it needs nobody: without a gate `ready`
    /// is then called there, while nobody else changes what it uses; with one, this process ends when the other waits there.
    pub shares: bool,
    /// What this process has locked something by, which the other one lets go of.
    pub lock: Option<BorrowedFd<'r>>,
    /// Called first of all by the container's own process, in it: how PID 1 learns which process it is.
    pub announce: &'r dyn Fn(),
    /// Called by the launcher when all but the exec is done that needs it: the last moment at which all can be taken back.
    pub ready: &'r dyn Fn(Pid, &Plan) -> Result<()>,
    /// Called with what failed, in words and as it is.
    pub fail: &'r dyn Fn(&dyn Print, &Error),
}

impl Request<'_> {
    fn console(&self) -> Option<BorrowedFd<'_>> {
        self.console?.get().map(AsFd::as_fd)
    }
}

/// Launches a container: its process. What fails has been reported and taken back.
pub fn launch(source: &Source, request: &Request, regions: &mut Regions) -> Option<Pid> {
    let mut launched = None;
    bundle::with_plan(
        source,
        regions,
        &mut |plan, arena| launched = carry_out(source.name, plan, request, arena),
        request.fail,
    );
    launched
}

/// How far a launch came.
struct Progress<'a> {
    /// How many of the launcher's steps succeeded: those that may have to be taken back.
    steps: u16,
    /// What takes back that directories and files were made.
    made: List<Step<'a>>,
    /// What the kernel said beside the error number of the one that did not.
    words: apply::Words,
    /// The process that waits in the container's scope.
    holder: Option<Pid>,
    /// The control group used last, by its path.
    group: Option<(&'a CStr, OwnedFd)>,
}

fn carry_out<'a>(name: &CStr, plan: &Plan<'a>, request: &Request, arena: &mut Arena<'a>) -> Option<Pid> {
    for note in plan.notes {
        log::info(t!("container {}: {}"), &[Value::Name(name), Value::Phrase(*note)]);
    }
    // Its processes would end with this container, or this one would wait with them for ever. PID 1's are made where they
    // were before, and cleaned up after.
    if !request.sibling && request.target.is_none() && apply::is_in_use(plan.cgroup) {
        let error = Error::wrong(c!("the control group"), c!("has processes, or is frozen"));
        (request.fail)(&error, &error);
        return None;
    }
    let mut done = Progress::none(arena);
    let result = run(name, plan, request, arena, &mut done);
    done.release();
    let error = match result {
        Ok(pid) => return Some(pid),
        Err(error) => error,
    };
    (request.fail)(&report::Failure { plan, error: &error, words: done.words.as_bytes() }, &error);
    // The control group first, with the process in it: what it has open or mounted is then free to go.
    let (group, rest) = plan.clean.split_at_checked(1).unwrap_or_default();
    take_back(name, arena, None, group);
    for undo in done.undone(plan).filter(|undo| !needs_process(undo)) {
        take_back(name, arena, None, &[undo.step]);
    }
    take_back(name, arena, None, rest);
    for step in arena.finish(done.made).iter().rev() {
        // What was made in a mount has gone with it; what holds something by now is somebody else's too.
        let _ = Applier::new(arena).apply(step);
    }
    None
}

/// Runs the hooks that wait for the program of process `pid`: whether all succeeded. One that did not is reported, the
/// process is killed, and all is taken back.
pub fn poststart(source: &Source, pid: Pid, regions: &mut Regions, fail: &dyn Fn(&dyn Print, &Error)) -> bool {
    let mut succeeded = false;
    bundle::with_plan(
        source,
        regions,
        &mut |plan, arena| {
            let first = plan.before.len() + plan.inside.len() + plan.after.len();
            let mut done = Progress::none(arena);
            let Err(error) = perform(plan.poststart, first, None, Some(pid), arena, &mut done) else {
                succeeded = true;
                return;
            };
            fail(&report::Failure { plan, error: &error, words: done.words.as_bytes() }, &error);
            let _ = process::kill(pid, crate::abi::signal::KILL);
            take_back(source.name, arena, None, plan.clean);
        },
        fail,
    );
    succeeded
}

impl<'a> Progress<'a> {
    /// Nothing done yet.
    fn none(arena: &mut Arena<'a>) -> Progress<'a> {
        Progress { steps: 0, made: arena.list(), words: apply::Words::EMPTY, holder: None, group: None }
    }

    /// The container's process is in its scope, or never will be.
    fn release(&mut self) {
        if let Some(pid) = self.holder.take() {
            apply::scope::release(pid);
        }
    }

    /// What takes back the steps that were done.
    fn undone<'p>(&self, plan: &'p Plan<'a>) -> impl Iterator<Item = &'p Undo<'a>> + use<'p, 'a> {
        let done = self.steps;
        plan.undo.iter().filter(move |undo| undo.of < done)
    }
}

/// Whether it takes something from the container's process, and so must happen while there is one.
fn needs_process(undo: &Undo) -> bool {
    matches!(undo.step, Step::ReturnInterface { .. })
}

/// Takes back what a container that has ended left on the machine. The bundle is read and planned anew: the plan of an
/// unchanged bundle is the same, and nobody has to keep it while the container runs.
///
/// Before anything is done, `look` may look at its control group. Whether nothing is left: false when `fail` was called, or
/// a step failed, which is said.
pub fn clean(source: &Source, regions: &mut Regions, look: &dyn Fn(&CStr), fail: &dyn Fn(&dyn Print, &Error)) -> bool {
    let mut clean = false;
    bundle::with_plan(
        source,
        regions,
        &mut |plan, arena| {
            look(plan.cgroup);
            clean = take_back(source.name, arena, None, plan.clean);
        },
        fail,
    );
    clean
}

/// Performs all of the steps, whatever fails on the way; whether none did.
fn take_back<'a>(name: &CStr, arena: &mut Arena<'a>, process: Option<Pid>, steps: &[Step<'a>]) -> bool {
    let mut applier = Applier::new(arena);
    applier.set_process(process);
    let mut all = true;
    for step in steps {
        if let Err(errno) = applier.apply(step) {
            // A hook that fails then is no reason to run it again: the specification wants a warning.
            all &= matches!(step, Step::RunHook { .. });
            let step = Value::Part(step, limits::LOG_PART_BYTES);
            log::warning(t!("container {}: clean up: {}: {}"), &[Value::Name(name), step, Value::Kernel(errno)]);
        }
    }
    all
}

/// Carries out a plan: outside, clone, inside up to the exec, outside again, exec.
fn run<'a>(
    name: &CStr,
    plan: &Plan<'a>,
    request: &Request,
    arena: &mut Arena<'a>,
    done: &mut Progress<'a>,
) -> Result<Pid> {
    perform(plan.before, 0, request.target, None, arena, done)?;
    let mut mapped = Mapped::none();
    mapped.prepare(plan.inside).map_err(|(number, errno)| Error::step(plan.before.len() + number, errno))?;
    let listener = listener::connect(plan, arena).doing(c!("connect to linux.seccomp.listenerPath"))?;
    let (mut doing, mut said) = (s!(""), Said { answer: Answer::Gone, error: None });
    let made = make_process(plan, request, done.group.take(), &mut mapped, arena, &mut said, &mut doing)
        .map_err(|errno| Error::kernel(doing, errno))?;
    done.release();
    // By reference: the channel's end, which ends who waits, comes when all is taken back.
    let (pid, result) = match &made {
        Made::Waits(pid, channel) => {
            let pid = own(plan, channel, *pid)?;
            (pid, conduct(plan, request, pid, channel, listener.as_ref(), arena, done))
        }
        Made::Runs(pid) => (*pid, begun(plan, *pid, &said, arena, done)),
        Made::Ended => return said.error.map_or(Ok(0), Err),
    };
    if result.is_err() {
        for undo in done.undone(plan).filter(|undo| needs_process(undo)) {
            take_back(name, arena, Some(pid), &[undo.step]);
        }
        // It waits for a word that will not come. If it is gone already, so much the better.
        let _ = process::kill(pid, crate::abi::signal::KILL);
        if !request.sibling {
            let _ = process::reap(pid, true);
        }
    }
    result.map(|()| pid)
}

/// The container's process: the one that was made, or that one's own.
fn own(plan: &Plan, channel: &Channel, pid: Pid) -> Result<Pid> {
    if !child::is_made_by_joiner(plan) {
        return Ok(pid);
    }
    match channel.answer() {
        Answer::Made { pid } => Ok(pid),
        answer => heard(answer, plan).and_then(|_| Err(killed())),
    }
}

/// A process that was made.
enum Made {
    /// It waits for words.
    Waits(Pid, Channel),
    /// It has executed its program, or never will.
    Runs(Pid),
    /// It has ended.
    Ended,
}

/// Makes the container's process, which does its part from here on, and says there what became of it if that is known when
/// this returns. `doing` says what failed.
fn make_process<'a>(
    plan: &Plan<'a>,
    request: &Request,
    group: Option<(&'a CStr, OwnedFd)>,
    mapped: &mut Mapped,
    arena: &mut Arena<'a>,
    said: &mut Said,
    doing: &mut &'static CStr,
) -> sys::Result<Made> {
    *doing = c!("open the log files");
    let streams = (request.streams)()?;
    *doing = c!("open the control group");
    let cgroup = match group {
        Some((path, group)) if path == plan.cgroup => Some(group),
        _ if plan.cgroup.is_empty() => None,
        _ => Some(apply::open_cgroup(plan.cgroup)?),
    };
    let (flags, cgroup) = (plan.clone_flags, cgroup.as_ref().map(AsFd::as_fd));
    let is_alone = child::is_alone(plan, request);
    if is_alone && request.gate.is_none() {
        *doing = c!("make the container's process");
        let pid = process::clone_and_wait(flags, cgroup, request.sibling, &mut |pid| {
            child::become_alone(plan, request, pid, said, &streams, mapped, arena)
        })?;
        return Ok(Made::Runs(pid));
    }
    *doing = c!("make the launcher's channel");
    let (ours, theirs) = child::channel(plan)?;
    *doing = c!("make the container's process");
    if is_alone {
        let (socket, board) = theirs.into_parts();
        process::clone_beside(
            (flags, cgroup),
            ours.as_fd(),
            socket,
            &mut |socket| child::become_container(plan, request, Channel::of(socket, board), &streams, mapped, arena),
            &mut |pid| {
                let result = await_ready(&ours, plan, pid, None);
                said.error = result.and_then(|()| let_on(plan, request, pid, &ours)).err();
                said.error.is_none()
            },
        )?;
        return Ok(Made::Ended);
    }
    match process::clone_container(flags, cgroup, request.sibling)? {
        Fork::Child => {
            drop(ours);
            child::become_container(plan, request, theirs, &streams, mapped, arena)
        }
        Fork::Parent(pid) => Ok(Made::Waits(pid, ours)),
    }
}

/// The launcher's part when the container's process needed nobody.
fn begun<'a>(plan: &Plan<'a>, pid: Pid, said: &Said, arena: &mut Arena<'a>, done: &mut Progress<'a>) -> Result<()> {
    if let Some(error) = said.error {
        return Err(error);
    }
    if !heard(said.answer, plan)? {
        return Err(killed());
    }
    perform(plan.poststart, plan.before.len() + plan.inside.len(), None, Some(pid), arena, done)
}

/// The launcher's part once the container's process exists. Its id maps come first: without them it is nobody.
fn conduct<'a>(
    plan: &Plan<'a>,
    request: &Request,
    pid: Pid,
    channel: &Channel,
    listener: Option<&Connection>,
    arena: &mut Arena<'a>,
    done: &mut Progress<'a>,
) -> Result<()> {
    let first = plan.before.len() + plan.inside.len();
    let mapping = child::mapping(plan);
    let (maps, rest) = plan.after.split_at_checked(mapping).unwrap_or((&[], plan.after));
    if mapping > 0 {
        perform(maps, first, None, Some(pid), arena, done)?;
        channel.go().doing(GO_ON)?;
    }
    await_ready(channel, plan, pid, listener)?;
    perform(rest, first + mapping, None, Some(pid), arena, done)?;
    if plan.inside.iter().any(|step| matches!(step, Step::AwaitHooks)) {
        channel.go().doing(GO_ON)?;
        await_ready(channel, plan, pid, listener)?;
    }
    let_on(plan, request, pid, channel)?;
    if request.gate.is_some() {
        return Ok(());
    }
    // The descriptor is close-on-exec: its end is the program's beginning.
    heard(channel.answer(), plan)?;
    perform(plan.poststart, first + plan.after.len(), None, Some(pid), arena, done)
}

/// Lets the container's process go on to its gate, or its program, when it says that it is ready.
fn let_on(plan: &Plan, request: &Request, pid: Pid, channel: &Channel) -> Result<()> {
    (request.ready)(pid, plan)?;
    channel.go().doing(c!("start the container's program"))
}

const GO_ON: &CStr = c!("start the container's process");

/// Waits until the container's process has done what it can.
fn await_ready(channel: &Channel, plan: &Plan, pid: Pid, listener: Option<&Connection>) -> Result<()> {
    if let Some(listener) = listener {
        listener.serve(channel, pid).doing(c!("send the filter to linux.seccomp.listenerPath"))?;
    }
    if heard(channel.answer(), plan)? { Ok(()) } else { Err(killed()) }
}

fn killed() -> Error {
    Error::kernel(c!("set the container up: its process was killed"), Errno::CHILD)
}

/// Whether the container's process says that it is ready, or nothing any more.
fn heard(answer: Answer, plan: &Plan) -> Result<bool> {
    match answer {
        Answer::Ready => Ok(true),
        Answer::Gone | Answer::Made { .. } => Ok(false),
        Answer::Failed { number, errno } => {
            let error = if number + 1 == plan.inside.len() { Error::program } else { Error::step };
            Err(error(plan.before.len() + number, errno))
        }
    }
}

/// Performs steps of the launcher's; `first` is the number of the first of them in the plan.
fn perform<'a>(
    steps: &[Step<'a>],
    first: usize,
    target: Option<BorrowedFd>,
    process: Option<Pid>,
    arena: &mut Arena<'a>,
    done: &mut Progress<'a>,
) -> Result<()> {
    let Progress { steps: done, made, words, holder, group } = done;
    let mut applier = Applier::new(arena);
    applier.set_words(words);
    applier.set_holder(holder);
    applier.set_ends(target, None);
    applier.note_made(made);
    applier.set_process(process);
    for (index, step) in steps.iter().enumerate() {
        applier.apply(step).map_err(|errno| Error::step(first + index, errno))?;
        *done = done.saturating_add(1);
    }
    *group = applier.group.take();
    Ok(())
}
