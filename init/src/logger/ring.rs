//! The last lines of a stream, in a ring of bytes; and how many bytes of it are let in. Pure.
//!
//! ```text
//!   tail                           head
//!    | header text | header text |  (header) part of a line  |
//! ```
//!
//! A record is a line, or a piece of one that is longer than [`LOG_RECORD_BYTES`]. A line whose end has not come yet
//! stands where its record will be. Bytes are taken in in two steps, [`make_room`] and [`take`], and a state counts after
//! each: none overwrites what the state before it needs. Whoever takes bytes in anew from an old state, after a crash,
//! therefore gets the same.

use crate::limits::{LOG_BURST_BYTES, LOG_BYTES_PER_MILLISECOND, LOG_RECORD_BYTES, LOG_RING_BYTES};

/// Length, and whether the line goes on; sequence number; time.
const HEADER: u64 = 18;
const MORE: u16 = 1 << 15;

/// All that is known of a stream but its bytes. Zeros are an empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Behind the last record: a place that only grows; its remainder is where it is in the ring.
    pub head: u64,
    /// The first record.
    pub tail: u64,
    /// Bytes of a line whose end has not come.
    pub partial: u64,
    /// Bytes taken in, less those that time has made up for.
    pub level: u64,
    /// Until when it has.
    pub leveled_us: u64,
    /// Bytes that were not taken in, and of which nothing was said yet.
    pub dropped: u64,
    /// Bytes that are missing in the file, and of which nothing was said there yet.
    pub unfiled: u64,
    /// The next record's number, among those of all streams.
    pub sequence: u64,
}

/// Words of a state.
pub(super) const WORDS: usize = 8;

impl State {
    /// The state that was in the words.
    pub(super) fn from_words(words: [u64; WORDS]) -> State {
        let [head, tail, partial, level, leveled_us, dropped, unfiled, sequence] = words;
        State { head, tail, partial, level, leveled_us, dropped, unfiled, sequence }
    }

    /// The state as words.
    pub(super) fn words(&self) -> [u64; WORDS] {
        let State { head, tail, partial, level, leveled_us, dropped, unfiled, sequence } = *self;
        [head, tail, partial, level, leveled_us, dropped, unfiled, sequence]
    }

    /// Lets time make up for what was taken in; whether more may be. After a drop, not at once.
    pub(super) fn may_take(&mut self, now_us: u64) -> bool {
        let milliseconds = now_us.saturating_sub(self.leveled_us) / 1000;
        self.leveled_us = self.leveled_us.saturating_add(milliseconds.saturating_mul(1000));
        self.level = self.level.saturating_sub(milliseconds.saturating_mul(LOG_BYTES_PER_MILLISECOND));
        let second = 1000 * LOG_BYTES_PER_MILLISECOND;
        self.level <= if self.dropped > 0 { LOG_BURST_BYTES - second } else { LOG_BURST_BYTES }
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where its text begins.
    pub start: u64,
    /// Where the next record begins.
    pub end: u64,
    /// Whether the line goes on in the stream's next record.
    pub more: bool,
    /// Its number.
    pub sequence: u64,
    /// When it came, in microseconds since 1970.
    pub time_us: u64,
}

/// Forgets the records that the bytes will need the room of.
pub(super) fn make_room(ring: &[u8], state: &mut State, bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + bytes.len() / LOG_RECORD_BYTES + 2;
    let need = state.partial + bytes.len() as u64 + lines as u64 * HEADER + LOG_RECORD_BYTES as u64;
    while state.tail < state.head && state.head + need - state.tail > LOG_RING_BYTES as u64 {
        state.tail = record(ring, state.tail).end;
    }
}

/// Takes bytes in. `ring` has [`LOG_RING_BYTES`], and there was made room.
pub(super) fn take(ring: &mut [u8], state: &mut State, bytes: &[u8], time_us: u64) {
    for &byte in bytes {
        if byte == b'\n' {
            finish(ring, state, 0, time_us);
            continue;
        }
        if state.partial >= LOG_RECORD_BYTES as u64 {
            finish(ring, state, MORE, time_us);
        }
        // At the beginning of a line: then there is room for all of it.
        while state.head + HEADER + LOG_RECORD_BYTES as u64 - state.tail > LOG_RING_BYTES as u64 {
            state.tail = record(ring, state.tail).end;
        }
        put(ring, state.head + HEADER + state.partial, &[byte]);
        state.partial += 1;
    }
}

fn finish(ring: &mut [u8], state: &mut State, more: u16, time_us: u64) {
    while state.head + HEADER - state.tail > LOG_RING_BYTES as u64 {
        state.tail = record(ring, state.tail).end;
    }
    put(ring, state.head, &(state.partial as u16 | more).to_ne_bytes());
    put(ring, state.head + 2, &state.sequence.to_ne_bytes());
    put(ring, state.head + 10, &time_us.to_ne_bytes());
    state.head += HEADER + state.partial;
    state.partial = 0;
    state.sequence += 1;
}

/// The record at a place between tail and head.
pub(super) fn record(ring: &[u8], at: u64) -> Record {
    let [mut length, mut sequence, mut time] = [[0; 8]; 3];
    get(ring, at, &mut length, 2);
    get(ring, at + 2, &mut sequence, 8);
    get(ring, at + 10, &mut time, 8);
    let [low, high, ..] = length;
    let length = u16::from_ne_bytes([low, high]);
    let start = at + HEADER;
    Record {
        start,
        end: start + u64::from(length & !MORE),
        more: length & MORE != 0,
        sequence: u64::from_ne_bytes(sequence),
        time_us: u64::from_ne_bytes(time),
    }
}

/// The byte at a place.
pub(super) fn byte(ring: &[u8], at: u64) -> u8 {
    ring.get(at as usize % LOG_RING_BYTES).copied().unwrap_or_default()
}

#[inline(never)]
fn get(ring: &[u8], at: u64, to: &mut [u8; 8], count: usize) {
    for (index, to) in to.iter_mut().take(count).enumerate() {
        *to = byte(ring, at + index as u64);
    }
}

#[inline(never)]
fn put(ring: &mut [u8], at: u64, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        if let Some(place) = ring.get_mut((at as usize + index) % LOG_RING_BYTES) {
            *place = *byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look like chance and are the same in each run.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    fn empty() -> Vec<u8> {
        vec![0; LOG_RING_BYTES]
    }

    /// All records, their texts, and whether each line goes on.
    fn records(ring: &[u8], state: &State) -> Vec<(Vec<u8>, bool)> {
        let mut all = Vec::new();
        let mut at = state.tail;
        let mut sequence = None;
        while at < state.head {
            let record = record(ring, at);
            assert!(sequence.is_none_or(|before| before + 1 == record.sequence), "{record:?} behind {sequence:?}");
            sequence = Some(record.sequence);
            all.push(((record.start..record.end).map(|at| byte(ring, at)).collect(), record.more));
            at = record.end;
        }
        assert_eq!(at, state.head);
        all
    }

    /// What records of all bytes would be.
    fn expected(bytes: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        lines.pop();
        let mut all = Vec::new();
        for line in lines {
            let mut pieces: Vec<_> = line.chunks(LOG_RECORD_BYTES).map(|piece| (piece.to_vec(), true)).collect();
            if pieces.is_empty() {
                pieces.push((Vec::new(), true));
            }
            pieces.last_mut().unwrap().1 = false;
            all.extend(pieces);
        }
        all
    }

    fn text(chance: &mut Chance, length: u64) -> Vec<u8> {
        let longest = [1, 3, 40, 900, 1024, 1025, 5000, 40_000][chance.below(8) as usize];
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < length {
            for _ in 0..chance.below(longest + 1) {
                let byte = chance.below(256) as u8;
                bytes.push(if byte == b'\n' { 0 } else { byte });
            }
            bytes.push(b'\n');
        }
        bytes
    }

    #[test]
    fn the_last_lines_are_there_whole_and_in_order_however_they_came() {
        let mut chance = Chance(1);
        for _ in 0..200 {
            let (mut ring, mut state) = (empty(), State::default());
            let length = chance.below(100_000);
            let bytes = text(&mut chance, length);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let count = (chance.below(3000) as usize).min(rest.len());
                make_room(&ring, &mut state, &rest[..count]);
                take(&mut ring, &mut state, &rest[..count], 7);
                rest = &rest[count..];
            }
            let (found, all) = (records(&ring, &state), expected(&bytes));
            assert!(all.ends_with(&found));
            // Nothing was thrown away without need.
            let kept: usize = found.iter().map(|(text, _)| text.len() + HEADER as usize).sum();
            let need = 3000 + 4 * (HEADER as usize + LOG_RECORD_BYTES);
            let headers = 3000.min(found.len()) * HEADER as usize;
            assert!(found.len() == all.len() || kept + need + headers > LOG_RING_BYTES, "{kept}");
        }
    }

    #[test]
    fn what_is_taken_in_again_after_a_crash_gives_the_same() {
        let mut chance = Chance(2);
        for _ in 0..200 {
            let (mut ring, mut state) = (empty(), State::default());
            let length = chance.below(60_000);
            take(&mut ring, &mut state, &text(&mut chance, length), 7);
            take(&mut ring, &mut state, b"part", 7);
            let length = chance.below(40_000);
            let batch = text(&mut chance, length);
            make_room(&ring, &mut state, &batch);
            let (mut once, mut after) = (ring.clone(), state);
            take(&mut once, &mut after, &batch, 8);
            // Crashes at some byte of it, whose state never counted.
            for _ in 0..3 {
                let crash = chance.below(batch.len() as u64 + 1) as usize;
                take(&mut ring, &mut state.clone(), &batch[..crash], 8);
            }
            let mut again = state;
            take(&mut ring, &mut again, &batch, 8);
            assert_eq!(again, after);
            assert_eq!(records(&ring, &again), records(&once, &after));
        }
    }

    #[test]
    fn empty_lines_alone_fill_a_ring_and_no_more() {
        let (mut ring, mut state) = (empty(), State::default());
        take(&mut ring, &mut state, &[b'\n'; 10_000], 1);
        let found = records(&ring, &state);
        assert_eq!(found.len(), LOG_RING_BYTES / HEADER as usize);
        assert!(found.iter().all(|(text, more)| text.is_empty() && !more));
    }

    #[test]
    fn a_burst_is_let_in_and_then_so_much_a_second() {
        let mut state = State::default();
        let mut taken = 0;
        for now_us in (0..20_000_000).step_by(1000) {
            while state.may_take(now_us) && taken < 1 << 40 {
                state.level += 1000;
                taken += 1000;
                state.dropped = 0;
            }
            state.dropped += 1;
        }
        let most = LOG_BURST_BYTES + 20_000 * LOG_BYTES_PER_MILLISECOND;
        assert!(taken <= most + 1000 && taken + 2000 * LOG_BYTES_PER_MILLISECOND > most, "{taken} of {most}");
        assert!(!State { level: LOG_BURST_BYTES, dropped: 1, ..State::default() }.may_take(0));
        assert_eq!(State::from_words(state.words()), state);
    }
}
