//! Building a line of text in a caller's buffer, without the weight of `core::fmt`.
//!
//! Strings from outside (names, paths, values of a configuration) go through [`Line::quoted`], so that a hostile one
//! can neither forge a log line nor steer a terminal.
//!
//! A message of more than a word is a template and its values, [`Line::format`]: a call for each piece would be code.

use crate::texts::CStr;
use core::slice::Iter;

use crate::abi::Errno;
use crate::error::{Cause, Error};
use crate::packing;
pub use crate::packing::Phrase;
use crate::texts::until_nul;

/// A line being written. Past the end of the buffer nothing is written, and [`Line::bytes`] ends in `...` to say so.
pub struct Line<'a> {
    buffer: &'a mut [u8],
    /// One more than there are, when something did not fit.
    used: usize,
}

/// Anything that can be written as text.
pub trait Print {
    /// Appends the text to the line.
    fn print(&self, line: &mut Line);
}

/// What a `{}` of a template stands for.
#[derive(Clone, Copy)]
pub enum Value<'v> {
    /// Text of our own.
    Text(&'v str),
    /// Text of our own, packed.
    Phrase(Phrase),
    /// Text of our own, perhaps packed.
    Raw(&'v CStr),
    /// Text from outside.
    Quoted(&'v [u8]),
    /// Text from outside: a name or path. The empty one is written as `""`: it would not be seen.
    Name(&'v CStr),
    /// A number in decimal.
    Number(u64),
    /// What the kernel said.
    Kernel(Errno),
    /// Anything that prints.
    Print(&'v dyn Print),
    /// As above, cut after so many bytes: what comes behind it has room whatever a hostile bundle says.
    Part(&'v dyn Print, usize),
}

impl<'a> Line<'a> {
    /// An empty line over `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Line<'a> {
        Line { buffer, used: 0 }
    }

    /// Empties the line.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Takes the last byte back.
    pub fn shorten(&mut self) {
        self.used = self.used.saturating_sub(1);
    }

    /// What was written so far.
    pub fn bytes(&mut self) -> &[u8] {
        if self.overflowed() {
            for byte in self.buffer.iter_mut().rev().take(3) {
                *byte = b'.';
            }
        }
        self.buffer.get(..self.used).unwrap_or(self.buffer)
    }

    /// What was written, for as long as the buffer is lent; nothing if it did not fit.
    pub fn written(self) -> &'a [u8] {
        self.buffer.get(..self.used).unwrap_or_default()
    }

    /// What was written, as a C string up to its first NUL; nothing if it did not fit.
    #[inline(never)]
    pub fn terminated(&mut self) -> Option<&CStr> {
        self.byte(0);
        if self.overflowed() { None } else { until_nul(self.buffer) }
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Whether something did not fit.
    pub fn overflowed(&self) -> bool {
        self.used > self.buffer.len()
    }

    /// Appends a template of our own, each `{}` in it replaced by the next value.
    pub fn format(&mut self, template: Phrase, values: &[Value]) -> &mut Self {
        self.unpack(template.bytes(), &mut values.iter())
    }

    /// Appends a message without values.
    pub fn say(&mut self, message: Phrase) -> &mut Self {
        self.format(message, &[])
    }

    /// Appends what is packed, up to a NUL or the end.
    fn unpack(&mut self, bytes: &[u8], values: &mut Iter<Value>) -> &mut Self {
        for byte in bytes {
            match *byte {
                0 => break,
                packing::VALUE => _ = values.next().map(|value| self.value(value)),
                byte => match packing::pair(byte) {
                    Some(pair) => _ = self.unpack(pair, values),
                    None => _ = self.byte(byte),
                },
            }
        }
        self
    }

    fn value(&mut self, value: &Value) {
        match *value {
            Value::Text(text) => self.text(text),
            Value::Raw(text) => self.unpack(text.to_bytes(), &mut [].iter()),
            Value::Phrase(text) => self.say(text),
            Value::Quoted(bytes) => self.quoted(bytes),
            Value::Name(name) if name.is_empty() => self.say(t!("\"\"")),
            Value::Name(name) => self.quoted(name.to_bytes()),
            Value::Number(number) => self.number(number),
            Value::Kernel(errno) => self.print(&errno),
            Value::Print(value) => self.print(value),
            Value::Part(value, most) => self.print_part(value, most),
        };
    }

    /// Appends one byte as it is.
    #[inline(never)]
    pub fn byte(&mut self, byte: u8) -> &mut Self {
        match self.buffer.get_mut(self.used) {
            Some(free) => {
                *free = byte;
                self.used += 1;
            }
            None => self.used = self.buffer.len() + 1,
        }
        self
    }

    /// Appends bytes as they are: for text of our own.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        for byte in bytes {
            self.byte(*byte);
        }
        self
    }

    /// Appends text of our own.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.raw(text.as_bytes())
    }

    /// Appends text from outside: control characters, quotes, spaces, backslashes and bytes over 126 become `\xNN`.
    pub fn quoted(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes {
            if matches!(byte, b'!'..=b'~') && byte != b'\\' && byte != b'"' {
                self.byte(byte);
            } else {
                self.text("\\x").hexadecimal_digit(byte >> 4).hexadecimal_digit(byte & 15);
            }
        }
        self
    }

    /// Appends text of our own, or that can do no harm, and blanks, so that what comes next begins `width` bytes later; at
    /// least one.
    pub fn pad(&mut self, bytes: &[u8], width: usize) -> &mut Self {
        let end = self.used.saturating_add(width);
        self.raw(bytes).byte(b' ');
        while self.used < end && !self.overflowed() {
            self.byte(b' ');
        }
        self
    }

    /// Appends a number in decimal.
    pub fn number(&mut self, value: u64) -> &mut Self {
        self.digits(value, 10)
    }

    /// Appends a signed number in decimal.
    pub fn signed(&mut self, value: i64) -> &mut Self {
        if value < 0 {
            self.byte(b'-');
        }
        self.number(value.unsigned_abs())
    }

    /// Appends a number in octal with a leading zero, as file modes are written.
    pub fn octal(&mut self, value: u64) -> &mut Self {
        self.byte(b'0');
        if value == 0 { self } else { self.digits(value, 8) }
    }

    /// Appends a moment, in seconds since 1970, as RFC 3339 writes it: `2026-11-23T15:13:02Z`.
    pub fn time(&mut self, seconds: i64) -> &mut Self {
        // In years that begin in March, so that the day that may be missing is the last; 719468 days after 0000-03-01.
        let (days, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        self.number((era * 400 + year + later).unsigned_abs());
        for (before, number) in
            [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)]
        {
            self.byte(before).number(number.unsigned_abs() / 10).number(number.unsigned_abs() % 10);
        }
        self.byte(b'Z')
    }

    /// Appends a moment, in microseconds since 1970: `2026-11-23T15:13:02.123456Z`.
    pub fn time_us(&mut self, us: u64) -> &mut Self {
        self.time((us / 1_000_000) as i64);
        // In place of the `Z`.
        self.used = self.used.saturating_sub(1);
        self.byte(b'.');
        let mut unit = 100_000;
        while unit > 0 {
            self.byte(b'0' + (us / unit % 10) as u8);
            unit /= 10;
        }
        self.byte(b'Z')
    }

    /// Appends anything that prints.
    pub fn print(&mut self, value: &dyn Print) -> &mut Self {
        value.print(self);
        self
    }

    /// Appends anything that prints, cut after `most` bytes.
    fn print_part(&mut self, value: &dyn Print, most: usize) -> &mut Self {
        let end = self.used.saturating_add(most).min(self.buffer.len());
        if let Some(buffer) = self.buffer.get_mut(self.used..end) {
            let mut part = Line::new(buffer);
            let length = part.print(value).bytes().len();
            self.used += length;
        }
        self
    }

    /// Appends one digit, 0 to 15.
    pub fn hexadecimal_digit(&mut self, digit: u8) -> &mut Self {
        self.byte(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
    }

    fn digits(&mut self, value: u64, base: u64) -> &mut Self {
        let mut divisor = 1;
        while value / divisor >= base {
            divisor *= base;
        }
        while divisor > 0 {
            self.byte(b'0' + (value / divisor % base) as u8);
            divisor /= base;
        }
        self
    }
}

/// Whether a byte is in a text.
#[allow(clippy::manual_contains, reason = "the library's own search is made for long texts, and long itself")]
#[inline(never)]
pub fn has(text: &[u8], byte: u8) -> bool {
    text.iter().any(|other| *other == byte)
}

/// The text before the first of a separator, and the text behind it.
#[inline(never)]
pub fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The text before the last of a separator, and the text behind it; all of it is behind if there is none.
#[inline(never)]
pub fn cut_last(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let start = text.iter().rposition(|byte| *byte == separator).map_or(0, |at| at + 1);
    (text.get(..start.saturating_sub(1)).unwrap_or_default(), text.get(start..).unwrap_or_default())
}

/// The pieces of a text between separators: as `split`, but compiled once.
#[derive(Clone)]
pub struct Fields<'t> {
    rest: Option<&'t [u8]>,
    separator: u8,
}

/// The pieces of a text between separators; at least one, if only an empty one.
pub fn fields(text: &[u8], separator: u8) -> Fields<'_> {
    Fields { rest: Some(text), separator }
}

impl<'t> Iterator for Fields<'t> {
    type Item = &'t [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'t [u8]> {
        let text = self.rest?;
        let end = text.iter().position(|byte| *byte == self.separator).unwrap_or(text.len());
        self.rest = text.get(end + 1..);
        text.get(..end)
    }
}

/// Which of some names, blanks between them, a word is.
#[inline(never)]
pub fn position(names: &[u8], word: &[u8]) -> Option<usize> {
    // How many bytes of a name are the word's; more than it has if one is not.
    let (mut index, mut same) = (0, 0);
    for byte in names {
        if *byte == b' ' {
            if same == word.len() {
                return Some(index);
            }
            (index, same) = (index + 1, 0);
        } else {
            same = if word.get(same) == Some(byte) { same + 1 } else { usize::MAX };
        }
    }
    (same == word.len()).then_some(index)
}

/// One of some names, blanks between them; the empty one past the last.
#[inline(never)]
pub fn word(names: &[u8], index: usize) -> &[u8] {
    fields(names, b' ').nth(index).unwrap_or_default()
}

/// Names with blanks between, as [`Names`] reads them: each behind its length. There are `N` bytes, one more than before.
pub const fn with_lengths<const N: usize>(names: &[u8]) -> [u8; N] {
    assert!(N == names.len() + 1);
    let mut result = [0; N];
    let (mut start, mut at) = (0, 0);
    while at < names.len() {
        if names[at] == b' ' {
            start = at + 1;
        } else {
            result[at + 1] = names[at];
            result[start] += 1;
        }
        at += 1;
    }
    result
}

/// Names, each behind its length: one that is not looked for is passed over as a whole.
pub struct Names(pub &'static [u8]);

impl Iterator for Names {
    type Item = &'static [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'static [u8]> {
        let (length, behind) = self.0.split_first()?;
        let (name, rest) = behind.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        Some(name)
    }
}

impl Names {
    /// Which of them a word is.
    #[inline(never)]
    pub fn find(self, word: &[u8]) -> Option<usize> {
        for (index, name) in self.enumerate() {
            if name.len() == word.len() && name == word {
                return Some(index);
            }
        }
        None
    }
}

/// The number that digits of a base up to 16 mean.
pub fn number(digits: &[u8], base: u8) -> Option<u64> {
    let mut number = 0_u64;
    for digit in digits {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            _ => (digit | 0x20).checked_sub(b'a')?.saturating_add(10),
        };
        if digit >= base {
            return None;
        }
        number = number.checked_mul(base.into())?.checked_add(digit.into())?;
    }
    (!digits.is_empty()).then_some(number)
}

impl Print for Phrase {
    fn print(&self, line: &mut Line) {
        line.say(*self);
    }
}

impl Print for Error {
    /// `what it was doing: why it failed`. The two causes that need more to be understood (a place in a text, a step of
    /// a plan) are printed by those who hold the text and the plan.
    fn print(&self, line: &mut Line) {
        use Value::{Kernel, Number, Raw};
        let cause = self.cause();
        if !names_its_file(&cause) {
            line.format(t!("{}: "), &[Raw(self.doing())]);
        }
        match cause {
            Cause::Kernel(errno) => line.print(&errno),
            Cause::Limit { what, found, most } => {
                line.format(t!("too many {}: {}, at most {}"), &[Raw(what), Number(found.into()), Number(most.into())])
            }
            Cause::Text { at, problem } => line.format(t!("{} at byte {}"), &[Raw(problem), Number(at.into())]),
            Cause::Wrong { problem } => line.format(t!("{}"), &[Raw(problem)]),
            Cause::Refused { field, problem } => line.format(t!("{}: {}"), &[Raw(field), Raw(problem)]),
            Cause::RefusedEntry { field, number, problem } => {
                line.format(t!("{}[{}]: {}"), &[Raw(field), Number(number.into()), Raw(problem)])
            }
            Cause::Step { number, errno } => {
                line.format(t!("step {}: {}"), &[Number(u64::from(number) + 1), Kernel(errno)])
            }
        };
    }
}

/// Fields of runtime.json say so themselves: most are config.json's.
fn names_its_file(cause: &Cause) -> bool {
    match cause {
        Cause::Refused { field, .. } | Cause::RefusedEntry { field, .. } => {
            field.to_bytes().starts_with(b"runtime.json")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Line)) -> String {
        let mut buffer = [0; 64];
        let mut line = Line::new(&mut buffer);
        write(&mut line);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            written(|l| {
                l.number(0).byte(b' ').number(1234567890123);
            }),
            "0 1234567890123"
        );
        assert_eq!(
            written(|l| {
                l.number(u64::MAX);
            }),
            "18446744073709551615"
        );
        assert_eq!(
            written(|l| {
                l.signed(-17).byte(b' ').octal(0o1777).byte(b' ').octal(0);
            }),
            "-17 01777 0"
        );
    }

    #[test]
    fn hostile_text_cannot_forge_a_line() {
        assert_eq!(
            written(|l| {
                l.quoted(b"a\nb\x1b[2J \"\\");
            }),
            r"a\x0ab\x1b[2J\x20\x22\x5c"
        );
    }

    #[test]
    fn a_full_line_says_that_it_is_cut() {
        let mut buffer = [0; 8];
        let mut line = Line::new(&mut buffer);
        line.text("0123456789");
        assert!(line.overflowed());
        assert_eq!(line.bytes(), b"01234...");
    }

    #[test]
    fn what_stands_behind_a_long_part_is_not_lost() {
        assert_eq!(
            written(|l| {
                l.text("a: ").print_part(&t!("only for services"), 6).text(": why ").print_part(&t!("halt"), 6);
            }),
            "a: onl...: why halt"
        );
    }
}
