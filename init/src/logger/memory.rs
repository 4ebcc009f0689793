//! What outlives a logger: words and bytes, and who they belong to.

use core::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use super::ring::{self, State};
use crate::limits::{LOG_BATCH_BYTES, LOG_RECORD_BYTES, LOG_RING_BYTES, LOG_SOURCE_BYTES, LOG_STREAMS_MAX};
use crate::sys::map::Shared;
use crate::sys::path::copy;
use crate::text::Line;

/// Places of words: those of the batch, then so many of each stream.
pub(super) mod word {
    use super::{LOG_STREAMS_MAX, ring};

    /// A [`super::phase`].
    pub(in crate::logger) const PHASE: usize = 0;
    /// Whose the batch is, how many bytes, since when.
    pub(in crate::logger) const STREAM: usize = 1;
    pub(in crate::logger) const TOTAL: usize = 2;
    pub(in crate::logger) const TIME_US: usize = 3;
    /// Where in the file it begins.
    pub(in crate::logger) const OFFSET: usize = 4;
    /// How many dropped bytes it tells of.
    pub(in crate::logger) const TOLD: usize = 5;
    /// The number of the next record of all.
    pub(in crate::logger) const SEQUENCE: usize = 6;
    /// How many streams there are, those that have ended among them.
    pub(in crate::logger) const COUNT: usize = 7;
    /// The stream's state when the batch counts.
    pub(in crate::logger) const NEXT: usize = 8;
    const BATCH: usize = NEXT + ring::WORDS;

    /// Of a stream: its state, then these. Its descriptor's identity, as long as that is in the store.
    pub(in crate::logger) const IDENTITY: usize = ring::WORDS;
    /// A [`super::life`].
    pub(in crate::logger) const LIFE: usize = IDENTITY + 1;
    pub(in crate::logger) const PLACE: usize = IDENTITY + 2;
    pub(in crate::logger) const SOURCE_BYTES: usize = IDENTITY + 3;
    const EACH: usize = IDENTITY + 4;

    pub(in crate::logger) const ALL: usize = BATCH + EACH * LOG_STREAMS_MAX;

    /// The place of a stream's word.
    pub(in crate::logger) fn at(stream: usize, word: usize) -> usize {
        BATCH + EACH * stream + word
    }
}

/// How far a batch is.
pub(super) mod phase {
    pub(in crate::logger) const NONE: u64 = 0;
    /// It is in the pipe, or has been read from it; nothing counts yet.
    pub(in crate::logger) const TAKEN: u64 = 1;
    /// The stream's new state counts.
    pub(in crate::logger) const DONE: u64 = 2;
}

/// How far a stream is.
pub(super) mod life {
    pub(in crate::logger) const LIVE: u64 = 1;
    pub(in crate::logger) const ENDED: u64 = 2;
}

/// Bytes behind the words.
pub(super) const BYTES: usize = LOG_BATCH_BYTES + LOG_STREAMS_MAX * (LOG_SOURCE_BYTES + LOG_RING_BYTES);

/// See the module's documentation.
pub(super) struct Memory {
    words: &'static [AtomicU64],
    pub(super) batch: &'static mut [u8],
    sources: &'static mut [u8],
    rings: &'static mut [u8],
}

impl Memory {
    pub(super) fn new(shared: &Shared) -> Option<Memory> {
        let (words, bytes) = shared.take()?;
        let (batch, rest) = bytes.split_at_mut_checked(LOG_BATCH_BYTES)?;
        let (sources, rings) = rest.split_at_mut_checked(LOG_STREAMS_MAX * LOG_SOURCE_BYTES)?;
        Some(Memory { words, batch, sources, rings })
    }

    /// A word.
    #[inline(never)]
    pub(super) fn word(&self, at: usize) -> u64 {
        self.words.get(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Sets a word, when all that was done before is in memory, and before anything that is done later.
    #[inline(never)]
    pub(super) fn set(&self, at: usize, value: u64) {
        compiler_fence(Ordering::SeqCst);
        if let Some(word) = self.words.get(at) {
            word.store(value, Ordering::Relaxed);
        }
        compiler_fence(Ordering::SeqCst);
    }

    /// A word of a stream.
    pub(super) fn of(&self, stream: usize, word: usize) -> u64 {
        self.word(word::at(stream, word))
    }

    /// How many streams there are.
    pub(super) fn count(&self) -> usize {
        self.word(word::COUNT) as usize
    }

    /// Streams that are so far.
    pub(super) fn all(&self, life: u64) -> impl Iterator<Item = usize> {
        (0..self.count()).filter(move |stream| self.of(*stream, word::LIFE) == life)
    }

    pub(super) fn state(&self, stream: usize) -> State {
        self.state_at(word::at(stream, 0))
    }

    pub(super) fn state_at(&self, at: usize) -> State {
        let mut words = [0; ring::WORDS];
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.word(at + index);
        }
        State::from_words(words)
    }

    pub(super) fn set_state(&self, stream: usize, state: &State) {
        self.set_words(word::at(stream, 0), state);
    }

    pub(super) fn set_words(&self, at: usize, state: &State) {
        for (index, value) in state.words().into_iter().enumerate() {
            self.set(at + index, value);
        }
    }

    /// Begins a batch.
    pub(super) fn begin(&self, stream: usize, told: u64) {
        let now_us = crate::sys::time::real_us();
        for (place, value) in [
            (word::STREAM, stream as u64),
            (word::TOTAL, 0),
            (word::TIME_US, now_us),
            (word::OFFSET, super::file::END),
            (word::TOLD, told),
            (word::PHASE, phase::TAKEN),
        ] {
            self.set(place, value);
        }
    }

    /// The batch, and a stream's ring.
    pub(super) fn parts(&mut self, stream: usize) -> (&[u8], &mut [u8]) {
        let start = stream * LOG_RING_BYTES;
        (self.batch, self.rings.get_mut(start..start + LOG_RING_BYTES).unwrap_or_default())
    }

    pub(super) fn ring(&self, stream: usize) -> &[u8] {
        let start = stream * LOG_RING_BYTES;
        self.rings.get(start..start + LOG_RING_BYTES).unwrap_or_default()
    }

    /// A stream's name.
    pub(super) fn source(&self, stream: usize) -> &[u8] {
        let start = stream * LOG_SOURCE_BYTES;
        let length = self.of(stream, word::SOURCE_BYTES) as usize;
        self.sources.get(start..start + length).unwrap_or_default()
    }

    /// The stream of a descriptor.
    pub(super) fn known(&self, identity: u64) -> Option<usize> {
        (0..self.count()).find(|stream| self.of(*stream, word::IDENTITY) == identity)
    }

    /// A place for a stream: where one of that name was, where none was, where one has ended.
    pub(super) fn free(&self, source: &[u8]) -> Option<usize> {
        let count = self.count();
        self.all(life::ENDED)
            .find(|stream| self.source(*stream) == source)
            .or_else(|| if count < LOG_STREAMS_MAX { Some(count) } else { self.all(life::ENDED).next() })
    }

    /// Makes a place a stream's.
    pub(super) fn name(&mut self, stream: usize, what: u8, source: &[u8], identity: u64) {
        // It is one of this descriptor's from the last step on.
        self.set(word::at(stream, word::IDENTITY), 0);
        if self.source(stream) != source {
            let State { head, .. } = self.state(stream);
            self.set_state(stream, &State { head, tail: head, ..State::default() });
            let start = stream * LOG_SOURCE_BYTES;
            copy(self.sources.get_mut(start..start + LOG_SOURCE_BYTES).unwrap_or_default(), source);
        }
        self.set(word::COUNT, self.count().max(stream + 1) as u64);
        for (word, value) in [
            (word::SOURCE_BYTES, source.len() as u64),
            (word::PLACE, what.into()),
            (word::LIFE, life::LIVE),
            (word::IDENTITY, identity),
        ] {
            self.set(word::at(stream, word), value);
        }
    }

    /// The text of a record.
    pub(super) fn text<'b>(
        &self,
        stream: usize,
        record: &ring::Record,
        buffer: &'b mut [u8; LOG_RECORD_BYTES],
    ) -> &'b [u8] {
        let ring = self.ring(stream);
        let mut length = 0;
        for (at, to) in (record.start..record.end).zip(buffer.iter_mut()) {
            *to = ring::byte(ring, at);
            length += 1;
        }
        buffer.get(..length).unwrap_or_default()
    }

    /// Shows records, each behind the name of its stream.
    pub(super) fn show(&self, stream: usize, mut from: u64, to: u64, show: fn(&[u8])) {
        from = from.max(self.state(stream).tail);
        while from < to {
            let record = ring::record(self.ring(stream), from);
            let (mut text, mut buffer) = ([0; LOG_RECORD_BYTES], [0; LOG_RECORD_BYTES + LOG_SOURCE_BYTES + 8]);
            let mut line = Line::new(&mut buffer);
            line.raw(self.source(stream)).text(": ").raw(self.text(stream, &record, &mut text)).byte(b'\n');
            show(line.bytes());
            from = record.end;
        }
    }
}
