//! What a guest has said on a serial line, with the host's time of each line.
//!
//! Carriage returns and terminal escapes are taken out, so a text is found whatever the firmware printed before it on
//! the same line.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A capture that grows while the guest runs. Clones share it.
#[derive(Clone)]
pub struct Console {
    shared: Arc<(Mutex<Capture>, Condvar)>,
    started: Instant,
}

#[derive(Default)]
struct Capture {
    text: String,
    /// Where each line starts in `text`, and when its first byte came.
    lines: Vec<(usize, Duration)>,
    closed: bool,
}

impl Console {
    /// A capture fed by `source` until that ends. `echo` copies it to the user's own terminal as it comes.
    pub fn capture(mut source: impl Read + Send + 'static, echo: bool) -> Console {
        let console = Console { shared: Arc::default(), started: Instant::now() };
        let writer = console.clone();
        std::thread::spawn(move || {
            let (mut filter, mut bytes) = (Filter::default(), [0; 4096]);
            while let Ok(count @ 1..) = source.read(&mut bytes) {
                let clean = filter.clean(&bytes[..count]);
                if echo {
                    print!("{clean}");
                    let _ = std::io::Write::flush(&mut std::io::stdout());
                }
                writer.append(&clean);
            }
            writer.lock().closed = true;
            writer.shared.1.notify_all();
        });
        console
    }

    fn append(&self, clean: &str) {
        let now = self.started.elapsed();
        let mut capture = self.lock();
        for character in clean.chars() {
            if capture.text.is_empty() || capture.text.ends_with('\n') {
                let start = capture.text.len();
                capture.lines.push((start, now));
            }
            capture.text.push(character);
        }
        drop(capture);
        self.shared.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Capture> {
        self.shared.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// Everything so far, each line behind the second it came at.
    pub fn timed_text(&self) -> String {
        let capture = self.lock();
        let ends = capture.lines.iter().skip(1).map(|(start, _)| *start).chain([capture.text.len()]);
        let lines = capture.lines.iter().zip(ends);
        lines.map(|((start, at), end)| format!("{:8.3} {}", at.as_secs_f64(), &capture.text[*start..end])).collect()
    }

    /// The lines so far that hold `text`.
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        self.lock().text.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// Whether the text has come already.
    pub fn contains(&self, text: &str) -> bool {
        self.lock().text.contains(text)
    }

    /// Waits until `text` has come at or behind the place `from`, and returns the place behind it. `None` when the time is
    /// up or the line was closed without it.
    pub fn wait_for(&self, text: &str, from: usize, deadline: Instant) -> Option<usize> {
        let mut capture = self.lock();
        loop {
            if let Some(at) = capture.text.get(from..).and_then(|rest| rest.find(text)) {
                return Some(from + at + text.len());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if capture.closed || left.is_zero() {
                return None;
            }
            capture = self.shared.1.wait_timeout(capture, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    /// Waits until nothing more can come.
    pub fn wait_closed(&self, deadline: Instant) {
        let mut capture = self.lock();
        while !capture.closed {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            capture = self.shared.1.wait_timeout(capture, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

/// Turns a terminal's bytes into plain text; remembers where in an escape or a character the last bytes ended.
#[derive(Default)]
struct Filter {
    escape: Escape,
    partial: Vec<u8>,
}

#[derive(Default, PartialEq)]
enum Escape {
    #[default]
    None,
    Started,
    Control,
}

impl Filter {
    fn clean(&mut self, bytes: &[u8]) -> String {
        for &byte in bytes {
            match (&self.escape, byte) {
                (Escape::None, 0x1b) => self.escape = Escape::Started,
                (Escape::None, b'\r' | 0) => {}
                (Escape::None, _) => self.partial.push(byte),
                (Escape::Started, b'[') => self.escape = Escape::Control,
                (Escape::Control, 0x20..0x40) => {}
                (Escape::Started | Escape::Control, _) => self.escape = Escape::None,
            }
        }
        let whole = match std::str::from_utf8(&self.partial) {
            // The last character may still be under way.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.partial.len(),
        };
        let rest = self.partial.split_off(whole);
        String::from_utf8_lossy(&std::mem::replace(&mut self.partial, rest)).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_split_characters_come_out_clean() {
        let mut filter = Filter::default();
        assert_eq!(filter.clean(b"\x1b[2J\x1bca\r\nb\x1b["), "a\nb");
        assert_eq!(filter.clean(b"0;1mc\xc3"), "c");
        assert_eq!(filter.clean(b"\xa4\xff"), "\u{e4}\u{fffd}");
    }

    #[test]
    fn a_text_is_found_once_it_has_come_and_not_after_the_end() {
        let console = Console::capture(&b"one\ntwo\n"[..], false);
        let deadline = Instant::now() + Duration::from_secs(5);
        let behind = console.wait_for("one", 0, deadline).unwrap();
        assert!(console.wait_for("two", behind, deadline).is_some());
        assert!(console.wait_for("one", behind, deadline).is_none());
        assert_eq!(console.timed_text().lines().count(), 2);
    }
}
