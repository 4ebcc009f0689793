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
use crate::sys::path::copy;

/// All that is known of a stream but its bytes. Zeros are an empty one.
pub(super) type State = [u64; WORDS];
pub(super) const WORDS: usize = 7;
/// Behind the last record: a place that only grows; its remainder is where it is in the ring.
pub(super) const HEAD: usize = 0;
/// The first record.
pub(super) const TAIL: usize = 1;
/// Bytes of a line whose end has not come.
pub(super) const PARTIAL: usize = 2;
/// Bytes taken in, less those that time has made up for.
pub(super) const LEVEL: usize = 3;
/// Until when it has.
const LEVELED_US: usize = 4;
/// Bytes that were not taken in, and of which nothing was said yet.
pub(super) const DROPPED: usize = 5;
/// The next record's number, among those of all streams.
pub(super) const SEQUENCE: usize = 6;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where its text begins.
    pub(super) start: u64,
    /// Where the next record begins.
    pub(super) end: u64,
    /// Whether the line goes on in the stream's next record.
    pub(super) more: bool,
    /// Its number.
    pub(super) sequence: u64,
    /// When it came, in microseconds since 1970.
    pub(super) time_us: u64,
}

/// Length, and whether the line goes on; sequence number; time.
const HEADER: u64 = 3 * WORD;
const WORD: u64 = 8;
const MORE: u64 = 1 << 32;

/// Lets time make up for what was taken in; whether more may be. After a drop, not at once.
pub(super) fn may_take(state: &mut State, now_us: u64) -> bool {
    let milliseconds = now_us.saturating_sub(state[LEVELED_US]) / 1000;
    state[LEVELED_US] += milliseconds * 1000;
    state[LEVEL] = state[LEVEL].saturating_sub(milliseconds.saturating_mul(LOG_BYTES_PER_MILLISECOND));
    let second = 1000 * LOG_BYTES_PER_MILLISECOND;
    state[LEVEL] <= if state[DROPPED] > 0 { LOG_BURST_BYTES - second } else { LOG_BURST_BYTES }
}

/// Forgets the records that the bytes will need the room of.
pub(super) fn make_room(ring: &[u8], state: &mut State, bytes: &[u8]) {
    let mut need = state[PARTIAL] + bytes.len() as u64 + 2 * (HEADER + LOG_RECORD_BYTES as u64);
    need += bytes.len() as u64 / LOG_RECORD_BYTES as u64 * HEADER;
    for byte in bytes {
        need += if *byte == b'\n' { HEADER } else { 0 };
    }
    forget(ring, state, need, state[HEAD]);
}

/// Forgets records before `end` until there is room for so many bytes.
#[inline(never)]
fn forget(ring: &[u8], state: &mut State, need: u64, end: u64) {
    while state[TAIL] < end && state[HEAD] + need - state[TAIL] > LOG_RING_BYTES as u64 {
        state[TAIL] = record(ring, state[TAIL]).end;
    }
}

/// Takes bytes in. `ring` has [`LOG_RING_BYTES`], and there was made room.
pub(super) fn take(ring: &mut [u8], state: &mut State, mut bytes: &[u8], time_us: u64) {
    while let Some(first) = bytes.first() {
        let ends = *first == b'\n';
        let free = (LOG_RECORD_BYTES as u64).saturating_sub(state[PARTIAL]) as usize;
        if ends || free == 0 {
            let length = state[PARTIAL];
            let header = [length | if ends { 0 } else { MORE }, state[SEQUENCE], time_us];
            for (at, word) in (state[HEAD]..).step_by(WORD as usize).zip(header) {
                put(ring, at, &word.to_ne_bytes());
            }
            state[HEAD] += HEADER + length;
            state[PARTIAL] = 0;
            state[SEQUENCE] += 1;
            bytes = bytes.get(usize::from(ends)..).unwrap_or_default();
        }
        // When there are more bytes than the ring has, the first of them are forgotten, too.
        forget(ring, state, HEADER + LOG_RECORD_BYTES as u64, state[HEAD]);
        if !ends && free > 0 {
            let piece = bytes.get(..free).unwrap_or(bytes);
            let length = piece.iter().position(|byte| *byte == b'\n').unwrap_or(piece.len());
            put(ring, state[HEAD] + HEADER + state[PARTIAL], piece.get(..length).unwrap_or_default());
            state[PARTIAL] += length as u64;
            bytes = bytes.get(length..).unwrap_or_default();
        }
    }
}

/// The record at a place between tail and head.
#[inline(never)]
pub(super) fn record(ring: &[u8], at: u64) -> Record {
    let mut header = [[0; WORD as usize]; 3];
    let mut from = at;
    for byte in header.as_flattened_mut() {
        *byte = self::byte(ring, from);
        from += 1;
    }
    let [length, sequence, time_us] = header.map(u64::from_ne_bytes);
    Record { start: from, end: from + (length & !MORE), more: length & MORE != 0, sequence, time_us }
}

/// The text of a record.
#[inline(never)]
pub(super) fn text<'b>(ring: &[u8], record: &Record, buffer: &'b mut [u8; LOG_RECORD_BYTES]) -> &'b [u8] {
    for (at, to) in (record.start..record.end).zip(buffer.iter_mut()) {
        *to = byte(ring, at);
    }
    buffer.get(..(record.end - record.start) as usize).unwrap_or_default()
}

/// The byte at a place.
fn byte(ring: &[u8], at: u64) -> u8 {
    ring.get(at as usize % LOG_RING_BYTES).copied().unwrap_or_default()
}

#[inline(never)]
fn put(ring: &mut [u8], at: u64, bytes: &[u8]) {
    let start = at as usize % LOG_RING_BYTES;
    // What does not fit before the end of the ring is at its beginning.
    copy(ring.get_mut(start..).unwrap_or_default(), bytes);
    copy(ring, bytes.get(LOG_RING_BYTES - start..).unwrap_or_default());
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
        let mut at = state[TAIL];
        let mut sequence = None;
        while at < state[HEAD] {
            let record = record(ring, at);
            assert!(sequence.is_none_or(|before| before + 1 == record.sequence), "{record:?} behind {sequence:?}");
            sequence = Some(record.sequence);
            all.push(((record.start..record.end).map(|at| byte(ring, at)).collect(), record.more));
            at = record.end;
        }
        assert_eq!(at, state[HEAD]);
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
            let (mut ring, mut state) = (empty(), [0; WORDS]);
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
            let need = 3000 + 5 * (HEADER as usize + LOG_RECORD_BYTES);
            let headers = 3000.min(found.len()) * HEADER as usize;
            assert!(found.len() == all.len() || kept + need + headers > LOG_RING_BYTES, "{kept}");
        }
    }

    #[test]
    fn what_is_taken_in_again_after_a_crash_gives_the_same() {
        let mut chance = Chance(2);
        for _ in 0..200 {
            let (mut ring, mut state) = (empty(), [0; WORDS]);
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
        let (mut ring, mut state) = (empty(), [0; WORDS]);
        take(&mut ring, &mut state, &[b'\n'; 10_000], 1);
        let found = records(&ring, &state);
        let most = (LOG_RING_BYTES - LOG_RECORD_BYTES) / HEADER as usize;
        assert!(found.len() == most || found.len() == most - 1, "{}", found.len());
        assert!(found.iter().all(|(text, more)| text.is_empty() && !more));
    }

    #[test]
    fn a_burst_is_let_in_and_then_so_much_a_second() {
        let mut state = [0; WORDS];
        let mut taken = 0;
        for now_us in (0..20_000_000).step_by(1000) {
            while may_take(&mut state, now_us) {
                state[LEVEL] += 1000;
                taken += 1000;
                state[DROPPED] = 0;
            }
            state[DROPPED] += 1;
        }
        let most = LOG_BURST_BYTES + 20_000 * LOG_BYTES_PER_MILLISECOND;
        assert!(taken <= most + 1000 && taken + 2000 * LOG_BYTES_PER_MILLISECOND > most, "{taken} of {most}");
    }
}
