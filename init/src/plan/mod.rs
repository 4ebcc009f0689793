//! `Spec` and `Facts` to `Plan`: every decision about a container, pure.
//!
//! Start at [`plan`]: each of its lists is one function here, which names the parts in order and says why where the order
//! matters. The parts are in the files beside this one.

mod cgroup;
mod devices;
pub mod facts;
#[cfg(test)]
mod golden;
mod identity;
mod mounts;
mod namespaces;
mod network;
mod options;
mod path;
pub mod print;
mod rootfs;
pub mod step;
mod sysctl;
mod undo;

use core::ffi::CStr;

use crate::abi::namespace::Namespace;
use crate::arena::{Arena, List};
use crate::config::spec::{Process, Runtime, Spec};
use crate::error::{Error, Result};
use crate::limits;
use crate::plan::facts::Facts;
use crate::plan::namespaces::Namespaces;
use crate::plan::step::{Plan, Step};
use crate::text::{Line, fields};

pub use options::mount_flags;
pub use rootfs::volume;

/// Decides all that a launch will do.
///
/// # Errors
/// What is refused, by the name of its field; a bound that was passed.
pub fn plan<'a>(spec: &Spec<'a>, runtime: &Runtime<'a>, facts: &Facts<'a>, arena: &mut Arena<'a>) -> Result<Plan<'a>> {
    check_version(spec.oci_version)?;
    let process = spec.process.as_ref().ok_or(Error::refused(c"process", c"required"))?;
    let root = rootfs::root_path(spec, facts, arena)?;
    let request = Request {
        spec,
        process,
        runtime,
        facts,
        namespaces: Namespaces::read(spec, facts)?,
        root,
        bundle_root: path::join(arena, facts.bundle, c"rootfs")?,
        cgroup: cgroup::group(spec, facts, arena)?,
    };
    let mut room = limits::STEPS_MAX;
    let before = collect(&request, arena, &mut room, before)?;
    let inside = collect(&request, arena, &mut room, inside)?;
    let after = collect(&request, arena, &mut room, after)?;
    Ok(Plan {
        clone_flags: request.namespaces.clone_flags(),
        cgroup: request.cgroup,
        before,
        inside,
        after,
        clean: undo::clean(&request, before, arena, &mut room)?,
        undo: undo::undo(&request, before, after, arena)?,
        notes: notes(&request, arena)?,
    })
}

/// On the machine, before the container's process exists.
fn before<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Result<()> {
    rootfs::bundle_mounts(request, to)?;
    // In LinuxKit's order: what is mounted may be where directories are wanted.
    rootfs::runtime_mounts(request, to)?;
    rootfs::runtime_directories(request, to)?;
    cgroup::runtime_groups(request, to)?;
    // Limits are in force before there is anybody to limit.
    cgroup::limits(request, to)?;
    devices::filter(request, to)?;
    identity::oom_score(request, to)?;
    namespaces::join_before(request, to)
}

/// Inside, by the container's process.
fn inside<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Result<()> {
    let namespaces = &request.namespaces;
    namespaces::join_inside(request, to)?;
    to.push(Step::NewSession)?;
    if namespaces.is_new(Namespace::Cgroup) {
        to.push(Step::NewCgroupNamespace)?;
    }
    if let Some(name) = request.spec.hostname.filter(|name| !name.is_empty()) {
        to.push(Step::SetHostname { name })?;
    }
    if let Some(name) = request.spec.domainname.filter(|name| !name.is_empty()) {
        to.push(Step::SetDomainname { name })?;
    }
    if namespaces.is_new(Namespace::Network) {
        to.push(Step::LoopbackUp)?;
    }
    // By the machine's /proc: the container's may be read-only, hidden, or somebody else's. Files there show the
    // namespaces of whoever opens them, and to the machine's root, which a user namespace's root is not, they are open.
    sysctl::write(request, to)?;
    if namespaces.is_mapped() {
        // Before anything is mounted: the kernel makes no file for somebody whom the mappings do not know.
        to.push(Step::BecomeRoot)?;
    }
    rootfs::enter(request, to)?;
    identity::become_container(request, to)
}

/// On the machine, while the container's process waits with the exec.
fn after<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Result<()> {
    namespaces::map_ids(request, to)?;
    network::interfaces(request, to)?;
    namespaces::bind(request, to)
}

fn notes<'a>(request: &Request, arena: &mut Arena<'a>) -> Result<&'a [&'static str]> {
    let mut notes = arena.list();
    if request.namespaces.joined(Namespace::Mount).is_some() {
        arena.push(&mut notes, "root, mounts and devices are those of the joined mount namespace")?;
    } else if !devices::are_made(request) && !request.spec.linux.devices.is_empty() {
        arena.push(&mut notes, "linux.devices are not made: /dev is a bind mount")?;
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

/// A list of steps being made.
struct Steps<'s, 'a> {
    arena: &'s mut Arena<'a>,
    list: List<Step<'a>>,
    /// Steps that may still be added.
    room: usize,
}

impl<'s, 'a> Steps<'s, 'a> {
    fn new(arena: &'s mut Arena<'a>, room: usize) -> Steps<'s, 'a> {
        let list = arena.list();
        Steps { arena, list, room }
    }

    fn push(&mut self, step: Step<'a>) -> Result<()> {
        let most = limits::STEPS_MAX;
        self.room = self.room.checked_sub(1).ok_or(Error::limit(c"plan the container", c"steps", most + 1, most))?;
        self.arena.push(&mut self.list, step)
    }

    /// A short text of our own.
    fn text(&mut self, write: impl FnOnce(&mut Line)) -> Result<&'a CStr> {
        let mut buffer = [0; TEXT_BYTES];
        let mut line = Line::new(&mut buffer);
        write(&mut line);
        self.arena.string(&[line.bytes()])
    }

    fn finish(self) -> Result<&'a [Step<'a>]> {
        self.arena.finish(self.list)
    }
}

/// Two numbers of 20 digits, a space and a sign.
const TEXT_BYTES: usize = 48;

type Fill = for<'r, 's, 'x, 'y, 'a> fn(&'x Request<'r, 'a>, &'y mut Steps<'s, 'a>) -> Result<()>;

fn collect<'a>(
    request: &Request<'_, 'a>,
    arena: &mut Arena<'a>,
    room: &mut usize,
    fill: Fill,
) -> Result<&'a [Step<'a>]> {
    let mut steps = Steps::new(arena, *room);
    fill(request, &mut steps)?;
    *room = steps.room;
    steps.finish()
}

/// semver.org: anything that begins with a version 1 is compatible.
fn check_version(version: Option<&CStr>) -> Result<()> {
    let version = version.ok_or(Error::refused(c"ociVersion", c"required"))?.to_bytes();
    let core = version.split(|byte| matches!(byte, b'-' | b'+')).next().unwrap_or(&[]);
    let mut numbers = fields(core, b'.');
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let major = numbers.next();
    if !(major.is_some_and(is_number) && numbers.clone().all(is_number) && numbers.count() == 2) {
        return Err(Error::refused(c"ociVersion", c"not a version: MAJOR.MINOR.PATCH"));
    }
    if major != Some(b"1") {
        return Err(Error::refused(c"ociVersion", c"this version of the specification is not supported, but 1.x is"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_version_1_is_accepted() {
        for version in [c"1.0.0", c"1.0.0-rc5", c"1.0.2-dev", c"1.3.0", c"1.2.3+build.7"] {
            assert_eq!(check_version(Some(version)), Ok(()), "{version:?}");
        }
        for version in [c"", c"1", c"1.0", c"1.0.0.0", c"0.6.0", c"2.0.0", c"11.0.0", c"1.x.0", c"v1.0.0", c"1..0"] {
            assert!(check_version(Some(version)).is_err(), "{version:?}");
        }
        assert_eq!(check_version(None), Err(Error::refused(c"ociVersion", c"required")));
    }
}
