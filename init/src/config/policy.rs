//! What a container of PID 1 wants beside what the specification has words for: annotations `pidone.NAME` of its
//! config.json. The same words on the kernel command line are what every container wants that does not say otherwise.
//!
//! All that PID 1 itself needs of it are numbers, [`Wishes`]; it never sees the text.

use crate::abi::signal;
use crate::limits;
use crate::text::{Phrase, cut, fields, number, position};

/// What stands before each name.
pub const PREFIX: &[u8] = b"pidone.";

/// A number that can be wished, in the order of [`NAMES`]. Times are milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Key {
    /// When it is started again: [`NEVER`], [`ON_FAILURE`] or [`ALWAYS`].
    Restart,
    /// How long before the first time. It doubles each time ...
    RestartDelay,
    /// ... up to this.
    RestartDelayMax,
    /// How long it must run for delay and count to begin anew.
    RestartReset,
    /// What follows the last failure: a place in [`LAST`].
    RestartLast,
    /// How long it may take to be ready.
    ReadyTimeout,
    /// How often its health is checked.
    HealthInterval,
    /// How long a check may take.
    HealthTimeout,
    /// How many checks in a row must fail.
    HealthRetries,
    /// The signal that asks it to end.
    StopSignal,
    /// How long it has to end.
    Grace,
    /// Whether the machine ends when it has failed for good.
    Critical,
    /// How long it may run, unless it is a service; 0 for ever.
    Timeout,
    /// Whether its health is checked.
    Health,
    /// How it is known that it does what it is there for: [`EXECUTE`] and its like.
    Ready,
    /// The number behind that: a descriptor or a port.
    ReadyNumber,
    /// How often it is started again; 0 for as often as it takes. It stands behind `restart`.
    RestartCount,
}

/// How many keys there are.
pub const KEYS: usize = Key::RestartCount as usize + 1;

/// The words, and of what kind the value of each is: see [`Wishes::take`].
const NAMES: &[u8] =
    b"restart restart-delay restart-delay-max restart-reset restart-last ready-timeout health-interval \
    health-timeout health-retries stop-signal grace critical timeout health ready after requires";
const KINDS: &[u8] = b"rtttltttcstytwoww";

/// Whether a word is about one service, and makes no sense for all.
pub fn is_of_one(name: &[u8]) -> bool {
    position(b"health ready after requires", name).is_some()
}

/// `restart=no`.
pub const NEVER: u32 = 0;
/// `restart=on-failure`.
pub const ON_FAILURE: u32 = 1;
/// `restart=always`.
pub const ALWAYS: u32 = 2;

/// `ready=exec`: its program runs.
pub const EXECUTE: u32 = 0;
/// `ready=notify`: it says so on the socket in NOTIFY_SOCKET, sd_notify(3).
pub const NOTIFY: u32 = 1;
/// `ready=fd:N`: it writes a newline to this descriptor.
pub const DESCRIPTOR: u32 = 2;
/// `ready=tcp:PORT`: something in its network namespace listens on this port.
pub const TCP: u32 = 3;
/// `ready=vsock:PORT`: something in the machine listens on this port.
pub const VSOCK: u32 = 4;
/// `ready=command: WORDS`: this command, executed in it, succeeds.
pub const COMMAND: u32 = 5;

/// The words of `restart-last`.
pub const LAST: &[u8] = b"continue poweroff reboot halt panic";

/// The numbers of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wishes([u32; KEYS]);

impl Wishes {
    /// All zeros.
    pub const NONE: Wishes = Wishes([0; KEYS]);
    /// What a container wants that says nothing.
    pub const DEFAULT: Wishes = Wishes([
        NEVER,
        100,
        30_000,
        60_000,
        0,
        60_000,
        30_000,
        5_000,
        3,
        signal::TERM as u32,
        10_000,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);

    /// One of them.
    #[inline(never)]
    pub fn get(&self, key: Key) -> u32 {
        self.0.get(key as usize).copied().unwrap_or(0)
    }

    /// A time in microseconds.
    pub fn us(&self, key: Key) -> u64 {
        u64::from(self.get(key)) * 1000
    }

    /// All of them, in the order of their keys.
    pub fn numbers(&self) -> &[u32; KEYS] {
        &self.0
    }

    /// Sets the one in this place, if there is such a place. No number does harm, however large.
    #[inline(never)]
    pub fn set(&mut self, place: usize, number: u32) {
        if let Some(wish) = self.0.get_mut(place) {
            *wish = number;
        }
    }

    /// Takes in a word, given without the prefix: whether there is such a word, or what is wrong with its value. Those
    /// that are not about numbers are only looked at.
    pub fn take(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Phrase> {
        let Some(place) = position(NAMES, name) else { return Ok(false) };
        let (number, expected) = match KINDS.get(place) {
            Some(b'r') => {
                (self.restart(value), t!("expected no, on-failure[:COUNT] or always[:COUNT], COUNT from 1 to 1000000"))
            }
            Some(b't') => (time(value), t!("expected a time such as 500ms, 10s or 2m, at most 24h")),
            Some(b'l') => (choice(LAST, value), t!("expected continue, poweroff, reboot, halt or panic")),
            Some(b'c') => (count(value, 100), t!("expected a number from 1 to 100")),
            Some(b's') => (signal::number(value).map(u32::from), t!("expected a signal such as TERM or 15")),
            Some(b'y') => (choice(b"no yes", value), t!("expected yes or no")),
            Some(b'o') => {
                (self.ready(value), t!("expected exec, notify, fd:N (3 to 63), tcp:PORT, vsock:PORT or command: WORDS"))
            }
            _ => (fields(value, b' ').any(|word| !word.is_empty()).then_some(1), t!("expected words")),
        };
        let number = number.ok_or(expected)?;
        if place <= Key::Ready as usize {
            self.set(place, number);
        }
        Ok(true)
    }

    fn restart(&mut self, value: &[u8]) -> Option<u32> {
        let (word, count) = match cut(value, b':') {
            Some((word, digits)) => (word, count(digits, limits::RESTARTS_MAX).filter(|_| word != b"no")?),
            None => (value, 0),
        };
        self.set(Key::RestartCount as usize, count);
        choice(b"no on-failure always", word)
    }

    fn ready(&mut self, value: &[u8]) -> Option<u32> {
        let (kind, rest) = cut(value, b':').unwrap_or((value, b""));
        let kind = choice(b"exec notify fd tcp vsock command", kind)?;
        let (least, most): (u32, u32) = match kind {
            DESCRIPTOR => (3, limits::READY_DESCRIPTOR_MAX),
            TCP => (1, u16::MAX.into()),
            VSOCK => (0, u32::MAX - 1),
            _ if (kind == COMMAND) == rest.trim_ascii().is_empty() => return None,
            _ => return Some(kind),
        };
        let number = number(rest, 10).filter(|number| (least.into()..=most.into()).contains(number))?;
        self.set(Key::ReadyNumber as usize, number as u32);
        Some(kind)
    }
}

fn choice(words: &[u8], word: &[u8]) -> Option<u32> {
    position(words, word).map(|place| place as u32)
}

fn count(digits: &[u8], most: u32) -> Option<u32> {
    number(digits, 10).filter(|count| (1..=most.into()).contains(count)).map(|count| count as u32)
}

/// `500ms`, `10s`, `10`, `2m`, `1h`.
fn time(value: &[u8]) -> Option<u32> {
    let digits = value.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at_checked(digits)?;
    let factor = match unit {
        b"ms" => 1,
        b"" | b"s" => 1000,
        b"m" => 60_000,
        b"h" => 3_600_000,
        _ => return None,
    };
    number(digits, 10)?.checked_mul(factor).filter(|time| *time <= limits::WISH_MAX.into()).map(|time| time as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(name: &str, value: &str) -> Result<Wishes, &'static str> {
        let mut wishes = Wishes::DEFAULT;
        let known = wishes.take(name.as_bytes(), value.as_bytes()).map_err(|problem| problem.text())?;
        assert!(known, "{name}");
        Ok(wishes)
    }

    #[test]
    fn every_word_has_a_kind_and_the_numbers_stand_first() {
        let names: Vec<_> = fields(NAMES, b' ').collect();
        assert_eq!(names.len(), KINDS.len());
        assert_eq!(names[Key::Health as usize], b"health");
        assert_eq!(names[Key::Timeout as usize], b"timeout");
        assert_eq!({ Wishes::NONE }.take(b"nonsense", b"1"), Ok(false));
    }

    #[test]
    fn times_have_units_and_seconds_are_meant_without_one() {
        for (value, ms) in [("3", 3000), ("250ms", 250), ("0", 0), ("2m", 120_000), ("24h", 86_400_000)] {
            assert_eq!(wish("grace", value).unwrap().get(Key::Grace), ms, "{value}");
        }
        for value in ["", "s", "-1", "1.5s", "1 s", "25h", "86400001ms", "1d", "99999999999999999999h"] {
            assert_eq!(wish("grace", value), Err("expected a time such as 500ms, 10s or 2m, at most 24h"), "{value}");
        }
    }

    #[test]
    fn a_restart_may_have_a_count() {
        for (value, mode, count) in [
            ("no", NEVER, 0),
            ("on-failure", ON_FAILURE, 0),
            ("always:3", ALWAYS, 3),
            ("on-failure:1000000", 1, 1_000_000),
        ] {
            let wishes = wish("restart", value).unwrap();
            assert_eq!((wishes.get(Key::Restart), wishes.get(Key::RestartCount)), (mode, count), "{value}");
        }
        for value in ["", "yes", "no:1", "always:", "always:0", "always:1000001", "always:x", "on-failure:-1"] {
            assert!(wish("restart", value).is_err(), "{value}");
        }
    }

    #[test]
    fn the_other_words_are_read_and_what_they_cannot_be_is_said() {
        assert_eq!(wish("restart-last", "panic").unwrap().get(Key::RestartLast), 4);
        assert_eq!(wish("restart-last", "explode"), Err("expected continue, poweroff, reboot, halt or panic"));
        assert_eq!(wish("stop-signal", "SIGQUIT").unwrap().get(Key::StopSignal), 3);
        assert_eq!(wish("stop-signal", "65"), Err("expected a signal such as TERM or 15"));
        assert_eq!(wish("critical", "yes").unwrap().get(Key::Critical), 1);
        assert_eq!(wish("critical", "1"), Err("expected yes or no"));
        assert_eq!(wish("health-retries", "100").unwrap().get(Key::HealthRetries), 100);
        assert_eq!(wish("health-retries", "0"), Err("expected a number from 1 to 100"));
        assert_eq!(wish("health", "curl -f localhost").unwrap().get(Key::Health), 1);
        assert_eq!(wish("health", " "), Err("expected words"));
        assert_eq!(wish("after", "a b"), Ok(Wishes::DEFAULT));
    }

    #[test]
    fn every_way_to_be_ready_is_known() {
        for (value, kind, number) in [
            ("exec", EXECUTE, 0),
            ("notify", NOTIFY, 0),
            ("fd:3", DESCRIPTOR, 3),
            ("tcp:65535", TCP, 65535),
            ("vsock:4294967294", VSOCK, u32::MAX - 1),
            ("command: test -e /ready", COMMAND, 0),
        ] {
            let wishes = wish("ready", value).unwrap();
            assert_eq!((wishes.get(Key::Ready), wishes.get(Key::ReadyNumber)), (kind, number), "{value}");
        }
        for value in [
            "",
            "notify:x",
            "fd:2",
            "fd:64",
            "fd",
            "tcp:0",
            "tcp:65536",
            "vsock:4294967295",
            "command: ",
            "command",
            "x",
        ] {
            assert!(wish("ready", value).is_err(), "{value}");
        }
    }
}
