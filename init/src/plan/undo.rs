//! How a launch is taken back, derived from what it does: nothing can be added to one and forgotten in the other.

use crate::abi::mount::MS_REMOUNT;
use crate::abi::namespace::Namespace;
use crate::arena::{Arena, List};
use crate::plan::step::{Base, InterfaceStep, Origin, Place, Step, Undo};
use crate::plan::{Request, Steps, path, rdt};
use crate::texts::CStr;

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
    let memory = path::join(to.arena, request.facts.bundle, s!("tmp"));
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
    let mut list = Undoing { list: arena.list(), of: 0, arena };
    let count = before.len() + after.len();
    for (number, step) in after.iter().rev().chain(before.iter().rev()).enumerate() {
        // `limits::STEPS_MAX` steps can be counted.
        list.of = (count - 1 - number) as u16;
        if let Some(path) = mounted(step)
            && !path::is_below(path, request.facts.bundle)
        {
            list.push(Step::Unmount { path });
        }
        match *step {
            Step::MakeCgroup { path, .. } if path != request.cgroup => {
                let path = path::join(list.arena, s!("/sys/fs/cgroup"), path);
                list.push(Step::RemoveDirectory { path });
            }
            // A class of service, or in it a group that `clean` has removed.
            Step::MakeDirectory { at, .. } if path::is_below(at.path, rdt::ROOT) => {
                list.push(Step::RemoveDirectory { path: at.path });
            }
            Step::Interface(InterfaceStep { name, origin }) => match origin {
                // The other end goes with the container's network namespace, but the kernel takes its time.
                Origin::Veth { peer } => list.push(Step::DeleteLink { name: peer }),
                Origin::Existing => list.push(Step::ReturnInterface { name, to: name }),
                Origin::Device { from } => list.push(Step::ReturnInterface { name, to: from }),
                Origin::MadeOutside { .. } | Origin::MadeInside { .. } => {}
            },
            Step::BindNamespace { path, .. } => {
                list.push(Step::Unmount { path });
                list.push(Step::RemoveFile { path });
            }
            _ => {}
        }
    }
    list.arena.finish(list.list)
}

/// What takes back a launch, being listed.
struct Undoing<'s, 'a> {
    arena: &'s mut Arena<'a>,
    list: List<Undo<'a>>,
    /// Position of the step that is taken back.
    of: u16,
}

impl<'a> Undoing<'_, 'a> {
    #[inline(never)]
    fn push(&mut self, step: Step<'a>) {
        self.arena.push(&mut self.list, Undo { of: self.of, step });
    }
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
