//! What the operator reads when a launch fails: the step by its number and its own text, from the plan.

use core::ffi::CStr;

use crate::error::{Cause, Error};
use crate::limits;
use crate::plan::step::{Plan, Step};
use crate::text::Line;

/// `container web: step 14 of 31: mount proc on /proc (nosuid,nodev,noexec): EPERM (operation not permitted)`.
pub fn write(line: &mut Line, name: &CStr, plan: &Plan, error: &Error) {
    line.text("container ").quoted(name.to_bytes()).text(": ");
    let Cause::Step { number, errno } = error.cause() else {
        line.print(error);
        return;
    };
    let total = plan.before.len() + plan.inside.len() + plan.after.len();
    line.text("step ").number(u64::from(number) + 1).text(" of ").number(total as u64).text(": ");
    if let Some(step) = step(plan, usize::from(number)) {
        line.print_part(step, limits::LOG_PART_BYTES).text(": ");
    }
    line.print(&errno);
}

/// The step of that number, counted through the lists in the order in which they stand in the plan.
fn step<'p, 'a>(plan: &'p Plan<'a>, number: usize) -> Option<&'p Step<'a>> {
    plan.before.iter().chain(plan.inside).chain(plan.after).nth(number)
}
