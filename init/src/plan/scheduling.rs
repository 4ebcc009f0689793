//! How the kernel is to treat the container's process: processor time, input and output, memory nodes, personality.

use crate::config::spec::{Affinity, Process, Scheduler};
use crate::limits;
use crate::plan::step::Step;
use crate::plan::{Request, Steps};
use crate::text::{cut, fields, number};
use crate::texts::CStr;

/// SCHED_DEADLINE.
const DEADLINE: u8 = 6;

const FIELD: &CStr = c!("process.scheduler");

const INITIAL: &CStr = c!("process.execCPUAffinity.initial");
const FINAL: &CStr = c!("process.execCPUAffinity.final");

/// By the launcher: a real-time class is a privilege of the machine's root, and a process with a deadline cannot fork.
pub(super) fn outside(process: &Process, to: &mut Steps) {
    // For who comes later: wrong is wrong.
    set(INITIAL, process.exec_affinity.initial, to);
    set(FINAL, process.exec_affinity.last, to);
    if let Some(scheduler) = process.scheduler {
        check(scheduler, to);
        to.push(Step::SetScheduler(*scheduler));
    }
    if let Some(priority) = process.io_priority {
        if priority.priority > 7 {
            to.refuse(c!("process.ioPriority.priority"), c!("must be from 0 to 7"));
        }
        to.push(Step::SetIoPriority(*priority));
    }
}

/// By the container's process: nobody can do it for another.
pub(super) fn inside<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    let linux = &request.spec.linux;
    if let Some(policy) = linux.memory_policy {
        let nodes = set(c!("linux.memoryPolicy.nodes"), policy.nodes, to);
        to.push(Step::SetMemoryPolicy { policy: *policy, nodes });
    }
    if let Some(personality) = linux.personality {
        to.push(Step::SetPersonality(*personality));
    }
}

/// What the kernel would change or ignore without a word. What else it cannot do, it refuses.
fn check(scheduler: &Scheduler, to: &mut Steps) {
    let outside = |number: Option<i64>, least, most| number.is_some_and(|number| number < least || number > most);
    if outside(scheduler.nice, -20, 19) || outside(scheduler.priority, 0, 99) {
        to.refuse(FIELD, c!("nice must be from -20 to 19, and priority from 0 to 99"));
    }
    // The kernel would not mind.
    if scheduler.policy != DEADLINE && scheduler.runtime | scheduler.deadline | scheduler.period != 0 {
        to.refuse(FIELD, c!("runtime, deadline and period need SCHED_DEADLINE"));
    }
}

/// Where a process that comes to the container later runs until it is in the control group.
pub(super) fn initial_processors<'a>(affinity: &Affinity<'a>, to: &mut Steps<'_, 'a>) {
    run_on(INITIAL, affinity.initial, to);
}

/// Where it runs from then on.
pub(super) fn final_processors<'a>(affinity: &Affinity<'a>, to: &mut Steps<'_, 'a>) {
    run_on(FINAL, affinity.last, to);
}

fn run_on<'a>(field: &'static CStr, list: Option<&'a CStr>, to: &mut Steps<'_, 'a>) {
    if let Some(list) = list {
        let processors = set(field, Some(list), to);
        to.push(Step::SetProcessors { list, processors });
    }
}

/// A list such as `0-3,7` as bits.
fn set<'a>(field: &'static CStr, list: Option<&CStr>, to: &mut Steps<'_, 'a>) -> &'a [u64] {
    let Some(list) = list else { return &[] };
    let bits = to.arena.filled(limits::LIST_NUMBERS_MAX / 64, 0);
    for range in fields(list.to_bytes(), b',') {
        let (first, last) = cut(range, b'-').unwrap_or((range, range));
        let (first, last) = (number(first, 10).unwrap_or(u64::MAX), number(last, 10).unwrap_or(u64::MAX));
        if first > last || last >= limits::LIST_NUMBERS_MAX as u64 {
            to.refuse(field, c!("must be a list of numbers below 8192, such as 0-3,7"));
            break;
        }
        for number in first..=last {
            if let Some(word) = bits.get_mut(number as usize / 64) {
                *word |= 1_u64.wrapping_shl(number as u32);
            }
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;

    fn numbers(list: &CStr) -> Option<Vec<usize>> {
        let mut region = [0; 2048];
        let mut arena = Arena::new(&mut region);
        let bits = set(s!("list"), Some(list), &mut Steps::new(&mut arena));
        let numbers = (0..limits::LIST_NUMBERS_MAX).filter(|number| bits[number / 64] >> (number % 64) & 1 == 1);
        arena.check().ok().map(|()| numbers.collect())
    }

    #[test]
    fn lists_name_numbers_and_ranges() {
        assert_eq!(numbers(s!("0-3,7")), Some(vec![0, 1, 2, 3, 7]));
        assert_eq!(numbers(s!("63-65,8191")), Some(vec![63, 64, 65, 8191]));
        assert_eq!(numbers(s!("5-5,5")), Some(vec![5]));
        for wrong in [
            s!(""),
            s!(","),
            s!("1,"),
            s!("3-1"),
            s!("-1"),
            s!("1-"),
            s!("1-2-3"),
            s!("8192"),
            s!("0-8192"),
            s!("a"),
            s!(" 1"),
            s!("0x1"),
        ] {
            assert_eq!(numbers(wrong), None, "{wrong:?}");
        }
    }
}
