//! Rules as a program: classic BPF, which the kernel runs before every system call of the container.
//!
//! # Which rule decides
//! As with libseccomp, from which the specification takes its terms. Of the rules that name a call, those whose action is
//! the default one do not count. A rule without conditions decides whatever stands before or behind it, and of several
//! such the first. Otherwise the first rule decides whose conditions all hold; if there is none, the default. A rule with
//! two conditions on one argument is met by any one of its conditions, as in runc and crun.
//!
//! # Architectures
//! The machine's own is always there. Each that is listed has its own numbers; a call of one that is not listed kills the
//! process. Of i386 only the low halves of what arguments are compared with count, as there are no others. Its
//! socketcall(2) and ipc(2) hide the arguments of the calls they stand for: a rule for such a call counts there, too, if
//! it has no conditions, or if it forbids; then for all arguments.
//!
//! # The program
//! For each architecture a tree of comparisons over ranges of numbers with the same answer, whose leaves are answers or
//! chains of conditions. It is written from its end, since a jump leads only forward: where it leads is known then.

use crate::abi::bpf::{AND, Classic, EQUAL, GREATER, GREATER_EQUAL, JUMP, LOAD, RETURN};
use crate::abi::seccomp::{self, ERRNO, KILL_PROCESS, LOG, TRACE};
use crate::abi::syscall::{Abi, Multiplexed, NUMBERS, Name, X32_BIT, is_multiplexer, x32_numbers};
use crate::arena::{Arena, List};
use crate::config::spec::{Comparison, SyscallRule};
use crate::error::Error;
use crate::limits;

/// What ERRNO and TRACE carry when nothing is said: EPERM.
const ERRNO_DEFAULT: u16 = 1;

/// What the filter returns for an action.
pub(super) fn answer(action: u8, errno: Option<u16>) -> u32 {
    let default = if action == ERRNO || action == TRACE { ERRNO_DEFAULT } else { 0 };
    seccomp::answer(action, errno.unwrap_or(default))
}

/// The program of some rules, and an answer where none of them decides.
pub(super) fn compile<'a>(
    rules: &[SyscallRule],
    default: u32,
    architectures: u32,
    arena: &mut Arena<'a>,
) -> &'a [Classic] {
    let code = arena.list();
    let written = [(default, usize::MAX); RETURNS];
    let mut compiler = Compiler { rules, default, arena, code, start: limits::FILTER_INSTRUCTIONS_MAX, written };
    compiler.program(architectures);
    compiler.arena.finish_backwards(compiler.code)
}

/// Where a jump leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// To a return of this value, wherever there is one.
    Return(u32),
    /// To the instruction at this place.
    At(u32),
}

/// How far a jump may lead: a byte has 255, and two instructions may come between before it is written.
const NEAR: usize = 250;

/// How many returns are remembered. Profiles have two or three answers.
const RETURNS: usize = 4;

/// [`Comparison::operator`]; the seventh is a comparison after a mask.
const NE: u8 = 0;
const LT: u8 = 1;
const LE: u8 = 2;
const EQ: u8 = 3;
const GE: u8 = 4;
const GT: u8 = 5;

/// In the table of answers: the chain of conditions of the number in the low half.
const CHAIN: u32 = 0xffff_0000;

/// Numbers with the same answer, from one on up to the next ones.
#[derive(Clone, Copy)]
struct Range {
    first: u32,
    answer: u32,
}

struct Compiler<'c, 'a> {
    rules: &'c [SyscallRule<'c>],
    /// The default action's answer.
    default: u32,
    arena: &'c mut Arena<'a>,
    /// The program, its last instruction first.
    code: List<Classic>,
    /// Where the program begins by now.
    start: usize,
    /// The returns written last, the last one first: value and place.
    written: [(u32, usize); RETURNS],
}

impl Compiler<'_, '_> {
    fn program(&mut self, architectures: u32) {
        let has = |abi: Abi| architectures >> abi as u32 & 1 == 1;
        let kill = Target::Return(KILL_PROCESS);
        let mut foreign = kill;
        if has(Abi::X86) {
            let answers = self.answers(Abi::X86);
            let numbers = self.decision(Abi::X86, &answers);
            let numbers = self.numbered(numbers);
            foreign = self.branch(EQUAL, seccomp::AUDIT_ARCH_I386, numbers, kill);
        }
        let answers = self.answers(Abi::X86_64);
        let of_x32 = || of_x32(&answers, self.default);
        let x32 = if has(Abi::X32) { self.decision(Abi::X32, &of_x32()) } else { kill };
        let own = self.decision(Abi::X86_64, &answers);
        let own = self.branch(GREATER_EQUAL, X32_BIT, x32, own);
        let own = self.numbered(own);
        match self.branch(EQUAL, seccomp::AUDIT_ARCH_X86_64, own, foreign) {
            Target::Return(value) => self.push(RETURN, value),
            Target::At(_) => self.loaded(seccomp::DATA_ARCHITECTURE),
        };
    }

    /// A decision about a number, which needs to be loaded, unless there is nothing to decide.
    fn numbered(&mut self, decision: Target) -> Target {
        match decision {
            Target::Return(_) => decision,
            Target::At(_) => self.loaded(seccomp::DATA_NUMBER),
        }
    }

    /// What is to be done about an architecture's calls, by their numbers.
    #[inline(never)]
    fn answers(&self, abi: Abi) -> [u32; NUMBERS] {
        let mut answers = [self.default; NUMBERS];
        let mut set = |number: u16, value: u32| {
            let Some(answer) = answers.get_mut(usize::from(number)) else { return };
            let is_weaker = *answer >= CHAIN && value < CHAIN;
            if *answer == self.default || is_weaker {
                *answer = value;
            }
        };
        for rule in self.rules {
            let answer = answer(rule.action, rule.errno);
            if answer == self.default {
                continue;
            }
            for name in rule.names {
                if let Some(number) = name.number(abi) {
                    set(number, if rule.arguments.is_empty() { answer } else { CHAIN | u32::from(number) });
                }
                if let Some(number) = multiplexed(abi, name, rule).map(|known| known.number) {
                    set(number, CHAIN | u32::from(number));
                }
            }
        }
        answers
    }

    /// What is to be done about an architecture's calls, each of which has its answer.
    #[inline(never)]
    fn decision(&mut self, abi: Abi, answers: &[u32; NUMBERS]) -> Target {
        let mut ranges = self.arena.list();
        let mut last = None;
        for (first, answer) in (0..).zip(answers) {
            if last != Some(*answer) {
                self.arena.push(&mut ranges, Range { first, answer: *answer });
                last = Some(*answer);
            }
        }
        let ranges = self.arena.finish(ranges);
        self.tree(abi, ranges, NUMBERS as u32)
    }

    /// A tree over these ranges, behind the last of which is `end`. Beyond that the last one goes on.
    ///
    /// Each level splits them as near to the middle of their numbers as can be: there are at most as many levels as ranges,
    /// and about as many as they have bits.
    fn tree(&mut self, abi: Abi, ranges: &[Range], end: u32) -> Target {
        let (Some(one), Some(behind)) = (ranges.first(), ranges.get(1)) else {
            let answer = ranges.first().map_or(self.default, |one| one.answer);
            return self.leaf(abi, answer);
        };
        let base = if abi == Abi::X32 { X32_BIT } else { 0 };
        if let [_, _, last] = ranges
            && last.answer == one.answer
            && last.first == behind.first + 1
        {
            // One among others.
            let other = self.leaf(abi, behind.answer);
            return self.branch(EQUAL, base + behind.first, other, Target::Return(one.answer));
        }
        let middle = (one.first + end) / 2;
        // The first one above it, or the one before if that is nearer.
        let mut split = 1;
        while let [below, above] = ranges.get(split..split + 2).unwrap_or_default()
            && above.first.abs_diff(middle) <= below.first.abs_diff(middle)
        {
            split += 1;
        }
        let (low, high) = ranges.split_at_checked(split).unwrap_or_default();
        let first = high.first().map_or(end, |range| range.first);
        let high = self.tree(abi, high, end);
        let low = self.tree(abi, low, first);
        self.branch(GREATER_EQUAL, base + first, high, low)
    }

    fn leaf(&mut self, abi: Abi, answer: u32) -> Target {
        if answer < CHAIN { Target::Return(answer) } else { self.chain(abi, answer as u16) }
    }

    /// The rules with conditions for a number, the first one first.
    fn chain(&mut self, abi: Abi, number: u16) -> Target {
        let mut otherwise = Target::Return(self.default);
        for rule in self.rules.iter().rev() {
            let answer = answer(rule.action, rule.errno);
            // One without conditions decides about a call alone, but not about those that it stands for.
            if rule.arguments.is_empty() && (abi != Abi::X86 || !is_multiplexer(number)) {
                continue;
            }
            for (index, name) in rule.names.iter().enumerate() {
                let call = multiplexed(abi, name, rule).filter(|known| known.number == number);
                let is_own = name.number(abi) == Some(number);
                let is_asked = (is_own || call.is_some()) && answer != self.default;
                if !is_asked || rule.names.iter().position(|other| other == name) != Some(index) {
                    continue;
                }
                let (yes, no) = (Target::Return(answer), otherwise);
                otherwise = match call {
                    None => self.conditions(abi, rule.arguments, yes, no),
                    Some(Multiplexed { call, .. }) => {
                        let is_call = Comparison { index: 0, value: call.into(), value_two: 0, operator: EQ };
                        self.comparison(abi, &is_call, yes, no)
                    }
                };
            }
        }
        otherwise
    }

    /// All of the conditions, or any if two are about the same argument.
    fn conditions(&mut self, abi: Abi, conditions: &[Comparison], yes: Target, no: Target) -> Target {
        let mut seen = 0_u32;
        let mut any = false;
        for condition in conditions {
            let bit = 1 << (condition.index & 7);
            any |= seen & bit != 0;
            seen |= bit;
        }
        let mut target = if any { no } else { yes };
        for condition in conditions.iter().rev() {
            let (holds, fails) = if any { (yes, target) } else { (target, no) };
            target = self.comparison(abi, condition, holds, fails);
        }
        target
    }

    /// One condition: the high half first, if there is one, then the low one.
    fn comparison(&mut self, abi: Abi, comparison: &Comparison, yes: Target, no: Target) -> Target {
        let (mut mask, mut value) = (u64::MAX, comparison.value);
        let (code, negated) = match comparison.operator {
            NE => (EQUAL, true),
            LT => (GREATER_EQUAL, true),
            LE => (GREATER, true),
            GE => (GREATER_EQUAL, false),
            GT => (GREATER, false),
            EQ => (EQUAL, false),
            _ => {
                (mask, value) = (comparison.value, comparison.value_two & comparison.value);
                (EQUAL, false)
            }
        };
        let (yes, no) = if negated { (no, yes) } else { (yes, no) };
        let (high_mask, high_value) = ((mask >> 32) as u32, (value >> 32) as u32);
        let (mask, value) = (mask as u32, value as u32);
        let at = seccomp::DATA_ARGUMENTS + 8 * comparison.index;
        let low = self.test(at, mask, code, value, yes, no);
        if abi == Abi::X86 {
            low
        } else if code == EQUAL {
            self.test(at + 4, high_mask, EQUAL, high_value, low, no)
        } else {
            let equal = self.branch(EQUAL, high_value, low, no);
            self.test(at + 4, high_mask, GREATER, high_value, yes, equal)
        }
    }

    /// Compares 32 bits of what the filter is asked about.
    fn test(&mut self, at: u32, mask: u32, code: u16, value: u32, yes: Target, no: Target) -> Target {
        if mask == 0 || yes == no {
            return yes;
        }
        self.branch(code, value, yes, no);
        if mask != u32::MAX {
            self.push(AND, mask);
        }
        self.loaded(at)
    }

    /// Compares what is loaded.
    fn branch(&mut self, code: u16, value: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let (yes, no) = (self.near(yes), self.near(no));
        let away = |place: usize| place.saturating_sub(self.start) as u8;
        let (yes, no) = (away(yes), away(no));
        self.write(Classic { code, yes, no, value })
    }

    /// Where a jump to there may lead: to itself, to another return of the same value, or to a longer jump.
    fn near(&mut self, target: Target) -> usize {
        let instruction = match target {
            Target::At(at) if (at as usize).saturating_sub(self.start) < NEAR => return at as usize,
            Target::At(at) => Classic { code: JUMP, value: at - self.start as u32, ..Classic::default() },
            Target::Return(value) => {
                let is_near = |at: usize| at.saturating_sub(self.start) < NEAR;
                if let Some((_, at)) = self.written.iter().find(|(other, at)| *other == value && is_near(*at)) {
                    return *at;
                }
                self.written.rotate_right(1);
                if let Some(first) = self.written.first_mut() {
                    *first = (value, self.start.saturating_sub(1));
                }
                Classic { code: RETURN, value, ..Classic::default() }
            }
        };
        self.write(instruction);
        self.start
    }

    /// What begins with loading the 32 bits at that offset, and goes on with what was written last.
    fn loaded(&mut self, at: u32) -> Target {
        self.push(LOAD, at)
    }

    fn push(&mut self, code: u16, value: u32) -> Target {
        self.write(Classic { code, value, ..Classic::default() })
    }

    /// Writes an instruction in front of all.
    fn write(&mut self, instruction: Classic) -> Target {
        match self.start.checked_sub(1) {
            Some(start) => {
                self.start = start;
                self.arena.push(&mut self.code, instruction);
            }
            None => {
                let most = limits::FILTER_INSTRUCTIONS_MAX;
                let what = c!("instructions in linux.seccomp");
                self.arena.fail(Error::limit(c!("plan the container"), what, most + 1, most));
            }
        }
        Target::At(self.start as u32)
    }
}

/// The answers of x32: its calls are those of the machine's own, but for some that have numbers of their own.
fn of_x32(answers: &[u32; NUMBERS], default: u32) -> [u32; NUMBERS] {
    let mut result = *answers;
    for (number, own) in x32_numbers() {
        let answer = result.get_mut(usize::from(number)).map_or(default, |answer| core::mem::replace(answer, default));
        if let Some(place) = own.and_then(|own| result.get_mut(usize::from(own))) {
            *place = if answer < CHAIN { answer } else { CHAIN | u32::from(own.unwrap_or_default()) };
        }
    }
    result
}

/// What a call of i386's is that stands for many, if the rule counts there.
#[inline]
fn multiplexed(abi: Abi, name: &Name, rule: &SyscallRule) -> Option<Multiplexed> {
    let counts = abi == Abi::X86 && (rule.arguments.is_empty() || rule.action < LOG);
    if counts { name.multiplexed() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_config;
    use crate::config::spec::Seccomp;

    /// `struct seccomp_data`, as far as filters of ours look.
    #[derive(Clone, Copy, Debug)]
    struct Data {
        architecture: u32,
        number: u32,
        arguments: [u64; 6],
    }

    impl Data {
        fn word(&self, offset: u32) -> u32 {
            match offset {
                0 => self.number,
                4 => self.architecture,
                16..64 => (self.arguments[(offset as usize - 16) / 8] >> (offset % 8 * 8)) as u32,
                _ => panic!("offset {offset}"),
            }
        }
    }

    /// What the kernel would do: the value returned, and how many instructions that took.
    fn run(program: &[Classic], data: &Data) -> (u32, usize) {
        let (mut at, mut accumulator) = (0, 0_u32);
        for count in 1.. {
            let instruction = program[at];
            at += 1;
            let jump = |condition| usize::from(if condition { instruction.yes } else { instruction.no });
            match instruction.code {
                LOAD => accumulator = data.word(instruction.value),
                AND => accumulator &= instruction.value,
                JUMP => at += instruction.value as usize,
                EQUAL => at += jump(accumulator == instruction.value),
                GREATER => at += jump(accumulator > instruction.value),
                GREATER_EQUAL => at += jump(accumulator >= instruction.value),
                RETURN => return (instruction.value, count),
                code => panic!("code {code:#x}"),
            }
        }
        unreachable!()
    }

    /// The rules as the module's documentation says them, read one after the other.
    fn expected(seccomp: &Seccomp, data: &Data) -> u32 {
        let lists = |abi: Abi| seccomp.architectures.0 >> abi as u32 & 1 == 1;
        let abi = match data.architecture {
            seccomp::AUDIT_ARCH_X86_64 if data.number < X32_BIT => Abi::X86_64,
            seccomp::AUDIT_ARCH_X86_64 if lists(Abi::X32) => Abi::X32,
            seccomp::AUDIT_ARCH_I386 if lists(Abi::X86) => Abi::X86,
            _ => return KILL_PROCESS,
        };
        let number = if abi == Abi::X32 { data.number - X32_BIT } else { data.number };
        let default = answer(seccomp.default_action, seccomp.default_errno);
        let mut first = None;
        for rule in seccomp.syscalls {
            let answer = answer(rule.action, rule.errno);
            if answer == default {
                continue;
            }
            for name in rule.names {
                if name.number(abi).map(u32::from) == Some(number) {
                    if rule.arguments.is_empty() {
                        return unconditional(seccomp, abi, number, default);
                    }
                    if holds(abi, rule.arguments, data) {
                        first = first.or(Some(answer));
                    }
                }
                let permits = answer >> 16 == 0x7fff || answer >> 16 == 0x7ffc;
                if abi == Abi::X86
                    && (rule.arguments.is_empty() || !permits)
                    && let Some(Multiplexed { number: theirs, call }) = name.multiplexed()
                    && (u32::from(theirs), call) == (number, data.arguments[0] as u32)
                {
                    first = first.or(Some(answer));
                }
            }
        }
        let own = unconditional(seccomp, abi, number, default);
        if own != default { own } else { first.unwrap_or(default) }
    }

    fn unconditional(seccomp: &Seccomp, abi: Abi, number: u32, default: u32) -> u32 {
        let rules = seccomp.syscalls.iter().filter(|rule| rule.arguments.is_empty());
        let named = |rule: &&SyscallRule| rule.names.iter().any(|name| name.number(abi).map(u32::from) == Some(number));
        let mut answers = rules.filter(named).map(|rule| answer(rule.action, rule.errno));
        answers.find(|answer| *answer != default).unwrap_or(default)
    }

    fn holds(abi: Abi, conditions: &[Comparison], data: &Data) -> bool {
        let one = |condition: &Comparison| {
            let width = if abi == Abi::X86 { u64::from(u32::MAX) } else { u64::MAX };
            let argument = data.arguments[condition.index as usize] & width;
            let (value, two) = (condition.value & width, condition.value_two & width);
            match condition.operator {
                0 => argument != value,
                1 => argument < value,
                2 => argument <= value,
                3 => argument == value,
                4 => argument >= value,
                5 => argument > value,
                _ => argument & value == two & value,
            }
        };
        let twice = (0..6).any(|index| conditions.iter().filter(|condition| condition.index == index).count() > 1);
        if twice { conditions.iter().any(one) } else { conditions.iter().all(one) }
    }

    /// Every number that there is or might be.
    fn numbers() -> impl Iterator<Item = u32> {
        let ends = [X32_BIT - 1, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, u32::MAX - 1, u32::MAX];
        (0..600).chain((0..600).map(|number| number | X32_BIT)).chain(ends)
    }

    /// xorshift64.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn below(&mut self, bound: usize) -> usize {
            (self.next() >> 33) as usize % bound
        }

        fn one<T: Copy>(&mut self, of: &[T]) -> T {
            of[self.below(of.len())]
        }

        /// Often one that a rule has, or its neighbour.
        fn argument(&mut self, known: &[u64]) -> u64 {
            let near = self.one(known).wrapping_add(self.one(&[0, 0, 0, 1, u64::MAX, 1 << 32, 1 << 31]));
            let others = [near, near, near, near ^ 1 << self.below(64), self.next()];
            self.one(&others)
        }
    }

    /// Compares program and rules for every number of every architecture, with several arguments each. The instructions
    /// run in all and the calls made.
    fn compare(seccomp: &Seccomp, program: &[Classic], random: &mut Random, times: usize) {
        let mut known = vec![0, 1, 5, 11, u64::MAX, 0xffff_ffff];
        for argument in seccomp.syscalls.iter().flat_map(|rule| rule.arguments) {
            known.extend([argument.value, argument.value_two]);
        }
        for architecture in [seccomp::AUDIT_ARCH_X86_64, seccomp::AUDIT_ARCH_I386, 0xc000_00b7, 0] {
            for number in numbers() {
                for _ in 0..times {
                    let mut arguments = [(); 6].map(|()| random.argument(&known));
                    if architecture == seccomp::AUDIT_ARCH_I386 {
                        arguments = arguments.map(|argument| argument & 0xffff_ffff);
                    }
                    let data = Data { architecture, number, arguments };
                    assert_eq!(run(program, &data).0, expected(seccomp, &data), "{data:x?} {seccomp:x?}");
                }
            }
        }
    }

    /// The kernel refuses a program that is not as `seccomp_check_filter` and `bpf_check_classic` want it.
    fn is_valid(program: &[Classic]) {
        assert!(!program.is_empty() && program.len() <= limits::FILTER_INSTRUCTIONS_MAX);
        for (at, instruction) in program.iter().enumerate() {
            let (yes, no) = (at + 1 + usize::from(instruction.yes), at + 1 + usize::from(instruction.no));
            match instruction.code {
                LOAD => assert!(instruction.value.is_multiple_of(4) && instruction.value < 64),
                JUMP => assert!(at + 1 + (instruction.value as usize) < program.len()),
                RETURN | AND => {}
                _ => assert!(yes < program.len() && no < program.len()),
            }
        }
        assert_eq!(program.last().unwrap().code, RETURN);
    }

    fn compiled(seccomp: &Seccomp) -> Option<Vec<Classic>> {
        let mut region = vec![0; 1 << 18];
        let mut arena = Arena::new(&mut region);
        let default = answer(seccomp.default_action, seccomp.default_errno);
        let program = compile(seccomp.syscalls, default, seccomp.architectures.0 | 1, &mut arena);
        arena.check().ok().map(|()| program.to_vec())
    }

    #[test]
    fn random_rules_are_kept_for_every_call() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let all: Vec<Name> = numbers_named();
        for round in 0..40 {
            // Few names make many rules for each.
            let few: Vec<Name> = (0..1 + random.below(12)).map(|_| random.one(&all)).collect();
            let pool = if round % 3 == 0 { &all } else { &few };
            let rules: Vec<_> = (0..random.below(14))
                .map(|_| {
                    let names: Vec<Name> =
                        (0..1 + random.below(pool.len().min(60))).map(|_| random.one(pool)).collect();
                    let comparison = |random: &mut Random| Comparison {
                        index: random.below(6) as u32,
                        value: random.argument(&[0, 1, 8, 0x7e02_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX]),
                        value_two: random.argument(&[0, 1, 0x2_0000]),
                        operator: random.below(7) as u8,
                    };
                    let count = random.one(&[0, 0, 1, 1, 2, 3, 6]);
                    let arguments: Vec<_> = (0..count).map(|_| comparison(&mut random)).collect();
                    let action = random.one(&[0, 1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 8, 8, 8]);
                    let errno = if action == 4 { random.one(&[None, Some(1), Some(38), Some(4095)]) } else { None };
                    (names, arguments, action, errno)
                })
                .collect();
            let rules: Vec<_> = rules
                .iter()
                .map(|(names, arguments, action, errno)| SyscallRule {
                    names,
                    action: *action,
                    errno: *errno,
                    arguments,
                })
                .collect();
            let seccomp = Seccomp {
                default_action: random.one(&[0, 4, 4, 4, 8, 7, 1]),
                architectures: crate::config::spec::Architectures(random.below(8) as u32),
                syscalls: &rules,
                ..Seccomp::default()
            };
            // Too large is refused, never wrong.
            if let Some(program) = compiled(&seccomp) {
                is_valid(&program);
                compare(&seccomp, &program, &mut random, 2);
            }
        }
    }

    fn numbers_named() -> Vec<Name> {
        let text = include_str!("../../abi/syscall/x86_64.tbl").lines().filter(|line| !line.starts_with('#'));
        text.map(|line| Name::named(line.split(' ').next().unwrap().as_bytes())).collect()
    }

    /// A configuration with this for `linux.seccomp`.
    fn config(seccomp: &str) -> String {
        format!(
            r#"{{"ociVersion":"1.0.2","root":{{"path":"r"}},"process":{{"args":["a"],"cwd":"/"}},"linux":{{"seccomp":{seccomp}}}}}"#
        )
    }

    fn with_rules(rules: &str, look: impl Fn(&Seccomp, &[Classic])) {
        let text = config(&format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"syscalls":[{rules}]}}"#
        ));
        let mut region = vec![0; 1 << 20];
        let mut arena = Arena::new(&mut region);
        let (spec, _) = parse_config(text.as_bytes(), &mut arena).unwrap();
        let seccomp = spec.linux.seccomp.unwrap();
        look(seccomp, &compiled(seccomp).unwrap());
    }

    fn answer_of(program: &[Classic], abi: Abi, name: &str, arguments: &[u64]) -> u32 {
        let architecture = if abi == Abi::X86 { seccomp::AUDIT_ARCH_I386 } else { seccomp::AUDIT_ARCH_X86_64 };
        let bit = if abi == Abi::X32 { X32_BIT } else { 0 };
        let number = bit | u32::from(Name::named(name.as_bytes()).number(abi).unwrap());
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        run(program, &Data { architecture, number, arguments: all }).0
    }

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;

    #[test]
    fn a_rule_without_conditions_decides_whatever_stands_around_it() {
        let conditional =
            r#"{"names":["personality"],"action":"SCMP_ACT_KILL","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}"#;
        let allow = r#"{"names":["personality"],"action":"SCMP_ACT_ALLOW"}"#;
        let trap = r#"{"names":["personality"],"action":"SCMP_ACT_TRAP"}"#;
        let default = r#"{"names":["personality"],"action":"SCMP_ACT_ERRNO"}"#;
        for (rules, at_8, else_) in [
            (vec![conditional], 0, EPERM),
            (vec![conditional, allow], ALLOW, ALLOW),
            (vec![allow, conditional], ALLOW, ALLOW),
            (vec![allow, trap], ALLOW, ALLOW),
            (vec![trap, allow], 0x3_0000, 0x3_0000),
            (vec![default, conditional], 0, EPERM),
            (vec![default, trap], 0x3_0000, 0x3_0000),
        ] {
            with_rules(&rules.join(","), |_, program| {
                assert_eq!(answer_of(program, Abi::X86_64, "personality", &[8]), at_8, "{rules:?}");
                assert_eq!(answer_of(program, Abi::X86_64, "personality", &[9]), else_, "{rules:?}");
            });
        }
    }

    #[test]
    fn of_rules_with_conditions_the_first_that_holds_decides() {
        let above =
            r#"{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":100,"op":"SCMP_CMP_GT"}]}"#;
        let masked = r#"{"names":["clone"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":1,"valueTwo":3,"op":"SCMP_CMP_MASKED_EQ"}]}"#;
        for (rules, both) in [([above, masked], ALLOW), ([masked, above], 0x7ffc_0000)] {
            with_rules(&rules.join(","), |_, program| {
                assert_eq!(answer_of(program, Abi::X86_64, "clone", &[101]), both);
                assert_eq!(answer_of(program, Abi::X86_64, "clone", &[102]), ALLOW);
                assert_eq!(answer_of(program, Abi::X86_64, "clone", &[3]), 0x7ffc_0000);
                assert_eq!(answer_of(program, Abi::X86_64, "clone", &[2]), EPERM);
                assert_eq!(answer_of(program, Abi::X86_64, "clone", &[1 << 32]), ALLOW);
            });
        }
    }

    #[test]
    fn two_conditions_on_one_argument_are_two_rules() {
        let rule = r#"{"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[
            {"index":0,"value":0,"op":"SCMP_CMP_EQ"},{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]}"#;
        with_rules(rule, |_, program| {
            for (value, expected) in [(0, ALLOW), (8, ALLOW), (4, EPERM), (8 << 32, EPERM)] {
                assert_eq!(answer_of(program, Abi::X86_64, "personality", &[value]), expected);
            }
        });
    }

    #[test]
    fn calls_of_socketcall_and_ipc_are_not_forgotten() {
        let rules = r#"{"names":["socket","shmat"],"action":"SCMP_ACT_KILL_PROCESS"},
            {"names":["connect"],"action":"SCMP_ACT_TRAP","args":[{"index":2,"value":8,"op":"SCMP_CMP_EQ"}]},
            {"names":["accept"],"action":"SCMP_ACT_ALLOW","args":[{"index":2,"value":8,"op":"SCMP_CMP_EQ"}]}"#;
        with_rules(rules, |_, program| {
            for (name, call, expected) in [
                ("socketcall", 1, KILL_PROCESS),
                // It may not be allowed, so it is not, whatever its arguments are.
                ("socketcall", 3, 0x3_0000),
                ("socketcall", 5, EPERM),
                ("socketcall", 2, EPERM),
                ("ipc", 21, KILL_PROCESS),
                ("ipc", 22, EPERM),
            ] {
                assert_eq!(answer_of(program, Abi::X86, name, &[call, 0, 8]), expected, "{name} {call}");
            }
        });
    }

    #[test]
    fn thousands_of_names_load() {
        let names = vec![r#""read","write","openat","newer_than_the_kernel","socket""#; 4000].join(",");
        with_rules(&format!(r#"{{"names":[{names}],"action":"SCMP_ACT_ALLOW"}}"#), |seccomp, program| {
            assert_eq!(seccomp.syscalls[0].names.len(), 20_000);
            assert!(program.len() < 40, "{}", program.len());
            assert_eq!(answer_of(program, Abi::X86, "socket", &[]), ALLOW);
        });
    }

    #[test]
    fn jumps_reach_far_and_a_program_too_large_is_refused_by_name() {
        let rule = |name: &str, count: usize| {
            let one = |value| {
                format!(
                    r#"{{"names":["{name}"],"action":"SCMP_ACT_ALLOW","args":[{{"index":1,"value":{value},"op":"SCMP_CMP_EQ"}}]}}"#
                )
            };
            (0..count).map(one).collect::<Vec<_>>().join(",")
        };
        with_rules(&[rule("read", 300), rule("futex", 300)].join(","), |seccomp, program| {
            is_valid(program);
            assert!(program.iter().any(|instruction| instruction.code == JUMP));
            compare(seccomp, program, &mut Random(7), 2);
        });
        let text = config(&format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{}]}}"#, rule("read", 1100)));
        let mut region = vec![0; 1 << 20];
        let mut arena = Arena::new(&mut region);
        let (spec, _) = parse_config(text.as_bytes(), &mut arena).unwrap();
        assert!(compiled(spec.linux.seccomp.unwrap()).is_none());
    }
}
