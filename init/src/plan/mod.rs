//! `Spec` and `Facts` to `Plan`: every decision about a container, pure.
//!
//! Start at [`plan`]: each of its lists is one function here, which names the parts in order and says why where the order
//! matters. The parts are in the files beside this one.

mod cgroup;
mod devices;
pub mod facts;
#[cfg(test)]
mod golden;
mod hooks;
mod identity;
mod mounts;
mod namespaces;
mod network;
mod options;
mod path;
pub mod print;
#[cfg(test)]
mod properties;
mod rdt;
mod rootfs;
mod scheduling;
mod seccomp;
pub mod state;
pub mod step;
mod sysctl;
mod undo;

use crate::abi::namespace::Namespace;
use crate::arena::{Arena, List};
use crate::config::spec::{Process, Runtime, Spec};
use crate::error::{Error, Result};
use crate::limits;
use crate::plan::facts::Facts;
use crate::plan::namespaces::Namespaces;
use crate::plan::step::{Absent, Attributes, Bind, Existing, Filter, Moment, NewMount, Place, Plan, Step};
use crate::text::{Line, Phrase, Value};
use crate::texts::CStr;

pub use cgroup::{names_scope, update};
pub use options::{NAMES as MOUNT_OPTIONS, RECURSIVE as RECURSIVE_OPTIONS, mount_flags};
pub use rootfs::volume;

/// Decides all that a launch will do.
///
/// # Errors
/// What is refused, by the name of its field; a bound that was passed.
pub fn plan<'a>(spec: &Spec<'a>, runtime: &Runtime<'a>, facts: &Facts<'a>, arena: &mut Arena<'a>) -> Result<Plan<'a>> {
    let to = &mut Steps::new(arena);
    check_version(spec.oci_version, to);
    let process = &spec.process;
    let request = &Request {
        spec,
        process,
        runtime,
        facts,
        root: rootfs::root_path(spec, facts, to),
        namespaces: Namespaces::read(spec, facts, to),
        bundle_root: path::join(to.arena, facts.bundle, s!("rootfs")),
        cgroup: cgroup::group(spec, facts, to),
    };
    if request.facts.manner.joins.is_some() {
        return enter(request, to);
    }
    before(request, to);
    let before = to.finish();
    inside(request, to);
    let inside = to.finish();
    after(request, to);
    let after = to.finish();
    hooks::at(request, Moment::Poststart, to);
    let poststart = to.finish();
    undo::clean(request, before, to);
    // When all is gone.
    hooks::at(request, Moment::Poststop, to);
    let clean = to.finish();
    let undo = undo::undo(request, before, after, to.arena);
    to.arena.check()?;
    let notes = notes(request, to.arena);
    let start = start_of(inside);
    let (clone_flags, cgroup) = (request.namespaces.clone_flags(), request.cgroup);
    Ok(Plan { clone_flags, cgroup, before, inside, after, start, poststart, clean, undo, notes })
}

/// The position of the exec, or of what comes last before it: hooks, and a filter. A listener is handed over earlier.
fn start_of(inside: &[Step]) -> usize {
    let mut start = inside.len().saturating_sub(1);
    while let Some(Step::RunHook { .. } | Step::FilterSystemCalls(Filter { listener: None, .. })) =
        inside.get(start.wrapping_sub(1))
    {
        start -= 1;
    }
    start
}

/// A further process of a running container: `exec`. It is made in the container's pid namespace by a launcher that has
/// joined that, and joins all others itself; or by a process that has joined all, if there is a user namespace.
#[inline(never)]
fn enter<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Result<Plan<'a>> {
    let (flags, is_mapped) = (request.namespaces.all(), request.namespaces.is_mapped());
    // What belongs to a user namespace is joined with the rights of that, which the launcher is not to enter.
    let pid = if is_mapped { 0 } else { flags & Namespace::Pid.flag() };
    identity::oom_score(request, to);
    scheduling::initial_processors(&request.process.exec_affinity, to);
    if pid != 0 {
        to.push(Step::JoinContainer { flags: pid });
    }
    let before = to.finish();
    scheduling::final_processors(&request.process.exec_affinity, to);
    identity::labels(request, to);
    to.push(Step::JoinContainer { flags: flags & !pid });
    if is_mapped {
        to.push(Step::MakeProcess { namespaces: 0 });
    }
    to.push(Step::NewSession);
    if let Some(name) = request.facts.manner.keyring {
        to.push(Step::NewKeyring { name });
    }
    if is_mapped || request.facts.manner.is_ordinary {
        to.push(Step::BecomeRoot);
    }
    identity::console(request, to, Place::machine(rootfs::MULTIPLEXER), None);
    identity::become_container(request, to);
    let inside = to.finish();
    scheduling::outside(request.process, to);
    let after = to.finish();
    to.arena.check()?;
    let cgroup = request.facts.manner.joins.unwrap_or_default();
    let start = start_of(inside);
    let (poststart, clean): (&[_], &[_]) = (&[], &[]);
    Ok(Plan { clone_flags: 0, cgroup, before, inside, after, start, poststart, clean, undo: &[], notes: &[] })
}

/// On the machine, before the container's process exists.
#[inline(never)]
fn before<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    rootfs::bundle_mounts(request, to);
    // In LinuxKit's order: what is mounted may be where directories are wanted.
    rootfs::runtime_mounts(request, to);
    rootfs::runtime_directories(request, to);
    cgroup::runtime_groups(request, to);
    // Limits are in force before there is anybody to limit.
    cgroup::limits(request, to);
    cgroup::give(request, to);
    devices::filter(request, to);
    rdt::outside(request, to);
    identity::oom_score(request, to);
}

/// Inside, by the container's process.
fn inside<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let namespaces = &request.namespaces;
    namespaces::join(request, to);
    to.push(Step::NewSession);
    if let Some(name) = request.facts.manner.keyring {
        to.push(Step::NewKeyring { name });
    }
    if namespaces.is_new(Namespace::Cgroup) {
        to.push(Step::NewCgroupNamespace);
    }
    if let Some(name) = request.spec.hostname.filter(|name| !name.is_empty()) {
        to.push(Step::SetHostname { name });
    }
    if let Some(name) = request.spec.domainname.filter(|name| !name.is_empty()) {
        to.push(Step::SetDomainname { name });
    }
    if namespaces.is_new(Namespace::Network) {
        to.push(Step::LoopbackUp);
    }
    // By the machine's /proc: the container's may be read-only, hidden, or somebody else's. Files there show the
    // namespaces of whoever opens them, and to the machine's root, which a user namespace's root is not, they are open.
    sysctl::write(request, to);
    rdt::inside(request, to);
    namespaces::set_clocks(request, to);
    if namespaces.is_mapped() || request.facts.manner.is_ordinary {
        // Before anything is mounted: the kernel makes no file for somebody whom the mappings do not know.
        to.push(Step::BecomeRoot);
    }
    rootfs::enter(request, to);
    identity::become_container(request, to);
}

/// On the machine, while the container's process waits with the exec.
#[inline(never)]
fn after<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    namespaces::map_ids(request, to);
    scheduling::outside(request.process, to);
    network::devices(request, to);
    network::interfaces(request, to);
    namespaces::bind(request, to);
    hooks::at(request, Moment::Prestart, to);
    hooks::at(request, Moment::CreateRuntime, to);
}

fn notes<'a>(request: &Request, arena: &mut Arena<'a>) -> &'a [Phrase] {
    let mut notes = arena.list();
    if request.namespaces.joined(Namespace::Mount).is_some() {
        arena.push(&mut notes, t!("root, mounts and devices are those of the joined mount namespace"));
    } else if !devices::are_made(request) && !request.spec.linux.devices.is_empty() {
        arena.push(&mut notes, t!("linux.devices are not made: /dev is a bind mount"));
    }
    if identity::lacks_capabilities(request) {
        arena.push(&mut notes, t!("capabilities that cannot be granted here are left out"));
    }
    arena.finish(notes)
}

/// What was asked, and the first decisions, on which the others build.
struct Request<'r, 'a> {
    spec: &'r Spec<'a>,
    process: &'r Process<'a>,
    runtime: &'r Runtime<'a>,
    facts: &'r Facts<'a>,
    namespaces: Namespaces<'a>,
    /// The root's directory on the machine.
    root: &'a CStr,
    /// The bundle's own `rootfs`, on which runtime.json's relative paths are based.
    bundle_root: &'a CStr,
    /// The container's own control group.
    cgroup: &'a CStr,
}

/// Lists of steps being made, one after the other. Nothing stops when something is refused: the arena keeps the first
/// failure, and there is no plan then.
struct Steps<'s, 'a> {
    arena: &'s mut Arena<'a>,
    list: List<Step<'a>>,
    /// Steps that may still be added.
    room: usize,
    /// Mounts that show other ids, so far.
    mapped: usize,
}

impl<'s, 'a> Steps<'s, 'a> {
    fn new(arena: &'s mut Arena<'a>) -> Steps<'s, 'a> {
        let list = arena.list();
        Steps { arena, list, room: limits::STEPS_MAX, mapped: 0 }
    }

    #[inline(never)]
    fn push(&mut self, step: Step<'a>) {
        let most = limits::STEPS_MAX;
        match self.room.checked_sub(1) {
            Some(room) => self.room = room,
            None => return self.arena.fail(Error::limit(c!("plan the container"), s!("steps"), most + 1, most)),
        }
        self.arena.push(&mut self.list, step);
    }

    #[inline(never)]
    fn set_attributes(&mut self, at: &Place<'a>, attributes: &Attributes) {
        self.push(Step::SetAttributes { at: *at, attributes: *attributes });
    }

    #[inline(never)]
    fn bind(&mut self, source: &'a CStr, target: &Place<'a>, recursive: bool, attributes: &Attributes) {
        self.push(Step::Bind(Bind {
            source,
            target: *target,
            recursive,
            attributes: *attributes,
            ids: None,
            is_far: false,
        }));
    }

    /// A new file system of the machine's, named as its kind.
    #[inline(never)]
    fn mount(&mut self, kind: &'static CStr, path: &'a CStr, flags: u32, data: &'a CStr, attributes: &Attributes) {
        self.push(Step::Mount(NewMount {
            kind,
            source: kind,
            target: Place::machine(path),
            flags,
            data,
            existing: Existing::Cover,
            attributes: *attributes,
            copy_up: false,
            no_link: false,
        }));
    }

    /// For everybody to look into.
    #[inline(never)]
    fn make_directory(&mut self, at: &Place<'a>) {
        self.push(Step::MakeDirectory { at: *at, mode: 0o755 });
    }

    /// Writes a text into a file of the machine.
    #[inline(never)]
    fn write(&mut self, path: &'a CStr, text: &'a CStr) {
        self.push(Step::Write { at: Place::machine(path), text, absent: Absent::Error });
    }

    #[inline(never)]
    fn refuse(&mut self, field: &'static CStr, problem: &'static CStr) {
        self.arena.fail(Error::refused(field, problem));
    }

    #[inline(never)]
    fn refuse_entry(&mut self, list: &'static CStr, number: usize, problem: &'static CStr) {
        self.arena.fail(Error::refused_entry(list, number, problem));
    }

    /// A short text of our own.
    #[inline(never)]
    fn text(&mut self, template: Phrase, values: &[Value]) -> &'a CStr {
        let mut buffer = [0; TEXT_BYTES];
        let mut line = Line::new(&mut buffer);
        self.arena.string(&[line.format(template, values).bytes()])
    }

    fn number(&mut self, number: u64) -> &'a CStr {
        self.text(t!("{}"), &[Value::Number(number)])
    }

    /// The steps since the last list.
    fn finish(&mut self) -> &'a [Step<'a>] {
        let steps = self.arena.finish(core::mem::take(&mut self.list));
        self.list = self.arena.list();
        steps
    }
}

/// Two numbers of 20 digits and a space.
const TEXT_BYTES: usize = 48;

/// semver.org: anything that begins with a version 1 is compatible.
fn check_version(version: Option<&CStr>, to: &mut Steps) {
    let Some(version) = version else { return to.refuse(s!("ociVersion"), s!("required")) };
    // Numbers begun; what ends them; whether one has no digits.
    let (mut numbers, mut digits, mut wrong) = (1, 0, false);
    for &byte in version.to_bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' => {
                wrong |= digits == 0;
                (numbers, digits) = (numbers + 1, 0);
            }
            b'-' | b'+' => break,
            _ => wrong = true,
        }
    }
    if wrong || digits == 0 || numbers != 3 {
        return to.refuse(s!("ociVersion"), c!("not a version: MAJOR.MINOR.PATCH"));
    }
    if !version.to_bytes().starts_with(b"1.") {
        to.refuse(s!("ociVersion"), c!("this version of the specification is not supported, but 1.x is"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Option<&CStr>) -> Result<()> {
        let mut arena = Arena::new(&mut []);
        check_version(version, &mut Steps::new(&mut arena));
        arena.check()
    }

    #[test]
    fn any_version_1_is_accepted() {
        for version in [s!("1.0.0"), s!("1.0.0-rc5"), s!("1.0.2-dev"), s!("1.3.0"), s!("1.2.3+build.7")] {
            assert_eq!(check(Some(version)), Ok(()), "{version:?}");
        }
        for version in [
            s!(""),
            s!("1"),
            s!("1.0"),
            s!("1.0.0.0"),
            s!("0.6.0"),
            s!("2.0.0"),
            s!("11.0.0"),
            s!("1.x.0"),
            s!("v1.0.0"),
            s!("1..0"),
        ] {
            assert!(check(Some(version)).is_err(), "{version:?}");
        }
        assert_eq!(check(None), Err(Error::refused(s!("ociVersion"), s!("required"))));
    }
}
