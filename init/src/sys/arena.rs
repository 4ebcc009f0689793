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
    elements: Elements,
    element: PhantomData<T>,
}

/// A list without its type: what is done with it is compiled once, and not for each type.
struct Elements {
    /// Of one element.
    size: usize,
    align: usize,
    count: usize,
    /// `high` before the list began, and after its last element.
    outer: usize,
    top: usize,
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

    #[inline(never)]
    fn full(&self, bytes: usize) -> Error {
        Error::limit(c"keep the configuration in memory", c"bytes", self.used().saturating_add(bytes), self.size)
    }

    /// Takes `bytes` at the low end, aligned.
    #[inline(never)]
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
        // SAFETY: the element is of this size; `T` is `Copy`, so its bytes may be copied.
        let to = unsafe { self.copies(count, (&raw const element).cast(), size_of::<T>(), align_of::<T>()) }?;
        // SAFETY: aligned memory for `count` elements, all of them written, which belongs to nobody else.
        Ok(unsafe { core::slice::from_raw_parts_mut(to.cast(), count) })
    }

    /// # Safety
    /// `element` has `size` bytes.
    unsafe fn copies(&mut self, count: usize, element: *const u8, size: usize, align: usize) -> Result<*mut u8> {
        let start = self.take(size.saturating_mul(count), align)?;
        let mut to = start;
        for _ in 0..count {
            // SAFETY: memory for `count` elements was just taken and overlaps nothing.
            unsafe { to.copy_from_nonoverlapping(element, size) };
            // SAFETY: as above; at most one behind the last.
            to = unsafe { to.add(size) };
        }
        Ok(start)
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
        List { elements: self.begin(size_of::<T>(), align_of::<T>()), element: PhantomData }
    }

    fn begin(&mut self, size: usize, align: usize) -> Elements {
        let outer = self.high;
        // Down to the element's alignment, but never below what is in use.
        let misaligned = (self.start as usize).wrapping_add(self.high) & (align - 1);
        self.high = self.high.saturating_sub(misaligned).max(self.low);
        Elements { size, align, count: 0, outer, top: self.high }
    }

    /// Appends to a list.
    ///
    /// # Errors
    /// The arena is full, or a list begun later is not finished yet.
    pub fn push<T: Copy>(&mut self, list: &mut List<T>, item: T) -> Result<()> {
        // SAFETY: the list is one of `T`, and `T` is `Copy`, so its bytes may be copied.
        unsafe { self.append(&mut list.elements, (&raw const item).cast()) }
    }

    /// # Safety
    /// `item` is an element of the list's type.
    unsafe fn append(&mut self, list: &mut Elements, item: *const u8) -> Result<()> {
        debug_assert!(list.top == self.high, "a list begun later is not finished yet");
        let aligned = (self.start as usize).wrapping_add(self.high) & (list.align - 1) == 0;
        let place = self.high.checked_sub(list.size).filter(|place| *place >= self.low);
        let Some(place) = place.filter(|_| aligned && list.top == self.high) else {
            return Err(self.full(list.size));
        };
        // SAFETY: `low <= place` and `place + size == high`: free memory inside the region. `high` is aligned, so one
        // element below it is aligned too.
        unsafe { self.start.add(place).copy_from_nonoverlapping(item, list.size) };
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
        let first = self.end(&list.elements)?;
        // SAFETY: aligned memory for `count` elements of `T`, all of them written by `append`; nobody writes to them again.
        Ok(unsafe { core::slice::from_raw_parts(first.cast(), list.elements.count) })
    }

    fn end(&mut self, list: &Elements) -> Result<*mut u8> {
        debug_assert!(list.top == self.high, "a list begun later is not finished yet");
        let bytes = list.size * list.count;
        if list.top != self.high {
            return Err(self.full(bytes));
        }
        let start = self.take(bytes, list.align)?;
        for index in 0..list.count {
            // SAFETY: the stack holds `count` elements from `high` up, the last pushed lowest; `append` wrote each.
            let item = unsafe { self.start.add(self.high + list.size * (list.count - 1 - index)) };
            // SAFETY: memory for `count` elements was just taken. `take` never passes `high`, so the two do not overlap.
            unsafe { start.add(list.size * index).copy_from_nonoverlapping(item, list.size) };
        }
        self.high = list.outer;
        Ok(start)
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
