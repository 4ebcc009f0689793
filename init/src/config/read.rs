//! From checked text into records: one reader that drives any [`Object`].
//!
//! A derived deserialiser for every type of the specification is about 2 KB of code for each. Here a type says only what
//! its fields are called and lends the place where each goes (a [`Slot`]); the code that reads is there once. Since
//! [`scan::check`] found the text well-formed, it need not look at the text's form again.

use core::ffi::CStr;

use super::Warnings;
use super::scan::{self, byte, decode, skip_space, string_end, value_end};
use super::spec::Pair;
use crate::abi::namespace::Namespace;
use crate::abi::{capability, rlimit};
use crate::arena::Arena;
use crate::error::{Error, Result};
use crate::limits;

/// A record that a JSON object is read into.
pub(super) trait Object<'a> {
    /// What its fields are called: all names in one string, each followed by a NUL; a list of strings would be three times
    /// as large. First those that are read, and of them the required ones, which begin with `missing `: so the problem is
    /// at hand when they are. Then those of the specification that pidone does not honour, refused unless they ask for
    /// nothing: with `!` unless empty, with `?` unless empty or zero. A last `*` refuses all others.
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
    /// Takes all elements.
    fn collect(&mut self, reading: &mut Reading<'_, 'a>, count: usize) -> Result<()>;
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
    /// An array.
    List(&'r mut dyn Collection<'a>),
    /// An object that maps strings to strings.
    Pairs(&'r mut &'a [Pair<'a>]),
    /// Nowhere: there is no such field.
    Nothing,
}

impl<'r, 'a> Slot<'r, 'a> {
    /// An object that may be absent.
    pub(super) fn optional_object<T: Object<'a> + Default>(object: &'r mut Option<T>) -> Slot<'r, 'a> {
        Slot::Object(object.get_or_insert_default())
    }

    /// What the value must be: how it begins in JSON (`f` for both literals, `0` for every digit), and in words.
    fn expected(&self) -> (u8, &'static CStr) {
        match self {
            Slot::Text(_) | Slot::Word(_) => (b'"', c"expected a string"),
            Slot::Flag(_) => (b'f', c"expected true or false"),
            Slot::Id(_) | Slot::OptionalId(_) => (b'0', c"expected an integer from 0 to 4294967294"),
            Slot::U32(_) | Slot::OptionalU32(_) => (b'0', c"expected an integer from 0 to 4294967295"),
            Slot::OptionalU16(_) => (b'0', c"expected an integer from 0 to 65535"),
            Slot::U64(_) | Slot::OptionalU64(_) => (b'0', c"expected an integer from 0"),
            Slot::OptionalI64(_) => (b'-', c"expected an integer"),
            Slot::Capability(_) => (b'"', c"expected the name of a capability"),
            Slot::Rlimit(_) => (b'"', c"expected the name of a resource limit, such as RLIMIT_NOFILE"),
            Slot::Namespace(_) => (b'"', c"expected one of cgroup, ipc, mount, network, pid, user, uts, time"),
            Slot::DeviceKind(_) => (b'"', c"expected one of b, c, u, p"),
            Slot::RuleKind(_) => (b'"', c"expected one of a, b, c"),
            Slot::Access(_) => (b'"', c"expected a string of the letters r, w, m"),
            Slot::Object(_) | Slot::Nothing => (b'{', c"expected an object"),
            Slot::List(_) => (b'[', c"expected an array"),
            Slot::Pairs(_) => (b'{', c"expected an object of strings"),
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
    scan::check(text).map_err(|fault| Error::text(doing, fault.at, fault.problem))?;
    let (at, warnings) = (skip_space(text, 0), Warnings::default());
    let mut reading = Reading { text, arena, doing, at, start: at, expected: c"", warnings, rlimits: 0, namespaces: 0 };
    reading.value(Slot::Object(object))?;
    Ok(reading.warnings)
}

/// The state of one reading.
pub(super) struct Reading<'c, 'a> {
    text: &'c [u8],
    arena: &'c mut Arena<'a>,
    doing: &'static CStr,
    /// How far it is read.
    at: usize,
    /// Where the value is that was begun last.
    start: usize,
    /// What it must be.
    expected: &'static CStr,
    warnings: Warnings,
    /// Resource limits met so far, as bits.
    rlimits: u32,
    /// Namespaces met so far, as bits.
    namespaces: u32,
}

impl<'c, 'a> Reading<'c, 'a> {
    #[cold]
    #[inline(never)]
    fn error(&self, at: usize, problem: &'static CStr) -> Error {
        Error::text(self.doing, at, problem)
    }

    /// The value begun last is not what it must be.
    #[cold]
    #[inline(never)]
    fn unexpected(&self) -> Error {
        self.error(self.start, self.expected)
    }

    fn next(&self) -> Option<u8> {
        byte(self.text, self.at)
    }

    /// Goes on to the next element or member; after the last one, past the end of what they are in.
    fn more(&mut self) -> bool {
        self.at = skip_space(self.text, self.at);
        match self.next() {
            Some(b',') => self.at = skip_space(self.text, self.at + 1),
            Some(b']' | b'}') => {
                self.at += 1;
                return false;
            }
            other => return other.is_some(),
        }
        true
    }

    /// Passes over a value.
    fn skip(&mut self) -> &'c [u8] {
        let start = self.at;
        self.at = value_end(self.text, start);
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Passes over a string, and hands out what stands between its quotes.
    fn raw(&mut self) -> &'c [u8] {
        match self.skip() {
            [_, raw @ .., _] => raw,
            _ => &[],
        }
    }

    /// Passes over a key, and hands out what stands between its quotes.
    fn key(&mut self) -> &'c [u8] {
        let key = self.raw();
        self.at = skip_space(self.text, skip_space(self.text, self.at) + 1);
        key
    }

    /// How many elements or members there are in what begins here.
    fn count(&mut self) -> usize {
        let start = self.at;
        let is_object = self.next() == Some(b'{');
        let mut count = 0;
        self.at += 1;
        while self.more() {
            if is_object {
                self.key();
            }
            self.skip();
            count += 1;
        }
        self.at = start;
        count
    }

    /// Keeps a string.
    fn string(&mut self) -> Result<&'a CStr> {
        let raw = self.raw();
        if !raw.contains(&b'\\') {
            return self.arena.string(&[raw]);
        }
        // What an escape stands for is shorter than the escape.
        let decoded = self.arena.bytes(raw.len())?;
        let length = decode(raw, decoded);
        self.arena.string(&[decoded.get(..length).unwrap_or_default()])
    }

    /// Reads an integer up to `most`, written in digits only.
    fn integer(&mut self, most: u64) -> Result<u64> {
        let mut value = 0_u64;
        for digit in self.skip() {
            let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit.wrapping_sub(b'0'))));
            match next {
                Some(next) if digit.is_ascii_digit() && next <= most => value = next,
                _ => return Err(self.unexpected()),
            }
        }
        Ok(value)
    }

    fn signed(&mut self) -> Result<i64> {
        if self.next() == Some(b'-') {
            self.at += 1;
            return Ok((self.integer(1 << 63)? as i64).wrapping_neg());
        }
        Ok(self.integer(i64::MAX as u64)? as i64)
    }

    /// Reads the value that begins here.
    fn value(&mut self, slot: Slot<'_, 'a>) -> Result<()> {
        let (first, expected) = slot.expected();
        (self.start, self.expected) = (self.at, expected);
        let found = match self.next() {
            Some(b't') => b'f',
            Some(b'0'..=b'9') if first == b'-' => b'-',
            Some(b'0'..=b'9') => b'0',
            other => other.unwrap_or(0),
        };
        if found != first {
            return Err(self.unexpected());
        }
        match slot {
            Slot::Flag(to) => *to = self.skip() == b"true",
            Slot::Id(to) => *to = self.integer(ID_MAX)? as u32,
            Slot::OptionalId(to) => *to = Some(self.integer(ID_MAX)? as u32),
            Slot::U32(to) => *to = self.integer(u32::MAX.into())? as u32,
            Slot::OptionalU32(to) => *to = Some(self.integer(u32::MAX.into())? as u32),
            Slot::OptionalU16(to) => *to = Some(self.integer(u16::MAX.into())? as u16),
            Slot::U64(to) => *to = self.integer(u64::MAX)?,
            Slot::OptionalU64(to) => *to = Some(self.integer(u64::MAX)?),
            Slot::OptionalI64(to) => *to = Some(self.signed()?),
            Slot::Object(object) => return self.object(object),
            Slot::Pairs(pairs) => return self.pairs(pairs),
            Slot::List(list) => {
                let count = self.count();
                self.at += 1;
                list.collect(self, count)?;
                self.more();
            }
            text => {
                let string = self.string()?;
                return self.text(text, string);
            }
        }
        Ok(())
    }

    fn object(&mut self, object: &mut dyn Object<'a>) -> Result<()> {
        let fields = object.fields();
        let start = self.at;
        let (mut met, mut present) = (0_u32, 0_u32);
        self.at += 1;
        while self.more() {
            let at = self.at;
            let mut name = [0; NAME_BYTES_MAX];
            let length = decode(self.key(), &mut name);
            // No entry is empty, which is what a name too long for all of them becomes.
            let (index, entry) = find(fields, name.get(..length).unwrap_or_default());
            let bit = 1_u32.wrapping_shl(index as u32);
            let rest = self.text.get(self.at..).unwrap_or_default();
            match entry.first() {
                // Unknown: skipped.
                None => {}
                Some(b'*') => return Err(self.error(at, c"unknown field")),
                Some(mark @ (b'!' | b'?')) => {
                    if !is_neutral(self.text, self.at, *mark == b'?') {
                        return Err(self.error(at, c"not supported yet"));
                    }
                }
                Some(_) if met & bit != 0 => return Err(self.error(at, c"given twice")),
                // What Go writes for an empty list or map.
                Some(_) if rest.starts_with(b"n") => met |= bit,
                Some(_) => {
                    met |= bit;
                    let is_empty = rest.starts_with(b"\"\"")
                        || rest.starts_with(b"[") && byte(self.text, skip_space(self.text, self.at + 1)) == Some(b']');
                    present |= if is_empty { 0 } else { bit };
                    self.value(object.slot(index))?;
                    continue;
                }
            }
            self.skip();
        }
        let mut index = 0;
        while let Some(entry) = entry(fields, index) {
            if entry.to_bytes().starts_with(MISSING) && present & 1_u32.wrapping_shl(index as u32) == 0 {
                return Err(self.error(start, entry));
            }
            index += 1;
        }
        Ok(())
    }

    fn pairs(&mut self, pairs: &mut &'a [Pair<'a>]) -> Result<()> {
        let count = self.count();
        if count > limits::PAIRS_MAX {
            return Err(Error::limit(self.doing, c"names in one object", count, limits::PAIRS_MAX));
        }
        let filled = self.arena.filled(count, Pair { name: c"", value: c"" })?;
        self.at += 1;
        let mut read = 0;
        while self.more() {
            let key = self.at;
            let name = self.string()?;
            self.at = key;
            self.key();
            let (earlier, rest) = filled.split_at_mut_checked(read).unwrap_or_default();
            if earlier.iter().any(|earlier| earlier.name == name) {
                return Err(self.error(key, c"given twice"));
            }
            let Some(pair) = rest.first_mut() else { break };
            pair.name = name;
            self.value(Slot::Word(&mut pair.value))?;
            read += 1;
        }
        *pairs = filled;
        Ok(())
    }

    /// Takes a string into `slot`.
    fn text(&mut self, slot: Slot<'_, 'a>, text: &'a CStr) -> Result<()> {
        let bytes = text.to_bytes();
        match slot {
            Slot::Text(to) => *to = Some(text).filter(|text| !text.is_empty()),
            Slot::Word(to) => *to = text,
            Slot::Capability(set) => match capability::number(bytes) {
                Some(number) => *set |= 1_u64.wrapping_shl(u32::from(number)),
                // The specification wants a warning: the container may ask for what only a newer kernel has.
                None => self.warnings.add(u32::try_from(self.start).unwrap_or(u32::MAX)),
            },
            Slot::Rlimit(to) => {
                *to = rlimit::number(bytes).ok_or_else(|| self.unexpected())?;
                self.rlimits = self.once(self.rlimits, *to)?;
            }
            Slot::Namespace(to) => {
                *to = Namespace::named(bytes).ok_or_else(|| self.unexpected())?;
                self.namespaces = self.once(self.namespaces, *to as u8)?;
            }
            Slot::DeviceKind(to) => *to = self.letter(bytes, b"bcup")?,
            Slot::RuleKind(_) if bytes.is_empty() => {}
            Slot::RuleKind(to) => *to = Some(self.letter(bytes, b"abc")?),
            Slot::Access(to) => {
                for letter in bytes {
                    *to |= match letter {
                        b'r' => 1,
                        b'w' => 2,
                        b'm' => 4,
                        _ => return Err(self.unexpected()),
                    };
                }
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }

    fn letter(&self, text: &[u8], letters: &[u8]) -> Result<u8> {
        match text {
            [letter] if letters.contains(letter) => Ok(*letter),
            _ => Err(self.unexpected()),
        }
    }

    /// Adds a number to those met, each of which may be met only once.
    fn once(&self, met: u32, number: u8) -> Result<u32> {
        let bit = 1_u32.wrapping_shl(u32::from(number));
        if met & bit != 0 { Err(self.error(self.start, c"given twice")) } else { Ok(met | bit) }
    }

    fn element(&mut self, slot: Slot<'_, 'a>) -> Result<()> {
        self.more();
        self.value(slot)
    }
}

/// All ones is no id.
const ID_MAX: u64 = u32::MAX as u64 - 1;

/// The entry of this position in [`Object::fields`].
fn entry(fields: &'static str, index: usize) -> Option<&'static CStr> {
    let mut rest = fields.as_bytes();
    for _ in 0..index {
        rest = rest.get(CStr::from_bytes_until_nul(rest).ok()?.count_bytes() + 1..)?;
    }
    CStr::from_bytes_until_nul(rest).ok()
}

/// The position and entry of a field; an empty entry if there is none.
fn find(fields: &'static str, name: &[u8]) -> (usize, &'static [u8]) {
    let mut index = 0;
    while let Some(entry) = entry(fields, index) {
        let entry = entry.to_bytes();
        let known = match entry {
            [b'*'] => name,
            [b'!' | b'?', known @ ..] => known,
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
    let end = value_end(text, start);
    let mut at = start;
    while at < end {
        match byte(text, at) {
            Some(b'"') => {
                let length = string_end(text, at) - at;
                at += length;
                let is_key = byte(text, skip_space(text, at)) == Some(b':');
                if is_key && !zero_too || !is_key && length > 2 {
                    return false;
                }
                continue;
            }
            Some(b'[') if byte(text, skip_space(text, at + 1)) != Some(b']') => return false,
            Some(b't') => return false,
            Some(b'-' | b'0'..=b'9') => {
                let length = value_end(text, at) - at;
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

impl<'a, T: Record<'a>> Collection<'a> for &'a [T] {
    fn collect(&mut self, reading: &mut Reading<'_, 'a>, count: usize) -> Result<()> {
        let items = reading.arena.filled(count, T::BLANK)?;
        for item in items.iter_mut() {
            reading.element(item.slot())?;
        }
        *self = items;
        Ok(())
    }
}

/// A set of capabilities.
impl<'a> Collection<'a> for u64 {
    fn collect(&mut self, reading: &mut Reading<'_, 'a>, count: usize) -> Result<()> {
        for _ in 0..count {
            reading.element(Slot::Capability(self))?;
        }
        Ok(())
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
