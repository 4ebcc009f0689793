//! What callers read when a command fails: one object of JSON in the log, or a line of text.
//!
//! containerd reads a stream of records and keeps the last of level `error`; podman reads the file as one object. So in a
//! log of JSON there is that one record and nothing else. Callers also look for words: `no such file or directory` means
//! to them that the container's *program* is missing, `permission denied` that it cannot be executed. Those two meanings
//! are therefore said of the program alone; of anything else only the error's name is.

use super::Caller;
use super::options::{Name, Problem};
use super::state::check_id;
use crate::abi::Errno;
use crate::error::{Cause, Error};
use crate::plan::state;
use crate::sys::file::{self, CWD, Open};
use crate::sys::{AsFd, time};
use crate::text::{Line, Print, Value};
use crate::{limits, log};

impl Caller {
    /// Says where records go, and which.
    pub(super) fn set_log(&self) {
        let debug = self.options.has(Name::Debug) || self.options.get(Name::LogLevel) == Some(s!("debug"));
        log::to_standard_error();
        log::set_threshold(match (self.wants_json(), debug) {
            (_, true) => log::Level::Debug,
            (true, false) => log::Level::Error,
            (false, false) => log::Level::Warning,
        });
    }

    fn wants_json(&self) -> bool {
        self.options.get(Name::LogFormat) == Some(s!("json"))
    }

    /// Reports a command line that makes no sense.
    pub(super) fn say(&self, problem: &Problem) {
        let mut buffer = [0; limits::LOG_LINE_BYTES];
        let mut line = Line::new(&mut buffer);
        line.format(t!("{}: {}"), &[Value::Name(problem.0), Value::Phrase(problem.1)]);
        self.write(line.bytes(), &[]);
    }

    /// Reports a failure: as `text` says it.
    pub(super) fn report(&self, text: &dyn Print, error: &Error) {
        let mut buffer = [0; limits::LOG_LINE_BYTES];
        let mut line = Line::new(&mut buffer);
        if let Some(id) = self.options.id.filter(|id| check_id(id).is_ok()) {
            line.format(t!("{}: "), &[Value::Name(id)]);
        }
        line.print(text);
        let (step, errno) = match error.cause() {
            Cause::Kernel(errno) => (None, Some(errno)),
            Cause::Step { number, errno } => (Some(u64::from(number) + 1), Some(errno)),
            _ => (None, None),
        };
        let mut said = line.bytes();
        let misleads = matches!(errno, Some(Errno::NOENT | Errno::PERM | Errno::ACCESS)) && !error.is_of_program();
        if let (true, Some(end)) = (misleads, said.iter().rposition(|byte| *byte == b'(')) {
            said = said.get(..end.saturating_sub(1)).unwrap_or(said);
        }
        let errno = errno.map(|errno| u64::from(errno.number()));
        self.write(said, &[("step", step), ("errno", errno)]);
    }

    /// To the log, if there is one, as runc writes it, and to standard error: callers that do not know us by name read
    /// only that.
    fn write(&self, text: &[u8], numbers: &[(&str, Option<u64>)]) {
        let mut buffer = [0; 2 * limits::LOG_LINE_BYTES];
        let mut line = Line::new(&mut buffer);
        let plain = |line: &mut Line| _ = line.say(t!("pidone: ")).raw(text).byte(b'\n');
        let file = self.options.get(Name::Log);
        let time = time::real_seconds() as i64;
        if self.wants_json() {
            line.say(t!("{\"msg\":"));
            state::string(&mut line, text);
            line.say(t!(",\"level\":\"error\",\"time\":\"")).time(time).byte(b'"');
            for (name, number) in numbers {
                if let Some(number) = number {
                    line.format(t!(",\"{}\":{}"), &[Value::Text(name), Value::Number(*number)]);
                }
            }
            line.text("}\n");
        } else if file.is_some() {
            line.say(t!("time=\"")).time(time).say(t!("\" level=error msg="));
            state::string(&mut line, text);
            line.byte(b'\n');
        } else {
            plain(&mut line);
        }
        if let Some(log) = file.and_then(|path| file::open(CWD, path, Open::Append).ok()) {
            // Standard error remains.
            let _ = file::write_all(log.as_fd(), line.bytes());
            line.clear();
            plain(&mut line);
        }
        // There is nobody else to tell.
        let _ = file::write_all(file::standard_error(), line.bytes());
    }
}
