//! What is said when a launch fails: the step by its number and its own text, from the plan.

use crate::error::{Cause, Error};
use crate::limits;
use crate::plan::step::{Plan, Step};
use crate::text::{Line, Print, Value};

/// A failure of a launch, and the plan that it was to carry out.
pub(super) struct Failure<'f, 'a> {
    pub(super) plan: &'f Plan<'a>,
    pub(super) error: &'f Error,
    /// What the kernel said beside the error's number.
    pub(super) words: &'f [u8],
}

impl Print for Failure<'_, '_> {
    /// `step 14 of 31: mount proc on /proc (nosuid,nodev,noexec): EPERM (operation not permitted)`.
    fn print(&self, line: &mut Line) {
        let Cause::Step { number, errno } = self.error.cause() else {
            line.print(self.error);
            return;
        };
        let plan = self.plan;
        let total = plan.before.len() + plan.inside.len() + plan.after.len() + plan.poststart.len();
        let step: &dyn Print = match step(plan, usize::from(number)) {
            Some(step) => step,
            None => &t!("unknown"),
        };
        let (number, total) = (Value::Number(u64::from(number) + 1), Value::Number(total as u64));
        let step = Value::Part(step, limits::LOG_PART_BYTES);
        line.format(t!("step {} of {}: {}: {}"), &[number, total, step, Value::Kernel(errno)]);
        if !self.words.is_empty() {
            line.text(": ");
        }
        // A sentence: its spaces need no quoting, whatever else is in it does.
        for byte in self.words {
            if *byte == b' ' {
                line.byte(b' ')
            } else {
                line.quoted(core::slice::from_ref(byte))
            };
        }
    }
}

/// The step of that number, counted through the lists in the order in which they stand in the plan.
fn step<'p, 'a>(plan: &'p Plan<'a>, number: usize) -> Option<&'p Step<'a>> {
    plan.before.iter().chain(plan.inside).chain(plan.after).chain(plan.poststart).nth(number)
}
