//! `pidone exec`: a further process in a running container. What it may do is its own; its namespaces, control group and
//! filter are the container's.
//!
//! The container must get nothing of ours into its hands while this process still has the machine's descriptors and
//! rights: it can neither be traced nor looked into from before it joins (`launch::child`), all its descriptors are closed
//! by the exec, and the file that it runs cannot be written to (`sys::image`).

use super::attend::Attended;
use super::options::Name;
use super::process::Beginning;
use super::state::{self, Container, Status};
use super::{Caller, process};
use crate::abi::capability;
use crate::arena::Arena;
use crate::config::spec::{Hooks, Process, Spec};
use crate::error::{Context, Error, Result};
use crate::launch::bundle::Texts;
use crate::sys::file::CWD;
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, identity, map};
use crate::text::{cut, fields, number};
use crate::texts::CStr;
use crate::{apply, config, limits, observe};
use core::cell::Cell;

const DOING: &CStr = s!("exec");

/// `pidone exec`.
pub(super) fn exec(caller: &Caller) -> u8 {
    caller.protect();
    let Container { place, kept, status } = caller.container();
    match status {
        Status::Created | Status::Running => {}
        Status::Paused if caller.options.has(Name::IgnorePaused) => {}
        Status::Paused => caller.refuse(DOING, c!("container is paused")),
        _ => caller.refuse(DOING, c!("container not running")),
    }
    let target = caller.must(state::process(kept));
    let attended = Attended::open(caller, true);
    let manner = caller.must(process::manner(caller, &attended));
    let mut group = PathBuffer::empty();
    // Who could make none has put the container into no other than his own.
    let has_none = manner.no_groups || kept.cgroup.is_none() && !identity::is_root_of_machine();
    let group = if has_none { s!("") } else { group_of(caller, kept.pid(), &mut group) };
    let is_scope = kept.cgroup.is_some_and(|group| group.to_bytes().ends_with(b".scope/container"));
    if is_scope && manner.is_ordinary && !process::may_make_group(group) {
        caller.must(process::find_systemd(caller));
    }
    let beginning = Beginning {
        place,
        bundle: kept.bundle.unwrap_or_default(),
        texts: Texts::In(place.path()),
        gate: None,
        target: Some(target.as_fd()),
        attended: &attended,
        adjust: &|spec, facts, arena| {
            change_process(caller, spec, arena)?;
            // Again, as it concerns this process.
            *facts = observe::facts(facts.section, facts.name, facts.bundle, spec);
            process::adjust(caller, place.id, &manner, spec, facts, arena);
            if spec.process.terminal {
                attended.await_terminal()?;
            }
            facts.manner.joins = Some(arena.copy(group.to_bytes()));
            Ok(())
        },
        ready: &|pid, _| process::tell(caller, pid),
    };
    match beginning.launch(caller) {
        Some(pid) => attended.attend(caller, pid),
        None => caller.code.get(),
    }
}

/// The control group of the container's first process, which need not be where it was made, or one below it.
fn group_of<'b>(caller: &Caller, pid: i32, buffer: &'b mut PathBuffer) -> &'b CStr {
    const DOING: &CStr = c!("find the control group");
    let mut text = [0; limits::PATH_BYTES_MAX];
    let first = caller.must_do(DOING, apply::group_of(pid, &mut text));
    let below = caller.options.get(Name::Cgroup).unwrap_or_default().to_bytes();
    if fields(below, b'/').any(|part| part == b"..") {
        caller.refuse(DOING, c!("must not contain `..`"));
    }
    caller.must_do(DOING, buffer.join(&[first, b"/", below]))
}

/// Puts the process that is asked for in the place of the container's own.
fn change_process<'x>(caller: &Caller, spec: &mut Spec<'x>, arena: &mut Arena<'x>) -> Result<()> {
    let options = &caller.options;
    spec.hooks = Hooks::default();
    let process = &mut spec.process;
    if let Some(file) = options.get(Name::Process) {
        *process = Process::default();
        let text = map::read(CWD, file).doing(c!("read the process"))?;
        config::read_process(text, arena, process)?;
    } else {
        process.args = options.rest;
        process.terminal = false;
    }
    process.terminal |= options.has(Name::Tty);
    process.no_new_privileges |= options.has(Name::NoNewPrivs);
    process.cwd = options.get(Name::Cwd).or(process.cwd);
    process.apparmor_profile = options.get(Name::Apparmor).or(process.apparmor_profile);
    process.selinux_label = options.get(Name::ProcessLabel).or(process.selinux_label);
    let mut environment = arena.list();
    for pair in process.env {
        arena.push(&mut environment, *pair);
    }
    options.each(Name::Environment, &mut |pair| arena.push(&mut environment, pair));
    process.env = arena.finish(environment);
    // What is no number is seen at the end.
    let is_wrong = Cell::new(false);
    let id = |text: &[u8]| match number(text, 10) {
        Some(id) if id < u64::from(u32::MAX) => id as u32,
        _ => {
            is_wrong.set(true);
            0
        }
    };
    if let Some(user) = options.get(Name::User).map(CStr::to_bytes) {
        let (uid, gid) = cut(user, b':').unwrap_or((user, b"0"));
        (process.user.uid, process.user.gid) = (id(uid), id(gid));
    }
    let mut groups = arena.list();
    for group in process.user.additional_gids {
        arena.push(&mut groups, *group);
    }
    options.each(Name::AdditionalGids, &mut |group| arena.push(&mut groups, id(group.to_bytes())));
    process.user.additional_gids = arena.finish(groups);
    options.each(Name::Capability, &mut |name| {
        let bit = capability::number(name.to_bytes()).map_or(0, |number| 1_u64 << (number & 63));
        is_wrong.set(is_wrong.get() || bit == 0);
        let sets = &mut process.capabilities;
        sets.bounding |= bit;
        sets.effective |= bit;
        sets.permitted |= bit;
        // Who may inherit nothing cannot pass anything on either.
        if sets.inheritable != 0 {
            sets.ambient |= bit;
        }
    });
    if is_wrong.get() {
        return Err(Error::wrong(DOING, c!("--user and --additional-gids take numbers, --cap names such as CAP_KILL")));
    }
    Ok(())
}
