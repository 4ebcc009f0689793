//! `linux.seccomp`: what is wrong with it, and its filter. What a rule means and becomes is in [`program`].

mod program;

use crate::abi::seccomp::{self, ERRNO, NOTIFY, TRACE};
use crate::abi::syscall::Abi;
use crate::config::spec::Seccomp;
use crate::plan::step::{Filter, Listener};
use crate::plan::{Request, Steps, hooks, path};
use crate::texts::CStr;

const SYSCALLS: &CStr = c!("linux.seccomp.syscalls");
const LISTENER_PATH: &CStr = c!("linux.seccomp.listenerPath");

/// `MAX_ERRNO` of linux/err.h.
const ERRNO_MAX: u16 = 4095;
/// A system call has six.
const ARGUMENTS: u32 = 6;

/// The filter that was asked for.
#[inline(never)]
pub(super) fn filter<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Option<Filter<'a>> {
    let seccomp = request.spec.linux.seccomp?;
    let notifies = check(seccomp, to);
    let listener = listener(request, seccomp, notifies, to);
    // There is one thread, and the kernel gives no listener to several; without a listener nobody waits for one.
    let flags = match listener {
        Some(_) => seccomp::flags(seccomp.flags.0) & !seccomp::TSYNC | seccomp::NEW_LISTENER,
        None => seccomp::flags(seccomp.flags.0) & !seccomp::TSYNC & !seccomp::WAIT_KILLABLE_RECV,
    };
    let architectures = seccomp.architectures.0 | 1 << Abi::X86_64 as u32;
    let default = program::answer(seccomp.default_action, seccomp.default_errno);
    let program = program::compile(seccomp.syscalls, default, architectures, to.arena);
    Some(Filter {
        program,
        flags,
        default: seccomp.default_action,
        default_data: default as u16,
        architectures,
        listener,
    })
}

/// Refuses what makes no sense. Whether a listener is asked.
fn check(seccomp: &Seccomp, to: &mut Steps) -> bool {
    if let Some(problem) = problem_of_errno(seccomp.default_action, seccomp.default_errno) {
        to.refuse(c!("linux.seccomp.defaultErrnoRet"), problem);
    }
    if seccomp.default_action == NOTIFY {
        to.refuse(
            c!("linux.seccomp.defaultAction"),
            c!("SCMP_ACT_NOTIFY cannot be the default: nobody would be there to ask"),
        );
    }
    let mut notifies = false;
    for (number, rule) in seccomp.syscalls.iter().enumerate() {
        notifies |= rule.action == NOTIFY;
        if let Some(problem) = problem_of_errno(rule.action, rule.errno) {
            to.refuse_entry(SYSCALLS, number, problem);
        }
        if rule.arguments.iter().any(|argument| argument.index >= ARGUMENTS) {
            to.refuse_entry(SYSCALLS, number, c!("args: index: must be from 0 to 5"));
        }
    }
    notifies
}

fn problem_of_errno(action: u8, errno: Option<u16>) -> Option<&'static CStr> {
    let errno = errno?;
    if action == ERRNO && errno > ERRNO_MAX {
        Some(c!("an errnoRet is at most 4095"))
    } else if action != ERRNO && action != TRACE {
        Some(c!("an errnoRet is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only"))
    } else {
        None
    }
}

fn listener<'a>(
    request: &Request<'_, 'a>,
    seccomp: &Seccomp<'a>,
    notifies: bool,
    to: &mut Steps<'_, 'a>,
) -> Option<Listener<'a>> {
    let Some(path) = seccomp.listener_path else {
        if notifies {
            to.refuse(LISTENER_PATH, c!("required for SCMP_ACT_NOTIFY"));
        }
        if seccomp.listener_metadata.is_some() {
            to.refuse(c!("linux.seccomp.listenerMetadata"), c!("must not be set without listenerPath"));
        }
        return None;
    };
    if !notifies {
        return None;
    }
    if !path::is_absolute(path) {
        to.refuse(LISTENER_PATH, c!("must be absolute"));
    }
    let state = hooks::state(request, "creating", to)?;
    Some(Listener { path, metadata: seccomp.listener_metadata, state })
}
