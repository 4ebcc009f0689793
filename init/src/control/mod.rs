//! How a running machine is looked at and told what to do: `pidone status` and its like, and the process that answers
//! them. PID 1's own part, which is to let clients in, is [`crate::supervise`]'s.
//!
//! Reading order: [`wire`] (what is said), [`answer()`] (who answers), `client` (who asks), then the commands.

pub mod answer;
mod change;
mod client;
pub mod look;
mod wait;
pub mod wire;

use crate::limits;
use crate::sys::file;
use crate::text::{Line, Phrase, Value, position};
use crate::texts::CStr;

pub use answer::answer;

/// The commands, in the order of the arms of [`main`].
const COMMANDS: &[u8] = b"status timeline wait start stop restart";

/// Exit code of a command that was not understood.
const USAGE: u8 = 2;

/// What follows the name of a command.
struct Asked {
    /// The name of a container; the empty one for none.
    name: &'static CStr,
    /// `--json`.
    json: bool,
}

/// Runs the command that the words name; its exit code. None if it is not one of these, or asks for help.
pub fn main(name: &[u8], words: &[&'static CStr]) -> Option<u8> {
    const START: usize = 3;
    let command = position(COMMANDS, name)?;
    let mut asked = Asked { name: s!(""), json: false };
    // Of `start` an OCI runtime says what is wrong.
    let wrong = |word, problem| if command == START { None } else { Some(say(word, Value::Phrase(problem), USAGE)) };
    for &word in words {
        match word.to_bytes() {
            b"--help" | b"-h" => return None,
            b"--json" if command < 2 => asked.json = true,
            [b'-', ..] => return wrong(word, t!("no such option")),
            _ if asked.name.is_empty() => asked.name = word,
            _ => return wrong(word, t!("one name at most")),
        }
    }
    if asked.name.is_empty() && command > 1 {
        return wrong(s!(""), t!("the name of a container is required"));
    }
    let result = match command {
        0 | 1 => look::look(&asked, command == 1),
        2 => wait::wait(&asked),
        START if !change::is_service(asked.name) => return None,
        _ => change::change(&asked, command - START),
    };
    Some(result.unwrap_or_else(|end| {
        let problem = PROBLEMS.get(end as usize).copied().unwrap_or(t!(""));
        // As with `run`: no code that a program is likely to have.
        say(asked.name, Value::Phrase(problem), if command == 2 { 125 } else { 1 })
    }))
}

/// What is said of each [`End`].
static PROBLEMS: [Phrase; 9] = [
    t!(""),
    t!("process 1 answers 16 others, the most at once"),
    t!("process 1 cannot make a process to answer"),
    t!("process 1 does not understand"),
    t!("only root may do that"),
    t!("there is no such container, or it is no service"),
    t!("it has not run"),
    t!("the machine is not up yet, or going down"),
    t!("process 1 gives no answer: it is no pidone, or has no time"),
];
const _: () = assert!(limits::ANSWERERS_MAX == 16);

/// Says of a word what is wrong with it, or if the code is 0, how it is; the exit code.
fn say(word: &CStr, what: Value, code: u8) -> u8 {
    let mut buffer = [0; limits::LOG_LINE_BYTES];
    let mut line = Line::new(&mut buffer);
    let (prefix, to) = if code == 0 { ("", file::standard_output()) } else { ("pidone: ", file::standard_error()) };
    line.format(t!("{}{}: {}\n"), &[Value::Text(prefix), Value::Name(word), what]);
    // There is nobody else to tell.
    let _ = file::write_all(to, line.bytes());
    code
}

/// Writes to standard output: whether that could be done.
fn show(text: &[u8]) -> bool {
    file::write_all(file::standard_output(), text).is_ok()
}
