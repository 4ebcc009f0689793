//! Those who ask for what was logged, over /run/memlogdq.sock: memlogd's contract, and the words of pidone's own commands.
//!
//! A question is one byte, and perhaps a name behind it: 0 all there is, 1 all that will be, 2 both, as lines of JSON; with
//! 4 added, as text, after a `+`, or `-` if there is no such stream; 8 for a `.` when a container's streams have ended.

use super::memory::{self, Memory};
use super::{Logger, OTHER, ring};
use crate::abi::Errno;
use crate::limits::{self, LOG_RECORD_BYTES, LOG_SOURCE_BYTES, LOG_STREAMS_MAX};
use crate::sys::{AsFd, OwnedFd, file, path, socket, tty};
use crate::text::{Line, Value, position};

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

/// Somebody who asks, or a console, which gets all there is without.
pub(super) struct Client {
    socket: Option<OwnedFd>,
    console: bool,
    /// How often a console is still waited for before streams go on, and the first record that it has not got.
    patience: u32,
    next: u64,
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
        console: false,
        patience: 0,
        next: 0,
        question: 0,
        wanted: [0; _],
        wanted_bytes: 0,
        end: 0,
        positions: [0; _],
        out: [0; _],
        sent: 0,
        filled: 0,
    };

    /// Gives it what there is for it: whether there is more, or nothing when it has gone, or has it all.
    fn go_on(&mut self, logger: &mut Logger) -> Option<bool> {
        let (mut question, socket) = ([0; 1 + LOG_SOURCE_BYTES], self.socket.as_ref()?.as_fd());
        // What is typed on a console is not for us.
        match if self.console { Err(Errno::AGAIN) } else { file::read(socket, &mut question) } {
            Err(Errno::AGAIN) => {}
            Ok(length) if length > 0 && self.question == NOTHING => {
                // What was sent before the question is in the store.
                logger.look();
                self.asked(question.get(..length as usize)?, &logger.memory);
            }
            _ => return None,
        }
        if self.question == NOTHING {
            return Some(false);
        }
        if self.question == END {
            let memory = &logger.memory;
            if logger.behind {
                return Some(false);
            }
            for stream in 0..memory.count() {
                if memory.of(stream, memory::ENDED) == 0 && self.wants(memory.source(stream)) {
                    return Some(false);
                }
            }
            self.put(b'.');
        }
        // Rings hold no more than a console is to show at once.
        for _ in 0..if self.console { usize::MAX } else { limits::LOG_RECORDS_PER_TURN } {
            while self.sent < self.filled {
                match file::write_some(self.socket.as_ref()?.as_fd(), self.out.get(self.sent..self.filled)?) {
                    Ok(count) => self.sent += count as usize,
                    Err(Errno::AGAIN) => return Some(false),
                    Err(_) => return None,
                }
            }
            if self.question >= END {
                return None;
            }
            if !self.fill(&logger.memory) {
                self.patience = if self.console { limits::LOG_PATIENCE } else { 0 };
                return if self.end == u64::MAX { Some(false) } else { None };
            }
        }
        Some(true)
    }

    fn put(&mut self, byte: u8) {
        if let Some(first) = self.out.first_mut() {
            *first = byte;
        }
        (self.sent, self.filled) = (0, 1);
    }

    /// Takes in the question.
    fn asked(&mut self, question: &[u8], memory: &Memory) {
        let Some((question, name)) = question.split_first() else { return };
        (self.question, self.wanted_bytes) = (*question, name.len());
        path::copy(&mut self.wanted, name);
        let mut known = false;
        for (stream, position) in self.positions.iter_mut().enumerate() {
            *position =
                if question & 3 == FOLLOW && stream < memory.count() { memory.of(stream, ring::HEAD) } else { 0 };
        }
        for stream in 0..memory.count() {
            known |= self.wants(memory.source(stream));
        }
        self.end = if question & (FOLLOW | BOTH) == 0 { memory.word(memory::NEXT + ring::SEQUENCE) } else { u64::MAX };
        if question & TEXT != 0 {
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
        let before = container.strip_suffix(wanted);
        wanted.is_empty()
            || wanted == source
            || before.is_some_and(|before| position(b" onboot. shutdown.", before).is_some())
    }

    /// Writes the next record of all that is asked for; whether there is one.
    fn fill(&mut self, memory: &Memory) -> bool {
        let (mut first, mut next) = (self.end, None);
        for stream in 0..memory.count() {
            let at = self.positions.get(stream).map_or(0, |at| memory.of(stream, ring::TAIL).max(*at));
            if at < memory.of(stream, ring::HEAD) && self.wants(memory.source(stream)) {
                let record = ring::record(memory.ring(stream), at);
                if record.sequence < first {
                    first = record.sequence;
                    next = Some((stream, record));
                }
            }
        }
        if self.console {
            memory.set(memory::SHOWN, self.next);
        }
        let Some((stream, record)) = next else { return false };
        (self.sent, self.filled) = (0, 0);
        if self.console && record.sequence > self.next {
            let mut line = Line::new(&mut self.out);
            line.format(t!("pidone: {} lines dropped: too slow\n"), &[Value::Number(record.sequence - self.next)]);
            (self.next, self.filled) = (record.sequence, line.bytes().len());
            return true;
        }
        if let Some(position) = self.positions.get_mut(stream) {
            *position = record.end;
        }
        // A logger before this one has shown it.
        if self.console && record.sequence < self.next {
            return true;
        }
        self.next = record.sequence + 1;
        let mut text = [0; LOG_RECORD_BYTES];
        let text = ring::text(memory.ring(stream), &record, &mut text);
        let (mut line, source) = (Line::new(&mut self.out), memory.source(stream));
        if self.question & TEXT != 0 {
            if !self.console {
                line.time_us(record.time_us).byte(b' ');
            }
            line.raw(source).text(": ").raw(text);
        } else {
            line.say(t!("{\"time\":\"")).time_us(record.time_us);
            line.say(t!("\",\"source\":\"")).raw(source).say(t!("\",\"msg\":\""));
            write_string(&mut line, text);
            line.text(if record.more { "\",\"more\":true}" } else { "\"}" });
        }
        line.byte(b'\n');
        self.filled = line.bytes().len();
        true
    }
}

/// Text inside a string of JSON. From what is no UTF-8 on, all that is no ASCII is U+FFFD, a byte each.
fn write_string(line: &mut Line, text: &[u8]) {
    let valid = match core::str::from_utf8(text) {
        Ok(_) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    for (index, &byte) in text.iter().enumerate() {
        match byte {
            b'"' | b'\\' => _ = line.byte(b'\\').byte(byte),
            ..b' ' => _ = line.say(t!("\\u00")).hexadecimal_digit(byte >> 4).hexadecimal_digit(byte & 15),
            0x80.. if index >= valid => _ = line.say(t!("\\ufffd")),
            _ => _ = line.byte(byte),
        }
    }
}

/// Consoles that take nothing are not waited for when they are closed.
pub(super) fn leave(clients: &[Client]) {
    for client in clients {
        if let Some(console) = client.socket.as_ref().filter(|_| client.console && client.patience == 0) {
            tty::discard(console.as_fd());
        }
    }
}

impl Logger<'_> {
    /// Begins to show lines on consoles, or goes on with it.
    fn show(&mut self, clients: &mut [Client]) {
        let (next, mut clients) = (self.memory.word(memory::SHOWN), clients.iter_mut());
        if let Some(consoles) = self.settings.consoles {
            consoles(&mut |console| {
                if let Some(client) = clients.next().filter(|client| client.socket.is_none()) {
                    // Without it is written to when there is more to show.
                    let _ = self.epoll.add(console.as_fd(), OTHER, true);
                    // A line that was begun is shown once more.
                    (client.socket, client.sent) = (Some(console), 0);
                    if !client.console {
                        (client.console, client.question, client.end) = (true, TEXT | BOTH, u64::MAX);
                        (client.next, client.patience) = (next, limits::LOG_PATIENCE);
                    }
                }
            });
        }
    }

    /// Lets in who has come, and gives everybody what there is for them.
    pub(super) fn answer(&mut self, clients: &mut [Client]) {
        (self.busy, self.behind) = (false, false);
        if core::mem::take(&mut self.unopened) {
            self.show(clients);
        }
        if let [_, Some(questions)] = &self.sockets
            && let Ok(connection) = socket::accept(questions.as_fd())
        {
            // One too many is let in and out: the question would be there for ever.
            for client in clients.iter_mut() {
                if client.socket.is_none() && !client.console {
                    client.question = NOTHING;
                    (client.sent, client.filled) = (0, 0);
                    // Without either it hears nothing.
                    let _ = file::set_waiting(connection.as_fd(), false);
                    let _ = self.epoll.add(connection.as_fd(), OTHER, true);
                    client.socket = Some(connection);
                    break;
                }
            }
        }
        for client in clients {
            if client.socket.is_some() {
                match client.go_on(self) {
                    Some(busy) => self.busy |= busy,
                    None => {
                        client.socket = None;
                        // By a getty, for example.
                        self.unopened |= client.console;
                    }
                }
                if client.sent < client.filled && client.patience > 0 {
                    client.patience -= 1;
                    self.behind = true;
                }
            }
        }
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
        assert_eq!(string("é\u{20ac}".as_bytes().split_last().unwrap().1), "\"é\\ufffd\\ufffd\"");
        assert_eq!(string(b"a\xff\xc3(\xe2\x82"), r#""a\ufffd\ufffd(\ufffd\ufffd""#);
        let all: Vec<u8> = (0..=255).collect();
        assert!(string(&all).contains("\\u001f !\\\"#"));
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
