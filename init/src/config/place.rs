//! Where an offset of a text is, in the terms of whoever wrote the text.

use super::scan::{self, Frame, Path, decode};
use crate::error::{Cause, Error};
use crate::limits;
use crate::text::{Line, Print, Value, cut_last};
use crate::texts::CStr;

/// Bytes of a key that are printed; no key of the specification is longer.
const KEY_BYTES_MAX: usize = 64;

/// Prints a failure to read a text: `config.json: line 12, column 7: linux.resources.pids.limit: expected an integer`.
/// `file` is the name of the text.
pub fn print_error(line: &mut Line, file: &str, text: &[u8], error: &Error) {
    match error.cause() {
        Cause::Text { at, problem } => Problem { file, text, at, problem }.print(line),
        _ => error.print(line),
    }
}

/// A problem with what is at an offset of a text. Prints as [`print_error`] does.
pub struct Problem<'t> {
    /// The name of the text.
    pub file: &'t str,
    /// The text.
    pub text: &'t [u8],
    /// The offset.
    pub at: u32,
    /// What is wrong there.
    pub problem: &'static CStr,
}

impl Print for Problem<'_> {
    fn print(&self, line: &mut Line) {
        let place = place(self.text, self.at);
        let place = Value::Part(&place, limits::LOG_PART_BYTES);
        line.format(t!("{}: {}: {}"), &[Value::Text(self.file), place, Value::Raw(self.problem)]);
    }
}

/// A place in a text.
pub struct Place<'t> {
    /// Line, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    text: &'t [u8],
    path: Path,
}

/// Finds an offset.
pub fn place(text: &[u8], at: u32) -> Place<'_> {
    let at = at as usize;
    let before = text.get(..at).unwrap_or(text);
    let mut path = Path::new();
    // Whether it ends at the offset or at the fault that is there, the path leads to it.
    let _ = scan::walk(text, at, &mut path);
    let newlines = before.iter().filter(|byte| **byte == b'\n').count();
    let last = cut_last(before, b'\n').1;
    // Bytes that continue a character are no columns of their own.
    let column = last.iter().filter(|byte| **byte & 0xc0 != 0x80).count() + 1;
    Place { line: newlines + 1, column, text, path }
}

impl Print for Place<'_> {
    fn print(&self, line: &mut Line) {
        line.format(t!("line {}, column {}"), &[Value::Number(self.line as u64), Value::Number(self.column as u64)]);
        for (depth, frame) in self.path.frames().iter().enumerate() {
            let first = depth == 0;
            match *frame {
                Frame::Object => {}
                Frame::Element(index) => {
                    line.text(if first { ": [" } else { "[" }).number(u64::from(index)).byte(b']');
                }
                Frame::Member(key) => {
                    line.text(if first { ": " } else { "" });
                    print_key(line, self.text, key, first);
                }
            }
        }
    }
}

/// `.name`, or `["a.name"]` if it would be mistaken for something else.
fn print_key(line: &mut Line, text: &[u8], key: usize, first: bool) {
    let end = scan::string_end(text, key).saturating_sub(1);
    let mut buffer = [0; KEY_BYTES_MAX];
    let length = decode(text.get(key + 1..end).unwrap_or_default(), &mut buffer);
    let name = buffer.get(..length).unwrap_or(&buffer);
    let plain = length > 0 && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let (before, after) = if !plain {
        ("[\"", "\"]")
    } else if first {
        ("", "")
    } else {
        (".", "")
    };
    let dots = if length > KEY_BYTES_MAX { "..." } else { "" };
    line.text(before).quoted(name).text(dots).text(after);
}
