//! Memory for one launch: a region that only grows, handed out as slices, strings and lists, and forgotten as a whole.
//!
//! Finished values grow from the low end. A list whose length is not known yet collects its elements as a stack at the
//! high end and moves down, in order, when it is finished:
//!
//! ```text
//! | finished strings, slices, records -> |        free        | <- elements of lists being read |
//! ```
//!
//! Lists nest as their texts do: the one begun last is finished first. It is here, among the system calls, because
//! typed views over bytes need `unsafe`.
//!
//! Nothing here fails by itself: a full arena hands out what is empty, and [`Arena::check`] says so at the end. Whoever
//! fills it may keep a failure of his own there: the first one counts.

use super::texts::CStr;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, align_of, size_of};
use core::ptr::null_mut;

use crate::error::{Error, Result};

/// See the module's documentation. Everything it hands out lives as long as the region, `'a`.
pub struct Arena<'a> {
    start: *mut u8,
    /// Bytes in use at the low end.
    low: usize,
    /// Where the elements of lists being read begin.
    high: usize,
    size: usize,
    failure: Option<Error>,
    region: PhantomData<&'a mut [u8]>,
}

/// A list being collected. It must be finished, or dropped together with the whole launch.
pub struct List<T> {
    stack: Stack,
    element: PhantomData<T>,
}

#[derive(Default)]
pub(super) struct Stack {
    pub(super) count: usize,
    /// `high` before the list began, and after its last element.
    outer: usize,
    top: usize,
}

impl<T> Default for List<T> {
    /// A list without elements that takes none.
    fn default() -> List<T> {
        List { stack: Stack::default(), element: PhantomData }
    }
}

/// Enough for every element of a list.
const ALIGN: usize = 8;

impl<'a> Arena<'a> {
    /// An empty arena over `region`.
    pub fn new(region: &'a mut [u8]) -> Arena<'a> {
        let size = region.len();
        Arena { start: region.as_mut_ptr(), low: 0, high: size, size, failure: None, region: PhantomData }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.size - (self.high - self.low)
    }

    /// Keeps a failure, unless there was one before.
    #[inline(never)]
    pub fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// Whether everything that was handed out is what it was to be.
    ///
    /// # Errors
    /// The first failure: the arena was full, or what its user kept.
    pub fn check(&self) -> Result<()> {
        self.failure.map_or(Ok(()), Err)
    }

    /// Bytes that cannot be had.
    fn full(&mut self, bytes: usize) -> *mut u8 {
        let found = self.used().saturating_add(bytes);
        self.fail(Error::limit(s!("keep the configuration in memory"), s!("bytes"), found, self.size));
        null_mut()
    }

    /// Takes `bytes` at the low end, aligned. Null when it is full.
    #[inline(never)]
    fn take(&mut self, bytes: usize, align: usize) -> *mut u8 {
        let padding = (self.start as usize).wrapping_add(self.low).wrapping_neg() & (align - 1);
        let start = self.low.saturating_add(padding);
        let end = start.saturating_add(bytes);
        if end > self.high {
            return self.full(bytes);
        }
        self.low = end;
        // SAFETY: `start <= end <= high <= size`: inside the region.
        unsafe { self.start.add(start) }
    }

    /// Copies the pieces, one after the other, into a C string. A NUL in a piece ends the string there: callers with
    /// outside text refuse it first.
    pub fn string(&mut self, pieces: &[&[u8]]) -> &'a CStr {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let to = self.take(length + 1, 1);
        if to.is_null() {
            return s!("");
        }
        let mut end = to;
        for piece in pieces {
            // SAFETY: the sum of the lengths was taken; the piece cannot overlap memory that was free until now.
            unsafe { core::ptr::copy_nonoverlapping(piece.as_ptr(), end, piece.len()) };
            // SAFETY: as above.
            end = unsafe { end.add(piece.len()) };
        }
        // SAFETY: one byte more than the sum was taken.
        unsafe { end.write(0) };
        // SAFETY: the bytes just written end in a NUL, and nobody writes to them again.
        unsafe { CStr::from_ptr(to.cast()) }
    }

    /// Two strings, one after the other, as one.
    #[inline(never)]
    pub fn pair(&mut self, first: &CStr, second: &CStr) -> &'a CStr {
        self.string(&[first.to_bytes(), second.to_bytes()])
    }

    /// Copies bytes into a C string: [`Arena::string`].
    #[inline(never)]
    pub fn copy(&mut self, bytes: &[u8]) -> &'a CStr {
        self.string(&[bytes])
    }

    /// Lends `count` copies of an element for as long as the arena lives: for a list whose length is known.
    pub fn filled<T: Copy>(&mut self, count: usize, element: T) -> &'a mut [T] {
        // SAFETY: the element is of this size; `T` is `Copy`, so its bytes may be copied.
        let to = unsafe { self.copies(count, (&raw const element).cast(), size_of::<T>(), align_of::<T>()) };
        if to.is_null() {
            return &mut [];
        }
        // SAFETY: aligned memory for `count` elements, all of them written, which belongs to nobody else.
        unsafe { core::slice::from_raw_parts_mut(to.cast(), count) }
    }

    /// # Safety
    /// `element` has `size` bytes.
    #[inline(never)]
    unsafe fn copies(&mut self, count: usize, element: *const u8, size: usize, align: usize) -> *mut u8 {
        let start = self.take(size.saturating_mul(count), align);
        if start.is_null() {
            return start;
        }
        for index in 0..count {
            // SAFETY: memory for `count` elements was just taken and overlaps nothing.
            unsafe { start.add(size * index).copy_from_nonoverlapping(element, size) };
        }
        start
    }

    /// Lends `length` zeroed bytes for as long as the arena lives: for text being decoded or files being read.
    pub fn bytes(&mut self, length: usize) -> &'a mut [u8] {
        let start = self.take(length, 1);
        if start.is_null() {
            return &mut [];
        }
        // SAFETY: so many bytes were just taken.
        unsafe { start.write_bytes(0, length) };
        // SAFETY: as above, and they belong to nobody else.
        unsafe { core::slice::from_raw_parts_mut(start, length) }
    }

    /// Begins a list.
    pub fn list<T: Copy>(&mut self) -> List<T> {
        const { assert!(align_of::<T>() <= ALIGN) };
        List { stack: self.begin(), element: PhantomData }
    }

    #[inline(never)]
    pub(super) fn begin(&mut self) -> Stack {
        let outer = self.high;
        // Down to the elements' alignment, but never below what is in use.
        let misaligned = (self.start as usize).wrapping_add(outer) & (ALIGN - 1);
        self.high = outer.saturating_sub(misaligned).max(self.low);
        Stack { count: 0, outer, top: self.high }
    }

    /// Appends to a list. The one begun last must be finished first.
    pub fn push<T: Copy>(&mut self, list: &mut List<T>, item: T) {
        let place = self.above(&mut list.stack, size_of::<T>(), align_of::<T>());
        if !place.is_null() {
            // SAFETY: free and aligned memory for one element inside the region.
            unsafe { place.cast::<T>().write(item) };
        }
    }

    /// Memory for one more element of a list. Null when there is none.
    #[inline(never)]
    pub(super) fn above(&mut self, stack: &mut Stack, size: usize, align: usize) -> *mut u8 {
        debug_assert!(stack.top == self.high, "a list begun later is not finished yet");
        // Only misaligned when there was no room for aligning it.
        let aligned = (self.start as usize).wrapping_add(self.high) & (align - 1) == 0;
        if !aligned || stack.top != self.high || self.high - self.low < size {
            return self.full(size);
        }
        self.high -= size;
        stack.top = self.high;
        stack.count += 1;
        // SAFETY: `low <= high`: inside the region.
        unsafe { self.start.add(self.high) }
    }

    /// Finishes a list: its elements, in the order they were pushed.
    pub fn finish<T: Copy>(&mut self, list: List<T>) -> &'a [T] {
        let count = list.stack.count;
        let to: *const T = self.gather(list.stack, size_of::<T>(), align_of::<T>()).cast();
        if to.is_null() {
            return &[];
        }
        // SAFETY: aligned memory, where all `count` elements were just written, and nobody writes to them again.
        unsafe { core::slice::from_raw_parts(to, count) }
    }

    /// Finishes a list: its elements, the last pushed first.
    pub fn finish_backwards<T: Copy>(&mut self, list: List<T>) -> &'a [T] {
        let count = list.stack.count;
        // So they lie there: one element of the size of all.
        let all = Stack { count: 1, ..list.stack };
        let to: *const T = self.gather(all, count * size_of::<T>(), align_of::<T>()).cast();
        if to.is_null() {
            return &[];
        }
        // SAFETY: as above.
        unsafe { core::slice::from_raw_parts(to, count) }
    }

    /// Moves the elements of a list down, in order. Null when there is no room.
    #[inline(never)]
    pub(super) fn gather(&mut self, stack: Stack, size: usize, align: usize) -> *mut u8 {
        debug_assert!(stack.top == self.high, "a list begun later is not finished yet");
        let bytes = size * stack.count;
        if stack.top != self.high {
            return self.full(bytes);
        }
        let to = self.take(bytes, align);
        if !to.is_null() {
            // The stack holds them from `high` up, the last pushed lowest. `take` never passes `high`.
            // SAFETY: memory for all elements was just taken, and does not overlap theirs.
            unsafe {
                let from = self.start.add(self.high);
                if size.is_multiple_of(size_of::<u64>()) {
                    turn::<u64>(from, to, bytes, size)
                } else {
                    turn::<u8>(from, to, bytes, size)
                }
            }
        }
        self.high = stack.outer;
        to
    }
}

/// Copies elements in the opposite order, by words: a call for each would cost more than the copy.
///
/// # Safety
/// There are `bytes` at `from` and memory for them at `to`, elements of `size` bytes, and those made of whole words.
unsafe fn turn<Word: Copy>(from: *const u8, to: *mut u8, bytes: usize, size: usize) {
    let (mut first, mut at) = (bytes, 0);
    while at < bytes {
        first -= size;
        let mut offset = 0;
        while offset < size {
            // SAFETY: inside an element, of which even what is between its fields may be copied.
            unsafe {
                let word: MaybeUninit<Word> = from.add(first + offset).cast::<MaybeUninit<Word>>().read_unaligned();
                to.add(at + offset).cast::<MaybeUninit<Word>>().write_unaligned(word);
            }
            offset += size_of::<Word>();
        }
        at += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_come_back_in_order() {
        let mut region = [0; 512];
        let mut arena = Arena::new(&mut region[3..]);
        let mut outer = arena.list::<(&CStr, &[u16])>();
        for name in [b"first", b"other"] {
            let mut inner = arena.list::<u16>();
            for value in 1..4 {
                arena.push(&mut inner, value);
            }
            let name = arena.string(&[name, b"-", name]);
            let values = arena.finish(inner);
            arena.push(&mut outer, (name, values));
        }
        let mut turned = arena.list();
        for value in [7_u64, 8, 9] {
            arena.push(&mut turned, value);
        }
        assert_eq!(arena.finish_backwards(turned), [9, 8, 7]);
        let outer = arena.finish(outer);
        assert_eq!(outer, [(s!("first-first"), &[1, 2, 3][..]), (s!("other-other"), &[1, 2, 3][..])]);
        assert_eq!(arena.check(), Ok(()));
    }

    #[test]
    fn a_full_arena_says_so_and_keeps_what_it_has() {
        let mut region = [0; 16];
        let mut arena = Arena::new(&mut region);
        let kept = arena.string(&[b"0123456"]);
        assert_eq!(arena.check(), Ok(()));
        assert_eq!(arena.string(&[b"01234567"]), s!(""));
        let full = arena.check().unwrap_err();
        let mut list = arena.list::<u64>();
        for _ in 0..3 {
            arena.push(&mut list, 7);
        }
        arena.finish(list);
        assert!(arena.used() <= 16);
        arena.fail(Error::wrong(s!("fail"), s!("later")));
        assert_eq!(arena.check(), Err(full));
        assert_eq!(kept, s!("0123456"));
    }

    #[test]
    fn every_prefix_of_a_region_is_safe_to_fill() {
        for size in 0..64 {
            let mut region = vec![0; size];
            let mut arena = Arena::new(&mut region);
            let mut list = arena.list::<u64>();
            while arena.check().is_ok() {
                arena.push(&mut list, 7);
            }
            assert!(arena.finish(list).iter().all(|item| *item == 7));
            while arena.string(&[b"x"]) == s!("x") {}
            while let [first, second] = arena.filled(2, 5_u16) {
                assert_eq!((*first, *second), (5, 5));
            }
        }
    }
}
