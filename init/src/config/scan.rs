//! JSON as text (RFC 8259): whether it is well-formed, where things are in it, and what escapes stand for.
//!
//! [`check`] comes before anything else reads a text. It does not recurse, and holds the text to a fixed depth, because
//! the parser behind [`super::read`] recurses as deep as the text says and lets malformed values pass in fields it skips.

use core::ffi::CStr;

use crate::limits::JSON_DEPTH_MAX;
use crate::text::number as parse;

/// What is wrong with a text, and where.
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
        Path { frames: [Frame::Object; JSON_DEPTH_MAX], depth: 0 }
    }

    /// From the outside in.
    pub(super) fn frames(&self) -> &[Frame] {
        self.frames.get(..self.depth).unwrap_or(&[])
    }

    fn top(&mut self) -> Option<&mut Frame> {
        self.frames.get_mut(self.depth.checked_sub(1)?)
    }

    fn enter(&mut self, at: usize, frame: Frame) -> Result<(), Fault> {
        let Some(free) = self.frames.get_mut(self.depth) else {
            return Err(Fault { at, problem: c!("nested too deep, at most 32 levels") });
        };
        *free = frame;
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}

const _: () = assert!(JSON_DEPTH_MAX == 32, "the message in `enter` says 32");

/// Whether the text is one well-formed JSON value in UTF-8 and nothing else, within the bound on depth, and none of its
/// strings holds a NUL.
///
/// # Errors
/// The first fault.
pub(super) fn check(text: &[u8]) -> Result<(), Fault> {
    if let Err(error) = core::str::from_utf8(text) {
        return Err(Fault { at: error.valid_up_to(), problem: c!("not UTF-8") });
    }
    walk(text, usize::MAX, &mut Path::new())
}

/// Walks through the text up to the key or value that begins at or holds `stop`, or up to the first fault; `path` then
/// leads there.
///
/// # Errors
/// The first fault before `stop`.
pub(super) fn walk(text: &[u8], stop: usize, path: &mut Path) -> Result<(), Fault> {
    let mut at = 0;
    loop {
        at = skip_space(text, at);
        if at >= stop {
            return Ok(());
        }
        // One value, or the start of one.
        let mut empty = false;
        match byte(text, at) {
            Some(b'{') => {
                path.enter(at, Frame::Object)?;
                at = skip_space(text, at + 1);
                empty = byte(text, at) == Some(b'}');
                if !empty {
                    at = key(text, at, stop, path)?;
                    continue;
                }
            }
            Some(b'[') => {
                path.enter(at, Frame::Element(0))?;
                at = skip_space(text, at + 1);
                empty = byte(text, at) == Some(b']');
                if !empty {
                    continue;
                }
            }
            Some(b'"') => at = string(text, at)?,
            Some(b'-' | b'0'..=b'9') => at = number(text, at)?,
            _ => at = literal(text, at)?,
        }
        if empty {
            at += 1;
            path.leave();
        }
        if at > stop {
            return Ok(());
        }
        // Whatever ends here, and the comma before what comes next.
        loop {
            at = skip_space(text, at);
            let next = byte(text, at);
            let Some(frame) = path.top() else {
                return if next.is_none() { Ok(()) } else { Err(Fault { at, problem: c!("more after the end") }) };
            };
            match (frame, next) {
                (Frame::Element(index), Some(b',')) => {
                    *index = index.saturating_add(1);
                    at += 1;
                    break;
                }
                (frame, Some(b',')) => {
                    *frame = Frame::Object;
                    at = key(text, skip_space(text, at + 1), stop, path)?;
                    break;
                }
                (Frame::Element(_), Some(b']')) | (Frame::Object | Frame::Member(_), Some(b'}')) => {
                    path.leave();
                    at += 1;
                }
                (Frame::Element(_), _) => return Err(unexpected(text, at, c!("expected , or ]"))),
                _ => return Err(unexpected(text, at, c!("expected , or }"))),
            }
        }
    }
}

/// Reads a key and its colon.
fn key(text: &[u8], at: usize, stop: usize, path: &mut Path) -> Result<usize, Fault> {
    if byte(text, at) != Some(b'"') {
        return Err(unexpected(text, at, c!("expected a key in quotes")));
    }
    // A key that is asked for is part of its path even when it is malformed.
    if let Some(frame) = path.top().filter(|_| at >= stop) {
        *frame = Frame::Member(at);
        return Ok(at);
    }
    let end = string(text, at)?;
    if end > stop {
        return Ok(end);
    }
    let end = skip_space(text, end);
    if let Some(frame) = path.top() {
        *frame = Frame::Member(at);
    }
    if byte(text, end) == Some(b':') { Ok(end + 1) } else { Err(unexpected(text, end, c!("expected :"))) }
}

/// Reads a string: the offset after its closing quote.
fn string(text: &[u8], start: usize) -> Result<usize, Fault> {
    let mut at = start + 1;
    loop {
        match byte(text, at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match escape(text.get(at + 1..).unwrap_or(&[])) {
                Ok((_, length)) => at += 1 + length,
                Err(problem) => return Err(Fault { at, problem }),
            },
            Some(0..=0x1f) => return Err(Fault { at, problem: c!("control character in a string") }),
            Some(_) => at += 1,
            None => return Err(unexpected(text, at, c"")),
        }
    }
}

fn number(text: &[u8], start: usize) -> Result<usize, Fault> {
    let malformed = Fault { at: start, problem: c!("malformed number") };
    let digits = |mut at: usize| {
        let start = at;
        while matches!(byte(text, at), Some(b'0'..=b'9')) {
            at += 1;
        }
        (at > start).then_some(at)
    };
    let whole = start + usize::from(byte(text, start) == Some(b'-'));
    let Some(mut at) = digits(whole) else { return Err(malformed) };
    if byte(text, whole) == Some(b'0') && at > whole + 1 {
        return Err(malformed);
    }
    if byte(text, at) == Some(b'.') {
        let Some(end) = digits(at + 1) else { return Err(malformed) };
        at = end;
    }
    if matches!(byte(text, at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(byte(text, at + 1), Some(b'+' | b'-')));
        let Some(end) = digits(at + 1 + sign) else { return Err(malformed) };
        at = end;
    }
    Ok(at)
}

fn literal(text: &[u8], at: usize) -> Result<usize, Fault> {
    let rest = text.get(at..).unwrap_or(&[]);
    for word in ["null", "true", "false"] {
        if rest.starts_with(word.as_bytes()) {
            return Ok(at + word.len());
        }
    }
    Err(unexpected(text, at, c!("expected a value")))
}

fn unexpected(text: &[u8], at: usize, problem: &'static CStr) -> Fault {
    Fault { at, problem: if at < text.len() { problem } else { c!("unexpected end of the text") } }
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
    match unit(1).ok_or(c"malformed \\u escape")? {
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

/// The byte at an offset.
pub(super) fn byte(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).copied()
}

/// The first offset from `at` on that is not white space.
pub(super) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(byte(text, at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The offset after the string at `at`, of a text that has been checked.
pub(super) fn string_end(text: &[u8], mut at: usize) -> usize {
    loop {
        at += 1;
        match byte(text, at) {
            Some(b'\\') => at += 1,
            Some(b'"') => return at + 1,
            Some(_) => {}
            None => return at,
        }
    }
}

/// The offset after the value at `at`, of a text that has been checked.
pub(super) fn value_end(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        match byte(text, at) {
            Some(b'"') => {
                at = string_end(text, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            Some(b'{' | b'[') => depth += 1,
            // The end of what is around a number or literal.
            Some(b'}' | b']') if depth == 0 => return at,
            Some(b'}' | b']') => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            Some(b',' | b' ' | b'\t' | b'\n' | b'\r') if depth == 0 => return at,
            Some(_) => {}
            None => return at,
        }
        at += 1;
    }
}

/// The offset of the value that belongs to the key at `at`, of a text that has been checked.
pub(super) fn member_value(text: &[u8], at: usize) -> usize {
    skip_space(text, skip_space(text, string_end(text, at)) + 1)
}

/// The offsets of what is in the array or object at an offset, of a text that has been checked: elements, or the keys of
/// members.
pub(super) fn children(text: &[u8], at: usize) -> impl Iterator<Item = usize> + '_ {
    let first = skip_space(text, at + 1);
    let mut next = Some(first).filter(|first| !matches!(byte(text, *first), Some(b']' | b'}') | None));
    core::iter::from_fn(move || {
        let child = next?;
        let mut end = skip_space(text, value_end(text, child));
        if byte(text, end) == Some(b':') {
            end = skip_space(text, value_end(text, skip_space(text, end + 1)));
        }
        next = (byte(text, end) == Some(b',')).then(|| skip_space(text, end + 1));
        Some(child)
    })
}
