//! `floor measure`: runs commands one after the other and writes what each cost.
//!
//! It is here, and not in the host's tool, because what is measured inherits from who starts it: this process has a few
//! pages of memory to copy and to count. It adopts what the commands leave behind; the word `reap` waits for that.
//!
//! A line on standard output for each: wall time (ns), processor time, user and system (us), largest resident set (kB),
//! exit code. The commands write to standard error instead.

use linker::start::Strings;
use linux_raw_sys::{general as nr, prctl};

use crate::kernel::{self, Vector, must};

/// Measures all commands; they are separated by commas.
pub(crate) fn all(arguments: Strings, environment: Strings) -> ! {
    must(kernel::numbers(nr::__NR_prctl, [prctl::PR_SET_CHILD_SUBREAPER as usize, 1, 0, 0, 0]));
    let environment = kernel::vector(environment);
    let mut rest = arguments;
    loop {
        let words = kernel::vector(rest.clone().take_while(|word| *word != c","));
        if words[0] == 0 {
            kernel::exit(0)
        }
        let reap = rest.clone().next() == Some(c"reap");
        let begun = kernel::now();
        let pid = if reap { -1 } else { start(&Command { words, environment }) as isize };
        let (status, usage) = kernel::wait(pid);
        report(kernel::now() - begun, status, &usage);
        while rest.next().is_some_and(|word| word != c",") {}
    }
}

struct Command {
    words: Vector,
    environment: Vector,
}

#[repr(align(16))]
struct Stack([u8; 4096]);

fn start(command: &Command) -> usize {
    let mut stack = Stack([0; 4096]);
    // SAFETY: a record of plain numbers, for which zero is a value.
    let mut arguments: nr::clone_args = unsafe { core::mem::zeroed() };
    arguments.flags = u64::from(nr::CLONE_VM | nr::CLONE_VFORK);
    arguments.exit_signal = u64::from(nr::SIGCHLD);
    arguments.stack = &raw mut stack.0 as u64;
    arguments.stack_size = stack.0.len() as u64;
    kernel::spawn(&arguments, execute, command)
}

extern "C" fn execute(command: &Command) -> ! {
    must(kernel::numbers(nr::__NR_dup2, [2, 1, 0, 0, 0]));
    kernel::execute(&command.words, &command.environment)
}

fn report(wall_ns: u64, status: u32, usage: &nr::rusage) {
    let us = |time: &nr::__kernel_old_timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    let code = if status & 0x7f == 0 { status >> 8 } else { 128 + (status & 0x7f) };
    let figures = [wall_ns, us(&usage.ru_utime) + us(&usage.ru_stime), usage.ru_maxrss as u64, u64::from(code)];
    let (mut line, mut length) = ([0; 96], 0);
    for figure in figures {
        length = decimal(&mut line, length, figure);
    }
    line[length - 1] = b'\n';
    kernel::write(1, &line[..length]);
}

/// Writes a number and a space, and says where they end.
fn decimal(line: &mut [u8; 96], start: usize, number: u64) -> usize {
    let digits = number.checked_ilog10().map_or(1, |last| last as usize + 1);
    let mut left = number;
    for place in (start..start + digits).rev() {
        line[place] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    line[start + digits] = b' ';
    start + digits + 1
}
