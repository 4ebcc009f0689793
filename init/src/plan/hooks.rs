//! `hooks`: programs of others at six moments of a container's life, each told the container's state.

use crate::config::spec::{Hook, Hooks};
use crate::plan::state::State;
use crate::plan::step::{Moment, Step};
use crate::plan::{Request, Steps};

/// The hooks of a moment, in order.
pub(super) fn at<'a>(request: &Request<'_, 'a>, moment: Moment, to: &mut Steps<'_, 'a>) {
    let hooks: &'a [Hook<'a>] = hooks_of(&request.spec.hooks, moment);
    if hooks.is_empty() {
        return;
    }
    let Some(state) = state(request, moment.status(), to) else { return };
    for (number, hook) in hooks.iter().enumerate() {
        if hook.path.is_none_or(|path| !super::path::is_absolute(path)) {
            to.refuse_entry(moment.field(), number, c!("path: must be absolute"));
        }
        if hook.timeout.is_some_and(|seconds| seconds <= 0) {
            to.refuse_entry(moment.field(), number, c!("timeout: must be more than 0"));
        }
        to.push(Step::RunHook { moment, hook, state });
    }
}

/// The container's state, but for its process. None if the arena is full.
pub(super) fn state<'a>(
    request: &Request<'_, 'a>,
    status: &'static str,
    to: &mut Steps<'_, 'a>,
) -> Option<&'a State<'a>> {
    let (spec, facts) = (request.spec, request.facts);
    let state = State {
        version: spec.oci_version.unwrap_or_default(),
        id: facts.name,
        status,
        pid: None,
        bundle: facts.bundle,
        annotations: spec.annotations,
    };
    let lent: &'a [State<'a>] = to.arena.filled(1, state);
    lent.first()
}

fn hooks_of<'a>(hooks: &Hooks<'a>, moment: Moment) -> &'a [Hook<'a>] {
    match moment {
        Moment::Prestart => hooks.prestart,
        Moment::CreateRuntime => hooks.create_runtime,
        Moment::CreateContainer => hooks.create_container,
        Moment::StartContainer => hooks.start_container,
        Moment::Poststart => hooks.poststart,
        Moment::Poststop => hooks.poststop,
    }
}

/// Before the process leaves the machine's root: the launcher runs its hooks while the process waits, then the process
/// its own.
pub(super) fn before_root<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    if has_outside(request) {
        to.push(Step::AwaitHooks);
    }
    at(request, Moment::CreateContainer, to);
}

/// Whether the launcher has hooks to run before the program.
fn has_outside(request: &Request) -> bool {
    !request.spec.hooks.prestart.is_empty() || !request.spec.hooks.create_runtime.is_empty()
}
