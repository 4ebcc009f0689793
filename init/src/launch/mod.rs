//! One container, from its bundle to its exec: read, parse, plan, clone, apply, report.
//!
//! All of it happens in a process of its own, the *launcher*, forked by whoever wants the container. It plans before it
//! clones, so that both sides hold the same plan and a failure crosses between them as a few bytes; the container's
//! process is made as a sibling, so that its exit status goes to whoever forked the launcher.
//!
//! Reading order: this file, [`bundle`] (what is read), [`child`] (the container's side), [`output`] (where its output
//! goes), [`report`] (what the operator reads when it fails).

pub mod bundle;
mod child;
mod output;
pub mod report;

use core::ffi::CStr;

use crate::abi::Errno;
use crate::apply::{self, Applier};
use crate::arena::Arena;
use crate::error::{Context, Error, Result};
use crate::launch::bundle::Identity;
use crate::launch::child::{Answer, Channel};
use crate::limits;
use crate::log;
use crate::plan::step::{Plan, Step};
use crate::sys::process::{self, Fork, Pid};
use crate::sys::region::Regions;
use crate::sys::time;
use crate::sys::{self, AsFd};
use crate::text::Value;

pub use output::{Output, dump_log};

/// What a launch needs to know besides the bundle.
pub struct Request<'r> {
    /// Which container.
    pub identity: Identity<'r>,
    /// Where its standard output and error go.
    pub output: Output,
    /// Called first of all by the container's own process, in it: how PID 1 learns which process it is.
    pub announce: &'r dyn Fn(),
    /// Called when the program has been executed, with the launcher's monotonic time in microseconds.
    pub started: &'r dyn Fn(u64),
}

/// Launches a container. What fails is reported here and taken back; the result says only whether it runs.
pub fn launch(request: &Request, regions: &mut Regions) -> bool {
    let name = request.identity.name;
    let mut launched = false;
    bundle::with_plan(
        &request.identity,
        regions,
        &mut |plan, arena| launched = launch_plan(plan, request, arena),
        &|failure| log::error("container {}: {}", &[Value::Name(name), Value::Print(failure)]),
    );
    launched
}

fn launch_plan<'a>(plan: &Plan<'a>, request: &Request, arena: &mut Arena<'a>) -> bool {
    let name = request.identity.name;
    for note in plan.notes {
        log::info("container {}: {}", &[Value::Name(name), Value::Text(note)]);
    }
    let mut done = 0;
    let Err(failure) = run(plan, request, arena, &mut done) else { return true };
    report::failure(name, plan, &failure);
    // The control group first, with the process in it: what it has open or mounted is then free to go.
    let (group, rest) = plan.clean.split_at_checked(1).unwrap_or_default();
    take_back(name, arena, group);
    for undo in plan.undo.iter().filter(|undo| undo.of < done) {
        take_back(name, arena, &[undo.step]);
    }
    take_back(name, arena, rest);
    false
}

/// Takes back what a container that has ended left on the machine. The bundle is read and planned anew: the plan of an
/// unchanged bundle is the same, and nobody has to keep it while the container runs.
pub fn clean(identity: &Identity, regions: &mut Regions) {
    bundle::with_plan(identity, regions, &mut |plan, arena| take_back(identity.name, arena, plan.clean), &|failure| {
        log::error("container {}: clean up: {}", &[Value::Name(identity.name), Value::Print(failure)])
    });
}

/// Performs all of the steps, whatever fails on the way.
fn take_back<'a>(name: &CStr, arena: &mut Arena<'a>, steps: &[Step<'a>]) {
    let mut applier = Applier::new(arena);
    for step in steps {
        if let Err(errno) = applier.apply(step) {
            let step = Value::Part(step, limits::LOG_PART_BYTES);
            log::warning("container {}: clean up: {}: {}", &[Value::Name(name), step, Value::Kernel(errno)]);
        }
    }
}

/// Carries out a plan: outside, clone, inside up to the exec, outside again, exec. `done` counts the steps outside that
/// succeeded: those that may have to be taken back.
fn run<'a>(plan: &Plan<'a>, request: &Request, arena: &mut Arena<'a>, done: &mut u16) -> Result<()> {
    perform(plan.before, 0, None, arena, done)?;
    let mut doing = c"";
    let (pid, channel) = make_process(plan, request, arena, &mut doing).map_err(|errno| Error::kernel(doing, errno))?;
    let result = conduct(plan, pid, &channel, arena, done);
    match result {
        Ok(()) => (request.started)(time::monotonic_us()),
        // It waits for a word that will not come. If it is gone already, so much the better.
        Err(_) => _ = process::kill(pid, crate::abi::signal::KILL),
    }
    result
}

/// Makes the container's process, which does its part from here on. `doing` says what failed.
fn make_process<'a>(
    plan: &Plan<'a>,
    request: &Request,
    arena: &mut Arena<'a>,
    doing: &mut &'static CStr,
) -> sys::Result<(Pid, Channel)> {
    *doing = c"open the log files";
    let output = output::open(request)?;
    *doing = c"open the control group";
    let cgroup = apply::open_cgroup(plan.cgroup)?;
    *doing = c"make the launcher's channel";
    let (ours, theirs) = child::channel()?;
    *doing = c"make the container's process";
    match process::clone_container(plan.clone_flags, Some(cgroup.as_fd()), true)? {
        Fork::Child => {
            drop(ours);
            (request.announce)();
            child::become_container(plan, &theirs, &output, arena)
        }
        Fork::Parent(pid) => Ok((pid, ours)),
    }
}

/// The launcher's part once the container's process exists. Its id maps come first: without them it is nobody.
fn conduct<'a>(plan: &Plan<'a>, pid: Pid, channel: &Channel, arena: &mut Arena<'a>, done: &mut u16) -> Result<()> {
    let first = plan.before.len() + plan.inside.len();
    let mapping = plan.after.iter().take_while(|step| matches!(step, Step::MapIds { .. })).count();
    let (maps, rest) = plan.after.split_at_checked(mapping).unwrap_or((&[], plan.after));
    perform(maps, first, Some(pid), arena, done)?;
    channel.go().doing(c"start the container's process")?;
    if !heard(channel, plan)? {
        return Err(Error::kernel(c"set the container up: its process was killed", Errno::CHILD));
    }
    perform(rest, first + mapping, Some(pid), arena, done)?;
    channel.go().doing(c"start the container's program")?;
    // The descriptor is close-on-exec: its end is the program's beginning.
    heard(channel, plan).map(drop)
}

/// Waits for the container's process: whether it says that it is ready, or nothing any more.
fn heard(channel: &Channel, plan: &Plan) -> Result<bool> {
    match channel.answer() {
        Answer::Ready => Ok(true),
        Answer::Gone => Ok(false),
        Answer::Failed { number, errno } => Err(Error::step(plan.before.len() + number, errno)),
    }
}

/// Performs steps of the launcher's; `first` is the number of the first of them in the plan.
fn perform<'a>(
    steps: &[Step<'a>],
    first: usize,
    process: Option<Pid>,
    arena: &mut Arena<'a>,
    done: &mut u16,
) -> Result<()> {
    let mut applier = Applier::new(arena);
    if let Some(pid) = process {
        applier.set_process(pid);
    }
    for (index, step) in steps.iter().enumerate() {
        applier.apply(step).map_err(|errno| Error::step(first + index, errno))?;
        *done = done.saturating_add(1);
    }
    Ok(())
}
