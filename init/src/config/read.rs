//! From checked text into records: one serde visitor that drives any [`Object`].
//!
//! A derived deserialiser for every type of the specification is about 2 KB of code for each. Here a type says only what
//! its fields are called and lends the place where each goes (a [`Slot`]); the code that reads is there once. It also
//! carries what serde has no room for: the arena, the place of the value being read, and the failure with its reason.

use core::ffi::CStr;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::scan::{self, Decoded};
use super::schema::{BlockIo, Pids};
use super::spec::Pair;
use super::{Warning, Warnings};
use crate::abi::namespace::Namespace;
use crate::abi::{capability, rlimit};
use crate::arena::Arena;
use crate::error::{Cause, Error, Result};
use crate::limits;

/// A record that a JSON object is read into.
pub(super) trait Object<'a> {
    /// What its fields are called.
    fn fields(&self) -> &'static Fields;

    /// Where the value of field `index` of [`Fields::known`] goes.
    fn slot(&mut self, index: usize) -> Slot<'_, 'a>;
}

/// The names of an object's fields.
pub(super) struct Fields {
    /// Fields that are read. The required ones come first.
    pub known: &'static [&'static str],
    /// What to say when a required field is missing, in the order of `known`.
    pub missing: &'static [&'static str],
    /// Fields of the specification that pidone does not honour. They are refused by name unless they ask for nothing.
    pub refused: &'static [Refused],
    /// Whether any other field is refused too.
    pub closed: bool,
}

/// A field that is not honoured.
pub(super) struct Refused {
    /// Its name.
    pub name: &'static str,
    /// Which values ask for nothing.
    pub neutral: Neutral,
}

/// Values that ask for nothing, beside `null`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Neutral {
    /// `false`, `""`, `[]` and `{}`.
    Empty,
    /// Also 0 and -1, and objects that hold only such values.
    Zero,
}

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
    ///
    /// # Errors
    /// What `elements` met.
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Result<bool>;
}

/// The elements of a JSON array, one after the other.
pub(super) trait Elements<'a> {
    /// Reads the next element into `slot`. False at the end.
    ///
    /// # Errors
    /// The element is not what the slot takes.
    fn next(&mut self, slot: Slot<'_, 'a>) -> Result<bool>;

    /// Where lists are made.
    fn arena(&mut self) -> &mut Arena<'a>;
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
    /// The type of a device node.
    DeviceKind(&'r mut u8),
    /// The type of devices that a rule is for.
    RuleKind(&'r mut Option<u8>),
    /// Which of read, write and mknod.
    Access(&'r mut u8),
    /// An object.
    Object(&'r mut dyn Object<'a>),
    /// `resources.pids`.
    Pids(&'r mut Option<i64>),
    /// `resources.blockIO`.
    BlockIo(&'r mut Option<u16>),
    /// An array.
    List(&'r mut dyn Collection<'a>),
    /// An object that maps strings to strings.
    Pairs(&'r mut &'a [Pair<'a>]),
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

impl Slot<'_, '_> {
    /// What the value must be, in JSON's terms and in words.
    fn expected(&self) -> (Shape, &'static str) {
        match self {
            Slot::Text(_) | Slot::Word(_) => (Shape::Text, "expected a string"),
            Slot::Flag(_) => (Shape::Flag, "expected true or false"),
            Slot::Id(_) | Slot::OptionalId(_) => (Shape::Unsigned, "expected an integer from 0 to 4294967294"),
            Slot::U32(_) | Slot::OptionalU32(_) => (Shape::Unsigned, "expected an integer from 0 to 4294967295"),
            Slot::OptionalU16(_) => (Shape::Unsigned, "expected an integer from 0 to 65535"),
            Slot::U64(_) | Slot::OptionalU64(_) => (Shape::Unsigned, "expected an integer from 0"),
            Slot::OptionalI64(_) => (Shape::Signed, "expected an integer"),
            Slot::Capability(_) => (Shape::Text, "expected the name of a capability"),
            Slot::Rlimit(_) => (Shape::Text, "expected the name of a resource limit, such as RLIMIT_NOFILE"),
            Slot::Namespace(_) => (Shape::Text, "expected one of cgroup, ipc, mount, network, pid, user, uts, time"),
            Slot::DeviceKind(_) => (Shape::Text, "expected one of b, c, u, p"),
            Slot::RuleKind(_) => (Shape::Text, "expected one of a, b, c"),
            Slot::Access(_) => (Shape::Text, "expected a string of the letters r, w, m"),
            Slot::Object(_) | Slot::Pids(_) | Slot::BlockIo(_) | Slot::Nothing => (Shape::Object, "expected an object"),
            Slot::List(_) => (Shape::List, "expected an array"),
            Slot::Pairs(_) => (Shape::Object, "expected an object of strings"),
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
    doing: &'static str,
    object: &mut dyn Object<'a>,
) -> Result<Warnings> {
    let mut reading = Reading {
        text,
        arena,
        doing,
        spot: Spot { key: None, element: None },
        expected: "",
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
    match reader.deserialize(&mut deserializer) {
        Ok(_) => Ok(reading.warnings),
        Err(_) => Err(reading.why()),
    }
}

/// The state of one reading.
struct Reading<'c, 'a> {
    text: &'c [u8],
    arena: &'c mut Arena<'a>,
    doing: &'static str,
    /// The value that was begun last.
    spot: Spot,
    /// What it must be.
    expected: &'static str,
    /// Why reading stopped, if not because the value at `spot` is of the wrong kind. serde's errors cannot carry it.
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
            Some(element) => scan::child(text, value, element),
            None => value,
        }
    }
}

impl<'a> Reading<'_, 'a> {
    fn error(&self, at: usize, problem: &'static str) -> Error {
        Error { doing: self.doing, cause: Cause::Text { at: u32::try_from(at).unwrap_or(u32::MAX), problem } }
    }

    /// Stops reading because of what is at an offset.
    fn stop<E: serde::de::Error>(&mut self, at: usize, problem: &'static str) -> E {
        let error = self.error(at, problem);
        self.stop_with(error)
    }

    fn stop_with<E: serde::de::Error>(&mut self, error: Error) -> E {
        self.failure = Some(error);
        E::custom("")
    }

    /// Stops reading because the current value is not what it must be.
    fn stop_here<E: serde::de::Error>(&mut self) -> E {
        let error = self.unexpected();
        self.stop_with(error)
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

    /// Keeps a string.
    fn string(&mut self, raw: &str) -> Result<&'a CStr> {
        if !raw.as_bytes().contains(&b'\\') {
            return self.arena.string(&[raw.as_bytes()]);
        }
        // What an escape stands for is shorter than the escape, so a NUL is left at the end.
        let buffer = self.arena.bytes(raw.len())?;
        for (free, byte) in buffer.iter_mut().zip(Decoded::new(raw.as_bytes())) {
            *free = byte;
        }
        Ok(CStr::from_bytes_until_nul(buffer).unwrap_or(c""))
    }

    fn object<'de, M: MapAccess<'de>>(
        &mut self,
        object: &mut dyn Object<'a>,
        mut members: M,
    ) -> core::result::Result<bool, M::Error> {
        let fields = object.fields();
        let start = self.spot;
        let (mut met, mut present) = (0_u32, 0_u32);
        while let Some(key) = members.next_key::<&str>()? {
            let at = self.offset(key);
            let is = |name: &str| Decoded::new(key.as_bytes()).eq(name.bytes());
            let spot = Spot { key: Some(at), element: None };
            if let Some(index) = fields.known.iter().position(|name| is(name)) {
                let bit = 1_u32.wrapping_shl(index as u32);
                if met & bit != 0 {
                    return Err(self.stop(at, "given twice"));
                }
                met |= bit;
                if members.next_value_seed(Reader { reading: self, slot: object.slot(index), spot })? {
                    present |= bit;
                }
                continue;
            }
            if let Some(refused) = fields.refused.iter().find(|refused| is(refused.name)) {
                if !is_neutral(self.text, scan::member_value(self.text, at), refused.neutral) {
                    return Err(self.stop(at, "not supported yet"));
                }
            } else if fields.closed {
                return Err(self.stop(at, "unknown field"));
            }
            members.next_value::<IgnoredAny>()?;
        }
        for (index, problem) in fields.missing.iter().enumerate() {
            if present & 1_u32.wrapping_shl(index as u32) == 0 {
                return Err(self.stop(start.offset(self.text), problem));
            }
        }
        Ok(true)
    }

    fn pairs<'de, M: MapAccess<'de>>(
        &mut self,
        pairs: &mut &'a [Pair<'a>],
        mut members: M,
    ) -> core::result::Result<bool, M::Error> {
        let start = self.spot;
        let mut list = self.arena.list();
        let mut count = 0;
        while let Some(key) = members.next_key::<&str>()? {
            count += 1;
            if count > limits::PAIRS_MAX {
                return Err(self.stop_with(Error::limit(self.doing, "names in one object", count, limits::PAIRS_MAX)));
            }
            let spot = Spot { key: Some(self.offset(key)), element: None };
            let mut pair = Pair { name: self.string(key).map_err(|error| self.stop_with(error))?, value: c"" };
            members.next_value_seed(Reader { reading: self, slot: Slot::Word(&mut pair.value), spot })?;
            self.arena.push(&mut list, pair).map_err(|error| self.stop_with(error))?;
        }
        *pairs = self.arena.finish(list).map_err(|error| self.stop_with(error))?;
        for (index, pair) in pairs.iter().enumerate() {
            if pairs.iter().take(index).any(|earlier| earlier.name == pair.name) {
                return Err(self.stop(scan::child(self.text, start.offset(self.text), index), "given twice"));
            }
        }
        Ok(count > 0)
    }

    /// Takes a string into `slot`. None if it is not what the slot takes.
    fn text(&mut self, slot: Slot<'_, 'a>, raw: &str) -> Result<Option<bool>> {
        let text = self.string(raw)?;
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
                None => {
                    let at = u32::try_from(self.offset(raw)).unwrap_or(u32::MAX);
                    self.warnings.add(Warning { at, problem: "unknown capability, ignored" });
                }
            },
            Slot::Rlimit(to) => {
                let Some(number) = rlimit::number(bytes) else { return Ok(None) };
                self.once(number, |reading| &mut reading.rlimits)?;
                *to = number;
            }
            Slot::Namespace(to) => {
                let Some(kind) = Namespace::ALL.iter().find(|kind| kind.oci_name().as_bytes() == bytes) else {
                    return Ok(None);
                };
                self.once(*kind as u8, |reading| &mut reading.namespaces)?;
                *to = *kind;
            }
            Slot::DeviceKind(to) => match one(b"bcup") {
                Some(letter) => *to = letter,
                None => return Ok(None),
            },
            Slot::RuleKind(to) => match one(b"abc") {
                Some(letter) => *to = Some(letter),
                None if bytes.is_empty() => {}
                None => return Ok(None),
            },
            Slot::Access(to) => {
                for letter in bytes {
                    *to |= match letter {
                        b'r' => 1,
                        b'w' => 2,
                        b'm' => 4,
                        _ => return Ok(None),
                    };
                }
            }
            _ => return Ok(None),
        }
        Ok(Some(!bytes.is_empty()))
    }

    /// Notes that `number` was met, which may happen only once.
    fn once(&mut self, number: u8, set: impl Fn(&mut Self) -> &mut u32) -> Result<()> {
        let bit = 1_u32.wrapping_shl(u32::from(number));
        if *set(self) & bit != 0 {
            return Err(self.error(self.spot.offset(self.text), "given twice"));
        }
        *set(self) |= bit;
        Ok(())
    }
}

/// Whether the value at an offset asks for nothing.
fn is_neutral(text: &[u8], start: usize, neutral: Neutral) -> bool {
    let end = scan::value_end(text, start);
    let mut at = start;
    while at < end {
        match scan::byte(text, at) {
            Some(b'"') => {
                let length = scan::string_end(text, at) - at;
                at += length;
                let is_key = scan::byte(text, scan::skip_space(text, at)) == Some(b':');
                if is_key && neutral == Neutral::Empty || !is_key && length > 2 {
                    return false;
                }
                continue;
            }
            Some(b'[') if scan::byte(text, scan::skip_space(text, at + 1)) != Some(b']') => return false,
            Some(b't') => return false,
            Some(b'-' | b'0'..=b'9') => {
                let length = scan::value_end(text, at) - at;
                let number = text.get(at..at + length);
                if neutral == Neutral::Empty || number != Some(b"0") && number != Some(b"-1") {
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

    /// `null`: what Go writes for an empty list or map. Only a member may be absent.
    fn visit_none<E: serde::de::Error>(self) -> core::result::Result<bool, E> {
        let required = self.spot.element.is_some() || matches!(self.slot, Slot::Word(_));
        if required || self.spot.key.is_none() { Err(self.reading.stop_here()) } else { Ok(false) }
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> core::result::Result<bool, D::Error> {
        match self.slot.expected().0 {
            Shape::Text => deserializer.deserialize_str(self),
            Shape::Flag => deserializer.deserialize_bool(self),
            Shape::Unsigned => deserializer.deserialize_u64(self),
            Shape::Signed => deserializer.deserialize_i64(self),
            Shape::Object => deserializer.deserialize_map(self),
            Shape::List => deserializer.deserialize_seq(self),
        }
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, raw: &'de str) -> core::result::Result<bool, E> {
        match self.reading.text(self.slot, raw) {
            Ok(Some(present)) => Ok(present),
            Ok(None) => Err(self.reading.stop_here()),
            Err(error) => Err(self.reading.stop_with(error)),
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
        if fits.is_some() { Ok(true) } else { Err(self.reading.stop_here()) }
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
            Slot::Pids(limit) => self.reading.object(&mut Pids { limit }, members),
            Slot::BlockIo(weight) => self.reading.object(&mut BlockIo { weight }, members),
            Slot::Pairs(pairs) => self.reading.pairs(pairs, members),
            _ => Err(self.reading.stop_here()),
        }
    }

    fn visit_seq<S: SeqAccess<'de>>(self, elements: S) -> core::result::Result<bool, S::Error> {
        let Slot::List(list) = self.slot else { return Err(self.reading.stop_here()) };
        let mut array = Array { reading: self.reading, elements, key: self.spot.key, index: 0 };
        let collected = list.collect(&mut array);
        collected.map_err(|error| array.reading.stop_with(error))
    }
}

/// An array being read.
struct Array<'r, 'c, 'a, S> {
    reading: &'r mut Reading<'c, 'a>,
    elements: S,
    key: Option<usize>,
    index: usize,
}

impl<'de, 'a, S: SeqAccess<'de>> Elements<'a> for Array<'_, '_, 'a, S> {
    fn next(&mut self, slot: Slot<'_, 'a>) -> Result<bool> {
        let spot = Spot { key: self.key, element: Some(self.index) };
        self.index += 1;
        let next = self.elements.next_element_seed(Reader { reading: &mut *self.reading, slot, spot });
        next.map(|value| value.is_some()).map_err(|_| self.reading.why())
    }

    fn arena(&mut self) -> &mut Arena<'a> {
        self.reading.arena
    }
}

impl<'a, T: Record<'a>> Collection<'a> for &'a [T] {
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Result<bool> {
        let mut list = elements.arena().list();
        loop {
            let mut item = T::BLANK;
            if !elements.next(item.slot())? {
                break;
            }
            elements.arena().push(&mut list, item)?;
        }
        *self = elements.arena().finish(list)?;
        Ok(!self.is_empty())
    }
}

/// A set of capabilities.
impl<'a> Collection<'a> for u64 {
    fn collect(&mut self, elements: &mut dyn Elements<'a>) -> Result<bool> {
        while elements.next(Slot::Capability(self))? {}
        Ok(true)
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

/// An object that may be absent.
impl<'a, T: Object<'a> + Default> Object<'a> for Option<T> {
    fn fields(&self) -> &'static Fields {
        T::default().fields()
    }

    fn slot(&mut self, index: usize) -> Slot<'_, 'a> {
        self.get_or_insert_default().slot(index)
    }
}
