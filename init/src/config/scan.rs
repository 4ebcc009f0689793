//! JSON as text (RFC 8259): whether it is well-formed, where things are in it, and what escapes stand for.
//!
//! [`check`] comes before anything else reads a text. It does not recurse, and holds the text to a fixed depth, because
//! the parser behind [`super::read`] recurses as deep as the text says and lets malformed values pass in fields it skips.

use crate::limits::JSON_DEPTH_MAX;
use crate::text::number as parse;
use crate::texts::CStr;

/// What is wrong with a text, and where.
#[derive(Clone, Copy)]
pub(super) struct Fault {
    /// Byte offset.
    pub at: usize,
    /// What is wrong.
    pub problem: &'static CStr,
}

/// The objects and arrays around an offset, the outermost first.
pub(super) struct Path {
    frames: [Frame; JSON_DEPTH_MAX],
    depth: usize,
    /// Whether there was an escape in a string on the way.
    has_escapes: bool,
}

/// An object or array, and the place in it.
#[derive(Clone, Copy)]
pub(super) enum Frame {
    /// An object, before its first key or between two members.
    Object,
    /// The member of an object whose key, with its quotes, is at this offset.
    Member(usize),
    /// This element of an array.
    Element(u32),
}

impl Path {
    /// Outside of everything.
    pub(super) const fn new() -> Path {
        Path { frames: [Frame::Object; JSON_DEPTH_MAX], depth: 0, has_escapes: false }
    }

    /// From the outside in.
    pub(super) fn frames(&self) -> &[Frame] {
        self.frames.get(..self.depth).unwrap_or(&[])
    }

    fn top(&mut self) -> Option<&mut Frame> {
        self.frames.get_mut(self.depth.checked_sub(1)?)
    }
}

const _: () = assert!(JSON_DEPTH_MAX == 32, "the message in `step` says 32");

/// Whether the text is one well-formed JSON value in UTF-8 and nothing else, within the bound on depth, and none of its
/// strings holds a NUL. And whether one of them holds an escape.
///
/// # Errors
/// The first fault.
pub(super) fn check(text: &[u8]) -> Result<bool, Fault> {
    if let Err(error) = core::str::from_utf8(text) {
        return Err(Fault { at: error.valid_up_to(), problem: c!("not UTF-8") });
    }
    let mut path = Path::new();
    walk(text, usize::MAX, &mut path).map(|()| path.has_escapes)
}

/// Walks through the text up to the key or value that begins at or holds `stop`, or up to the first fault; `path` then
/// leads there.
///
/// # Errors
/// The first fault before `stop`.
pub(super) fn walk(text: &[u8], stop: usize, path: &mut Path) -> Result<(), Fault> {
    let mut walk = Walk { text, at: 0, stop, path, fault: None };
    while walk.step() && walk.fault.is_none() {}
    walk.fault.map_or(Ok(()), Err)
}

/// A text being walked through.
struct Walk<'t, 'p> {
    text: &'t [u8],
    at: usize,
    stop: usize,
    path: &'p mut Path,
    fault: Option<Fault>,
}

impl Walk<'_, '_> {
    fn byte(&self) -> u8 {
        byte(self.text, self.at)
    }

    fn skip_space(&mut self) {
        self.at = skip_space(self.text, self.at);
    }

    /// Passes over this byte, if it is there.
    fn skip(&mut self, byte: u8) -> bool {
        let is_there = self.byte() == byte;
        self.at += usize::from(is_there);
        is_there
    }

    #[inline(never)]
    fn fail(&mut self, problem: &'static CStr) {
        let problem = if self.at < self.text.len() { problem } else { c!("unexpected end of the text") };
        self.fault = Some(Fault { at: self.at, problem });
    }

    /// One value or the start of one, and what ends behind it. Whether there is more to come.
    fn step(&mut self) -> bool {
        self.skip_space();
        if self.at >= self.stop {
            return false;
        }
        match self.byte() {
            open @ (b'{' | b'[') => {
                let is_object = open == b'{';
                match self.path.frames.get_mut(self.path.depth) {
                    Some(free) => *free = if is_object { Frame::Object } else { Frame::Element(0) },
                    None => self.fail(c!("nested too deep, at most 32 levels")),
                }
                self.path.depth += 1;
                self.at += 1;
                self.skip_space();
                // In ASCII, two behind.
                if self.byte() != open + 2 {
                    if is_object {
                        self.key();
                    }
                    return true;
                }
            }
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            first => self.literal(first),
        }
        if self.at > self.stop {
            return false;
        }
        // Whatever ends here, and the comma before what comes next.
        while self.fault.is_none() {
            self.skip_space();
            let next = self.byte();
            let Some(frame) = self.path.top() else {
                if self.at < self.text.len() {
                    self.fail(c!("more after the end"));
                }
                return false;
            };
            let is_list = matches!(frame, Frame::Element(_));
            match next {
                b',' => {
                    self.at += 1;
                    match frame {
                        Frame::Element(index) => *index = index.saturating_add(1),
                        frame => {
                            *frame = Frame::Object;
                            self.skip_space();
                            self.key();
                        }
                    }
                    return true;
                }
                b']' if is_list => self.leave(),
                b'}' if !is_list => self.leave(),
                _ if is_list => self.fail(c!("expected , or ]")),
                _ => self.fail(c!("expected , or }")),
            }
        }
        false
    }

    /// The end of an object or array.
    fn leave(&mut self) {
        self.path.depth = self.path.depth.saturating_sub(1);
        self.at += 1;
    }

    /// A key and its colon.
    fn key(&mut self) {
        let start = self.at;
        if self.byte() != b'"' {
            return self.fail(c!("expected a key in quotes"));
        }
        // A key that is asked for is part of its path even when it is malformed.
        if start < self.stop {
            self.string();
            if self.at > self.stop || self.fault.is_some() {
                return;
            }
            self.skip_space();
            if !self.skip(b':') {
                self.fail(c!("expected :"));
            }
        }
        if let Some(frame) = self.path.top() {
            *frame = Frame::Member(start);
        }
    }

    fn string(&mut self) {
        loop {
            self.at = plain_end(self.text, self.at + 1);
            match self.byte() {
                b'"' => break self.at += 1,
                b'\\' => match escape(self.text.get(self.at + 1..).unwrap_or(&[])) {
                    Ok((_, length)) => {
                        self.path.has_escapes = true;
                        self.at += length;
                    }
                    Err(problem) => break self.fail(problem),
                },
                _ => break self.fail(c!("control character in a string")),
            }
        }
    }

    fn number(&mut self) {
        let start = self.at;
        self.skip(b'-');
        let is_zero = self.byte() == b'0';
        let count = self.digits();
        let mut is_right = count == 1 || count > 1 && !is_zero;
        if self.skip(b'.') {
            is_right &= self.digits() > 0;
        }
        if self.skip(b'e') || self.skip(b'E') {
            let _ = self.skip(b'+') || self.skip(b'-');
            is_right &= self.digits() > 0;
        }
        if !is_right {
            self.at = start;
            self.fail(c!("malformed number"));
        }
    }

    /// Passes over digits, and counts them.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }

    fn literal(&mut self, first: u8) {
        let word = match first {
            b'n' => "null",
            b't' => "true",
            _ => "false",
        };
        match self.text.get(self.at..) {
            Some(rest) if rest.starts_with(word.as_bytes()) => self.at += word.len(),
            _ => self.fail(c!("expected a value")),
        }
    }
}

/// What an escape stands for, and its length without the backslash.
fn escape(rest: &[u8]) -> Result<(char, usize), &'static CStr> {
    let plain = match rest.first() {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\x08',
        Some(b'f') => '\x0c',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(rest),
        _ => return Err(c!("unknown escape in a string")),
    };
    Ok((plain, 1))
}

fn unicode_escape(rest: &[u8]) -> Result<(char, usize), &'static CStr> {
    let unit = |from: usize| -> Option<u32> { parse(rest.get(from..from + 4)?, 16).map(|unit| unit as u32) };
    match unit(1).ok_or(s!("malformed \\u escape"))? {
        0 => Err(c!("NUL in a string")),
        high @ 0xd800..=0xdbff => {
            // Characters beyond 16 bits are two escapes, a surrogate pair.
            let low = unit(7).filter(|low| rest.get(5..7) == Some(b"\\u") && (0xdc00..=0xdfff).contains(low));
            let code = low.map(|low| 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            Ok((code.and_then(char::from_u32).ok_or(c!("lone surrogate in a string"))?, 11))
        }
        code => Ok((char::from_u32(code).ok_or(c!("lone surrogate in a string"))?, 5)),
    }
}

/// Writes into `to` what the inside of a string stands for, as far as there is room, and counts its bytes. Ends early at
/// a malformed escape; [`check`] finds those first.
pub(super) fn decode(raw: &[u8], to: &mut [u8]) -> usize {
    let (mut rest, mut length) = (raw, 0);
    while let [byte, behind @ ..] = rest {
        let (mut character, mut size) = ([*byte, 0, 0, 0], 1);
        rest = behind;
        if *byte == b'\\' {
            let Ok((decoded, escape)) = escape(behind) else { break };
            size = decoded.encode_utf8(&mut character).len();
            rest = behind.get(escape..).unwrap_or_default();
        }
        for byte in character.iter().take(size) {
            if let Some(free) = to.get_mut(length) {
                *free = *byte;
            }
            length += 1;
        }
    }
    length
}

/// The byte at an offset; 0, which no JSON has, behind the end.
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// The first offset from `at` on that is not white space.
#[inline(never)]
pub(super) fn skip_space(text: &[u8], mut at: usize) -> usize {
    loop {
        match byte(text, at) {
            b'!'.. => return at,
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            _ => return at,
        }
        // Nearly all are blanks that indent.
        while text.get(at..at + 4).is_some_and(|blanks| blanks == b"    ") {
            at += 4;
        }
    }
}

/// The first offset from `at` on of what does not stand for itself in a string: a quote, a backslash, a control character,
/// or the end.
#[inline(never)]
pub(super) fn plain_end(text: &[u8], mut at: usize) -> usize {
    const EACH: u64 = u64::MAX / 0xff;
    // Eight bytes at a time. The lowest bit that is left belongs to the first such byte; those above it may mean nothing.
    while let Some(word) = text.get(at..at + 8).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        let below = |bound: u64, word: u64| word.wrapping_sub(EACH * bound) & !word;
        let quote = below(1, word ^ (EACH * b'"' as u64));
        let backslash = below(1, word ^ (EACH * b'\\' as u64));
        let ends = (below(b' '.into(), word) | quote | backslash) & (EACH * 0x80);
        if ends != 0 {
            return at + ends.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while !matches!(byte(text, at), 0..=0x1f | b'"' | b'\\') {
        at += 1;
    }
    at
}

/// The offset after the string at `at`, of a text that has been checked.
pub(super) fn string_end(text: &[u8], mut at: usize) -> usize {
    loop {
        at = plain_end(text, at + 1);
        match byte(text, at) {
            b'\\' => at += 1,
            b'"' => return at + 1,
            0 => return at,
            _ => {}
        }
    }
}

/// The offset after the value at `at`, of a text that has been checked.
pub(super) fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match byte(text, at) {
            b'"' => {
                at = string_end(text, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            // The end of what is around a number or literal.
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            0 => return at,
            _ => {}
        }
        at += 1;
    }
}

/// The offsets of what is in the array or object at an offset, of a text that has been checked: elements, or the keys of
/// members.
pub(super) fn children(text: &[u8], at: usize) -> impl Iterator<Item = usize> + '_ {
    let first = skip_space(text, at + 1);
    let mut next = (!matches!(byte(text, first), b']' | b'}' | 0)).then_some(first);
    core::iter::from_fn(move || {
        let child = next?;
        let mut end = skip_space(text, value_end(text, child));
        if byte(text, end) == b':' {
            end = skip_space(text, value_end(text, skip_space(text, end + 1)));
        }
        next = (byte(text, end) == b',').then(|| skip_space(text, end + 1));
        Some(child)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_ends_a_plain_part_of_a_string_is_found_in_every_place() {
        for byte in 0..=u8::MAX {
            let ends = matches!(byte, 0..=0x1f | b'"' | b'\\');
            for (length, place) in (0..20).flat_map(|length| (0..length).map(move |place| (length, place))) {
                for around in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut text = vec![around; length];
                    text[place] = byte;
                    for start in 0..=place {
                        let expected = if ends { place } else { length };
                        assert_eq!(plain_end(&text, start), expected, "{byte} among {around} from {start}");
                    }
                }
            }
        }
    }

    #[test]
    fn space_is_passed_over_and_nothing_else() {
        for blanks in 0..20 {
            for space in ["", "\n", "\t", "\r\n", "\n\n \t"] {
                for behind in ["", "x", "\"", "\0", "\x0b", "\u{a0}"] {
                    let text = format!("{space}{}{behind}", " ".repeat(blanks));
                    assert_eq!(skip_space(text.as_bytes(), 0), text.len() - behind.len(), "{text:?}");
                }
            }
        }
    }
}
