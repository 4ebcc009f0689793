//! What the operator reads when a launch fails: the step by its number and its own text, from the plan.

use core::ffi::CStr;

use crate::error::{Cause, Error};
use crate::limits;
use crate::log;
use crate::plan::step::{Plan, Step};
use crate::text::{Print, Value};

/// `container web: step 14 of 31: mount proc on /proc (nosuid,nodev,noexec): EPERM (operation not permitted)`.
pub fn failure(name: &CStr, plan: &Plan, error: &Error) {
    let name = Value::Name(name);
    let Cause::Step { number, errno } = error.cause() else {
        return log::error("container {}: {}", &[name, Value::Print(error)]);
    };
    let total = plan.before.len() + plan.inside.len() + plan.after.len();
    let step: &dyn Print = match step(plan, usize::from(number)) {
        Some(step) => step,
        None => &"unknown",
    };
    let (number, total) = (Value::Number(u64::from(number) + 1), Value::Number(total as u64));
    let step = Value::Part(step, limits::LOG_PART_BYTES);
    log::error("container {}: step {} of {}: {}: {}", &[name, number, total, step, Value::Kernel(errno)]);
}

/// The step of that number, counted through the lists in the order in which they stand in the plan.
fn step<'p, 'a>(plan: &'p Plan<'a>, number: usize) -> Option<&'p Step<'a>> {
    plan.before.iter().chain(plan.inside).chain(plan.after).nth(number)
}
