//! An arithmetic code, and what its next bit may be by the bits before it. `build.rs` has this file, too: who packs must
//! expect what who unpacks expects.
//!
//! The code is a number. Each bit halves the interval in which it can be, not evenly but by the odds of a 0 and of a 1:
//! the last 0 to 5 bytes and the part of a byte that is known are each a context, of each is counted how often either
//! followed, and the longer ones weigh more.

/// Contexts, each of so many bytes as those before it in number.
const CONTEXTS: u32 = 6;
/// What the shortest one weighs; every byte more weighs 1.
const WEIGHT: u64 = 3;
/// A context weighs so many times more as long as one of the bits never followed.
const CERTAIN: u64 = 8;
/// The odds of either bit in no context: nothing is impossible.
const FLOOR: u64 = 16;
/// Contexts share counters when their hashes have the same bits, so many.
const HASH_BITS: u32 = 20;

/// Two counters for every hash.
pub(super) type Counters = [u8; 2 << HASH_BITS];

/// What is known so far.
pub(super) struct Model<'c> {
    counters: &'c mut Counters,
    /// The bytes before this one, the last of them in bits 8 to 15.
    before: u64,
    /// What is known of this byte, behind a 1.
    part: u64,
    /// Where the code can be.
    low: u32,
    high: u32,
}

impl<'c> Model<'c> {
    /// Nothing is known, and four bytes of the code are still to be looked at. All counters must be 0.
    pub(super) fn new(counters: &'c mut Counters) -> Model<'c> {
        Model { counters, before: 0, part: 1, low: 0, high: 0 }
    }

    /// Where the counters of a context are.
    fn place(&self, length: u32) -> usize {
        let context = self.before << (56 - 8 * length) | u64::from(length) << 8 | self.part;
        (context.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - HASH_BITS)) as usize * 2
    }

    /// The last code that means a 0.
    pub(super) fn middle(&self) -> u32 {
        let (mut zero, mut one) = (FLOOR, FLOOR);
        for length in 0..CONTEXTS {
            let place = self.place(length);
            let (zeros, ones) = (u64::from(self.counters[place]), u64::from(self.counters[place | 1]));
            let weight = (WEIGHT + u64::from(length)) * if zeros == 0 || ones == 0 { CERTAIN } else { 1 };
            zero += zeros * weight;
            one += ones * weight;
        }
        self.low + (u64::from(self.high - self.low) * zero / (zero + one).max(1)) as u32
    }

    /// Goes on with the bit, given the middle; gives the byte if it was the last of one.
    pub(super) fn take(&mut self, middle: u32, bit: bool) -> Option<u8> {
        if bit {
            self.low = middle + 1;
        } else {
            self.high = middle;
        }
        for length in 0..CONTEXTS {
            let place = self.place(length) | usize::from(bit);
            self.counters[place] = self.counters[place].saturating_add(1);
            // What was long so may change soon.
            let other = &mut self.counters[place ^ 1];
            if *other > 1 {
                *other /= 2;
            }
        }
        self.part = self.part << 1 | u64::from(bit);
        if self.part < 256 {
            return None;
        }
        let byte = self.part as u8;
        self.before = (self.before | u64::from(byte)) << 8;
        self.part = 1;
        Some(byte)
    }

    /// The first byte of the code, if it is certain: then there is room for the next one.
    pub(super) fn shift(&mut self) -> Option<u8> {
        if (self.low ^ self.high) >> 24 != 0 {
            return None;
        }
        let byte = (self.low >> 24) as u8;
        self.low <<= 8;
        self.high = self.high << 8 | 0xff;
        Some(byte)
    }

    /// The first byte of a code that can be, if all others are 0.
    #[allow(dead_code, reason = "for who packs")]
    pub(super) fn end(&self) -> u8 {
        // Those of the lowest and of the highest differ.
        (self.high >> 24) as u8
    }
}
