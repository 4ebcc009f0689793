//! Those who ask for what was logged, over /run/memlogdq.sock: memlogd's contract, and the words of pidone's own commands.
//!
//! A question is one byte, and perhaps a name behind it: 0 all there is, 1 all that will be, 2 both, as lines of JSON; with
//! 4 added, as text, after a `+`, or `-` if there is no such stream; 8 for a `.` when a container's streams have ended.

use super::memory::{Memory, life};
use super::{Logger, OTHER, ring};
use crate::limits::{self, LOG_RECORD_BYTES, LOG_SOURCE_BYTES, LOG_STREAMS_MAX};
use crate::sys::{AsFd, OwnedFd, file, socket};
use crate::text::Line;

/// What was to come is asked for.
pub(super) const FOLLOW: u8 = 1;
/// What was and what is to come.
pub(super) const BOTH: u8 = 2;
/// As text.
pub(super) const TEXT: u8 = 4;
/// When it has ended.
pub(super) const END: u8 = 8;
/// Nothing was asked yet.
const NOTHING: u8 = 255;
/// There is no such stream.
const REFUSED: u8 = 254;

/// The longest answer about one record: each byte as `\u00NN`, and what stands around it.
const OUT_BYTES: usize = 6 * LOG_RECORD_BYTES + LOG_SOURCE_BYTES + 128;

/// Somebody who asks.
pub(super) struct Client {
    socket: Option<OwnedFd>,
    question: u8,
    wanted: [u8; LOG_SOURCE_BYTES],
    wanted_bytes: usize,
    /// Records from here on are not asked for.
    end: u64,
    /// Where in each stream's ring the next record is.
    positions: [u64; LOG_STREAMS_MAX],
    /// What is being sent: from where on, and until where.
    out: [u8; OUT_BYTES],
    sent: usize,
    filled: usize,
}

impl Client {
    /// Nobody. All zeros.
    pub(super) const NONE: Client = Client {
        socket: None,
        question: 0,
        wanted: [0; _],
        wanted_bytes: 0,
        end: 0,
        positions: [0; _],
        out: [0; _],
        sent: 0,
        filled: 0,
    };

    /// Whether it is there after it got what there was for it; `busy` says that there is more.
    fn go_on(&mut self, logger: &mut Logger, busy: &mut bool) -> Option<()> {
        let mut question = [0; 1 + LOG_SOURCE_BYTES];
        match file::read(self.socket.as_ref()?.as_fd(), &mut question) {
            Err(crate::abi::Errno::AGAIN) => {}
            Ok(length) if length > 0 && self.question == NOTHING => {
                // What was sent before the question is in the store.
                logger.look();
                self.asked(question.get(..length as usize)?, &logger.memory);
            }
            _ => return None,
        }
        let memory = &logger.memory;
        match self.question {
            NOTHING => return Some(()),
            END if memory.all(life::LIVE).any(|stream| self.wants(memory.source(stream))) => return Some(()),
            END => self.put(b'.'),
            _ => {}
        }
        for _ in 0..limits::LOG_RECORDS_PER_TURN {
            while let Some(rest) = self.out.get(self.sent..self.filled).filter(|rest| !rest.is_empty()) {
                match socket::send(self.socket.as_ref()?.as_fd(), rest) {
                    Ok(count) => self.sent += count,
                    Err(crate::abi::Errno::AGAIN) => return Some(()),
                    Err(_) => return None,
                }
            }
            (self.sent, self.filled) = (0, 0);
            if self.question == END || self.question == REFUSED {
                return None;
            }
            if !self.fill(memory) {
                return (self.end == u64::MAX).then_some(());
            }
        }
        *busy = true;
        Some(())
    }

    fn put(&mut self, byte: u8) {
        if let Some(first) = self.out.first_mut() {
            *first = byte;
            self.filled = 1;
        }
    }

    /// Takes in the question.
    fn asked(&mut self, question: &[u8], memory: &Memory) {
        let Some((question, name)) = question.split_first() else { return };
        self.question = *question;
        self.wanted_bytes = name.len();
        crate::sys::path::copy(&mut self.wanted, name);
        let only_new = question & 3 == FOLLOW;
        for (stream, position) in self.positions.iter_mut().enumerate().take(memory.count()) {
            *position = if only_new { memory.state(stream).head } else { 0 };
        }
        self.end = if question & (FOLLOW | BOTH) == 0 { memory.word(super::word::SEQUENCE) } else { u64::MAX };
        if question & TEXT != 0 {
            let known = (0..memory.count()).any(|stream| self.wants(memory.source(stream)));
            self.put(if known { b'+' } else { b'-' });
            if !known {
                self.question = REFUSED;
            }
        }
    }

    /// Whether a stream is asked for: by its own name, or by its container's.
    fn wants(&self, source: &[u8]) -> bool {
        let wanted = self.wanted.get(..self.wanted_bytes).unwrap_or_default();
        let container = source.strip_suffix(b".out").unwrap_or(source);
        let plain = container.strip_prefix(b"onboot.").or_else(|| container.strip_prefix(b"shutdown."));
        wanted.is_empty() || wanted == source || wanted == container || Some(wanted) == plain
    }

    /// Writes the next record of all that is asked for; whether there is one.
    fn fill(&mut self, memory: &Memory) -> bool {
        let mut next: Option<(usize, ring::Record)> = None;
        for stream in 0..memory.count() {
            let state = memory.state(stream);
            let at = self.positions.get(stream).map_or(0, |at| state.tail.max(*at));
            if at >= state.head || !self.wants(memory.source(stream)) {
                continue;
            }
            let record = ring::record(memory.ring(stream), at);
            if record.sequence < next.map_or(self.end, |(_, next)| next.sequence) {
                next = Some((stream, record));
            }
        }
        let Some((stream, record)) = next else { return false };
        if let Some(position) = self.positions.get_mut(stream) {
            *position = record.end;
        }
        let mut text = [0; LOG_RECORD_BYTES];
        let text = memory.text(stream, &record, &mut text);
        let (mut line, source) = (Line::new(&mut self.out), memory.source(stream));
        if self.question & TEXT != 0 {
            write_time(&mut line, record.time_us);
            line.byte(b' ').raw(source).text(": ").raw(text);
        } else {
            line.text("{\"time\":\"");
            write_time(&mut line, record.time_us);
            line.text("\",\"source\":\"").raw(source).text("\",\"msg\":\"");
            write_string(&mut line, text);
            line.text(if record.more { "\",\"more\":true}" } else { "\"}" });
        }
        line.byte(b'\n');
        self.filled = line.bytes().len();
        true
    }
}

/// A moment as RFC 3339 has it, with microseconds.
fn write_time(line: &mut Line, time_us: u64) {
    let mut buffer = [0; 32];
    let mut seconds = Line::new(&mut buffer);
    seconds.time((time_us / 1_000_000) as i64);
    line.raw(seconds.bytes().strip_suffix(b"Z").unwrap_or_default()).byte(b'.');
    let mut unit = 100_000;
    while unit > 0 {
        line.byte(b'0' + (time_us / unit % 10) as u8);
        unit /= 10;
    }
    line.byte(b'Z');
}

/// Text inside a string of JSON. What is not UTF-8 is U+FFFD, a byte each.
fn write_string(line: &mut Line, mut text: &[u8]) {
    while let Some((&byte, rest)) = text.split_first() {
        let length = character(text);
        match byte {
            b'"' | b'\\' => _ = line.byte(b'\\').byte(byte),
            ..b' ' => _ = line.text("\\u00").hexadecimal_digit(byte >> 4).hexadecimal_digit(byte & 15),
            _ if length == 0 => _ = line.text("\\ufffd"),
            _ => {
                line.raw(text.get(..length).unwrap_or_default());
                text = text.get(length..).unwrap_or_default();
                continue;
            }
        }
        text = rest;
    }
}

/// Bytes of the character of UTF-8 that a text begins with; 0 if it is none.
fn character(text: &[u8]) -> usize {
    let second = text.get(1).copied().unwrap_or_default();
    // Not every continuation is one behind these: there is a shorter form, it is a surrogate, or no character at all.
    let (length, seconds) = match text.first() {
        Some(..=0x7f) => return 1,
        Some(0xc2..=0xdf) => (2, 0x80..=0xbf),
        Some(0xe0) => (3, 0xa0..=0xbf),
        Some(0xed) => (3, 0x80..=0x9f),
        Some(0xe1..=0xef) => (3, 0x80..=0xbf),
        Some(0xf0) => (4, 0x90..=0xbf),
        Some(0xf1..=0xf3) => (4, 0x80..=0xbf),
        Some(0xf4) => (4, 0x80..=0x8f),
        _ => return 0,
    };
    let rest = text.get(2..length).unwrap_or(b"x");
    if seconds.contains(&second) && rest.iter().all(|byte| matches!(byte, 0x80..=0xbf)) { length } else { 0 }
}

impl Logger<'_> {
    /// Lets in who has come, and gives everybody what there is for them.
    pub(super) fn answer(&mut self, clients: &mut [Client]) {
        while let Some(connection) = self.questions.as_ref().and_then(|socket| socket::accept(socket.as_fd()).ok()) {
            // One too many is let in and out: the question would be there for ever.
            let Some(place) = clients.iter_mut().find(|client| client.socket.is_none()) else { continue };
            let waits = file::set_waiting(connection.as_fd(), false);
            if waits.and_then(|()| self.epoll.add(connection.as_fd(), OTHER, true)).is_ok() {
                place.question = NOTHING;
                (place.sent, place.filled) = (0, 0);
                place.socket = Some(connection);
            }
        }
        let mut busy = false;
        for client in clients {
            if client.socket.is_some() && client.go_on(self, &mut busy).is_none() {
                client.socket = None;
            }
        }
        self.busy = busy;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &[u8]) -> String {
        let mut buffer = [0; 8192];
        let mut line = Line::new(&mut buffer);
        line.byte(b'"');
        write_string(&mut line, text);
        line.byte(b'"');
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn any_bytes_become_a_string_of_json() {
        assert_eq!(string("a\"\\\t\0é€😀".as_bytes()), r#""a\"\\\u0009\u0000é€😀""#);
        assert_eq!(string(b"\xff\xc3(\xe2\x82"), r#""\ufffd\ufffd(\ufffd\ufffd""#);
        let length = |first, second| {
            let text = [first, second, 0x80, 0x80];
            let valid = match std::str::from_utf8(&text) {
                Ok(_) => text.len(),
                Err(error) => error.valid_up_to(),
            };
            std::str::from_utf8(&text[..valid]).unwrap().chars().next().map_or(0, char::len_utf8)
        };
        for first in 0..=255 {
            for second in 0..=255 {
                assert_eq!(character(&[first, second, 0x80, 0x80]), length(first, second), "{first:x} {second:x}");
            }
        }
    }

    #[test]
    fn a_container_is_asked_for_by_its_name_and_a_stream_by_its_own() {
        let mut client = Client::NONE;
        let mut wants = |wanted: &[u8], source: &[u8]| {
            client.wanted[..wanted.len()].copy_from_slice(wanted);
            client.wanted_bytes = wanted.len();
            client.wants(source)
        };
        for source in [&b"web"[..], b"web.out", b"onboot.web", b"onboot.web.out", b"shutdown.web"] {
            assert!(wants(b"web", source) && wants(b"", source) && wants(source, source));
        }
        for source in [&b"we"[..], b"webs", b"web.err", b"x.web.out", b"onboot.webs"] {
            assert!(!wants(b"web", source));
        }
    }
}
