//! `pidone create` and what `pidone run` has in common with it: from a bundle to a process that waits.

use core::cell::{Cell, RefCell};

use super::attend::Attended;
use super::options::Name;
use super::process::{self, Beginning};
use super::state::{self, Place};
use super::{Caller, FAILED, delete};
use crate::config::spec::Kept;
use crate::error::{Context, Error, Result};
use crate::launch::bundle::{Adjust, Source, Texts};
use crate::plan::facts::Section;
use crate::plan::step::Step;
use crate::sys::file::{self, CWD};
use crate::sys::path::PathBuffer;
use crate::sys::process::Pid;
use crate::sys::{AsFd, identity, map};
use crate::text::{Line, Value};
use crate::texts::CStr;
use crate::{limits, log};

/// `pidone create`.
pub(super) fn create(caller: &Caller) -> u8 {
    caller.protect();
    let mut room = Room::empty();
    match make(caller, &Attended::open(caller, false), &mut room, true) {
        Some(_) => 0,
        None => FAILED,
    }
}

/// `pidone run`: all of a container's life, or with `--detach` its beginning.
pub(super) fn run(caller: &Caller) -> u8 {
    caller.protect();
    let attended = Attended::open(caller, true);
    let stays = attended.stays();
    let mut room = Room::empty();
    let Some(Made { place, kept, pid }) = make(caller, &attended, &mut room, false) else { return caller.code.get() };
    // Others may change it while it runs.
    place.unlock();
    let code = attended.attend(caller, pid);
    if stays && !caller.options.has(Name::Keep) {
        caller.must(place.lock().and_then(|()| place.check()));
        delete::remove(caller, &place, &kept);
    }
    code
}

/// Room for what is known of a container that was made.
struct Room {
    bundle: PathBuffer,
    place: PathBuffer,
    group: RefCell<PathBuffer>,
}

impl Room {
    #[inline(always)]
    fn empty() -> Room {
        Room { bundle: PathBuffer::empty(), place: PathBuffer::empty(), group: RefCell::new(PathBuffer::empty()) }
    }
}

/// A container that was made: what is needed to take it back.
struct Made<'r> {
    place: Place<'r>,
    kept: Kept<'r>,
    pid: Pid,
}

/// Where a container is described from the moment it is created: in its own directory.
pub(super) fn source<'s>(place: &'s Place, bundle: &'s CStr) -> Source<'s> {
    Source { section: Section::Other, name: place.id, bundle, texts: Texts::In(place.path()), adjust: &process::again }
}

/// Makes a container's process, which waits for `start`, or if `waits` is false does not. `None` if that failed, was
/// reported and taken back.
fn make<'r>(caller: &Caller, attended: &Attended, room: &'r mut Room, waits: bool) -> Option<Made<'r>> {
    let Room { bundle, place, group } = room;
    let bundle = file::absolute(bundle, caller.options.get(Name::Bundle).unwrap_or(s!(".")));
    let bundle = caller.must_do(c!("find the bundle"), bundle);
    let id = caller.id();
    if caller.options.has(Name::TmpfsRoot) {
        caller.must_do(c!("mount a tmpfs for states"), state::mount_root(caller.root));
    }
    let place = caller.must(Place::reserve(place, caller.root, id));
    let only_group = Cell::new(false);
    let made = copy(caller, &place, bundle)
        .and_then(|given| launch(caller, attended, &place, bundle, given, waits, (group, &only_group)));
    if !matches!(made, Ok(Some(_))) {
        caller.must(place.remove());
    }
    let pid = caller.must(made)?;
    let (cgroup, only_group) = (Some(group.get_mut().get()), only_group.get());
    Some(Made { place, kept: Kept { bundle: Some(bundle), cgroup, only_group, ..Kept::default() }, pid })
}

/// Copies what describes the container into its directory.
fn copy(caller: &Caller, place: &Place, bundle: &CStr) -> Result<Texts<'static>> {
    let mut buffer = PathBuffer::empty();
    let config = match caller.options.get(Name::Config) {
        Some(given) => given,
        None => buffer.below(bundle, s!("config.json")).doing(c!("read config.json"))?,
    };
    let text = map::read(CWD, config).doing(c!("read config.json"))?;
    if text.len() > limits::CONFIG_BYTES_MAX {
        return Err(Error::limit(c!("read config.json"), s!("bytes"), text.len(), limits::CONFIG_BYTES_MAX));
    }
    let runtime = buffer.below(bundle, s!("runtime.json")).and_then(|runtime| map::read(CWD, runtime)).ok();
    if let Some(text) = runtime {
        place.write(s!("runtime.json"), text).doing(c!("copy runtime.json"))?;
    }
    place.write(s!("config.json"), text).doing(c!("copy config.json"))?;
    Ok(Texts::Given(text, runtime))
}

/// Room for the state beside annotations: paths, mostly.
const STATE_BYTES: usize = 64 * 1024;

fn launch(
    caller: &Caller,
    attended: &Attended,
    place: &Place,
    bundle: &CStr,
    texts: Texts,
    waits: bool,
    (group, only_group): (&RefCell<PathBuffer>, &Cell<bool>),
) -> Result<Option<Pid>> {
    let gate = if waits { Some(state::gate(place.directory.as_fd())?) } else { None };
    let manner = process::manner(caller, attended)?;
    let state = map::zeroed(limits::CONFIG_BYTES_MAX + STATE_BYTES).doing(c!("write the state"))?;
    let state = RefCell::new(Line::new(state));
    // What is known of it before there is a process. All but annotations is short.
    let adjust: &Adjust = &|spec, facts, arena| {
        process::adjust(caller, place.id, &manner, spec, facts, arena);
        if spec.process.terminal {
            attended.await_terminal()?;
        }
        if process::check_group(spec, facts) {
            log::warning(t!("container {}: no control group: the caller may not make one"), &[Value::Name(place.id)]);
        }
        let has_none = facts.manner.is_ordinary || facts.manner.no_groups;
        if has_none && spec.linux.resources.devices.iter().any(|rule| !rule.allow) {
            log::warning(
                t!("container {}: devices are not filtered: that needs a control group, and root of the machine"),
                &[Value::Name(place.id)],
            );
        }
        let mut time = [0; 32];
        let mut owner = [0; 10];
        let mut owner = Line::new(&mut owner);
        match facts.manner.is_ordinary.then(identity::user).unwrap_or_default() {
            0 => owner.say(t!("root")),
            user => owner.number(user.into()),
        };
        let mut root = PathBuffer::empty();
        let given = spec.root.path.unwrap_or_default();
        let rootfs =
            if given.to_bytes().starts_with(b"/") { root.join(&[given.to_bytes()]) } else { root.below(bundle, given) };
        let kept = Kept {
            version: spec.oci_version,
            bundle: Some(bundle),
            rootfs: rootfs.ok(),
            created: state::created(&mut time),
            owner: owner.terminated(),
            annotations: spec.annotations,
            ..Kept::default()
        };
        let mut state = state.borrow_mut();
        state.clear();
        state.byte(b'{');
        state::members(&mut state, s!(""), &kept, "created", None);
        // Before anything is done: whoever takes it back must know the bundle.
        place.save(&mut state, true)
    };
    let beginning = Beginning {
        place,
        bundle,
        texts,
        gate: gate.as_ref().map(AsFd::as_fd),
        target: None,
        attended,
        adjust,
        ready: &|pid, plan| {
            let mut state = state.borrow_mut();
            state::process_members(&mut state, pid, plan.cgroup)?;
            if !plan.poststart.is_empty() {
                state.say(t!(",\"poststart\":true"));
            }
            only_group.set(plan.clean.iter().all(|step| matches!(step, Step::RemoveCgroup { .. })));
            if only_group.get() {
                state.say(t!(",\"onlyGroup\":true"));
            }
            group.borrow_mut().join(&[plan.cgroup.to_bytes()]).doing(c!("write the state"))?;
            place.save(&mut state, false)?;
            process::tell(caller, pid)
        },
    };
    Ok(beginning.launch(caller))
}
