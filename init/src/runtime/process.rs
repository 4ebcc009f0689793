//! What `create`, `run` and `exec` have in common: what a process gets from the caller beside what its configuration says.

use super::Caller;
use super::attend::Attended;
use super::create::source;
use super::options::Name;
use super::state::Place;
use crate::arena::Arena;
use crate::config::spec::{ConsoleSize, Spec};
use crate::error::{Context, Error, Result};
use crate::launch::bundle::{Adjust, Source, Texts};
use crate::launch::{self, Request, Streams, ready};
use crate::plan;
use crate::plan::facts::{Controllers, Facts, Manner, Systemd};
use crate::plan::step::Plan;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::{PathBuffer, decimal};
use crate::sys::process::{self, Handle, Pid};
use crate::sys::socket::{self, Kind};
use crate::sys::{self, AsFd, BorrowedFd, OwnedFd, identity, map, terminal};
use crate::text::{cut_last, number};
use crate::texts::CStr;
use crate::{apply, limits};

/// What a launch needs that `create`, `run` and `exec` have in common.
pub(super) struct Beginning<'b> {
    pub(super) place: &'b Place<'b>,
    pub(super) bundle: &'b CStr,
    pub(super) texts: Texts<'b>,
    pub(super) gate: Option<BorrowedFd<'b>>,
    pub(super) target: Option<BorrowedFd<'b>>,
    pub(super) attended: &'b Attended,
    pub(super) adjust: &'b Adjust<'b>,
    pub(super) ready: &'b dyn Fn(Pid, &Plan) -> Result<()>,
}

impl Beginning<'_> {
    /// Launches the process. What fails has been reported and taken back.
    pub(super) fn launch(&self, caller: &Caller) -> Option<Pid> {
        let source = Source { adjust: self.adjust, texts: self.texts, ..source(self.place, self.bundle) };
        let request = Request {
            sibling: false,
            streams: &|| Ok(Streams::default()),
            gate: self.gate,
            target: self.target,
            console: Some(self.attended.socket()),
            // A descriptor of the process can be had outside only.
            shares: self.target.is_none() && !caller.options.has(Name::PidfdSocket),
            lock: Some(self.place.directory.as_fd()),
            announce: &|| {},
            ready: self.ready,
            fail: &|failure, error| caller.fail(failure, error),
        };
        launch::launch(&source, &request, &mut caller.regions.borrow_mut())
    }
}

/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const CGROUP2: u64 = 0x6367_7270;

/// A connection to the socket that an option names, if it does.
pub(super) fn socket_of(caller: &Caller, option: Name) -> sys::Result<Option<OwnedFd>> {
    caller.options.get(option).map(connect).transpose()
}

#[inline(never)]
fn connect(given: &CStr) -> sys::Result<OwnedFd> {
    let (mut path, mut parent, mut last) = (PathBuffer::empty(), PathBuffer::empty(), PathBuffer::empty());
    // By its directory: paths of sockets are short.
    let (directory, name) = cut_last(file::absolute(&mut path, given)?.to_bytes(), b'/');
    let directory = file::open(CWD, parent.join(&[directory, b"/"])?, Open::Place)?;
    socket::connect(Kind::Stream, directory.as_fd(), last.join(&[name])?)
}

/// What the options say of how a process is made.
pub(super) fn manner(caller: &Caller, attended: &Attended) -> Result<Manner<'static>> {
    let no_groups = match caller.options.get(Name::CgroupManager).map(CStr::to_bytes) {
        None | Some(b"cgroupfs" | b"systemd") => has_no_groups(),
        Some(b"disabled") => true,
        Some(_) => return Err(Error::wrong(s!("--cgroup-manager"), c!("must be cgroupfs, systemd or disabled"))),
    };
    let systemd = if wants_systemd(caller) && !no_groups { Some(find_systemd(caller)?) } else { None };
    let keyring = (!caller.options.has(Name::NoNewKeyring)).then_some(s!(""));
    let (descriptors, moves_root) = (descriptors(caller)?, caller.options.has(Name::NoPivot));
    Ok(Manner {
        console: attended.takes_terminal(),
        descriptors,
        keyring,
        moves_root,
        no_groups,
        is_ordinary: !identity::is_root_of_machine(),
        systemd,
        ..Manner::NONE
    })
}

/// What a container was made with, as far as that matters when it is planned again. It may have done without a control
/// group where there are some: then there is none to remove.
pub(super) fn again<'x>(spec: &mut Spec<'x>, facts: &mut Facts<'x>, _: &mut Arena<'x>) -> Result<()> {
    facts.manner.console = true;
    facts.manner.no_groups = has_no_groups();
    facts.manner.is_ordinary = !identity::is_root_of_machine();
    let given = spec.linux.cgroups_path.unwrap_or_default();
    // Not everybody who had systemd make it says so again. An ordinary user's path is in the state, and nowhere is fine here.
    let is_ordinary = facts.manner.is_ordinary;
    if plan::names_scope(given) || is_ordinary && given.is_empty() {
        facts.manner.systemd = Some(Systemd { directory: s!(""), group: if is_ordinary { s!("/-") } else { s!("") } });
    }
    check_group(spec, facts);
    Ok(())
}

/// The systemd that makes the caller's control groups: the machine's if he may ask it, or his own. He is below its group from
/// here on, since nowhere else may a user move processes.
pub(super) fn find_systemd(caller: &Caller) -> Result<Systemd<'static>> {
    const DOING: &CStr = s!("--systemd-cgroup");
    let mut arena = Arena::new(map::zeroed(4 * limits::PATH_BYTES_MAX).doing(DOING)?);
    let own = caller.variable(b"XDG_RUNTIME_DIR").unwrap_or_default();
    let mut directory = s!("/run/systemd");
    let group = apply::scope::group_above(directory, &mut arena).or_else(|_| {
        directory = arena.pair(own, s!("/systemd"));
        apply::scope::group_above(directory, &mut arena)
    });
    let Ok(group) = group else {
        return Err(Error::wrong(
            DOING,
            if identity::is_root_of_machine() {
                c!("systemd does not run here")
            } else {
                c!("no systemd of the user's in XDG_RUNTIME_DIR: `loginctl enable-linger USER` starts one")
            },
        ));
    };
    if !may_make_group(group) {
        apply::scope::enter(directory).doing(c!("have the user's systemd take this process in"))?;
    }
    Ok(Systemd { directory, group })
}

/// The controllers that an ordinary user's group has.
#[inline(never)]
pub(super) fn delegated(group: &CStr) -> Controllers {
    let mut buffer = [0; 512];
    let found = apply::read_cgroup(group, s!("cgroup.controllers"), &mut buffer).unwrap_or_default();
    Controllers::listed(found).and(Controllers::DELEGATED)
}

fn wants_systemd(caller: &Caller) -> bool {
    caller.options.has(Name::SystemdCgroup) || caller.options.get(Name::CgroupManager) == Some(s!("systemd"))
}

fn has_no_groups() -> bool {
    file::file_system_of(ROOT) != Ok(CGROUP2)
}

const ROOT: &CStr = s!("/sys/fs/cgroup");

/// Goes without a control group if the caller is not root of the machine, and could not make the container's.
pub(super) fn check_group(spec: &Spec, facts: &mut Facts) -> bool {
    let manner = &mut facts.manner;
    let lacks = manner.is_ordinary
        && !manner.no_groups
        && manner.systemd.is_none()
        && !may_make_group(spec.linux.cgroups_path.unwrap_or_default());
    manner.no_groups |= lacks;
    lacks
}

/// Whether the caller may make a group, and have a process born into it: that is to move it there from his own group, for
/// which the kernel wants the right to move processes in what is above both.
#[inline(never)]
pub(super) fn may_make_group(group: &CStr) -> bool {
    let (mut own, mut path) = ([0; limits::PATH_BYTES_MAX], PathBuffer::empty());
    let Ok(own) = apply::group_of(process::own_pid(), &mut own) else { return false };
    let mut above = group.to_bytes();
    let mut is_there = false;
    loop {
        let mut may_write = |file: &[u8]| {
            let path = path.join(&[ROOT.to_bytes(), above, file]);
            path.map(|path| (file::exists(path), file::is_writable(path))).unwrap_or_default()
        };
        if !is_there {
            let is_writable;
            (is_there, is_writable) = may_write(b"");
            if is_there && !is_writable {
                return false;
            }
        }
        if is_there && matches!(own.strip_prefix(above), Some([] | [b'/', ..])) {
            return may_write(b"/cgroup.procs").1;
        }
        if above.is_empty() {
            return false;
        }
        above = cut_last(above, b'/').0;
    }
}

/// How many descriptors are handed on: those of `--preserve-fds`, and those of systemd's socket activation. Each must be
/// open, or one of our own would take its place.
fn descriptors(caller: &Caller) -> Result<u32> {
    let wrong = Error::wrong(s!("--preserve-fds"), c!("must be a number of open descriptors"));
    let mut count = 0;
    for given in [caller.options.get(Name::PreserveFds), caller.variable(b"LISTEN_FDS")].into_iter().flatten() {
        count += number(given.to_bytes(), 10).filter(|count| *count < 1024).ok_or(wrong)? as u32;
    }
    if (3..3 + count).all(file::is_open) { Ok(count) } else { Err(wrong) }
}

/// Changes a configuration to what the caller wants.
pub(super) fn adjust<'x>(
    caller: &Caller,
    id: &CStr,
    manner: &Manner<'static>,
    spec: &mut Spec<'x>,
    facts: &mut Facts<'x>,
    arena: &mut Arena<'x>,
) {
    facts.manner = *manner;
    if let Some(systemd) = manner.systemd.filter(|systemd| !systemd.group.is_empty()) {
        facts.controllers = delegated(systemd.group);
    }
    // What runc calls it.
    facts.manner.keyring = manner.keyring.map(|_| arena.pair(s!("_ses."), id));
    let process = &mut spec.process;
    // Before the program looks. Whoever has no terminal has no say.
    if process.terminal
        && process.console_size.height == 0
        && let Ok([height, width]) = terminal::size(file::standard_input())
    {
        process.console_size = ConsoleSize { height: height.into(), width: width.into() };
    }
    let mut environment = arena.list();
    for pair in process.env {
        arena.push(&mut environment, *pair);
    }
    if let Some(count) = caller.variable(b"LISTEN_FDS") {
        let count = arena.pair(s!("LISTEN_FDS="), count);
        arena.push(&mut environment, count);
        arena.push(&mut environment, s!("LISTEN_PID=1"));
    }
    process.env = arena.finish(environment);
    let notify = caller.variable(b"NOTIFY_SOCKET").filter(|path| path.to_bytes().starts_with(b"/"));
    if let Some(socket) = notify {
        ready::give_socket(socket, spec, arena);
    }
}

/// Tells whoever asked which process it is. `--pidfd-socket`: a descriptor of it; `--pid-file`: its number and nothing
/// else.
pub(super) fn tell(caller: &Caller, pid: Pid) -> Result<()> {
    let send = |socket: OwnedFd| socket::send_descriptor(socket.as_fd(), Handle::open(pid)?.as_fd(), b"\0");
    socket_of(caller, Name::PidfdSocket)
        .and_then(|socket| socket.map_or(Ok(()), send))
        .doing(c!("send a descriptor of the process to the socket"))?;
    let Some(path) = caller.options.get(Name::PidFile) else { return Ok(()) };
    let mut digits = [0; 10];
    let digits = decimal(&mut digits, pid.unsigned_abs());
    file::open(CWD, path, Open::Replace)
        .and_then(|file| file::write_all(file.as_fd(), digits))
        .doing(c!("write the file of the process id"))
}
