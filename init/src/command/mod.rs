//! What the file does when it is started: as PID 1 it runs the machine, otherwise it is a command.

mod help;
mod plan;

use crate::boot::{self, modules};
use crate::control;
use crate::limits;
use crate::logger;
use crate::runtime::{self, Outcome, Words};
use crate::supervise::{self, Power};
use crate::sys::{file, process};
use crate::text::{Line, Phrase, Value, cut_last, position};
use crate::texts::CStr;

/// Exit code of a command that was not understood.
const USAGE: u8 = 2;

/// Picks the role and never returns.
pub fn main(arguments: Words, environment: Words) -> ! {
    let words = arguments.get(1..).unwrap_or_default();
    if process::own_pid() == 1 {
        boot::main(words);
    }
    let program = arguments.first().copied().map(base_name).unwrap_or_default();
    process::exit(command(program, words, environment))
}

/// A command by its name: the first argument's, or the file's own when it was linked under another name.
fn command(program: &[u8], words: Words, environment: Words) -> u8 {
    if program == b"modprobe" {
        return modules::on_demand(words);
    }
    if let Some(power) = power(program) {
        return supervise::request(power);
    }
    let Some((name, rest)) = words.split_first() else {
        help::print(None);
        return USAGE;
    };
    let name = name.to_bytes();
    match position(COMMANDS, name) {
        Some(0) => plan::print(rest),
        Some(1..=3) => help::print(rest.first().copied()),
        Some(4 | 5) => help::print_version(),
        Some(6) => modules::on_demand(rest),
        Some(7) => logs(rest),
        // How the kernel asks for a module: `PROGRAM -q -- ALIAS`.
        Some(_) => modules::on_demand(words),
        None => match power(name) {
            Some(_) if rest.first().is_some_and(|word| matches!(word.to_bytes(), b"--help" | b"-h")) => {
                help::print(None)
            }
            Some(power) => supervise::request(power),
            None => match control::main(name, rest) {
                Some(code) => code,
                None => of_runtime(program, name, words, environment),
            },
        },
    }
}

const COMMANDS: &[u8] = b"plan help --help -h version --version modprobe logs -q";

/// `pidone logs [-f] [NAME]`.
#[inline(never)]
fn logs(words: Words) -> u8 {
    let (mut name, mut follow) = (None, false);
    for word in words {
        match word.to_bytes() {
            b"-f" | b"--follow" => follow = true,
            b"-h" | b"--help" => return help::print(Some(s!("logs"))),
            bytes if bytes.starts_with(b"-") => {
                return refuse(t!("logs: unknown option `{}`"), &[Value::Quoted(bytes)]);
            }
            _ if name.is_some() => return refuse(t!("logs: one name at most"), &[]),
            _ => name = Some(*word),
        }
    }
    let name = name.unwrap_or_default();
    match logger::command::show(name, follow) {
        Ok(true) => 0,
        Ok(false) if name.is_empty() => 0,
        Ok(false) => refuse(t!("logs: nothing is known of `{}`"), &[Value::Quoted(name.to_bytes())]) - 1,
        Err(errno) => refuse(t!("logs: {}"), &[Value::Kernel(errno)]) - 1,
    }
}

/// A command of an OCI runtime.
fn of_runtime(program: &[u8], name: &[u8], words: Words, environment: Words) -> u8 {
    match runtime::main(program, words, environment) {
        Outcome::Done(code) => code,
        Outcome::Help(command) => help::print(command),
        Outcome::Version => help::print_version(),
        Outcome::Unknown(found) => {
            let name = Value::Quoted(found.map_or(name, CStr::to_bytes));
            refuse(t!("unknown command `{}`; `pidone help` lists them all"), &[name])
        }
    }
}

fn power(name: &[u8]) -> Option<Power> {
    let powers = [Power::PowerOff, Power::Reboot, Power::Halt];
    powers.get(position(b"poweroff reboot halt", name)?).copied()
}

fn base_name(path: &CStr) -> &[u8] {
    cut_last(path.to_bytes(), b'/').1
}

/// Says on standard error what is wrong with a command, and gives its exit code.
#[inline(never)]
fn refuse(template: Phrase, values: &[Value]) -> u8 {
    let mut buffer = [0; limits::LOG_LINE_BYTES];
    let mut line = Line::new(&mut buffer);
    line.say(t!("pidone: ")).format(template, values).byte(b'\n');
    // There is nobody else to tell.
    let _ = file::write_all(file::standard_error(), line.bytes());
    USAGE
}
