//! Names and numbers of system calls, for the architectures whose calls a process of this machine can make.
//!
//! The source is a text, `syscall/x86_64.tbl`. The compiler turns it into what is kept: of each name a hash, by which it is found
//! in a dozen steps and not in hundreds, and numbers of nine bits. A name that no system call has is taken for one in one
//! case of ten million.

/// Whose numbers they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Abi {
    /// The machine's own.
    X86_64,
    /// 32-bit programs: i386.
    X86,
    /// Programs with 32-bit pointers on the machine's own registers.
    X32,
}

/// Set in the number of every call of x32: `__X32_SYSCALL_BIT`.
pub const X32_BIT: u32 = 0x4000_0000;

/// More than any number, [`X32_BIT`] not counted. x32's own calls begin at 512.
pub const NUMBERS: usize = 576;

/// A system call by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(u16);

/// A call of i386 that stands for many: what it does is in its first argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplexed {
    /// Number of socketcall(2) or ipc(2).
    pub number: u16,
    /// Its first argument.
    pub call: u32,
}

impl Name {
    /// A name that no system call has.
    pub const UNKNOWN: Name = Name(u16::MAX >> 1);

    /// The system call of that name.
    pub fn named(name: &[u8]) -> Name {
        let hash = name.iter().fold(HASH, |hash, byte| hashed(hash, *byte));
        let hash = (hash >> 32) as u32;
        // Always as many steps, and none of them a branch that nobody can predict.
        let (mut at, mut count) = (0, HASHES.len());
        while count > 1 {
            let middle = at + count / 2;
            count -= count / 2;
            at = if HASHES.get(middle).is_some_and(|other| *other <= hash) { middle } else { at };
        }
        if HASHES.get(at) == Some(&hash) { Name(at as u16) } else { Name::UNKNOWN }
    }

    /// Its number, if it has one.
    #[inline(never)]
    pub fn number(self, abi: Abi) -> Option<u16> {
        let index = usize::from(self.0) * 2 + usize::from(abi == Abi::X86);
        let high = *HIGH.get(index / 8)? >> (index % 8) & 1;
        let number = u16::from(high) << 8 | u16::from(*LOW.get(index)?);
        if number == NONE {
            return None;
        }
        if abi == Abi::X32
            && let Some(own) = X32_OWN.iter().position(|other| *other == number)
        {
            return (own < X32_COUNT).then_some(X32_FIRST + own as u16);
        }
        Some(number)
    }

    /// What i386 has it as besides, or instead of, a call of its own.
    pub fn multiplexed(self) -> Option<Multiplexed> {
        let index = usize::from(self.0);
        if *IS_MULTIPLEXED.get(index / 8)? >> (index % 8) & 1 == 0 {
            return None;
        }
        let call = MULTIPLEXED.iter().position(|other| *other == self.0)?;
        Some(match call.checked_sub(SOCKETCALLS) {
            None => Multiplexed { number: SOCKETCALL, call: call as u32 },
            Some(call) => Multiplexed { number: IPC, call: call as u32 },
        })
    }
}

/// Whether a call of i386 stands for many.
pub fn is_multiplexer(number: u16) -> bool {
    number == SOCKETCALL || number == IPC
}

/// The numbers of x86_64 that mean nothing to x32, each with x32's own number for the same call if there is one.
pub fn x32_numbers() -> impl Iterator<Item = (u16, Option<u16>)> {
    let own = |at| (at < X32_COUNT).then_some(X32_FIRST + at as u16);
    X32_OWN.iter().enumerate().map(move |(at, number)| (*number, own(at)))
}

const SOURCE: &[u8] = include_bytes!("syscall/x86_64.tbl");

/// No number.
const NONE: u16 = 0x1ff;
/// The first of x32's own numbers.
const X32_FIRST: u16 = 512;
/// How many of those there are, and how many calls x32 does not have.
const X32_COUNT: usize = 36;
const X32_ABSENT: usize = 11;
const SOCKETCALL: u16 = 102;
const IPC: u16 = 117;
/// More than any call of socketcall(2), and of ipc(2).
const SOCKETCALLS: usize = 21;
const IPCS: usize = 25;

const TABLE: Table = Table::read();
/// Of the names, in order: a name's place among them is [`Name`].
static HASHES: [u32; TABLE.names] = hashes();
static LOW: [u8; TABLE.names * 2] = first(&TABLE.low);
static HIGH: [u8; TABLE.names / 4 + 1] = first(&TABLE.high);
static X32_OWN: [u16; X32_COUNT + X32_ABSENT] = TABLE.x32;
static IS_MULTIPLEXED: [u8; TABLE.names / 8 + 1] = first(&TABLE.is_multiplexed);
static MULTIPLEXED: [u16; SOCKETCALLS + IPCS] = TABLE.multiplexed;

const fn hashes() -> [u32; TABLE.names] {
    let mut result = [0; TABLE.names];
    let mut index = 0;
    while index < result.len() {
        result[index] = TABLE.lines[index].0;
        assert!(index == 0 || result[index - 1] < result[index], "two names have one hash");
        index += 1;
    }
    result
}

/// FNV-1a, of which the high half is kept.
const HASH: u64 = 0xcbf2_9ce4_8422_2325;

const fn hashed(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x100_0000_01b3)
}

const fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut result = [0; N];
    let mut at = 0;
    while at < N {
        result[at] = bytes[at];
        at += 1;
    }
    result
}

/// The source as it is kept, made by the compiler, with room behind.
struct Table {
    names: usize,
    /// The hash of each name, and where what is behind it begins and ends. In the order of the hashes.
    lines: [(u32, usize, usize); 512],
    low: [u8; 1024],
    high: [u8; 128],
    /// The numbers on x86_64 of those that x32 has others for, in their order there, and of those it does not have.
    x32: [u16; X32_COUNT + X32_ABSENT],
    absent: usize,
    /// socketcall(2)'s calls, and ipc(2)'s behind them.
    multiplexed: [u16; SOCKETCALLS + IPCS],
    /// Which names are among those.
    is_multiplexed: [u8; 64],
}

impl Table {
    const fn read() -> Table {
        let mut table = Table {
            names: 0,
            lines: [(u32::MAX, 0, 0); 512],
            low: [0; 1024],
            high: [0; 128],
            x32: [0; X32_COUNT + X32_ABSENT],
            absent: 0,
            multiplexed: [u16::MAX; SOCKETCALLS + IPCS],
            is_multiplexed: [0; 64],
        };
        let mut at = 0;
        while at < SOURCE.len() {
            let end = end_of(at, b'\n');
            if SOURCE[at] != b'#' {
                let mut hash = HASH;
                while SOURCE[at] != b' ' {
                    hash = hashed(hash, SOURCE[at]);
                    at += 1;
                }
                table.sort_in(((hash >> 32) as u32, at + 1, end));
            }
            at = end + 1;
        }
        let mut index = 0;
        while index < table.names {
            table.numbers(index);
            index += 1;
        }
        table
    }

    const fn sort_in(&mut self, line: (u32, usize, usize)) {
        let mut index = self.names;
        while index > 0 && self.lines[index - 1].0 > line.0 {
            self.lines[index] = self.lines[index - 1];
            index -= 1;
        }
        self.lines[index] = line;
        self.names += 1;
    }

    /// What stands behind a name.
    const fn numbers(&mut self, index: usize) {
        let (_, start, end) = self.lines[index];
        let x86_64 = number(start);
        let mut at = end_of(start, b' ') + 1;
        self.number(index * 2, x86_64);
        self.number(index * 2 + 1, number(at));
        at += word_length(at);
        while at < end {
            let word = SOURCE[at + 1];
            let value_at = end_of(at + 1, b' ') + 1;
            let value = number(value_at) as usize;
            match word {
                b'x' if value == NONE as usize => {
                    self.x32[X32_COUNT + self.absent] = x86_64;
                    self.absent += 1;
                }
                b'x' => self.x32[value - X32_FIRST as usize] = x86_64,
                b's' => self.multiplexed[value] = index as u16,
                _ => self.multiplexed[SOCKETCALLS + value] = index as u16,
            }
            if word != b'x' {
                self.is_multiplexed[index / 8] |= 1 << (index % 8);
            }
            at = value_at + word_length(value_at);
        }
    }

    const fn number(&mut self, index: usize, number: u16) {
        assert!(number <= NONE);
        self.low[index] = number as u8;
        self.high[index / 8] |= ((number >> 8) as u8) << (index % 8);
    }
}

/// Where a byte is next.
const fn end_of(mut at: usize, byte: u8) -> usize {
    while SOURCE[at] != byte {
        at += 1;
    }
    at
}

/// The length of a word.
const fn word_length(at: usize) -> usize {
    let mut length = 0;
    while SOURCE[at + length] > b' ' {
        length += 1;
    }
    length
}

/// The number that a word is.
const fn number(mut at: usize) -> u16 {
    if SOURCE[at] == b'-' {
        return NONE;
    }
    let mut number = 0;
    while SOURCE[at] > b' ' {
        number = number * 10 + (SOURCE[at] - b'0') as u16;
        at += 1;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_of_the_table_is_found_and_has_its_numbers() {
        let mut x32 = 0;
        let mut multiplexed = 0;
        for line in std::str::from_utf8(SOURCE).unwrap().lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            let name = Name::named(words[0].as_bytes());
            assert_ne!(name, Name::UNKNOWN, "{line}");
            let number = |text: &str| text.parse::<u16>().ok();
            assert_eq!(name.number(Abi::X86_64), number(words[1]), "{line}");
            assert_eq!(name.number(Abi::X86), number(words[2]), "{line}");
            let extra = |word: &str| words.iter().position(|other| *other == word).and_then(|at| number(words[at + 1]));
            let has_own = words.contains(&"x32");
            assert_eq!(name.number(Abi::X32), if has_own { extra("x32") } else { number(words[1]) }, "{line}");
            x32 += usize::from(has_own);
            let socket = extra("socketcall").map(|call| Multiplexed { number: 102, call: call.into() });
            let ipc = extra("ipc").map(|call| Multiplexed { number: 117, call: call.into() });
            assert_eq!(name.multiplexed(), socket.or(ipc), "{line}");
            multiplexed += usize::from(socket.or(ipc).is_some());
        }
        assert_eq!((x32, multiplexed, TABLE.names), (X32_COUNT + X32_ABSENT, 32, 474));
        assert_eq!(Name::UNKNOWN.number(Abi::X86_64), None);
        assert_eq!(Name::UNKNOWN.multiplexed(), None);
    }

    #[test]
    fn numbers_are_the_kernels() {
        use linux_raw_sys::general::*;
        for (name, number) in [
            ("read", __NR_read),
            ("execve", __NR_execve),
            ("clone3", __NR_clone3),
            ("seccomp", __NR_seccomp),
            ("sched_setattr", __NR_sched_setattr),
            ("open_tree_attr", __NR_open_tree_attr),
            ("file_setattr", __NR_file_setattr),
        ] {
            assert_eq!(Name::named(name.as_bytes()).number(Abi::X86_64), Some(number as u16), "{name}");
        }
    }

    #[test]
    fn numbers_are_each_given_once() {
        for abi in [Abi::X86_64, Abi::X86, Abi::X32] {
            let mut seen = BTreeSet::new();
            for index in 0..TABLE.names {
                if let Some(number) = Name(index as u16).number(abi) {
                    assert!(seen.insert(number), "{abi:?} {number}");
                    assert!(usize::from(number) < NUMBERS);
                }
            }
        }
    }

    #[test]
    fn other_names_are_unknown() {
        let known: BTreeSet<&str> = std::str::from_utf8(SOURCE)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        for name in
            ["", "a", "z", "zz", "Read", "read ", "_", "~", "x", "set", "setuid3", "setuid322", "openat3", "rea"]
        {
            assert_eq!(Name::named(name.as_bytes()), Name::UNKNOWN, "{name}");
        }
        // Every name cut short, made longer, or with one letter changed.
        for name in &known {
            for at in 0..name.len() {
                for other in
                    [&name[..at], &format!("{name}{}", &name[at..]), &format!("{}x{}", &name[..at], &name[at + 1..])]
                {
                    assert_eq!(Name::named(other.as_bytes()) != Name::UNKNOWN, known.contains(other), "{other}");
                }
            }
        }
    }
}
