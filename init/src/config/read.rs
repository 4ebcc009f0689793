//! From checked text into records: one reader for all of them, led by the tables of `schema`.
//!
//! A derived deserialiser for every type of the specification is about 2 KB of code for each. Here a table says what the
//! fields are called and what they hold; [`Record::slot`] lends the place where each goes. serde reads strings, numbers and
//! truth values; what is around them the reader walks through itself, and so knows where each value is. Reading does not
//! stop at what is wrong: the arena keeps the first failure.

use crate::texts::CStr;

use serde::Deserialize;
use serde_json_core::de::{Deserializer, from_slice};
use serde_json_core::str::EscapedStr;

use super::Warnings;
use super::scan::{self, decode};
use crate::abi::namespace::Namespace;
use crate::abi::syscall::Name;
use crate::abi::{capability, rlimit, scheduling, seccomp};
use crate::arena::Arena;
use crate::error::{Error, Result};
use crate::limits;
use crate::record::{List, Names, Record, Slot};
use crate::text::has;

const MISSING: &[u8] = b"missing ";

/// Reads a text into `record`. `doing` is what an error says was being done.
///
/// # Errors
/// The text is malformed or not what the record takes, or the arena is full.
pub(super) fn read<'a>(
    text: &[u8],
    arena: &mut Arena<'a>,
    doing: &'static CStr,
    record: Record<'_, 'a>,
) -> Result<Warnings> {
    let has_escapes = scan::check(text).map_err(|fault| Error::text(doing, fault.at, fault.problem))?;
    let at = scan::skip_space(text, 0);
    let mut reading = Reading { text, has_escapes, at, arena, doing, warnings: Warnings::default(), once: 0 };
    reading.value(Slot::Object(record));
    reading.arena.check().map(|()| reading.warnings)
}

/// The state of one reading.
struct Reading<'c, 'a> {
    text: &'c [u8],
    /// Whether any string has one.
    has_escapes: bool,
    /// Where the next value or key begins.
    at: usize,
    arena: &'c mut Arena<'a>,
    doing: &'static CStr,
    warnings: Warnings,
    /// Resource limits and namespaces met so far, as bits.
    once: u64,
}

/// In [`Reading::once`], the first namespace.
const NAMESPACES: u8 = 32;

/// What JSON has for a value: the first byte of one.
mod shape {
    pub(super) const TEXT: u8 = b'"';
    pub(super) const OBJECT: u8 = b'{';
    pub(super) const LIST: u8 = b'[';
    pub(super) const FLAG: u8 = b't';
    pub(super) const NUMBER: u8 = b'0';
}

/// What a value must be, in JSON's terms and in words.
fn expected(slot: &Slot) -> (u8, &'static CStr) {
    use shape::{FLAG, LIST, NUMBER, OBJECT, TEXT};
    match slot {
        Slot::Text(_) | Slot::Word(_) => (TEXT, c!("expected a string")),
        Slot::Flag(_) => (FLAG, c!("expected true or false")),
        Slot::Id(_) | Slot::OptionalId(_) => (NUMBER, c!("expected an integer from 0 to 4294967294")),
        Slot::U32(_) | Slot::OptionalU32(_) => (NUMBER, c!("expected an integer from 0 to 4294967295")),
        Slot::OptionalU16(_) => (NUMBER, c!("expected an integer from 0 to 65535")),
        Slot::U64(_) | Slot::OptionalU64(_) => (NUMBER, c!("expected an integer from 0")),
        Slot::OptionalI64(_) => (NUMBER, c!("expected an integer")),
        Slot::Rlimit(_) => (TEXT, c!("expected the name of a resource limit, such as RLIMIT_NOFILE")),
        Slot::Namespace(_) => (TEXT, c!("expected one of cgroup, ipc, mount, network, pid, user, uts, time")),
        Slot::SystemCall(_) => (TEXT, c!("expected the name of a system call")),
        Slot::DeviceKind(_) => (TEXT, c!("expected one of b, c, u, p")),
        Slot::RuleKind(_) => (TEXT, c!("expected one of a, b, c")),
        Slot::Access(_) => (TEXT, c!("expected a string of the letters r, w, m")),
        Slot::Policy(_) => (TEXT, scheduling::POLICIES),
        Slot::IoClass(_) => (TEXT, scheduling::IO_CLASSES),
        Slot::Personality(_) => (TEXT, scheduling::PERSONALITIES),
        Slot::MemoryPolicy(_) => (TEXT, scheduling::MEMORY_POLICIES),
        Slot::Action(_) => (TEXT, seccomp::ACTIONS),
        Slot::Operator(_) => (TEXT, seccomp::OPERATORS),
        Slot::Object(_) | Slot::Optional(_) | Slot::Nothing => (OBJECT, c!("expected an object")),
        Slot::Pairs(_) => (OBJECT, c!("expected an object of strings")),
        Slot::Named(..) => (OBJECT, c!("expected an object of objects")),
        Slot::List(_)
        | Slot::Capabilities(_)
        | Slot::SchedulerFlags(_)
        | Slot::MemoryPolicyFlags(_)
        | Slot::Architectures(_)
        | Slot::FilterFlags(_) => (LIST, c!("expected an array")),
    }
}

impl<'c, 'a> Reading<'c, 'a> {
    /// Keeps what is wrong at an offset.
    #[cold]
    #[inline(never)]
    fn fail(&mut self, at: usize, problem: &'static CStr) {
        self.arena.fail(Error::text(self.doing, at, problem));
    }

    /// Moves into an object or array. Whether there is something in it.
    fn enter(&mut self) -> bool {
        self.at = scan::skip_space(self.text, self.at + 1);
        let is_empty = matches!(scan::byte(self.text, self.at), b']' | b'}' | 0);
        self.at += usize::from(is_empty);
        !is_empty
    }

    /// Moves on behind a value in an object or array. Whether another one follows.
    fn next(&mut self) -> bool {
        self.at = scan::skip_space(self.text, self.at);
        let goes_on = scan::byte(self.text, self.at) == b',';
        self.at += 1;
        if goes_on {
            self.at = scan::skip_space(self.text, self.at);
        }
        goes_on
    }

    /// Moves on behind a value.
    fn skip(&mut self) {
        self.at = scan::value_end(self.text, self.at);
    }

    /// Reads a string, as it stands between its quotes.
    fn raw(&mut self) -> &'c [u8] {
        let mut deserializer = Deserializer::new(self.text.get(self.at..).unwrap_or_default(), None);
        let raw = EscapedStr::deserialize(&mut deserializer).map_or("", |EscapedStr(raw)| raw);
        self.at += raw.len() + 2;
        raw.as_bytes()
    }

    /// Reads a string: what it stands for.
    #[inline(never)]
    fn bytes<'s>(&mut self) -> &'s [u8]
    where
        'c: 's,
        'a: 's,
    {
        let raw = self.raw();
        if !self.has_escapes || !has(raw, b'\\') {
            return raw;
        }
        // What an escape stands for is shorter than the escape.
        let decoded = self.arena.bytes(raw.len());
        let length = decode(raw, decoded);
        decoded.get(..length).unwrap_or_default()
    }

    /// Reads a key and moves on to its value.
    fn key<'s>(&mut self) -> &'s [u8]
    where
        'c: 's,
        'a: 's,
    {
        let key = self.bytes();
        self.at = scan::skip_space(self.text, self.at);
        self.at = scan::skip_space(self.text, self.at + 1);
        key
    }

    /// Reads a value. Whether it is there: neither `null` nor empty.
    fn value(&mut self, slot: Slot<'_, 'a>) -> bool {
        let at = self.at;
        let (shape, expected) = expected(&slot);
        let found = match scan::byte(self.text, at) {
            b'-' | b'0'..=b'9' => shape::NUMBER,
            b'f' => shape::FLAG,
            first => first,
        };
        if found != shape {
            self.skip();
            self.fail(at, expected);
            return true;
        }
        match slot {
            Slot::Object(record) => return self.object(record),
            Slot::Optional(list) => {
                let mut one = list.begin(self.arena);
                let slot = one.add(self.arena);
                self.value(slot);
                one.finish(self.arena);
            }
            Slot::List(list) => return self.list(list),
            Slot::Pairs(pairs) => return self.map(None, pairs),
            Slot::Named(names, values) => return self.map(Some(names), values),
            Slot::Capabilities(set) => *set = self.set(None),
            Slot::SchedulerFlags(set) => *set = self.set(Some(scheduling::SCHEDULING_FLAGS)) as u32,
            Slot::MemoryPolicyFlags(set) => *set = self.set(Some(scheduling::MEMORY_POLICY_FLAGS)) as u32,
            Slot::Architectures(set) => *set = self.set(Some(seccomp::ARCHITECTURES)) as u32,
            Slot::FilterFlags(set) => *set = self.set(Some(seccomp::FLAGS)) as u32,
            Slot::Nothing => self.skip(),
            slot if shape == shape::TEXT => return self.text(slot, at, expected),
            slot => {
                self.skip();
                if scalar(self.text.get(at..self.at).unwrap_or_default(), slot).is_none() {
                    self.fail(at, expected);
                }
            }
        }
        true
    }

    #[inline(never)]
    fn object(&mut self, mut record: Record<'_, 'a>) -> bool {
        let start = self.at;
        let names = record.names();
        let (mut met, mut present) = (0_u32, 0_u32);
        let mut more = self.enter();
        while more {
            let at = self.at;
            let (index, entry) = find(names, self.key());
            let bit = 1_u32.wrapping_shl(index as u32);
            let problem = match entry {
                // Unknown: skipped.
                [] => None,
                [b'*', ..] => Some(c!("unknown field")),
                [mark @ (b'!' | b'?'), ..] => self.asks(*mark).then_some(c!("not supported yet")),
                [b'^', mark, ..] => self.asks(*mark).then_some(c!("only control groups of version 1 have it")),
                _ if met & bit != 0 => Some(c!("given twice")),
                _ => {
                    met |= bit;
                    // What Go writes for an empty list or map.
                    if scan::byte(self.text, self.at) != b'n' {
                        if self.value(record.slot(index)) {
                            present |= bit;
                        }
                        more = self.next();
                        continue;
                    }
                    None
                }
            };
            if let Some(problem) = problem {
                self.fail(at, problem);
            }
            self.skip();
            more = self.next();
        }
        let mut required = names;
        loop {
            let problem = required.first();
            if !required.next().is_some_and(|entry| entry.starts_with(MISSING)) {
                break;
            }
            if present & 1 == 0 {
                self.fail(start, problem);
            }
            present >>= 1;
        }
        true
    }

    /// Whether the value asks for something that its field, which begins with this mark, does not offer.
    fn asks(&self, mark: u8) -> bool {
        match mark {
            b'+' => scan::byte(self.text, self.at) == b'f',
            mark => !is_neutral(self.text, self.at, mark == b'?'),
        }
    }

    fn list(&mut self, list: List<'_, 'a>) -> bool {
        let mut elements = list.begin(self.arena);
        let mut more = self.enter();
        let is_there = more;
        while more {
            let slot = elements.add(self.arena);
            self.value(slot);
            more = self.next();
        }
        elements.finish(self.arena);
        is_there
    }

    /// An object that maps strings to `values`, or to the values of pairs, which then hold the keys, too.
    fn map(&mut self, names: Option<&mut &'a [&'a CStr]>, values: List<'_, 'a>) -> bool {
        let at = self.at;
        let count = self.count_names();
        let kept = self.arena.filled(count, s!(""));
        let mut values = values.begin(self.arena);
        let mut index = 0;
        let mut more = self.enter();
        while more {
            let key = self.key();
            let key = self.arena.copy(key);
            if kept.iter().take(index).any(|earlier| *earlier == key) {
                self.fail_twice(at, index);
            }
            if let Some(name) = kept.get_mut(index) {
                *name = key;
            }
            match values.add(self.arena) {
                Slot::Object(mut pair) if names.is_none() => {
                    if let Slot::Word(name) = pair.slot(0) {
                        *name = key;
                    }
                    self.value(pair.slot(1));
                }
                slot => _ = self.value(slot),
            }
            index += 1;
            more = self.next();
        }
        values.finish(self.arena);
        if let Some(names) = names {
            *names = kept;
        }
        count > 0
    }

    /// How many members the object has; none if there are too many.
    fn count_names(&mut self) -> usize {
        let count = scan::children(self.text, self.at).count();
        if count > limits::PAIRS_MAX {
            self.arena.fail(Error::limit(self.doing, c!("names in one object"), count, limits::PAIRS_MAX));
            return 0;
        }
        count
    }

    /// Keeps that the key at a position of the object at an offset was there before.
    #[cold]
    #[inline(never)]
    fn fail_twice(&mut self, at: usize, position: usize) {
        self.fail(scan::children(self.text, at).nth(position).unwrap_or(at), c!("given twice"));
    }

    /// Reads an array of a list's names, or of capabilities' if there is no list, as bits.
    fn set(&mut self, list: Option<&'static CStr>) -> u64 {
        let expected = list.unwrap_or(c!("expected the name of a capability"));
        let mut set = 0;
        let mut more = self.enter();
        while more {
            let at = self.at;
            let is_text = scan::byte(self.text, at) == shape::TEXT;
            let name = if is_text { self.bytes() } else { b"" };
            if !is_text {
                self.skip();
            }
            let number = match list {
                Some(list) => scheduling::named(list, name),
                None => capability::number(name),
            };
            match number {
                Some(number) => set |= 1_u64.wrapping_shl(number.into()),
                // The specification wants a warning: the container may ask for what only a newer kernel has.
                None if is_text && list.is_none() => self.warnings.add(at as u32),
                None => self.fail(at, expected),
            }
            more = self.next();
        }
        set
    }

    /// Reads a string into `slot`. Whether it is not empty.
    fn text(&mut self, slot: Slot<'_, 'a>, at: usize, expected: &'static CStr) -> bool {
        let bytes = self.bytes();
        let one = |letters: &[u8]| match bytes {
            [letter] if has(letters, *letter) => Some(*letter),
            _ => None,
        };
        // Most are one of some names.
        let (to, number) = match slot {
            Slot::Text(to) => {
                *to = Some(self.arena.copy(bytes)).filter(|text| !text.is_empty());
                return !bytes.is_empty();
            }
            Slot::Word(to) => {
                *to = self.arena.copy(bytes);
                return !bytes.is_empty();
            }
            Slot::SystemCall(to) => {
                *to = Name::named(bytes);
                return true;
            }
            Slot::Namespace(to) => {
                match Namespace::named(bytes) {
                    Some(kind) => {
                        *to = kind;
                        self.once(at, NAMESPACES + kind as u8);
                    }
                    None => self.fail(at, expected),
                }
                return true;
            }
            Slot::RuleKind(_) if bytes.is_empty() => return false,
            Slot::RuleKind(to) => (to.insert(0), one(b"abc")),
            Slot::DeviceKind(to) => (to, one(b"bcup")),
            Slot::Access(to) => (to, access(bytes)),
            Slot::Rlimit(to) => {
                let number = rlimit::number(bytes);
                if let Some(number) = number {
                    self.once(at, number);
                }
                (to, number)
            }
            Slot::Policy(to)
            | Slot::IoClass(to)
            | Slot::Personality(to)
            | Slot::MemoryPolicy(to)
            | Slot::Action(to)
            | Slot::Operator(to) => (to, scheduling::named(expected, bytes)),
            _ => return true,
        };
        match number {
            Some(number) => *to = number,
            None => self.fail(at, expected),
        }
        true
    }

    /// Notes that something was met that may be there once.
    fn once(&mut self, at: usize, number: u8) {
        let bit = 1_u64.wrapping_shl(number.into());
        if self.once & bit != 0 {
            self.fail(at, c!("given twice"));
        }
        self.once |= bit;
    }
}

/// Read (1), write (2) and mknod (4).
fn access(letters: &[u8]) -> Option<u8> {
    let mut access = 0;
    for letter in letters {
        access |= 1 << b"rwm".iter().position(|known| known == letter)?;
    }
    Some(access)
}

/// Takes a number or truth value into `slot`. None if it is not what goes there.
#[inline(never)]
fn scalar(raw: &[u8], slot: Slot) -> Option<()> {
    let (is_negative, digits) = match slot {
        Slot::Flag(to) => {
            *to = raw == b"true";
            return Some(());
        }
        Slot::OptionalI64(_) => (raw.starts_with(b"-"), raw.strip_prefix(b"-").unwrap_or(raw)),
        _ => (false, raw),
    };
    let number: u64 = from_slice(digits).ok()?.0;
    let small = u32::try_from(number).ok();
    let id = small.filter(|id| *id != u32::MAX);
    match slot {
        Slot::OptionalI64(to) if is_negative => *to = Some(0_i64.checked_sub_unsigned(number)?),
        Slot::OptionalI64(to) => *to = Some(i64::try_from(number).ok()?),
        Slot::Id(to) => *to = id?,
        Slot::OptionalId(to) => *to = Some(id?),
        Slot::U32(to) => *to = small?,
        Slot::OptionalU32(to) => *to = Some(small?),
        Slot::OptionalU16(to) => *to = Some(u16::try_from(number).ok()?),
        Slot::U64(to) => *to = number,
        Slot::OptionalU64(to) => *to = Some(number),
        _ => {}
    }
    Some(())
}

/// The position and entry of a field; an empty entry if there is none.
fn find(names: Names, name: &[u8]) -> (usize, &'static [u8]) {
    let mut index = 0;
    for entry in names {
        let known = match entry {
            [b'*'] => name,
            // Nearly all others.
            [.., last] if name.last() != Some(last) => b"",
            [b'!' | b'?', known @ ..] | [b'^', _, known @ ..] => known,
            _ => entry.strip_prefix(MISSING).unwrap_or(entry),
        };
        if known == name && (!name.is_empty() || entry == b"*") {
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
            b'"' => {
                let length = scan::string_end(text, at) - at;
                at += length;
                let is_key = scan::byte(text, scan::skip_space(text, at)) == b':';
                if is_key && !zero_too || !is_key && length > 2 {
                    return false;
                }
                continue;
            }
            b'[' if scan::byte(text, scan::skip_space(text, at + 1)) != b']' => return false,
            b't' => return false,
            b'-' | b'0'..=b'9' => {
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
