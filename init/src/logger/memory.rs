//! What outlives a logger: words and bytes, and who they belong to.

use core::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use super::file::{END, Place};
use super::ring::{HEAD, State, TAIL, WORDS};
use crate::limits::{LOG_BATCH_BYTES, LOG_RING_BYTES, LOG_SOURCE_BYTES, LOG_STREAMS_MAX};
use crate::sys::map::Shared;
use crate::sys::path::copy;

// Places of words: those of the batch, then so many of each stream.
/// One of the numbers below.
pub(super) const PHASE: usize = 0;
/// How many streams there are, those that have ended among them.
const COUNT: usize = 1;
/// Whose the batch is, since when, where in the file it begins, how many dropped bytes it tells of, and how many it has.
pub(super) const STREAM: usize = 2;
pub(super) const TIME_US: usize = 3;
pub(super) const OFFSET: usize = 4;
pub(super) const TOLD: usize = 5;
pub(super) const TOTAL: usize = 6;
/// The first record that consoles have not shown.
pub(super) const SHOWN: usize = 7;
/// The stream's state when the batch counts.
pub(super) const NEXT: usize = 8;
const BATCH_WORDS: usize = NEXT + WORDS;

/// Nothing is in the batch.
const NOTHING: u64 = 0;
/// The batch is in the pipe, or has been read from it; nothing counts yet.
pub(super) const TAKEN: u64 = 1;
/// The stream's new state counts.
pub(super) const DONE: u64 = 2;

// Of a stream, behind its state.
/// Its descriptor's number, as long as that is in the store.
pub(super) const IDENTITY: usize = WORDS;
/// Whether it is at its end.
pub(super) const ENDED: usize = WORDS + 1;
const PLACE: usize = WORDS + 2;
const SOURCE_BYTES: usize = WORDS + 3;
const EACH: usize = WORDS + 4;

/// So many words, and bytes behind them: those of the batch, all names, all rings.
pub(super) const ALL_WORDS: usize = BATCH_WORDS + EACH * LOG_STREAMS_MAX;
pub(super) const BYTES: usize = LOG_BATCH_BYTES + LOG_STREAMS_MAX * EACH_BYTES;
const EACH_BYTES: usize = LOG_SOURCE_BYTES + LOG_RING_BYTES;

/// See the module's documentation.
pub(super) struct Memory {
    words: &'static [AtomicU64],
    bytes: &'static mut [u8],
}

/// The place of a stream's word.
fn at(stream: usize, word: usize) -> usize {
    BATCH_WORDS + EACH * stream + word
}

impl Memory {
    pub(super) fn new(shared: &Shared) -> Option<Memory> {
        let (words, bytes) = shared.take()?;
        Some(Memory { words, bytes })
    }

    /// A word as it is.
    #[inline(never)]
    pub(super) fn place(&self, at: usize) -> &AtomicU64 {
        static NOWHERE: AtomicU64 = AtomicU64::new(0);
        self.words.get(at).unwrap_or(&NOWHERE)
    }

    /// A word.
    #[inline(never)]
    pub(super) fn word(&self, at: usize) -> u64 {
        self.place(at).load(Ordering::Relaxed)
    }

    /// Sets a word, when all that was done before is in memory, and before anything that is done later.
    #[inline(never)]
    pub(super) fn set(&self, at: usize, value: u64) {
        compiler_fence(Ordering::SeqCst);
        self.place(at).store(value, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    /// A word of a stream.
    pub(super) fn of(&self, stream: usize, word: usize) -> u64 {
        self.word(at(stream, word))
    }

    pub(super) fn set_of(&self, stream: usize, word: usize, value: u64) {
        self.set(at(stream, word), value);
    }

    /// How many streams there are.
    pub(super) fn count(&self) -> usize {
        self.word(COUNT) as usize
    }

    pub(super) fn state(&self, stream: usize) -> State {
        self.state_at(at(stream, 0))
    }

    #[inline(never)]
    fn state_at(&self, mut at: usize) -> State {
        let mut state = [0; WORDS];
        for word in &mut state {
            *word = self.word(at);
            at += 1;
        }
        state
    }

    pub(super) fn set_state(&self, stream: usize, state: &State) {
        self.set_words(at(stream, 0), state);
    }

    #[inline(never)]
    fn set_words(&self, mut at: usize, words: &[u64]) {
        for word in words {
            self.set(at, *word);
            at += 1;
        }
    }

    /// Begins a batch.
    pub(super) fn begin(&self, stream: usize, told: u64) {
        self.set_words(STREAM, &[stream as u64, crate::sys::time::real_us(), END, told, 0]);
        self.set(PHASE, TAKEN);
    }

    /// Lets a stream's new state count.
    pub(super) fn count_in(&self, state: &State) {
        self.set_words(NEXT, state);
        self.set(PHASE, DONE);
        self.finish();
    }

    /// What is left to do when it counts.
    pub(super) fn finish(&self) {
        self.set_state(self.word(STREAM) as usize, &self.state_at(NEXT));
        self.set(PHASE, NOTHING);
    }

    /// Nothing became of the batch.
    pub(super) fn leave(&self) {
        self.set(PHASE, NOTHING);
    }

    /// Bytes of the batch: the whole of it.
    pub(super) fn batch(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..LOG_BATCH_BYTES).unwrap_or_default()
    }

    /// What is in it.
    pub(super) fn taken(&self) -> &[u8] {
        self.bytes.get(..self.word(TOTAL) as usize).unwrap_or_default()
    }

    /// What is in the batch, and the stream's ring.
    #[inline(never)]
    pub(super) fn parts(&mut self, stream: usize) -> (&[u8], &mut [u8]) {
        let total = self.word(TOTAL) as usize;
        let (batch, rest) = self.bytes.split_at_mut_checked(LOG_BATCH_BYTES).unwrap_or_default();
        let ring = rest.get_mut(stream * EACH_BYTES + LOG_SOURCE_BYTES..(stream + 1) * EACH_BYTES).unwrap_or_default();
        (batch.get(..total).unwrap_or_default(), ring)
    }

    #[inline(never)]
    pub(super) fn ring(&self, stream: usize) -> &[u8] {
        let start = LOG_BATCH_BYTES + stream * EACH_BYTES + LOG_SOURCE_BYTES;
        self.bytes.get(start..start + LOG_RING_BYTES).unwrap_or_default()
    }

    /// A stream's name.
    #[inline(never)]
    pub(super) fn source(&self, stream: usize) -> &[u8] {
        let start = LOG_BATCH_BYTES + stream * EACH_BYTES;
        self.bytes.get(start..start + self.of(stream, SOURCE_BYTES) as usize).unwrap_or_default()
    }

    /// Where a stream's file is.
    pub(super) fn file(&self, stream: usize) -> Place {
        Place::from_number(self.of(stream, PLACE))
    }

    /// The stream of a descriptor.
    #[inline(never)]
    pub(super) fn known(&self, identity: u64) -> Option<usize> {
        (0..self.count()).find(|stream| self.of(*stream, IDENTITY) == identity)
    }

    /// A place for a stream: where one of that name was, where none was, where one has ended.
    pub(super) fn free(&self, source: &[u8]) -> Option<usize> {
        let count = self.count();
        let mut free = if count < LOG_STREAMS_MAX { Some(count) } else { None };
        for stream in 0..count {
            if self.of(stream, ENDED) != 0 {
                if self.source(stream) == source {
                    return Some(stream);
                }
                free = free.or(Some(stream));
            }
        }
        free
    }

    /// Makes a place a stream's.
    pub(super) fn name(&mut self, stream: usize, what: u8, source: &[u8], identity: u64) {
        // It is this descriptor's from the last step on.
        self.set_of(stream, IDENTITY, 0);
        if self.source(stream) != source {
            let head = self.of(stream, HEAD);
            let mut state = [0; WORDS];
            (state[HEAD], state[TAIL]) = (head, head);
            self.set_state(stream, &state);
            let start = LOG_BATCH_BYTES + stream * EACH_BYTES;
            copy(self.bytes.get_mut(start..).unwrap_or_default(), source);
        }
        self.set_words(at(stream, ENDED), &[0, what.into(), source.len() as u64]);
        self.set(COUNT, self.count().max(stream + 1) as u64);
        self.set_of(stream, IDENTITY, identity);
    }
}
