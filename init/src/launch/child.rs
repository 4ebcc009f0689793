//! The container's side of a launch, and the channel to the launcher.
//!
//! ```text
//! launcher                      container's process
//!   map ids, go        ---->      the steps inside, up to the exec. Without ids to map they wait for no word
//!                      <----    ready, or failed(step, errno)
//!   interfaces, hooks, go ---->   the rest of the steps, if there are hooks
//!                      <----    ready, or failed(step, errno)
//!   interfaces, binds, go ---->   exec
//!                      <----    end of file: it runs. failed: it does not
//! ```
//!
//! Where the container's process needs nothing of the launcher meanwhile, it does its part in the launcher's memory, which
//! costs neither copies nor words: [`become_alone`]. With a gate it keeps that memory while it waits there, and the launcher
//! ends: that costs words.
//!
//! When a process that joins namespaces makes the container's, that says so first, with the id, and ends.
//!
//! A container of the command line does not exec at the last word but accepts connections on its gate, until one says
//! `go`: that is `pidone start`, and the answers go there. Others only look whether it still waits.

use crate::sys::{AsFd, BorrowedFd, OwnedFd, fd, file, socket, wait};

use super::Request;
use super::output::Streams;
use crate::abi::Errno;
use crate::apply::{Applier, Mapped};
use crate::arena::Arena;
use crate::error::Error;
use crate::plan::step::{Plan, Step};
use crate::sys::board::Board;
use crate::sys::process::{self, EXIT_NOT_LAUNCHED, Fork, Pid};
use crate::sys::{Result, identity, namespace, signal, terminal};

/// asm/resource.h.
const RLIMIT_STACK: u8 = 3;

const GO: u8 = 1;
const READY: u8 = 2;
const FAILED: u8 = 3;
const MADE: u8 = 4;

/// A message: kind, step number, error number.
const MESSAGE_BYTES: usize = 5;

/// One end of the channel. Messages are whole or not at all.
pub(super) struct Channel {
    socket: OwnedFd,
    /// What a process can say whose filter denies it the socket. Only where there is a filter, and not there for who was not
    /// forked by the launcher.
    board: Option<&'static Board>,
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How often the launcher looks for the listener of a filter. A few looks are enough: it is the first thing installed.
const LOOK_US: u64 = 500;

/// What the container's process says.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// All but the exec is done.
    Ready,
    /// A step failed; the process exits.
    Failed {
        /// Its index among the steps inside.
        number: usize,
        /// Why.
        errno: Errno,
    },
    /// It has made the container's process, which goes on.
    Made {
        /// Its id.
        pid: Pid,
    },
    /// It executed its program, or it is dead.
    Gone,
}

/// Both ends: the launcher's and the container's.
pub(super) fn channel(plan: &Plan) -> Result<(Channel, Channel)> {
    let (ours, theirs) = wait::sockets()?;
    let filters = plan.inside.iter().any(|step| matches!(step, Step::FilterSystemCalls(_)));
    let board = if filters { Some(Board::new()?) } else { None };
    Ok((Channel { socket: ours, board }, Channel { socket: theirs, board }))
}

impl Channel {
    fn send(&self, kind: u8, number: u16, errno: u16) -> Result<()> {
        let [a, b] = number.to_ne_bytes();
        let [c, d] = errno.to_ne_bytes();
        wait::send(self.socket.as_fd(), &[kind, a, b, c, d])
    }

    fn receive(&self) -> Option<[u8; MESSAGE_BYTES]> {
        let mut message = [0; MESSAGE_BYTES];
        loop {
            match file::read(self.socket.as_fd(), &mut message) {
                // Reset, once: the other side ended before it read all, and what it said comes next.
                Err(Errno::INTR | Errno::CONNRESET) => continue,
                Ok(length) if length as usize == MESSAGE_BYTES => return Some(message),
                _ => return None,
            }
        }
    }

    /// Lets the container's process go on.
    pub(super) fn go(&self) -> Result<()> {
        self.send(GO, 0, 0)
    }

    /// Waits for what the container's process says.
    pub(super) fn answer(&self) -> Answer {
        match self.receive() {
            Some([READY, ..]) => Answer::Ready,
            Some([FAILED, a, b, c, d]) => Answer::Failed {
                number: usize::from(u16::from_ne_bytes([a, b])),
                errno: Errno::new(u16::from_ne_bytes([c, d]).into()),
            },
            Some([MADE, pid @ ..]) => Answer::Made { pid: Pid::from_ne_bytes(pid) },
            _ => match self.board.and_then(Board::failure) {
                Some((number, errno)) => Answer::Failed { number: number.into(), errno },
                None => Answer::Gone,
            },
        }
    }

    /// Waits until the container's process offers its filter's listener: the descriptor, in it. None if it says
    /// something, or is gone, instead.
    pub(super) fn offered(&self) -> Result<Option<u32>> {
        loop {
            if let Some(descriptor) = self.board.and_then(Board::offered) {
                return Ok(Some(descriptor));
            }
            if wait::ready(&[Some(self.socket.as_fd())], Some(LOOK_US))? != 0 {
                return Ok(None);
            }
        }
    }

    /// Lets the process that offered its listener go on.
    pub(super) fn taken(&self) {
        if let Some(board) = self.board {
            board.taken();
        }
    }

    /// Says that a step failed.
    fn fail(&self, number: u16, errno: Errno) -> Result<()> {
        if let Some(board) = self.board {
            board.fail(number, errno);
        }
        self.send(FAILED, number, errno.number())
    }

    fn to_starter(socket: OwnedFd) -> Channel {
        Channel { socket, board: None }
    }

    /// What it is made of.
    pub(super) fn into_parts(self) -> (OwnedFd, Option<&'static Board>) {
        (self.socket, self.board)
    }

    /// Of what one is made.
    pub(super) fn of(socket: OwnedFd, board: Option<&'static Board>) -> Channel {
        Channel { socket, board }
    }

    /// The first connection to the gate on which somebody says `go`.
    fn accepted(gate: BorrowedFd) -> Channel {
        loop {
            match socket::accept(gate).map(Channel::to_starter) {
                Ok(channel) if matches!(channel.receive(), Some([GO, ..])) => return channel,
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => process::exit(EXIT_NOT_LAUNCHED),
            }
        }
    }

    /// Waits for the launcher's word. Without one the launcher is gone, and so are we.
    fn wait(&self) {
        if !matches!(self.receive(), Some([GO, ..])) {
            process::exit(EXIT_NOT_LAUNCHED);
        }
    }
}

/// What the container's process leaves in the memory of the launcher.
pub(super) struct Said {
    pub(super) answer: Answer,
    pub(super) error: Option<Error>,
}

/// The life of a container's process before its program, in the launcher's memory, which waits. What it has said when it
/// ends, or has executed its program, is `said`.
pub(super) fn become_alone<'a>(
    plan: &Plan<'a>,
    request: &Request,
    pid: Pid,
    said: &mut Said,
    streams: &Streams,
    mapped: &mut Mapped,
    arena: &mut Arena<'a>,
) {
    (request.announce)();
    if let Err(error) = (request.ready)(pid, plan) {
        said.error = Some(error);
        return;
    }
    let mut applier = Applier::new(arena);
    applier.set_mapped(mapped);
    applier.set_ends(request.target, request.console());
    let hidden = prepare(plan);
    for (index, step) in plan.inside.iter().enumerate() {
        let mut ready = hidden;
        prepare_for(step, plan, streams, &mut applier);
        if index == plan.start {
            ready = ready.and_then(|()| take_streams(streams, &mut applier));
            signal::unblock_all();
            said.answer = Answer::Ready;
        }
        if let Err(errno) = ready.and_then(|()| applier.apply(step)) {
            said.answer = Answer::Failed { number: index, errno };
            return;
        }
    }
}

/// Before anything else.
fn prepare(plan: &Plan) -> Result<()> {
    // Before a namespace is joined whose processes might look into this one, which still has the machine's descriptors
    // (CVE-2016-9962).
    let hidden = identity::set_undumpable();
    // What is made for the container has the permissions that were asked for. `SetUser` sets the container's own mask.
    identity::set_umask(0);
    // Not at the exec, where a filter might deny it. All that is opened from here on is so from birth.
    hidden.and_then(|()| namespace::close_on_exec_from(3 + descriptors(plan)))
}

/// What the program needs to know is found out, and is given what it writes to, while nothing keeps this process from it.
fn prepare_for<'a>(step: &Step<'a>, plan: &Plan<'a>, streams: &Streams, applier: &mut Applier<'_, 'a>) {
    if let Step::LimitCapabilities { .. } = step {
        streams.give(user(plan));
    }
    if let (Step::FilterSystemCalls(_) | Step::Execute(_), Some(last)) = (step, plan.inside.last()) {
        applier.prepare(last);
    }
}

/// Takes the streams that it was given, or its terminal instead.
fn take_streams(streams: &Streams, applier: &mut Applier) -> Result<()> {
    streams.install()?;
    applier.take_console().map_or(Ok(()), use_console)
}

/// The life of the container's process before its program.
pub(super) fn become_container<'a>(
    plan: &Plan<'a>,
    request: &Request,
    mut channel: Channel,
    streams: &Streams,
    mapped: &mut Mapped,
    arena: &mut Arena<'a>,
) -> ! {
    if !is_made_by_joiner(plan) {
        begin(plan, &channel, request);
    }
    let hidden = prepare(plan);
    let mut applier = Applier::new(arena);
    applier.set_mapped(mapped);
    applier.set_ends(request.target, request.console());
    if let Some(board) = channel.board {
        applier.set_board(board);
    }
    for (index, step) in plan.inside.iter().enumerate() {
        let (mut ready, mut failed) = (hidden, index);
        prepare_for(step, plan, streams, &mut applier);
        match step {
            Step::AwaitHooks => ready = ready.and_then(|()| wait_ready(&channel)),
            Step::MakeProcess { namespaces } => {
                ready = ready.and_then(|()| make_process(*namespaces, plan, &channel, request))
            }
            _ => {}
        }
        if index == plan.start {
            ready = ready.and_then(|()| take_streams(streams, &mut applier));
            if let Some(gate) = request.gate {
                // What can be known before `start` is told before, as a failure of the exec.
                if let (Ok(()), Err(errno)) = (ready, look_up(plan, &applier)) {
                    (ready, failed) = (Err(errno), plan.inside.len().saturating_sub(1));
                }
                ready = ready.and_then(|()| wait_ready(&channel));
                if ready.is_ok() {
                    channel = Channel::accepted(gate);
                }
            } else {
                ready = ready.and_then(|()| wait_ready(&channel));
            }
            // A program expects them so. Not at the exec, where a filter might deny it.
            signal::unblock_all();
        }
        if let Err(errno) = ready.and_then(|()| applier.apply(step)) {
            if channel.fail(failed as u16, errno).is_ok() {
                // Until the launcher has taken back what would end with this process's namespaces.
                channel.receive();
            }
            break;
        }
    }
    process::exit(EXIT_NOT_LAUNCHED)
}

/// How many descriptors behind the standard ones are the program's.
fn descriptors(plan: &Plan) -> u32 {
    match plan.inside.last() {
        Some(Step::Execute(program)) => program.descriptors,
        _ => 0,
    }
}

/// How many of the launcher's first steps map ids: the process inside waits for them before it does anything.
pub(super) fn mapping(plan: &Plan) -> usize {
    plan.after.iter().take_while(|step| matches!(step, Step::MapIds { .. })).count()
}

/// Whether the process inside may have the launcher's memory: nobody does anything for it between its first step and its
/// exec, it does nothing that the kernel refuses a process that shares its memory, and takes nothing away from the launcher.
/// If the kernel ends it for want of memory, it ends both: not where its group is short of that.
pub(super) fn is_alone(plan: &Plan, request: &Request) -> bool {
    let forbids = |step: &Step| match step {
        Step::AwaitHooks | Step::RunHook { .. } | Step::MakeProcess { .. } | Step::BecomeRoot => true,
        Step::JoinNamespace { .. } | Step::JoinContainer { .. } | Step::NewTimeNamespace { .. } => true,
        Step::FilterSystemCalls(filter) => filter.listener.is_some(),
        Step::Bind(bind) => bind.ids.is_some(),
        Step::WriteCgroup { file, .. } => file.to_bytes().starts_with(b"memory"),
        Step::MakeScope { .. } => true,
        // With a gate its stack is a part of the launcher's that may not be there yet.
        Step::SetRlimit(limit) => request.gate.is_some() && limit.resource == RLIMIT_STACK,
        _ => false,
    };
    let steps = plan.before.iter().chain(plan.inside);
    request.shares && plan.after.is_empty() && !{ steps }.any(forbids)
}

/// Who runs the program: a user and a group.
fn user(plan: &Plan) -> (u32, u32) {
    for step in plan.inside {
        if let Step::SetUser { uid, gid, .. } = step {
            return (*uid, *gid);
        }
    }
    (0, 0)
}

/// Whether the first process inside only joins namespaces, and makes the container's.
pub(super) fn is_made_by_joiner(plan: &Plan) -> bool {
    plan.inside.iter().any(|step| matches!(step, Step::MakeProcess { .. }))
}

/// The first moments of the container's own process.
fn begin(plan: &Plan, channel: &Channel, request: &Request) {
    if let Some(lock) = request.lock {
        fd::leave(lock);
    }
    (request.announce)();
    if mapping(plan) > 0 {
        channel.wait();
    }
}

/// Goes on as the container's process, a sibling of the one that calls, which ends.
fn make_process(namespaces: u64, plan: &Plan, channel: &Channel, request: &Request) -> Result<()> {
    match process::clone_container(namespaces, None, true)? {
        Fork::Child => begin(plan, channel, request),
        Fork::Parent(pid) => {
            let [a, b, c, d] = pid.to_ne_bytes();
            channel.send(MADE, u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]))?;
            process::exit(0)
        }
    }
    Ok(())
}

fn look_up(plan: &Plan, applier: &Applier) -> Result<()> {
    plan.inside.last().map_or(Ok(()), |step| applier.look_up(step))
}

/// Makes a terminal this process's own in every way.
fn use_console(console: OwnedFd) -> Result<()> {
    for number in 0..3 {
        process::set_standard(console.as_fd(), number)?;
    }
    terminal::control(console.as_fd())
}

fn wait_ready(channel: &Channel) -> Result<()> {
    channel.send(READY, 0, 0)?;
    // Who let it come so far is told when it does not go on; if nobody is there any more, nobody hears it.
    if matches!(channel.receive(), Some([GO, ..])) { Ok(()) } else { Err(Errno::CHILD) }
}

/// Lets a container that waits at its gate execute its program, over a connection to it: the step inside that failed,
/// and why, if it does not.
pub fn start(connection: OwnedFd) -> Result<Option<(usize, Errno)>> {
    let channel = Channel::to_starter(connection);
    channel.go()?;
    Ok(match channel.answer() {
        Answer::Failed { number, errno } => Some((number, errno)),
        _ => None,
    })
}
