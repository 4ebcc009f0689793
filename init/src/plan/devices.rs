//! Device nodes and links in the container's /dev, and device rules as a program for its control group.

use core::ffi::CStr;

use crate::abi::bpf::Instruction;
use crate::abi::mount::{MS_NOSUID, MS_STRICTATIME};
use crate::abi::namespace::Namespace;
use crate::arena::{Arena, List};
use crate::config::spec::{Device, DeviceRule, Mount};
use crate::error::{Error, Result};
use crate::plan::options::Options;
use crate::plan::step::{Attributes, Bind, DeviceKind, DeviceNode, Existing, NewMount, Place, Step};
use crate::plan::{Request, Steps, path};

const NODES: &CStr = c"linux.devices";

/// runtime-spec `config-linux.md#default-devices`: path, major, minor. All are character devices for everybody.
static DEFAULT_NODES: &[(&CStr, u32, u32)] = &[
    (c"/dev/null", 1, 3),
    (c"/dev/zero", 1, 5),
    (c"/dev/full", 1, 7),
    (c"/dev/random", 1, 8),
    (c"/dev/urandom", 1, 9),
    (c"/dev/tty", 5, 0),
];

/// runtime-spec `runtime-linux.md#dev-symbolic-links`, and the multiplexer of the container's own terminals.
static LINKS: &[(&CStr, &CStr)] = &[
    (c"/dev/fd", c"/proc/self/fd"),
    (c"/dev/stdin", c"/proc/self/fd/0"),
    (c"/dev/stdout", c"/proc/self/fd/1"),
    (c"/dev/stderr", c"/proc/self/fd/2"),
    (c"/dev/ptmx", c"pts/ptmx"),
];

const EVERYBODY: u32 = 0o666;

/// Whether the container's /dev is its own. A bind mount there is somebody else's, to be left alone.
pub(super) fn are_made(request: &Request) -> bool {
    let is_bind = |mount: &Mount| {
        let options = Options::read(mount.options).unwrap_or_default();
        options.bind.is_some() || mount.kind == Some(c"bind")
    };
    !request
        .spec
        .mounts
        .iter()
        .any(|mount| mount.destination.is_some_and(|target| path::same(target, c"/dev")) && is_bind(mount))
}

/// A /dev in memory where the configuration mounts none: every container has device nodes, and an image must neither be
/// writable for them nor keep them.
pub(super) fn file_system(request: &Request, to: &mut Steps) -> Result<()> {
    let is_dev = |mount: &Mount| mount.destination.is_some_and(|target| path::same(target, c"/dev"));
    if request.spec.mounts.iter().any(is_dev) {
        return Ok(());
    }
    to.push(Step::Mount(NewMount {
        kind: c"tmpfs",
        source: c"tmpfs",
        target: Place::container(c"/dev"),
        flags: MS_NOSUID | MS_STRICTATIME,
        data: c"mode=755,size=65536k",
        existing: Existing::Cover,
        attributes: Attributes::default(),
    }))
}

/// The default nodes that the configuration does not have itself, its own, and the links.
pub(super) fn nodes<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Result<()> {
    if !are_made(request) {
        return Ok(());
    }
    let devices = request.spec.linux.devices;
    for &(at, major, minor) in DEFAULT_NODES {
        let is_this = |device: &Device| device.path.is_some_and(|other| path::same(other, at));
        if !devices.iter().any(is_this) {
            let at = Place::container(at);
            let kind = DeviceKind::Character;
            node(request, to, DeviceNode { at, kind, major, minor, mode: EVERYBODY, uid: 0, gid: 0 })?;
        }
    }
    for (number, device) in devices.iter().enumerate() {
        let device = wanted(device).map_err(|problem| Error::refused_entry(NODES, number, problem))?;
        node(request, to, device)?;
    }
    for &(at, target) in LINKS {
        to.push(Step::MakeSymlink { at: Place::container(at), to: target })?;
    }
    Ok(())
}

/// A user namespace's root may make no device nodes: the machine's is bound, with its owner and permissions.
fn node<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>, node: DeviceNode<'a>) -> Result<()> {
    if request.namespaces.is_new(Namespace::User) && node.kind != DeviceKind::Fifo {
        let attributes = Attributes::default();
        return to.push(Step::Bind(Bind { source: node.at.path, target: node.at, recursive: false, attributes }));
    }
    to.push(Step::MakeDevice(node))
}

fn wanted<'a>(device: &Device<'a>) -> core::result::Result<DeviceNode<'a>, &'static CStr> {
    let path = device.path.filter(|path| path::is_absolute(path)).ok_or(c"path: required, and must be absolute")?;
    if path::goes_up(path) || path.to_bytes().ends_with(b"/") {
        return Err(c"path: must be the path of a file, without `..`");
    }
    let kind = match device.kind {
        b'c' | b'u' => DeviceKind::Character,
        b'b' => DeviceKind::Block,
        b'p' => DeviceKind::Fifo,
        _ => return Err(c"type: must be b, c, u or p"),
    };
    let (major, minor) = if kind == DeviceKind::Fifo {
        (0, 0)
    } else {
        // The kernel has 12 bits of major number and 20 of minor number: linux/kdev_t.h.
        let major = device.major.and_then(|number| u32::try_from(number).ok()).filter(|number| *number < 1 << 12);
        let minor = device.minor.and_then(|number| u32::try_from(number).ok()).filter(|number| *number < 1 << 20);
        (major.ok_or(c"major: required, from 0 to 4095")?, minor.ok_or(c"minor: required, from 0 to 1048575")?)
    };
    Ok(DeviceNode {
        at: Place::container(path),
        kind,
        major,
        minor,
        mode: device.file_mode.unwrap_or(EVERYBODY) & 0o7777,
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
    })
}

/// The filter of the container's group, unless it would allow everything.
pub(super) fn filter<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) -> Result<()> {
    match compile(request.spec.linux.resources.devices, to.arena)? {
        Some(program) => to.push(Step::FilterDevices { path: request.cgroup, program }),
        None => Ok(()),
    }
}

/// Bits of `DeviceRule::access`, as the specification's letters.
const READ: u8 = 1;
const WRITE: u8 = 2;
const MAKE: u8 = 4;
const ALL: u8 = READ | WRITE | MAKE;

/// Rules that follow those of the configuration, as in every runtime: a container may make any node, and use these.
static DEFAULT_RULES: &[DeviceRule] = &[
    rule(b'c', None, None, MAKE),
    rule(b'b', None, None, MAKE),
    rule(b'c', Some(1), Some(3), ALL),
    rule(b'c', Some(1), Some(8), ALL),
    rule(b'c', Some(1), Some(7), ALL),
    rule(b'c', Some(5), Some(0), ALL),
    rule(b'c', Some(1), Some(5), ALL),
    rule(b'c', Some(1), Some(9), ALL),
    // /dev/pts, and its multiplexer.
    rule(b'c', Some(136), None, ALL),
    rule(b'c', Some(5), Some(2), ALL),
];

const fn rule(kind: u8, major: Option<i64>, minor: Option<i64>, access: u8) -> DeviceRule {
    DeviceRule { allow: true, kind: Some(kind), major, minor, access }
}

/// A rule in the kernel's terms.
#[derive(Clone, Copy)]
struct Match {
    allow: bool,
    /// `BPF_DEVCG_DEV_*`; absent for any.
    kind: Option<i32>,
    major: Option<i32>,
    minor: Option<i32>,
    /// `BPF_DEVCG_ACC_*`.
    access: i32,
}

impl Match {
    fn read(rule: &DeviceRule) -> core::result::Result<Match, &'static CStr> {
        let kind = match rule.kind {
            None | Some(b'a') => None,
            Some(b'b') => Some(1),
            Some(b'c') => Some(2),
            Some(_) => return Err(c"type: must be a, b or c"),
        };
        let major = number(rule.major).ok_or(c"major: must be a device number, or -1 for any")?;
        let minor = number(rule.minor).ok_or(c"minor: must be a device number, or -1 for any")?;
        // Absent is all.
        let access = if rule.access == 0 { ALL } else { rule.access };
        let bit = |from: u8, to: i32| if access & from != 0 { to } else { 0 };
        let access = bit(MAKE, 1) | bit(READ, 2) | bit(WRITE, 4);
        Ok(Match { allow: rule.allow, kind, major, minor, access })
    }

    /// Whether it decides about every request.
    fn is_final(&self) -> bool {
        self.kind.is_none() && self.major.is_none() && self.minor.is_none() && self.access == ACCESS_ALL
    }
}

/// A device number of a rule: `Some(None)` is any, `None` is nonsense.
fn number(number: Option<i64>) -> Option<Option<i32>> {
    match number {
        None | Some(-1) => Some(None),
        Some(number) => i32::try_from(number).ok().filter(|number| *number >= 0).map(Some),
    }
}

/// All of `BPF_DEVCG_ACC_*`.
const ACCESS_ALL: i32 = 7;

/// Compiles rules to a `BPF_PROG_TYPE_CGROUP_DEVICE` program; none if it would allow everything.
///
/// Each of the accesses wanted (read, write, make) is decided by the last rule that speaks of it for that device, and all
/// must be allowed; what no rule speaks of is denied. So the program asks the last rule first, and keeps in a register
/// the accesses that are still undecided.
fn compile<'a>(rules: &[DeviceRule], arena: &mut Arena<'a>) -> Result<Option<&'a [Instruction]>> {
    let mut program = Program { list: arena.list(), arena };
    for instruction in PROLOGUE {
        program.arena.push(&mut program.list, *instruction)?;
    }
    let mut denies = false;
    let own = rules.iter().enumerate().rev().map(|(number, rule)| (Some(number), rule));
    let defaults = DEFAULT_RULES.iter().rev().map(|rule| (None, rule));
    let mut last = false;
    for (number, rule) in defaults.chain(own) {
        let refused = |problem| Error::refused_entry(c"linux.resources.devices", number.unwrap_or(0), problem);
        let rule = Match::read(rule).map_err(refused)?;
        // Rules before one that decides everything are only checked.
        if last {
            continue;
        }
        last = rule.is_final();
        denies |= !rule.allow;
        if last {
            program.verdict(rule.allow)?;
        } else {
            program.rule(&rule)?;
        }
    }
    if !last {
        program.verdict(false)?;
    }
    let program = program.arena.finish(program.list)?;
    Ok((denies || !last).then_some(program))
}

/// A program being written. Registers: 2 the accesses undecided, 3 the kind of device, 4 major, 5 minor.
struct Program<'s, 'a> {
    arena: &'s mut Arena<'a>,
    list: List<Instruction>,
}

/// `BPF_LDX | BPF_MEM | BPF_W`: destination = *(u32 *)(source + offset).
const LOAD: u8 = 0x61;
/// `BPF_ALU64 | BPF_MOV`: destination = source.
const MOVE_REGISTER: u8 = 0xbf;
/// `BPF_ALU64 | BPF_MOV | BPF_K`.
const MOVE: u8 = 0xb7;
/// `BPF_ALU | BPF_AND | BPF_K`, 32 bits.
const AND: u8 = 0x54;
/// `BPF_ALU | BPF_RSH | BPF_K`, 32 bits.
const SHIFT_RIGHT: u8 = 0x74;
/// `BPF_JMP | BPF_JNE | BPF_K`: skip `offset` instructions if not equal.
const JUMP_UNEQUAL: u8 = 0x55;
/// `BPF_JMP | BPF_JSET | BPF_K`: skip `offset` instructions if a bit is set.
const JUMP_SET: u8 = 0x45;
/// `BPF_JMP | BPF_JA`: skip `offset` instructions.
const JUMP: u8 = 0x05;
/// `BPF_JMP | BPF_EXIT`.
const EXIT: u8 = 0x95;

const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const UNDECIDED: u8 = 2;
const KIND: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Takes `struct bpf_cgroup_dev_ctx` apart: `access_type` (kind, and access in the high half), `major`, `minor`. Who wants
/// no access at all (access(2) with F_OK) is let through.
static PROLOGUE: &[Instruction] = &[
    instruction(LOAD, UNDECIDED | CONTEXT << 4, 0, 0),
    instruction(MOVE_REGISTER, KIND | UNDECIDED << 4, 0, 0),
    instruction(AND, KIND, 0, 0xffff),
    instruction(SHIFT_RIGHT, UNDECIDED, 0, 16),
    instruction(LOAD, MAJOR | CONTEXT << 4, 4, 0),
    instruction(LOAD, MINOR | CONTEXT << 4, 8, 0),
    instruction(JUMP_UNEQUAL, UNDECIDED, 2, 0),
    instruction(MOVE, RESULT, 0, 1),
    instruction(EXIT, 0, 0, 0),
];

const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers, offset, immediate }
}

impl Program<'_, '_> {
    fn rule(&mut self, rule: &Match) -> Result<()> {
        let body = if rule.access == ACCESS_ALL { 2 } else { 4 };
        let tests = [(KIND, rule.kind), (MAJOR, rule.major), (MINOR, rule.minor)];
        let mut left = tests.iter().filter(|(_, value)| value.is_some()).count() as i16;
        for (register, value) in tests {
            if let Some(value) = value {
                left -= 1;
                self.put(JUMP_UNEQUAL, register, left + body, value)?;
            }
        }
        if rule.access != ACCESS_ALL && rule.allow {
            self.put(AND, UNDECIDED, 0, ACCESS_ALL & !rule.access)?;
            self.put(JUMP_UNEQUAL, UNDECIDED, 2, 0)?;
        } else if rule.access != ACCESS_ALL {
            self.put(JUMP_SET, UNDECIDED, 1, rule.access)?;
            self.put(JUMP, 0, 2, 0)?;
        }
        self.verdict(rule.allow)
    }

    fn verdict(&mut self, allow: bool) -> Result<()> {
        self.put(MOVE, RESULT, 0, i32::from(allow))?;
        self.put(EXIT, 0, 0, 0)
    }

    fn put(&mut self, code: u8, registers: u8, offset: i16, immediate: i32) -> Result<()> {
        self.arena.push(&mut self.list, instruction(code, registers, offset, immediate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an instruction set of eight does: Documentation/bpf/standardization/instruction-set.rst.
    fn run(program: &[Instruction], context: [u32; 3]) -> bool {
        let mut registers = [0_u64; 11];
        let mut next = 0;
        // Jumps only go forward.
        for _ in 0..program.len() {
            let Instruction { code, registers: names, offset, immediate } = program[next];
            let (to, from) = (usize::from(names & 15), usize::from(names >> 4));
            let value = registers[to];
            next += 1;
            match code {
                LOAD => {
                    assert_eq!(from, usize::from(CONTEXT));
                    registers[to] = u64::from(context[offset as usize / 4]);
                }
                MOVE_REGISTER => registers[to] = registers[from],
                MOVE => registers[to] = immediate as u64,
                AND => registers[to] = u64::from(value as u32 & immediate as u32),
                SHIFT_RIGHT => registers[to] = u64::from(value as u32 >> immediate),
                JUMP => next += offset as usize,
                JUMP_UNEQUAL if value != immediate as u64 => next += offset as usize,
                JUMP_SET if value & immediate as u64 != 0 => next += offset as usize,
                JUMP_UNEQUAL | JUMP_SET => assert!(offset > 0),
                EXIT => return registers[usize::from(RESULT)] == 1,
                _ => panic!("unknown instruction {code:#x}"),
            }
        }
        panic!("the program ran past its end");
    }

    /// The rules read as they are written: each access by itself, the last rule that speaks of it decides.
    fn allowed(rules: &[DeviceRule], kind: u8, major: i64, minor: i64, access: u8) -> bool {
        let is_any = |wanted: Option<i64>, found| wanted.is_none_or(|wanted| wanted == -1 || wanted == found);
        [READ, WRITE, MAKE].into_iter().filter(|one| access & one != 0).all(|one| {
            let speaks = |rule: &&DeviceRule| {
                rule.kind.is_none_or(|wanted| wanted == b'a' || wanted == kind)
                    && is_any(rule.major, major)
                    && is_any(rule.minor, minor)
                    && (rule.access == 0 || rule.access & one != 0)
            };
            rules.iter().chain(DEFAULT_RULES).rfind(speaks).is_some_and(|rule| rule.allow)
        })
    }

    fn compare(rules: &[DeviceRule]) {
        let mut region = vec![0; 1 << 20];
        let program = compile(rules, &mut Arena::new(&mut region)).unwrap();
        for kind in [b'b', b'c'] {
            for major in [0, 1, 5, 7, 8, 136, 254, 4095] {
                for minor in [0, 1, 2, 3, 5, 9, 1048575] {
                    for access in 0..8 {
                        let bits = u32::from(access & MAKE != 0) | u32::from(access & (READ | WRITE)) << 1;
                        let context = [bits << 16 | if kind == b'b' { 1 } else { 2 }, major, minor];
                        let found = program.is_none_or(|program| run(program, context));
                        let (major, minor) = (i64::from(major), i64::from(minor));
                        let expected = allowed(rules, kind, major, minor, access);
                        assert_eq!(found, expected, "{rules:?} {kind} {major}:{minor} {access}");
                    }
                }
            }
        }
    }

    fn made(allow: bool, kind: Option<u8>, major: Option<i64>, minor: Option<i64>, access: u8) -> DeviceRule {
        DeviceRule { allow, kind, major, minor, access }
    }

    #[test]
    fn the_program_decides_as_the_rules_read() {
        compare(&[]);
        compare(&[made(false, None, None, None, ALL)]);
        compare(&[made(true, Some(b'a'), None, None, 0)]);
        compare(&[made(true, None, None, None, ALL), made(false, Some(b'b'), Some(8), None, WRITE)]);
        compare(&[made(false, None, None, None, WRITE), made(true, Some(b'c'), Some(-1), Some(5), READ)]);
        compare(&[made(true, Some(b'b'), Some(8), Some(1), READ), made(true, Some(b'b'), Some(8), Some(1), WRITE)]);
    }

    #[test]
    fn the_program_decides_as_any_rules_read() {
        // xorshift64: any order of rules, the same in every run.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut pick = |count: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % count
        };
        for _ in 0..300 {
            let rules: Vec<_> = (0..pick(7))
                .map(|_| {
                    let kind = [None, Some(b'a'), Some(b'b'), Some(b'c')][pick(4) as usize];
                    let major = [None, Some(-1), Some(1), Some(8), Some(136)][pick(5) as usize];
                    let minor = [None, Some(-1), Some(0), Some(1), Some(3)][pick(5) as usize];
                    made(pick(2) == 0, kind, major, minor, pick(8) as u8)
                })
                .collect();
            compare(&rules);
        }
    }

    #[test]
    fn a_filter_that_allows_everything_is_left_out() {
        let mut region = vec![0; 1 << 16];
        let mut arena = Arena::new(&mut region);
        let all = made(true, None, None, None, ALL);
        let deny = made(false, Some(b'b'), Some(8), None, ALL);
        assert_eq!(compile(&[all], &mut arena), Ok(None));
        assert_eq!(compile(&[deny, all], &mut arena), Ok(None));
        assert_eq!(compile(&[deny, all, made(true, Some(b'c'), Some(1), None, READ)], &mut arena), Ok(None));
        assert!(compile(&[all, deny], &mut arena).unwrap().is_some());
        assert!(compile(&[], &mut arena).unwrap().is_some());
        assert!(compile(&[made(true, None, None, None, READ | WRITE)], &mut arena).unwrap().is_some());
    }

    #[test]
    fn rules_without_meaning_are_refused_even_if_they_decide_nothing() {
        let mut region = vec![0; 1 << 16];
        let mut arena = Arena::new(&mut region);
        let all = made(true, None, None, None, ALL);
        for wrong in [
            made(true, Some(b'x'), None, None, ALL),
            made(true, Some(b'c'), Some(-2), None, ALL),
            made(true, Some(b'c'), None, Some(1 << 40), ALL),
        ] {
            assert!(compile(&[wrong], &mut arena).is_err());
            assert!(compile(&[wrong, all], &mut arena).is_err());
        }
    }
}
