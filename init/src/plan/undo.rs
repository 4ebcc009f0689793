//! How a launch is taken back, derived from what it does: nothing can be added to one and forgotten in the other.

use core::ffi::CStr;

use crate::abi::mount::MS_REMOUNT;
use crate::abi::namespace::Namespace;
use crate::arena::Arena;
use crate::plan::step::{Base, InterfaceStep, Origin, Place, Step, Undo};
use crate::plan::{Request, Steps, path, rdt};

/// When the container has ended: its group, and in reverse the mounts in its bundle. What runtime.json mounted elsewhere
/// is for others.
pub(super) fn clean<'a>(request: &Request<'_, 'a>, before: &[Step<'a>], to: &mut Steps<'_, 'a>) {
    // First: whoever is left in the group keeps the mounts busy.
    if !request.cgroup.is_empty() {
        to.push(Step::RemoveCgroup { path: request.cgroup });
    }
    let namespaces = &request.namespaces;
    if !namespaces.is_own(Namespace::Mount) {
        // There, the root's bind on itself and all that was mounted in it are the machine's.
        to.push(Step::Unmount { path: request.root });
    }
    rdt::clean(request, to);
    for path in before.iter().rev().filter_map(mounted) {
        if path::is_below(path, request.facts.bundle) {
            to.push(Step::Unmount { path });
        }
    }
    // An overlay whose upper directory is in no memory of its own: the next launch starts afresh all the same.
    let memory = path::join(to.arena, request.facts.bundle, c"tmp");
    let is_used = |step: &Step| matches!(step, Step::MakeDirectory { at, .. } if path::is_below(at.path, memory));
    if before.iter().any(is_used) && !before.iter().filter_map(mounted).any(|path| path == memory) {
        to.push(Step::Empty { path: memory });
    }
}

/// When the launch failed: in reverse, what `clean` does not take back.
#[inline(never)]
pub(super) fn undo<'a>(
    request: &Request<'_, 'a>,
    before: &[Step<'a>],
    after: &[Step<'a>],
    arena: &mut Arena<'a>,
) -> &'a [Undo<'a>] {
    let mut list = arena.list();
    // `limits::STEPS_MAX` steps can be counted.
    let mut of = (before.len() + after.len()) as u16;
    for step in before.iter().chain(after).rev() {
        of = of.wrapping_sub(1);
        if let Some(path) = mounted(step)
            && !path::is_below(path, request.facts.bundle)
        {
            arena.push(&mut list, Undo { of, step: Step::Unmount { path } });
        }
        match *step {
            Step::MakeCgroup { path } if path != request.cgroup => {
                let path = path::join(arena, c"/sys/fs/cgroup", path);
                arena.push(&mut list, Undo { of, step: Step::RemoveDirectory { path } });
            }
            // A class of service, or in it a group that `clean` has removed.
            Step::MakeDirectory { at, .. } if path::is_below(at.path, rdt::ROOT) => {
                arena.push(&mut list, Undo { of, step: Step::RemoveDirectory { path: at.path } });
            }
            // The other end goes with the container's network namespace, but the kernel takes its time.
            Step::Interface(InterfaceStep { origin: Origin::Veth { peer }, .. }) => {
                arena.push(&mut list, Undo { of, step: Step::DeleteLink { name: peer } });
            }
            Step::Interface(InterfaceStep { name, origin: Origin::Existing }) => {
                arena.push(&mut list, Undo { of, step: Step::ReturnInterface { name, to: name } });
            }
            Step::Interface(InterfaceStep { name, origin: Origin::Device { from } }) => {
                arena.push(&mut list, Undo { of, step: Step::ReturnInterface { name, to: from } });
            }
            Step::BindNamespace { path, .. } => {
                arena.push(&mut list, Undo { of, step: Step::Unmount { path } });
                arena.push(&mut list, Undo { of, step: Step::RemoveFile { path } });
            }
            _ => {}
        }
    }
    arena.finish(list)
}

/// The machine's path that a step mounts something on.
fn mounted<'a>(step: &Step<'a>) -> Option<&'a CStr> {
    match step {
        Step::Mount(mount) if mount.flags & MS_REMOUNT == 0 => machine_path(&mount.target),
        Step::Bind(bind) => machine_path(&bind.target),
        _ => None,
    }
}

fn machine_path<'a>(place: &Place<'a>) -> Option<&'a CStr> {
    (place.base == Base::Machine).then_some(place.path)
}
