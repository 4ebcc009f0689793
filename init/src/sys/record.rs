//! Records by tables: what the fields of a type are called, where each is, and what it holds. So one piece of code reads
//! all types, where a function for each would be two hundred bytes of code a type.
//!
//! It is here, among the system calls, because a place found in a table needs `unsafe`. The tables themselves are written
//! by [`object!`], which has the compiler prove that each field is where the table says, and of the type that it says.

use super::texts::CStr;
use core::marker::PhantomData;
use core::mem::{MaybeUninit, align_of, offset_of, size_of, zeroed};
use core::ptr::slice_from_raw_parts;
use core::slice::from_raw_parts;

use super::arena::{Arena, Stack};
use crate::abi::namespace::Namespace;
use crate::abi::syscall::Name;

/// One entry of a map of strings.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// Key.
    pub name: &'a CStr,
    /// Value.
    pub value: &'a CStr,
}

/// A map of strings to records.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Named<'a, T> {
    /// Keys.
    pub names: &'a [&'a CStr],
    /// Values, in the order of the keys.
    pub values: &'a [T],
}

impl<'a, T> Named<'a, T> {
    /// Keys, each with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a CStr, &'a T)> {
        self.names.iter().copied().zip(self.values)
    }
}

impl<T> Default for Named<'_, T> {
    fn default() -> Self {
        Named { names: &[], values: &[] }
    }
}

/// A type of records: [`object!`].
pub struct Description {
    /// What the fields are called, each name followed by a NUL, and an empty name. Those of `fields` come first.
    names: *const u8,
    /// Those that are read.
    fields: *const Field,
    /// The types of those that are records or made of records, in the order of their fields.
    records: *const &'static Description,
    /// How many `fields` there are.
    count: u8,
    align: u8,
    size: u16,
}

// SAFETY: nobody writes to what it points to.
unsafe impl Sync for Description {}

/// Where a field is and what it holds.
#[derive(Clone, Copy)]
pub struct Field {
    offset: u16,
    holds: Holds,
    /// Position of its type in [`Description::records`].
    record: u8,
}

/// A field, and its type if that is a record or made of records.
pub type Entry = (Field, Option<&'static Description>);

/// A type that has a description, and whose references live for `'a`.
///
/// # Safety
/// The description is this type's, and what of it is in no table may be all zeroes.
pub unsafe trait Described<'a>: Copy + 'a {
    /// It.
    const DESCRIPTION: &'static Description;
}

impl Description {
    /// Puts it together.
    ///
    /// # Safety
    /// The fields are those of `T`, with their numbers put in by [`numbered`]; the records theirs.
    pub const unsafe fn new<T: Copy>(
        names: &'static str,
        fields: &'static [Field],
        records: &'static [&'static Description],
    ) -> Description {
        assert!(matches!(names.as_bytes(), [0] | [.., 0, 0]));
        assert!(size_of::<T>() < 1 << 16 && fields.len() < 1 << 8);
        assert!(is_complete(fields, records, size_of::<T>()), "a field is in no table");
        Description {
            names: names.as_ptr(),
            fields: fields.as_ptr(),
            records: records.as_ptr(),
            count: fields.len() as u8,
            align: align_of::<T>() as u8,
            size: size_of::<T>() as u16,
        }
    }

    fn fields(&self) -> &'static [Field] {
        // SAFETY: so `new` has it from a slice.
        unsafe { from_raw_parts(self.fields, self.count.into()) }
    }

    /// The type of a field that is a record or made of records.
    ///
    /// # Safety
    /// The field is, and is this type's.
    unsafe fn record(&self, field: Field) -> &'static Description {
        // SAFETY: `numbered` has counted them.
        unsafe { *self.records.add(field.record.into()) }
    }

    /// Makes a record blank that is all zeroes: of what fields hold, references alone are not.
    ///
    /// # Safety
    /// There is memory for a record of this type at `start`.
    #[inline(never)]
    unsafe fn blank(&self, start: *mut u8) {
        let write = |place: *mut u8| {
            // SAFETY: a slice belongs there, and an empty one has the form of any other.
            unsafe { place.cast::<&[u64]>().write(&[]) };
        };
        for field in self.fields() {
            // SAFETY: the offset of a field is inside its record.
            let place = unsafe { start.add(field.offset.into()) };
            match field.holds {
                // SAFETY: a string belongs there.
                Holds::Word => unsafe { place.cast::<&CStr>().write(s!("")) },
                Holds::List | Holds::Pairs => write(place),
                Holds::Named => {
                    write(place);
                    // SAFETY: there is a `Named`.
                    write(unsafe { place.add(offset_of!(Named<u32>, values)) });
                }
                // SAFETY: a record of that type belongs there.
                Holds::Object => unsafe { self.record(*field).blank(place) },
                _ => {}
            }
        }
    }
}

/// Whether each word of a record is a field's: then a reference, which is at least a word, cannot be in no table.
const fn is_complete(fields: &[Field], records: &[&'static Description], size: usize) -> bool {
    let mut word = 0;
    while word + size_of::<usize>() <= size {
        let (mut index, mut is_met) = (0, false);
        while index < fields.len() {
            let start = fields[index].offset as usize;
            let end = start + fields[index].size(records);
            is_met |= start < word + size_of::<usize>() && word < end;
            index += 1;
        }
        if !is_met {
            return false;
        }
        word += size_of::<usize>();
    }
    true
}

/// A value in which nothing is given: what a type's `default` is.
pub fn blank<'a, T: Described<'a>>() -> T {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: there is memory for it.
    unsafe { T::DESCRIPTION.blank(value.as_mut_ptr().cast()) };
    // SAFETY: its references have been written, and all else may be zero.
    unsafe { value.assume_init() }
}

/// The names of a type's fields.
#[derive(Clone, Copy)]
pub struct Names(*const u8);

impl Names {
    /// The next of them, as a C string; the empty one after the last.
    pub fn first(&self) -> &'static CStr {
        // SAFETY: there is one.
        unsafe { CStr::from_ptr(self.0) }
    }
}

impl Iterator for Names {
    type Item = &'static [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'static [u8]> {
        let name = self.first().to_bytes();
        if name.is_empty() {
            return None;
        }
        // SAFETY: behind its NUL is the next one.
        self.0 = unsafe { self.0.add(name.len() + 1) };
        Some(name)
    }
}

// An optional value that is all zeroes is none: [`blank`] needs that.
const _: () = {
    // SAFETY: the compiler refuses what is no value, since this is a constant.
    let (small, large) = unsafe { (zeroed::<(Option<u8>, Option<u16>)>(), zeroed::<(Option<u32>, Option<u64>)>()) };
    assert!(small.0.is_none() && small.1.is_none() && large.0.is_none() && large.1.is_none());
    // SAFETY: as above.
    let (number, kind) = unsafe { (zeroed::<Option<i64>>(), zeroed::<Namespace>()) };
    assert!(number.is_none() && kind as u8 == 0);
};

/// How many of the fields are records or made of records.
pub const fn count(entries: &[Entry]) -> usize {
    let (mut index, mut count) = (0, 0);
    while index < entries.len() {
        count += entries[index].1.is_some() as usize;
        index += 1;
    }
    count
}

/// The fields, each with its position in [`records`].
pub const fn numbered<const N: usize>(entries: &[Entry; N]) -> [Field; N] {
    let mut fields = [Field { offset: 0, holds: Holds::Flag, record: 0 }; N];
    let (mut index, mut count) = (0, 0);
    while index < N {
        fields[index] = Field { record: count, ..entries[index].0 };
        count += entries[index].1.is_some() as u8;
        index += 1;
    }
    fields
}

/// The types of the fields that are records or made of records; there are `M` of them.
pub const fn records<const M: usize>(entries: &[Entry]) -> [&'static Description; M] {
    let mut records = [<u32 as Described>::DESCRIPTION; M];
    let (mut index, mut count) = (0, 0);
    while index < entries.len() {
        if let Some(record) = entries[index].1 {
            records[count] = record;
            count += 1;
        }
        index += 1;
    }
    records
}

/// The size of an element of the array that a function leads to.
pub const fn element_size<R, T, const N: usize>(_: fn(&mut R) -> &mut [T; N]) -> usize {
    size_of::<T>()
}

/// The form of a slot that is a reference: `repr(C, u8)` of an enumeration.
#[repr(C)]
struct Reference {
    holds: Holds,
    place: *mut u8,
}

/// The kinds of fields that hold one value.
macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident($place:ty),)*) => {
        /// Where a value goes, and thereby what it must be.
        #[repr(C, u8)]
        pub enum Slot<'r, 'a> {
            $($(#[$about])* $kind(&'r mut $place),)*
            /// An object.
            Object(Record<'r, 'a>),
            /// An object that may be absent.
            Optional(List<'r, 'a>),
            /// An array.
            List(List<'r, 'a>),
            /// An object that maps strings to strings: a list of [`Pair`].
            Pairs(List<'r, 'a>),
            /// An object that maps strings to objects.
            Named(&'r mut &'a [&'a CStr], List<'r, 'a>),
            /// Nowhere: there is no such field, or no memory for it.
            Nothing,
        }

        #[derive(Clone, Copy)]
        #[repr(u8)]
        enum Holds {
            $($kind,)*
            Object,
            Optional,
            List,
            Pairs,
            Named,
        }

        /// An entry of a table for a field of each kind, which is at `offset`.
        ///
        /// # Safety
        /// The field of `R` at that offset is the one that the function leads to.
        #[allow(non_snake_case, clippy::missing_safety_doc, missing_docs)]
        impl Field {
            const fn size<'a>(self, records: &'a [&'static Description]) -> usize {
                match self.holds {
                    $(Holds::$kind => size_of::<$place>(),)*
                    Holds::Object => records[self.record as usize].size as usize,
                    Holds::Optional => size_of::<&u8>(),
                    Holds::List | Holds::Pairs => size_of::<&[u8]>(),
                    Holds::Named => size_of::<Named<u8>>(),
                }
            }

            $(
                pub const unsafe fn $kind<'a, R>(offset: usize, _: fn(&mut R) -> &mut $place) -> Entry
                where
                    R: 'a,
                {
                    (Field { offset: offset as u16, holds: Holds::$kind, record: 0 }, None)
                }
            )*

            pub const unsafe fn Object<'a, R, T: Described<'a>>(offset: usize, _: fn(&mut R) -> &mut T) -> Entry {
                (Field { offset: offset as u16, holds: Holds::Object, record: 0 }, Some(T::DESCRIPTION))
            }

            pub const unsafe fn Optional<'a, R, T: Described<'a>>(
                offset: usize,
                _: fn(&mut R) -> &mut Option<&'a T>,
            ) -> Entry {
                (Field { offset: offset as u16, holds: Holds::Optional, record: 0 }, Some(T::DESCRIPTION))
            }

            pub const unsafe fn List<'a, R, T: Described<'a>>(
                offset: usize,
                _: fn(&mut R) -> &mut &'a [T],
            ) -> Entry {
                (Field { offset: offset as u16, holds: Holds::List, record: 0 }, Some(T::DESCRIPTION))
            }

            pub const unsafe fn Pairs<'a, R>(offset: usize, _: fn(&mut R) -> &mut &'a [Pair<'a>]) -> Entry
            where
                R: 'a,
            {
                (Field { offset: offset as u16, holds: Holds::Pairs, record: 0 }, Some(Pair::DESCRIPTION))
            }

            pub const unsafe fn Named<'a, R, T: Described<'a>>(
                offset: usize,
                _: fn(&mut R) -> &mut Named<'a, T>,
            ) -> Entry {
                (Field { offset: offset as u16, holds: Holds::Named, record: 0 }, Some(T::DESCRIPTION))
            }
        }

        /// Where the value of a field goes.
        ///
        /// # Safety
        /// A record of that type is at `start`. For `'s` nobody else looks at it.
        #[inline(never)]
        unsafe fn slot<'s, 'a>(start: *mut u8, description: &'static Description, index: usize) -> Slot<'s, 'a> {
            let Some(field) = description.fields().get(index) else { return Slot::Nothing };
            // SAFETY: the offset of a field is inside its record.
            let place = unsafe { start.add(field.offset.into()) };
            let lives = PhantomData;
            // SAFETY: where the field is one, it is looked at.
            let record = || unsafe { description.record(*field) };
            match field.holds {
                Holds::Object => Slot::Object(Record { start: place, description: record(), lives }),
                Holds::Optional => Slot::Optional(List { place, description: record(), is_one: true, lives }),
                Holds::Pairs => Slot::Pairs(List { place, description: record(), is_one: false, lives }),
                Holds::List => Slot::List(List { place, description: record(), is_one: false, lives }),
                Holds::Named => {
                    // SAFETY: there is a `Named`, in which values come behind the names.
                    let values = unsafe { place.add(offset_of!(Named<u32>, values)) };
                    // SAFETY: it begins with its names.
                    let names = unsafe { &mut *place.cast() };
                    Slot::Named(names, List { place: values, description: record(), is_one: false, lives })
                }
                holds => {
                    let mut slot = MaybeUninit::<Slot>::uninit();
                    // SAFETY: the kinds of slots have the numbers of the kinds of fields, and each of the others is its number
                    // and a reference, which leads to a value of this type: so the table says.
                    unsafe { slot.as_mut_ptr().cast::<Reference>().write(Reference { holds, place }) };
                    // SAFETY: as above.
                    unsafe { slot.assume_init() }
                }
            }
        }
    };
}

kinds! {
    /// A string; an empty one is absent, as in Go, whose programs write these files.
    Text(Option<&'a CStr>),
    /// A string.
    Word(&'a CStr),
    /// `true` or `false`.
    Flag(bool),
    /// A user or group id. All ones is no id: system calls take it as "leave it as it is".
    Id(u32),
    /// A user or group id.
    OptionalId(Option<u32>),
    /// An integer from 0.
    U32(u32),
    /// An integer from 0.
    OptionalU32(Option<u32>),
    /// An integer from 0.
    OptionalU16(Option<u16>),
    /// An integer from 0.
    U64(u64),
    /// An integer from 0.
    OptionalU64(Option<u64>),
    /// An integer.
    OptionalI64(Option<i64>),
    /// The names of capabilities, as bits.
    Capabilities(u64),
    /// The name of a resource limit, each once.
    Rlimit(u8),
    /// The type of a namespace, each once.
    Namespace(Namespace),
    /// The name of a system call. One that is unknown is kept as such: it may be another kernel's, or another machine's.
    SystemCall(Name),
    /// The type of a device node.
    DeviceKind(u8),
    /// The type of devices that a rule is for.
    RuleKind(Option<u8>),
    /// Which of read, write and mknod.
    Access(u8),
    /// A name of `abi::scheduling`'s.
    Policy(u8),
    /// A name of `abi::scheduling`'s.
    IoClass(u8),
    /// A name of `abi::scheduling`'s.
    Personality(u8),
    /// A name of `abi::scheduling`'s.
    MemoryPolicy(u8),
    /// A name of `abi::seccomp`'s.
    Action(u8),
    /// A name of `abi::seccomp`'s.
    Operator(u8),
    /// Names of `abi::scheduling`'s, as bits.
    SchedulerFlags(u32),
    /// Names of `abi::scheduling`'s, as bits.
    MemoryPolicyFlags(u32),
    /// Names of `abi::seccomp`'s, as bits.
    Architectures(u32),
    /// Names of `abi::seccomp`'s, as bits.
    FilterFlags(u32),
}

/// A record to be read.
pub struct Record<'r, 'a> {
    start: *mut u8,
    description: &'static Description,
    lives: Lives<'r, 'a>,
}

/// What is written to for `'r`, and what is written into it lives for `'a`.
type Lives<'r, 'a> = PhantomData<&'r mut fn(&'a ()) -> &'a ()>;

impl<'r, 'a> Record<'r, 'a> {
    /// A value as a record. What it holds must live as long as the arena that it is read into.
    pub fn new<T: Described<'a>>(value: &'r mut T) -> Record<'r, 'a> {
        Record { start: (&raw mut *value).cast(), description: T::DESCRIPTION, lives: PhantomData }
    }

    /// Where the value of a field goes.
    pub fn slot(&mut self, index: usize) -> Slot<'_, 'a> {
        // SAFETY: it was made from a record of this type.
        unsafe { slot(self.start, self.description, index) }
    }

    /// What its fields are called.
    pub fn names(&self) -> Names {
        Names(self.description.names)
    }
}

/// A list that is to be made.
pub struct List<'r, 'a> {
    /// The slice; where there is one element only, the reference to it.
    place: *mut u8,
    description: &'static Description,
    is_one: bool,
    lives: Lives<'r, 'a>,
}

/// A list being made: its elements are where the arena collects those of lists whose length is not known yet.
pub struct Elements<'r, 'a> {
    list: List<'r, 'a>,
    stack: Stack,
}

impl<'r, 'a> List<'r, 'a> {
    /// Begins a list.
    pub fn begin(self, arena: &mut Arena<'a>) -> Elements<'r, 'a> {
        Elements { list: self, stack: arena.begin() }
    }
}

impl<'a> Elements<'_, 'a> {
    /// Where the value of one more element goes.
    pub fn add(&mut self, arena: &mut Arena<'a>) -> Slot<'_, 'a> {
        let description = self.list.description;
        let start = arena.above(&mut self.stack, description.size.into(), description.align.into());
        if start.is_null() {
            return Slot::Nothing;
        }
        // SAFETY: there is memory for an element.
        unsafe { start.write_bytes(0, description.size.into()) };
        // SAFETY: as above.
        unsafe { description.blank(start) };
        let record = Record { start, description, lives: PhantomData };
        if !record.names().first().is_empty() {
            return Slot::Object(record);
        }
        // SAFETY: a value alone is there.
        unsafe { slot(start, description, 0) }
    }

    /// Puts the list where it belongs.
    pub fn finish(self, arena: &mut Arena<'a>) {
        let List { place, description, is_one, .. } = self.list;
        let count = self.stack.count;
        let start = arena.gather(self.stack, description.size.into(), description.align.into());
        if start.is_null() || is_one && count == 0 {
            return;
        }
        if is_one {
            // SAFETY: an optional reference is there, which has the form of a pointer; the element was written and lives as
            // long as the arena.
            unsafe { place.cast::<*const u8>().write(start) };
        } else {
            // SAFETY: a slice is there, which has the form of any other; the elements were written and live as long as the
            // arena.
            unsafe { place.cast::<*const [u8]>().write(slice_from_raw_parts(start, count)) };
        }
    }
}

/// Describes a type of records. First the fields that are read, and of them the required ones, which begin with
/// `missing `: so the problem is at hand when they are. Then those of the specification that pidone does not honour, refused
/// unless they ask for nothing: with `!` unless empty, with `?` unless empty or zero, with `+` if false; a `^` before it
/// says that only control groups of version 1 have it. A last `*` refuses all others.
///
/// A field of an array is written with its position. All references of the type must be of its one lifetime.
macro_rules! object {
    (
        $(#[$closed:ident])? $object:ident $(<$life:lifetime>)? {
            $(required $required:literal => $required_kind:ident($($required_field:tt)+),)*
            $(optional $optional:literal => $optional_kind:ident($($optional_field:tt)+),)*
            $(refused unless empty: $($empty:literal)*;)?
            $(refused unless zero: $($zero:literal)*;)?
            $(of version 1: $($old:literal)*;)?
        }
    ) => {
        const _: () = {
            #[allow(unused_imports)]
            use $crate::sys::record::{
                Described, Description, Entry, Field, blank, count, element_size, numbered, records,
            };
            const NAMES: &str = concat!(
                $("missing ", $required, "\0",)*
                $($optional, "\0",)*
                $($("!", $empty, "\0",)*)?
                $($("?", $zero, "\0",)*)?
                $($("^", $old, "\0",)*)?
                object!(@closed $($closed)?), "\0",
            );
            const KNOWN: usize = [$($required,)* $($optional,)*].len();
            const _: () = assert!(KNOWN <= 32, "the fields met are bits of a u32");
            const ENTRIES: [Entry; KNOWN] = [
                $(object!(@field $object $required_kind $($required_field)+),)*
                $(object!(@field $object $optional_kind $($optional_field)+),)*
            ];
            static FIELDS: [Field; KNOWN] = numbered(&ENTRIES);
            static RECORDS: [&Description; count(&ENTRIES)] = records(&ENTRIES);
            // SAFETY: `@field` has made each entry from a field of this type.
            static DESCRIPTION: Description = unsafe { Description::new::<$object>(NAMES, &FIELDS, &RECORDS) };
            object!(@describe $object $($life)?);
            impl$(<$life>)? Default for $object$(<$life>)? {
                fn default() -> Self {
                    blank()
                }
            }
        };
    };
    (@describe $object:ident $life:lifetime) => {
        // SAFETY: made from this type.
        unsafe impl<$life> Described<$life> for $object<$life> {
            const DESCRIPTION: &'static Description = &DESCRIPTION;
        }
    };
    (@describe $object:ident) => {
        // SAFETY: made from this type.
        unsafe impl Described<'_> for $object {
            const DESCRIPTION: &'static Description = &DESCRIPTION;
        }
    };
    (@field $object:ident $kind:ident $field:tt[$index:literal]) => {
        // SAFETY: the offset of the element that the function leads to.
        unsafe {
            Field::$kind(
                core::mem::offset_of!($object, $field) + $index * element_size(|record: &mut $object| &mut record.$field),
                |record: &mut $object| &mut record.$field[$index],
            )
        }
    };
    (@field $object:ident $kind:ident $($field:tt)+) => {
        // SAFETY: the offset of the field that the function leads to.
        unsafe { Field::$kind(core::mem::offset_of!($object, $($field)+), |record: &mut $object| &mut record.$($field)+) }
    };
    (@closed) => { "" };
    (@closed closed) => { "*\0" };
}
pub(crate) use object;

object! {
    Pair<'a> {
        optional "name" => Word(name),
        optional "value" => Word(value),
    }
}

/// Describes a type whose values are elements of lists by themselves.
macro_rules! value {
    ($type:ty, $life:lifetime: $living:ty, $kind:ident) => {
        const _: () = {
            // SAFETY: all of the value is one field.
            static FIELDS: [Field; 1] = [unsafe { Field::$kind(0, |value: &mut $type| value) }.0];
            static DESCRIPTION: Description =
                // SAFETY: as above.
                unsafe { Description::new::<$type>("\0", &FIELDS, &[]) };
            // SAFETY: as above.
            unsafe impl<$life> Described<$life> for $living {
                const DESCRIPTION: &'static Description = &DESCRIPTION;
            }
        };
    };
}
value!(u32, 'a: u32, Id);
value!(Name, 'a: Name, SystemCall);
value!(&CStr, 'a: &'a CStr, Word);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Inner<'a> {
        name: Option<&'a CStr>,
        sizes: [u32; 2],
    }
    object! {
        Inner<'a> {
            required "name" => Text(name),
            optional "small" => U32(sizes[0]),
            optional "large" => U32(sizes[1]),
        }
    }

    #[derive(Clone, Copy)]
    struct Outer<'a> {
        flag: bool,
        inner: Inner<'a>,
        list: &'a [Inner<'a>],
        numbers: &'a [u32],
        one: Option<&'a Inner<'a>>,
        map: Named<'a, Inner<'a>>,
    }
    object! {
        #[closed]
        Outer<'a> {
            optional "flag" => Flag(flag),
            optional "inner" => Object(inner),
            optional "list" => List(list),
            optional "numbers" => List(numbers),
            optional "one" => Optional(one),
            optional "map" => Named(map),
            refused unless empty: "never";
        }
    }

    fn make<'a>(slot: Slot<'_, 'a>, arena: &mut Arena<'a>, count: usize) {
        let (Slot::List(list) | Slot::Optional(list) | Slot::Named(_, list)) = slot else { panic!() };
        let mut elements = list.begin(arena);
        for index in 0..count {
            match elements.add(arena) {
                Slot::Object(mut record) => match record.slot(1) {
                    Slot::U32(small) => *small = index as u32,
                    _ => panic!(),
                },
                Slot::Id(id) => *id = index as u32,
                _ => panic!(),
            }
        }
        elements.finish(arena);
    }

    #[test]
    fn every_value_goes_into_the_field_that_its_table_names() {
        let mut region = [0; 512];
        let mut arena = Arena::new(&mut region);
        let mut outer = Outer::default();
        let mut record = Record::new(&mut outer);
        let names: Vec<_> = record.names().collect();
        assert_eq!(names.join(&b' '), b"flag inner list numbers one map !never *");
        let Slot::Flag(flag) = record.slot(0) else { panic!() };
        *flag = true;
        let Slot::Object(mut inner) = record.slot(1) else { panic!() };
        assert_eq!(inner.names().first(), s!("missing name"));
        assert_eq!(inner.names().collect::<Vec<_>>().join(&b' '), b"missing name small large");
        let Slot::Text(name) = inner.slot(0) else { panic!() };
        *name = Some(s!("x"));
        let Slot::U32(large) = inner.slot(2) else { panic!() };
        *large = 5;
        for (index, count) in [(2, 3), (3, 2), (4, 1), (5, 1)] {
            make(record.slot(index), &mut arena, count);
        }
        assert!(matches!(record.slot(6), Slot::Nothing));
        assert_eq!((outer.flag, outer.inner.name, outer.inner.sizes), (true, Some(s!("x")), [0, 5]));
        let sizes = |list: &[Inner]| list.iter().map(|inner| inner.sizes).collect::<Vec<_>>();
        assert_eq!(sizes(outer.list), [[0, 0], [1, 0], [2, 0]]);
        assert_eq!(outer.numbers, [0, 1]);
        assert_eq!(outer.one.unwrap().sizes, [0, 0]);
        assert_eq!((sizes(outer.map.values), outer.map.names.len()), (vec![[0, 0]], 0));
    }

    #[test]
    fn a_list_without_memory_has_no_elements() {
        let mut arena = Arena::new(&mut []);
        let mut outer = Outer::default();
        let mut record = Record::new(&mut outer);
        let Slot::List(list) = record.slot(2) else { panic!() };
        let mut elements = list.begin(&mut arena);
        assert!(matches!(elements.add(&mut arena), Slot::Nothing));
        elements.finish(&mut arena);
        assert!(outer.list.is_empty() && arena.check().is_err());
    }
}
