//! From checked text into records: one serde visitor that drives any [`Object`].
//!
//! A derived deserialiser for every type of the specification is about 2 KB of code for each. Here a type says only what
//! its fields are called and lends the place where each goes (a [`Slot`]); the code that reads is there once. It also
//! carries what serde has no room for: the arena, the place of the value being read, and the failure with its reason.

use core::ffi::CStr;
use core::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use serde_json_core::str::EscapedStr;

use super::Warnings;
use super::scan::{self, decode};
use super::spec::{Named, Pair};
use crate::abi::namespace::Namespace;
use crate::abi::syscall::Name;
use crate::abi::{capability, rlimit, scheduling};
use crate::arena::Arena;
use crate::error::{Error, Result};
use crate::limits;
use crate::texts::until_nul;

/// A record that a JSON object is read into.
pub(super) trait Object<'a> {
    /// What its fields are called: all names in one string, each followed by a NUL; a list of strings would be three times
    /// as large. First those that are read, and of them the required ones, which begin with `missing `: so the problem is
    /// at hand when they are. Then those of the specification that pidone does not honour, refused unless they ask for
    /// nothing: with `!` unless empty, with `?` unless empty or zero, with `+` if false; a `^` before it says that only
    /// control groups of version 1 have it. A last `*` refuses all others.
    fn fields(&self) -> &'static str;

    /// Where the value of field `index` of [`Object::fields`] goes.
    fn slot(&mut self, index: usize) -> Slot<'_, 'a>;
}

const MISSING: &[u8] = b"missing ";

/// No name of a field has more bytes.
const NAME_BYTES_MAX: usize = 32;

/// An element of a list.
pub(super) trait Record<'a>: Copy {
    /// What it is before it is read.
    const BLANK: Self;

    /// Where its value goes.
    fn slot(&mut self) -> Slot<'_, 'a>;
}

/// A list.
pub(super) trait Collection<'a> {
    /// Takes all elements. False if there are none.
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Read<bool>;
}

/// The elements of a JSON array, one after the other.
pub(super) trait Elements<'a> {
    /// How many there are.
    fn count(&self) -> usize;

    /// Reads the next element into `slot`.
    fn next(&mut self, slot: Slot<'_, 'a>) -> Read<()>;

    /// Where lists are made.
    fn arena(&mut self) -> &mut Arena<'a>;
}

/// Reading has stopped; the reason is kept beside, in the [`Reading`], because serde's errors cannot carry it.
pub(super) struct Stopped;

/// The result of a part of reading.
pub(super) type Read<T> = core::result::Result<T, Stopped>;

impl Stopped {
    fn in_serde<E: serde::de::Error>(self) -> E {
        E::custom("")
    }
}

/// Where a value goes, and thereby what it must be.
pub(super) enum Slot<'r, 'a> {
    /// A string; an empty one is absent, as in Go, whose programs write these files.
    Text(&'r mut Option<&'a CStr>),
    /// A string.
    Word(&'r mut &'a CStr),
    /// `true` or `false`.
    Flag(&'r mut bool),
    /// A user or group id. All ones is no id: system calls take it as "leave it as it is".
    Id(&'r mut u32),
    /// A user or group id.
    OptionalId(&'r mut Option<u32>),
    /// An integer from 0.
    U32(&'r mut u32),
    /// An integer from 0.
    OptionalU32(&'r mut Option<u32>),
    /// An integer from 0.
    OptionalU16(&'r mut Option<u16>),
    /// An integer from 0.
    U64(&'r mut u64),
    /// An integer from 0.
    OptionalU64(&'r mut Option<u64>),
    /// An integer.
    OptionalI64(&'r mut Option<i64>),
    /// The name of a capability, whose bit is set.
    Capability(&'r mut u64),
    /// The name of a resource limit, each once.
    Rlimit(&'r mut u8),
    /// The type of a namespace, each once.
    Namespace(&'r mut Namespace),
    /// One of a list's names: [`scheduling`].
    OneOf(&'r mut u8, &'static CStr),
    /// The name of a system call. One that is unknown is kept as such: it may be another kernel's, or another machine's.
    SystemCall(&'r mut Name),
    /// The type of a device node.
    DeviceKind(&'r mut u8),
    /// The type of devices that a rule is for.
    RuleKind(&'r mut Option<u8>),
    /// Which of read, write and mknod.
    Access(&'r mut u8),
    /// An object.
    Object(&'r mut dyn Object<'a>),
    /// An array.
    List(&'r mut dyn Collection<'a>),
    /// An object that maps strings to strings.
    Pairs(&'r mut &'a [Pair<'a>]),
    /// An object that maps strings to objects.
    Named(&'r mut &'a [&'a CStr], &'r mut dyn Collection<'a>),
    /// Nowhere: there is no such field.
    Nothing,
}

/// What JSON has for it.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Unsigned,
    Signed,
    Object,
    List,
}

impl<'r, 'a> Slot<'r, 'a> {
    /// An object that may be absent.
    pub(super) fn optional_object<T: Object<'a> + Default>(object: &'r mut Option<T>) -> Slot<'r, 'a> {
        Slot::Object(object.get_or_insert_default())
    }

    /// A map.
    pub(super) fn named<T: Record<'a>>(map: &'r mut Named<'a, T>) -> Slot<'r, 'a> {
        Slot::Named(&mut map.names, &mut map.values)
    }

    /// What the value must be, in JSON's terms and in words.
    fn expected(&self) -> (Shape, &'static CStr) {
        match self {
            Slot::Text(_) | Slot::Word(_) => (Shape::Text, c"expected a string"),
            Slot::Flag(_) => (Shape::Flag, c"expected true or false"),
            Slot::Id(_) | Slot::OptionalId(_) => (Shape::Unsigned, c"expected an integer from 0 to 4294967294"),
            Slot::U32(_) | Slot::OptionalU32(_) => (Shape::Unsigned, c"expected an integer from 0 to 4294967295"),
            Slot::OptionalU16(_) => (Shape::Unsigned, c"expected an integer from 0 to 65535"),
            Slot::U64(_) | Slot::OptionalU64(_) => (Shape::Unsigned, c"expected an integer from 0"),
            Slot::OptionalI64(_) => (Shape::Signed, c"expected an integer"),
            Slot::Capability(_) => (Shape::Text, c"expected the name of a capability"),
            Slot::Rlimit(_) => (Shape::Text, c"expected the name of a resource limit, such as RLIMIT_NOFILE"),
            Slot::Namespace(_) => (Shape::Text, c"expected one of cgroup, ipc, mount, network, pid, user, uts, time"),
            Slot::OneOf(_, list) => (Shape::Text, list),
            Slot::SystemCall(_) => (Shape::Text, c"expected the name of a system call"),
            Slot::DeviceKind(_) => (Shape::Text, c"expected one of b, c, u, p"),
            Slot::RuleKind(_) => (Shape::Text, c"expected one of a, b, c"),
            Slot::Access(_) => (Shape::Text, c"expected a string of the letters r, w, m"),
            Slot::Object(_) | Slot::Nothing => (Shape::Object, c"expected an object"),
            Slot::List(_) => (Shape::List, c"expected an array"),
            Slot::Pairs(_) => (Shape::Object, c"expected an object of strings"),
            Slot::Named(..) => (Shape::Object, c"expected an object of objects"),
        }
    }
}

/// Reads a text into `object`. `doing` is what an error says was being done.
///
/// # Errors
/// The text is malformed or not what the object takes, or the arena is full.
pub(super) fn read<'a>(
    text: &[u8],
    arena: &mut Arena<'a>,
    doing: &'static CStr,
    object: &mut dyn Object<'a>,
) -> Result<Warnings> {
    let mut reading = Reading {
        text,
        arena,
        doing,
        spot: Spot { key: None, element: None },
        expected: c"",
        failure: None,
        warnings: Warnings::default(),
        rlimits: 0,
        namespaces: 0,
    };
    if let Err(fault) = scan::check(text) {
        return Err(reading.error(fault.at, fault.problem));
    }
    let mut deserializer = serde_json_core::de::Deserializer::new(text, None);
    let spot = reading.spot;
    let reader = Reader { reading: &mut reading, slot: Slot::Object(object), spot };
    let result = reader.deserialize(&mut deserializer);
    // What was read into no memory may look wrong.
    reading.arena.check()?;
    match result {
        Ok(_) => Ok(reading.warnings),
        Err(_) => Err(reading.why()),
    }
}

/// The state of one reading.
struct Reading<'c, 'a> {
    text: &'c [u8],
    arena: &'c mut Arena<'a>,
    doing: &'static CStr,
    /// The value that was begun last.
    spot: Spot,
    /// What it must be.
    expected: &'static CStr,
    /// Why reading stopped, if not because the value at `spot` is of the wrong kind.
    failure: Option<Error>,
    warnings: Warnings,
    /// Resource limits met so far, as bits.
    rlimits: u32,
    /// Namespaces met so far, as bits.
    namespaces: u32,
}

/// Where a value is: serde has no offsets, but keys are borrowed from the text. The offset itself is found when needed.
#[derive(Clone, Copy)]
struct Spot {
    /// Offset of the key of the member that the value is, or is in. None for the whole text.
    key: Option<usize>,
    /// Position of the value in the member's array.
    element: Option<usize>,
}

impl Spot {
    fn offset(self, text: &[u8]) -> usize {
        let value = match self.key {
            Some(key) => scan::member_value(text, key),
            None => scan::skip_space(text, 0),
        };
        match self.element {
            Some(element) => scan::children(text, value).nth(element).unwrap_or(value),
            None => value,
        }
    }
}

impl<'a> Reading<'_, 'a> {
    fn error(&self, at: usize, problem: &'static CStr) -> Error {
        Error::text(self.doing, at, problem)
    }

    /// Stops because of what is at an offset.
    #[cold]
    #[inline(never)]
    fn stop(&mut self, at: usize, problem: &'static CStr) -> Stopped {
        self.failure = Some(self.error(at, problem));
        Stopped
    }

    /// Stops because the current value is not what it must be.
    #[cold]
    #[inline(never)]
    fn stop_here(&mut self) -> Stopped {
        self.failure = Some(self.unexpected());
        Stopped
    }

    /// Why reading stopped.
    fn why(&self) -> Error {
        self.failure.unwrap_or_else(|| self.unexpected())
    }

    fn unexpected(&self) -> Error {
        self.error(self.spot.offset(self.text), self.expected)
    }

    /// The offset of a string of the text, which serde has borrowed from it.
    fn offset(&self, raw: &str) -> usize {
        // Without the opening quote.
        (raw.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize).wrapping_sub(1)
    }

    /// Whether the member with this key asks for something that its entry, which begins with a mark, does not offer.
    fn asks(&self, key: usize, entry: &[u8]) -> bool {
        let value = scan::member_value(self.text, key);
        match entry.first() {
            Some(b'+') => scan::byte(self.text, value) == Some(b'f'),
            mark => !is_neutral(self.text, value, mark == Some(&b'?')),
        }
    }

    /// Keeps a string.
    fn string(&mut self, raw: &str) -> &'a CStr {
        let raw = raw.as_bytes();
        if raw.iter().all(|byte| *byte != b'\\') {
            return self.arena.string(&[raw]);
        }
        // What an escape stands for is shorter than the escape.
        let decoded = self.arena.bytes(raw.len());
        let length = decode(raw, decoded);
        self.arena.string(&[decoded.get(..length).unwrap_or_default()])
    }

    fn object<'de, M: MapAccess<'de>>(
        &mut self,
        object: &mut dyn Object<'a>,
        mut members: M,
    ) -> core::result::Result<bool, M::Error> {
        let fields = object.fields();
        let start = self.spot;
        let (mut met, mut present) = (0_u32, 0_u32);
        while let Some(key) = members.next_key_seed(Key)? {
            let at = self.offset(key);
            let mut name = [0; NAME_BYTES_MAX];
            let length = decode(key.as_bytes(), &mut name);
            // No entry is empty, which is what a name too long for all of them becomes.
            let (index, entry) = find(fields, name.get(..length).unwrap_or_default());
            let bit = 1_u32.wrapping_shl(index as u32);
            let problem = match entry.first() {
                // Unknown: skipped.
                None => None,
                Some(b'*') => Some(c"unknown field"),
                Some(b'!' | b'?') => self.asks(at, entry).then_some(c"not supported yet"),
                Some(b'^') => {
                    let asks = self.asks(at, entry.get(1..).unwrap_or_default());
                    asks.then_some(c"only control groups of version 1 have it")
                }
                Some(_) if met & bit != 0 => Some(c"given twice"),
                Some(_) => {
                    met |= bit;
                    // What Go writes for an empty list or map.
                    if scan::byte(self.text, scan::member_value(self.text, at)) == Some(b'n') {
                        None
                    } else {
                        let spot = Spot { key: Some(at), element: None };
                        if members.next_value_seed(Reader { reading: self, slot: object.slot(index), spot })? {
                            present |= bit;
                        }
                        continue;
                    }
                }
            };
            if let Some(problem) = problem {
                return Err(self.stop(at, problem).in_serde());
            }
            members.next_value_seed(Skipped)?;
        }
        let mut index = 0;
        while let Some(entry) = entry(fields, index) {
            if entry.to_bytes().starts_with(MISSING) && present & 1_u32.wrapping_shl(index as u32) == 0 {
                return Err(self.stop(start.offset(self.text), entry).in_serde());
            }
            index += 1;
        }
        Ok(true)
    }

    fn pairs<'de, M: MapAccess<'de>>(
        &mut self,
        pairs: &mut &'a [Pair<'a>],
        mut members: M,
    ) -> core::result::Result<bool, M::Error> {
        let (at, count) = self.count_names().map_err(Stopped::in_serde)?;
        let blank = Pair { name: c"", value: c"" };
        let filled = self.arena.filled(count, blank);
        for pair in filled.iter_mut() {
            let Some(key) = members.next_key_seed(Key)? else { break };
            pair.name = self.string(key);
            let spot = Spot { key: Some(self.offset(key)), element: None };
            members.next_value_seed(Reader { reading: self, slot: Slot::Word(&mut pair.value), spot })?;
        }
        *pairs = filled;
        for (index, pair) in pairs.iter().enumerate() {
            if pairs.iter().take(index).any(|earlier| earlier.name == pair.name) {
                return Err(self.stop_twice(at, index).in_serde());
            }
        }
        Ok(count > 0)
    }

    /// The offset of the current object, and how many members it has.
    fn count_names(&mut self) -> Read<(usize, usize)> {
        let at = self.spot.offset(self.text);
        let count = scan::children(self.text, at).count();
        if count > limits::PAIRS_MAX {
            self.failure = Some(Error::limit(self.doing, c"names in one object", count, limits::PAIRS_MAX));
            return Err(Stopped);
        }
        Ok((at, count))
    }

    /// Stops because the key at a position of the object at an offset was there before.
    #[cold]
    #[inline(never)]
    fn stop_twice(&mut self, at: usize, position: usize) -> Stopped {
        self.stop(scan::children(self.text, at).nth(position).unwrap_or(at), c"given twice")
    }

    fn named<'de, M: MapAccess<'de>>(
        &mut self,
        names: &mut &'a [&'a CStr],
        values: &mut dyn Collection<'a>,
        members: M,
    ) -> Read<bool> {
        let (at, count) = self.count_names()?;
        let kept = self.arena.filled(count, c"");
        values.collect(&mut Members { reading: &mut *self, members, names: kept.iter_mut(), count })?;
        *names = kept;
        for (index, name) in names.iter().enumerate() {
            if names.iter().take(index).any(|earlier| earlier == name) {
                return Err(self.stop_twice(at, index));
            }
        }
        Ok(count > 0)
    }

    /// Takes a string into `slot`.
    fn text(&mut self, slot: Slot<'_, 'a>, raw: &str) -> Read<bool> {
        let text = self.string(raw);
        let bytes = text.to_bytes();
        let one = |letters: &[u8]| match bytes {
            [letter] if letters.contains(letter) => Some(*letter),
            _ => None,
        };
        match slot {
            Slot::Text(to) => *to = Some(text).filter(|text| !text.is_empty()),
            Slot::Word(to) => *to = text,
            Slot::Capability(set) => match capability::number(bytes) {
                Some(number) => *set |= 1_u64.wrapping_shl(u32::from(number)),
                // The specification wants a warning: the container may ask for what only a newer kernel has.
                None => self.warnings.add(u32::try_from(self.offset(raw)).unwrap_or(u32::MAX)),
            },
            Slot::Rlimit(to) => {
                *to = rlimit::number(bytes).ok_or_else(|| self.stop_here())?;
                self.once(*to, |reading| &mut reading.rlimits)?;
            }
            Slot::Namespace(to) => {
                *to = Namespace::named(bytes).ok_or_else(|| self.stop_here())?;
                self.once(*to as u8, |reading| &mut reading.namespaces)?;
            }
            Slot::OneOf(to, list) => *to = scheduling::named(list, bytes).ok_or_else(|| self.stop_here())?,
            Slot::SystemCall(to) => *to = Name::named(bytes),
            Slot::DeviceKind(to) => *to = one(b"bcup").ok_or_else(|| self.stop_here())?,
            Slot::RuleKind(_) if bytes.is_empty() => {}
            Slot::RuleKind(to) => *to = Some(one(b"abc").ok_or_else(|| self.stop_here())?),
            Slot::Access(to) => {
                for letter in bytes {
                    *to |= match letter {
                        b'r' => 1,
                        b'w' => 2,
                        b'm' => 4,
                        _ => return Err(self.stop_here()),
                    };
                }
            }
            _ => return Err(self.stop_here()),
        }
        Ok(!bytes.is_empty())
    }

    /// Notes that `number` was met, which may happen only once.
    fn once(&mut self, number: u8, set: impl Fn(&mut Self) -> &mut u32) -> Read<()> {
        let bit = 1_u32.wrapping_shl(u32::from(number));
        if *set(self) & bit != 0 {
            return Err(self.stop(self.spot.offset(self.text), c"given twice"));
        }
        *set(self) |= bit;
        Ok(())
    }
}

/// The entry of this position in [`Object::fields`].
fn entry(fields: &'static str, index: usize) -> Option<&'static CStr> {
    let mut rest = fields.as_bytes();
    for _ in 0..index {
        rest = rest.get(until_nul(rest)?.count_bytes() + 1..)?;
    }
    until_nul(rest)
}

/// The position and entry of a field; an empty entry if there is none.
fn find(fields: &'static str, name: &[u8]) -> (usize, &'static [u8]) {
    let mut index = 0;
    while let Some(entry) = entry(fields, index) {
        let entry = entry.to_bytes();
        let known = match entry {
            [b'*'] => name,
            [b'!' | b'?', known @ ..] | [b'^', _, known @ ..] => known,
            _ => entry.strip_prefix(MISSING).unwrap_or(entry),
        };
        if known == name {
            return (index, entry);
        }
        index += 1;
    }
    (index, b"")
}

/// Whether the value at an offset asks for nothing: `null`, `false`, `""`, `[]` and `{}`. With `zero_too` also 0 and -1,
/// and objects that hold only such values.
fn is_neutral(text: &[u8], start: usize, zero_too: bool) -> bool {
    let end = scan::value_end(text, start);
    let mut at = start;
    while at < end {
        match scan::byte(text, at) {
            Some(b'"') => {
                let length = scan::string_end(text, at) - at;
                at += length;
                let is_key = scan::byte(text, scan::skip_space(text, at)) == Some(b':');
                if is_key && !zero_too || !is_key && length > 2 {
                    return false;
                }
                continue;
            }
            Some(b'[') if scan::byte(text, scan::skip_space(text, at + 1)) != Some(b']') => return false,
            Some(b't') => return false,
            Some(b'-' | b'0'..=b'9') => {
                let length = scan::value_end(text, at) - at;
                let number = text.get(at..at + length);
                if !zero_too || number != Some(b"0") && number != Some(b"-1") {
                    return false;
                }
                at += length;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    true
}

/// Reads one value. Its result says whether the value is there: neither `null` nor empty.
struct Reader<'r, 's, 'c, 'a> {
    reading: &'r mut Reading<'c, 'a>,
    slot: Slot<'s, 'a>,
    spot: Spot,
}

impl<'de> DeserializeSeed<'de> for Reader<'_, '_, '_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> core::result::Result<bool, D::Error> {
        // Only now: a number such as 1.5 is noticed when the parser, which took the 1, is asked for what comes next.
        self.reading.spot = self.spot;
        self.reading.expected = self.slot.expected().1;
        deserializer.deserialize_option(self)
    }
}

impl<'de, 'a> Visitor<'de> for Reader<'_, '_, '_, 'a> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        // Only asked for by errors with text, which the parser has none of.
        formatter.write_str("")
    }

    /// An element is never absent, and neither is the whole text.
    fn visit_none<E: serde::de::Error>(self) -> core::result::Result<bool, E> {
        Err(self.reading.stop_here().in_serde())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> core::result::Result<bool, D::Error> {
        match self.slot.expected().0 {
            Shape::Text => {
                let EscapedStr(raw) = EscapedStr::deserialize(deserializer)?;
                self.reading.text(self.slot, raw).map_err(Stopped::in_serde)
            }
            Shape::Flag => deserializer.deserialize_bool(self),
            Shape::Unsigned => deserializer.deserialize_u64(self),
            Shape::Signed => deserializer.deserialize_i64(self),
            Shape::Object => deserializer.deserialize_map(self),
            Shape::List => deserializer.deserialize_seq(self),
        }
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> core::result::Result<bool, E> {
        if let Slot::Flag(to) = self.slot {
            *to = value;
        }
        Ok(true)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> core::result::Result<bool, E> {
        let small = u32::try_from(value).ok();
        let id = small.filter(|id| *id != u32::MAX);
        let fits = match self.slot {
            Slot::Id(to) => id.map(|id| *to = id),
            Slot::OptionalId(to) => id.map(|id| *to = Some(id)),
            Slot::U32(to) => small.map(|small| *to = small),
            Slot::OptionalU32(to) => small.map(|small| *to = Some(small)),
            Slot::OptionalU16(to) => u16::try_from(value).ok().map(|tiny| *to = Some(tiny)),
            Slot::U64(to) => {
                *to = value;
                Some(())
            }
            Slot::OptionalU64(to) => {
                *to = Some(value);
                Some(())
            }
            _ => None,
        };
        if fits.is_some() { Ok(true) } else { Err(self.reading.stop_here().in_serde()) }
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> core::result::Result<bool, E> {
        if let Slot::OptionalI64(to) = self.slot {
            *to = Some(value);
        }
        Ok(true)
    }

    fn visit_map<M: MapAccess<'de>>(self, members: M) -> core::result::Result<bool, M::Error> {
        match self.slot {
            Slot::Object(object) => self.reading.object(object, members),
            Slot::Pairs(pairs) => self.reading.pairs(pairs, members),
            Slot::Named(names, values) => self.reading.named(names, values, members).map_err(Stopped::in_serde),
            _ => Err(self.reading.stop_here().in_serde()),
        }
    }

    fn visit_seq<S: SeqAccess<'de>>(self, elements: S) -> core::result::Result<bool, S::Error> {
        let Slot::List(list) = self.slot else { return Err(self.reading.stop_here().in_serde()) };
        let count = scan::children(self.reading.text, self.spot.offset(self.reading.text)).count();
        let mut array = Array { reading: self.reading, elements, key: self.spot.key, index: 0, count };
        list.collect(&mut array).map_err(Stopped::in_serde)
    }
}

/// Reads a key, as it stands in the text.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = &'de str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> core::result::Result<&'de str, D::Error> {
        deserializer.deserialize_str(Skipped)
    }
}

/// Passes over a value. Of a string the visitor keeps what stands between the quotes: so one visitor does for keys too,
/// and the code that it is compiled into is there once.
#[derive(Clone, Copy)]
struct Skipped;

impl<'de> DeserializeSeed<'de> for Skipped {
    type Value = &'de str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> core::result::Result<&'de str, D::Error> {
        deserializer.deserialize_ignored_any(self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = &'de str;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> core::result::Result<&'de str, E> {
        Ok(text)
    }

    fn visit_unit<E: serde::de::Error>(self) -> core::result::Result<&'de str, E> {
        Ok("")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut elements: S) -> core::result::Result<&'de str, S::Error> {
        while elements.next_element_seed(self)?.is_some() {}
        Ok("")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> core::result::Result<&'de str, M::Error> {
        while members.next_key_seed(Key)?.is_some() {
            members.next_value_seed(self)?;
        }
        Ok("")
    }
}

/// An array being read.
struct Array<'r, 'c, 'a, S> {
    reading: &'r mut Reading<'c, 'a>,
    elements: S,
    key: Option<usize>,
    index: usize,
    count: usize,
}

impl<'de, 'a, S: SeqAccess<'de>> Elements<'a> for Array<'_, '_, 'a, S> {
    fn count(&self) -> usize {
        self.count
    }

    fn next(&mut self, slot: Slot<'_, 'a>) -> Read<()> {
        let spot = Spot { key: self.key, element: Some(self.index) };
        self.index += 1;
        match self.elements.next_element_seed(Reader { reading: &mut *self.reading, slot, spot }) {
            Ok(_) => Ok(()),
            Err(_) => Err(Stopped),
        }
    }

    fn arena(&mut self) -> &mut Arena<'a> {
        self.reading.arena
    }
}

/// An object being read as a map: its values are the elements.
struct Members<'r, 'c, 'a, M> {
    reading: &'r mut Reading<'c, 'a>,
    members: M,
    names: core::slice::IterMut<'r, &'a CStr>,
    count: usize,
}

impl<'de, 'a, M: MapAccess<'de>> Elements<'a> for Members<'_, '_, 'a, M> {
    fn count(&self) -> usize {
        self.count
    }

    fn next(&mut self, slot: Slot<'_, 'a>) -> Read<()> {
        let Ok(Some(key)) = self.members.next_key_seed(Key) else { return Err(Stopped) };
        if let Some(name) = self.names.next() {
            *name = self.reading.string(key);
        }
        let spot = Spot { key: Some(self.reading.offset(key)), element: None };
        match self.members.next_value_seed(Reader { reading: &mut *self.reading, slot, spot }) {
            Ok(_) => Ok(()),
            Err(_) => Err(Stopped),
        }
    }

    fn arena(&mut self) -> &mut Arena<'a> {
        self.reading.arena
    }
}

impl<'a, T: Record<'a>> Collection<'a> for &'a [T] {
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Read<bool> {
        let count = elements.count();
        let items = elements.arena().filled(count, T::BLANK);
        let result = fill(elements, &mut items.iter_mut().map(T::slot));
        *self = items;
        result
    }
}

/// Reads an element into each of the slots; true if there are any. Compiled once for all lists.
#[inline(never)]
fn fill<'s, 'a: 's>(elements: &mut dyn Elements<'a>, slots: &mut dyn Iterator<Item = Slot<'s, 'a>>) -> Read<bool> {
    let mut any = false;
    for slot in slots {
        elements.next(slot)?;
        any = true;
    }
    Ok(any)
}

/// A set of capabilities.
impl<'a> Collection<'a> for u64 {
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Read<bool> {
        for _ in 0..elements.count() {
            elements.next(Slot::Capability(self))?;
        }
        Ok(true)
    }
}

impl<'a> Record<'a> for Name {
    const BLANK: Name = Name::UNKNOWN;

    fn slot(&mut self) -> Slot<'_, 'a> {
        Slot::SystemCall(self)
    }
}

impl<'a> Record<'a> for u32 {
    const BLANK: u32 = 0;

    fn slot(&mut self) -> Slot<'_, 'a> {
        Slot::Id(self)
    }
}

impl<'a> Record<'a> for &'a CStr {
    const BLANK: &'a CStr = c"";

    fn slot(&mut self) -> Slot<'_, 'a> {
        Slot::Word(self)
    }
}
