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

use core::ffi::CStr;
use core::marker::PhantomData;
use core::mem::{align_of, size_of};

use crate::error::{Error, Result};

/// See the module's documentation. Everything it hands out lives as long as the region, `'a`.
pub struct Arena<'a> {
    start: *mut u8,
    /// Bytes in use at the low end.
    low: usize,
    /// Where the elements of lists being read begin.
    high: usize,
    size: usize,
    region: PhantomData<&'a mut [u8]>,
}

/// A list being collected. It must be finished, or dropped together with the whole launch.
pub struct List<T> {
    count: usize,
    /// `high` before the list began, and after its last element.
    outer: usize,
    top: usize,
    element: PhantomData<T>,
}

impl<'a> Arena<'a> {
    /// An empty arena over `region`.
    pub fn new(region: &'a mut [u8]) -> Arena<'a> {
        Arena { start: region.as_mut_ptr(), low: 0, high: region.len(), size: region.len(), region: PhantomData }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.size - (self.high - self.low)
    }

    fn full(&self, bytes: usize) -> Error {
        Error::limit(c"keep the configuration in memory", c"bytes", self.used().saturating_add(bytes), self.size)
    }

    /// Takes `bytes` at the low end, aligned.
    fn take(&mut self, bytes: usize, align: usize) -> Result<*mut u8> {
        let padding = (self.start as usize).wrapping_add(self.low).wrapping_neg() & (align - 1);
        let start = self.low.checked_add(padding).ok_or(self.full(bytes))?;
        let end = start.checked_add(bytes).filter(|end| *end <= self.high).ok_or(self.full(bytes))?;
        self.low = end;
        // SAFETY: `start <= end <= high <= size`: inside the region.
        Ok(unsafe { self.start.add(start) })
    }

    /// Copies the pieces, one after the other, into a C string.
    ///
    /// # Errors
    /// The arena is full. A NUL in a piece ends the string there: callers with outside text refuse it first.
    pub fn string(&mut self, pieces: &[&[u8]]) -> Result<&'a CStr> {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let to = self.take(length + 1, 1)?;
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
        Ok(unsafe { CStr::from_ptr(to.cast()) })
    }

    /// Copies a slice.
    ///
    /// # Errors
    /// The arena is full.
    pub fn slice<T: Copy>(&mut self, items: &[T]) -> Result<&'a [T]> {
        let to: *mut T = self.take(size_of::<T>().saturating_mul(items.len()), align_of::<T>())?.cast();
        // SAFETY: aligned memory for `items.len()` elements was just taken and overlaps nothing; `T` is `Copy`.
        unsafe { core::ptr::copy_nonoverlapping(items.as_ptr(), to, items.len()) };
        // SAFETY: all elements were just written, and nobody writes to them again.
        Ok(unsafe { core::slice::from_raw_parts(to, items.len()) })
    }

    /// Lends `count` copies of an element for as long as the arena lives: for a list whose length is known.
    ///
    /// # Errors
    /// The arena is full.
    pub fn filled<T: Copy>(&mut self, count: usize, element: T) -> Result<&'a mut [T]> {
        let to: *mut T = self.take(size_of::<T>().saturating_mul(count), align_of::<T>())?.cast();
        for index in 0..count {
            // SAFETY: aligned memory for `count` elements was just taken and belongs to nobody else.
            unsafe { to.add(index).write(element) };
        }
        // SAFETY: as above, and all of them were just written.
        Ok(unsafe { core::slice::from_raw_parts_mut(to, count) })
    }

    /// Lends `length` zeroed bytes for as long as the arena lives: for text being decoded or files being read.
    ///
    /// # Errors
    /// The arena is full.
    pub fn bytes(&mut self, length: usize) -> Result<&'a mut [u8]> {
        let to = self.take(length, 1)?;
        // SAFETY: `length` bytes were just taken and belong to nobody else.
        unsafe { to.write_bytes(0, length) };
        // SAFETY: as above, and they are initialised now.
        Ok(unsafe { core::slice::from_raw_parts_mut(to, length) })
    }

    /// Begins a list.
    pub fn list<T: Copy>(&mut self) -> List<T> {
        let outer = self.high;
        // Down to the element's alignment, but never below what is in use.
        let misaligned = (self.start as usize).wrapping_add(self.high) & (align_of::<T>() - 1);
        self.high = self.high.saturating_sub(misaligned).max(self.low);
        List { count: 0, outer, top: self.high, element: PhantomData }
    }

    /// Appends to a list.
    ///
    /// # Errors
    /// The arena is full, or a list begun later is not finished yet.
    pub fn push<T: Copy>(&mut self, list: &mut List<T>, item: T) -> Result<()> {
        debug_assert!(list.top == self.high, "a list begun later is not finished yet");
        let aligned = (self.start as usize).wrapping_add(self.high) & (align_of::<T>() - 1) == 0;
        let place = self.high.checked_sub(size_of::<T>()).filter(|place| *place >= self.low);
        let Some(place) = place.filter(|_| aligned && list.top == self.high) else {
            return Err(self.full(size_of::<T>()));
        };
        // SAFETY: `low <= place` and `place + size_of::<T>() == high`: free memory inside the region. `high` is aligned,
        // so one element below it is aligned too.
        unsafe { self.start.add(place).cast::<T>().write(item) };
        self.high = place;
        list.top = place;
        list.count += 1;
        Ok(())
    }

    /// Finishes a list: its elements, in the order they were pushed.
    ///
    /// # Errors
    /// The arena is full, or a list begun later is not finished yet.
    pub fn finish<T: Copy>(&mut self, list: List<T>) -> Result<&'a [T]> {
        debug_assert!(list.top == self.high, "a list begun later is not finished yet");
        let bytes = size_of::<T>() * list.count;
        if list.top != self.high {
            return Err(self.full(bytes));
        }
        let to: *mut T = self.take(bytes, align_of::<T>())?.cast();
        for index in 0..list.count {
            // SAFETY: the stack holds `count` elements from `high` up, the last pushed lowest; `push` wrote each. `take`
            // never passes `high`, so source and destination do not overlap.
            let item = unsafe { self.start.add(self.high).cast::<T>().add(list.count - 1 - index).read() };
            // SAFETY: memory for `count` elements was just taken.
            unsafe { to.add(index).write(item) };
        }
        self.high = list.outer;
        // SAFETY: all `count` elements were just written, and nobody writes to them again.
        Ok(unsafe { core::slice::from_raw_parts(to, list.count) })
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
                arena.push(&mut inner, value).unwrap();
            }
            let name = arena.string(&[name, b"-", name]).unwrap();
            let values = arena.finish(inner).unwrap();
            arena.push(&mut outer, (name, values)).unwrap();
        }
        let outer = arena.finish(outer).unwrap();
        assert_eq!(outer, [(c"first-first", &[1, 2, 3][..]), (c"other-other", &[1, 2, 3][..])]);
    }

    #[test]
    fn a_full_arena_says_so_and_keeps_what_it_has() {
        let mut region = [0; 16];
        let mut arena = Arena::new(&mut region);
        let kept = arena.string(&[b"0123456"]).unwrap();
        assert!(arena.string(&[b"01234567"]).is_err());
        let mut list = arena.list::<u64>();
        while arena.push(&mut list, 7).is_ok() {}
        assert!(arena.finish(list).is_err() || arena.used() <= 16);
        assert_eq!(kept, c"0123456");
    }

    #[test]
    fn every_prefix_of_a_region_is_safe_to_fill() {
        for size in 0..64 {
            let mut region = vec![0; size];
            let mut arena = Arena::new(&mut region);
            let mut list = arena.list::<u64>();
            while arena.push(&mut list, 7).is_ok() {}
            if let Ok(items) = arena.finish(list) {
                assert!(items.iter().all(|item| *item == 7));
            }
            while arena.string(&[b"x"]).is_ok() {}
            while arena.slice(&[1_u32]).is_ok() {}
            while let Ok(items) = arena.filled(2, 5_u16) {
                assert_eq!(items, [5, 5]);
            }
        }
    }
}
