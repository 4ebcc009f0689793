//! Device nodes and links in the container's /dev, and device rules as a program for its control group.

use crate::abi::bpf::Instruction;
use crate::abi::mount::{MS_NOSUID, MS_STRICTATIME};
use crate::arena::{Arena, List};
use crate::config::spec::{Device, DeviceRule, Mount};
use crate::error::Error;
use crate::plan::step::{Attributes, DeviceKind, DeviceNode, Existing, NewMount, Place, Step};
use crate::plan::{Request, Steps, mounts, path};
use crate::texts::CStr;

const NODES: &CStr = c!("linux.devices");

/// runtime-spec `config-linux.md#default-devices`: path, major, minor. All are character devices for everybody.
static DEFAULT_NODES: &[(&CStr, u32, u32)] = &[
    (s!("/dev/null"), 1, 3),
    (s!("/dev/zero"), 1, 5),
    (s!("/dev/full"), 1, 7),
    (s!("/dev/random"), 1, 8),
    (s!("/dev/urandom"), 1, 9),
    (s!("/dev/tty"), 5, 0),
];

/// runtime-spec `runtime-linux.md#dev-symbolic-links`, and the multiplexer of the container's own terminals.
static LINKS: &[(&CStr, &CStr)] = &[
    (s!("/dev/fd"), s!("/proc/self/fd")),
    (s!("/dev/stdin"), s!("/proc/self/fd/0")),
    (s!("/dev/stdout"), s!("/proc/self/fd/1")),
    (s!("/dev/stderr"), s!("/proc/self/fd/2")),
    (s!("/dev/ptmx"), s!("pts/ptmx")),
];

const EVERYBODY: u32 = 0o666;

/// Whether the container's /dev is its own. A bind mount there is somebody else's, to be left alone.
pub(super) fn are_made(request: &Request) -> bool {
    !mounts::is_bound(request, s!("/dev"))
}

fn is_dev(mount: &Mount) -> bool {
    mount.destination.is_some_and(|target| path::same(target, s!("/dev")))
}

/// A /dev in memory where the configuration mounts none: every container has device nodes, and an image must neither be
/// writable for them nor keep them.
pub(super) fn file_system<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    if !request.spec.mounts.iter().any(is_dev) {
        let mount = Step::Mount(NewMount {
            kind: s!("tmpfs"),
            source: s!("tmpfs"),
            target: Place::container(s!("/dev")),
            flags: MS_NOSUID | MS_STRICTATIME,
            data: mounts::labelled(request, to, b"mode=755,size=65536k"),
            existing: Existing::Cover,
            attributes: Attributes::default(),
            copy_up: false,
            no_link: false,
        });
        to.push(mount);
    }
}

/// The default nodes that the configuration does not have itself, its own, and the links.
pub(super) fn nodes<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    if !are_made(request) {
        return;
    }
    let devices = request.spec.linux.devices;
    for &(at, major, minor) in DEFAULT_NODES {
        let is_this = |device: &Device| device.path.is_some_and(|other| path::same(other, at));
        if !devices.iter().any(is_this) {
            let at = Place::container(at);
            let kind = DeviceKind::Character;
            node(request, to, &DeviceNode { at, kind, major, minor, mode: EVERYBODY, uid: 0, gid: 0 });
        }
    }
    for (number, device) in devices.iter().enumerate() {
        match wanted(device) {
            Ok(device) => node(request, to, &device),
            Err(problem) => to.refuse_entry(NODES, number, problem),
        }
    }
    for &(at, target) in LINKS {
        to.push(Step::MakeSymlink { at: Place::container(at), to: target });
    }
}

/// A user namespace's root may make no device nodes: the machine's is bound, with its owner and permissions.
#[inline(never)]
fn node<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>, node: &DeviceNode<'a>) {
    let is_bound = request.namespaces.is_mapped() || request.facts.manner.is_ordinary;
    if is_bound && node.kind != DeviceKind::Fifo {
        let attributes = Attributes::default();
        to.bind(node.at.path, &node.at, false, &attributes);
    } else {
        to.push(Step::MakeDevice(*node));
    }
}

fn wanted<'a>(device: &Device<'a>) -> core::result::Result<DeviceNode<'a>, &'static CStr> {
    let path = device.path.filter(|path| path::is_absolute(path)).ok_or(c!("path: required, and must be absolute"))?;
    if path::goes_up(path) || path.to_bytes().ends_with(b"/") {
        return Err(c!("path: must be the path of a file, without `..`"));
    }
    let kind = match device.kind {
        b'c' | b'u' => DeviceKind::Character,
        b'b' => DeviceKind::Block,
        b'p' => DeviceKind::Fifo,
        _ => return Err(c!("type: must be b, c, u or p")),
    };
    let (major, minor) = if kind == DeviceKind::Fifo {
        (0, 0)
    } else {
        // The kernel has 12 bits of major number and 20 of minor number: linux/kdev_t.h.
        let major = device.major.filter(|number| (0..1 << 12).contains(number));
        let minor = device.minor.filter(|number| (0..1 << 20).contains(number));
        let major = major.ok_or(c!("major: required, from 0 to 4095"))?;
        (major as u32, minor.ok_or(c!("minor: required, from 0 to 1048575"))? as u32)
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
pub(super) fn filter<'a>(request: &Request<'_, 'a>, to: &mut Steps<'_, 'a>) {
    if let Some(program) = compile(request.spec.linux.resources.devices, to.arena)
        && !request.cgroup.is_empty()
        && !request.facts.manner.is_ordinary
    {
        to.push(Step::FilterDevices { path: request.cgroup, program });
    }
}

/// A rule in the kernel's terms.
#[derive(Clone, Copy)]
struct Match {
    allow: bool,
    /// `BPF_DEVCG_DEV_*`, or any.
    kind: i32,
    major: i32,
    minor: i32,
    /// Those of [`ACCESS_ALL`] that it speaks of; 0 if there are none.
    access: i32,
}

/// A kind or number that is not asked for.
const ANY: i32 = -1;
/// `BPF_DEVCG_DEV_BLOCK`.
const BLOCK: i32 = 1;
/// `BPF_DEVCG_DEV_CHAR`.
const CHARACTER: i32 = 2;

impl Match {
    fn read(rule: &DeviceRule) -> core::result::Result<Match, &'static CStr> {
        let kind = match rule.kind {
            None | Some(b'a') => ANY,
            Some(b'b') => BLOCK,
            Some(b'c') => CHARACTER,
            Some(_) => return Err(c!("type: must be a, b or c")),
        };
        let major = number(rule.major).ok_or(c!("major: must be a device number, or -1 for any"))?;
        let minor = number(rule.minor).ok_or(c!("minor: must be a device number, or -1 for any"))?;
        // Absent is all. The kernel has the same bits in another order: mknod 1, read 2, write 4.
        let access = if rule.access == 0 { ACCESS_ALL } else { i32::from(rule.access) << 1 & ACCESS_ALL };
        Ok(Match { allow: rule.allow, kind, major, minor, access })
    }

    /// Whether it decides about every request.
    fn is_final(&self) -> bool {
        self.kind & self.major & self.minor == ANY && self.access == ACCESS_ALL
    }

    /// Whether the beginning of the program decides about all that it speaks of.
    fn is_decided(&self) -> bool {
        let minor = self.minor;
        let is_given = match self.major {
            TERMINALS => true,
            5 => minor == 0 || minor == 2,
            1 => (0..=MINOR_LAST).contains(&minor) && MINORS >> minor & 1 == 1,
            _ => false,
        };
        self.access == 0 || self.kind == CHARACTER && is_given
    }
}

/// A device number of a rule; none if it is nonsense.
fn number(number: Option<i64>) -> Option<i32> {
    i32::try_from(number.unwrap_or(-1)).ok().filter(|number| *number >= ANY)
}

/// `BPF_DEVCG_ACC_READ` and `BPF_DEVCG_ACC_WRITE`.
const ACCESS_ALL: i32 = 6;

/// Compiles rules to a `BPF_PROG_TYPE_CGROUP_DEVICE` program; none if it would allow everything.
///
/// Each of the accesses wanted is decided by the last rule that speaks of it for that device, and all must be allowed; what
/// no rule speaks of is denied. So the program asks the last rule first, and keeps in a register the accesses that are
/// still undecided. The last rules are not the configuration's but those of every runtime, which [`PROLOGUE`] is.
fn compile<'a>(rules: &[DeviceRule], arena: &mut Arena<'a>) -> Option<&'a [Instruction]> {
    let mut program = Program { list: arena.list(), arena, denies: false, complete: false };
    for instruction in PROLOGUE {
        program.arena.push(&mut program.list, *instruction);
    }
    for (number, rule) in rules.iter().enumerate().rev() {
        match Match::read(rule) {
            Ok(rule) => program.rule(&rule),
            Err(problem) => {
                program.arena.fail(Error::refused_entry(c!("linux.resources.devices"), number, problem));
            }
        }
    }
    if !program.complete {
        program.verdict(false);
    }
    let (denies, complete) = (program.denies, program.complete);
    let program = program.arena.finish(program.list);
    (denies || !complete).then_some(program)
}

/// A program being written. Registers: 2 the accesses undecided, 3 the kind of device, 4 major, 5 minor.
struct Program<'s, 'a> {
    arena: &'s mut Arena<'a>,
    list: List<Instruction>,
    /// Whether a rule denies something.
    denies: bool,
    /// Whether a rule decided everything. Those before it are only checked.
    complete: bool,
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
/// `BPF_ALU | BPF_RSH | BPF_X`, 32 bits: by what the source holds.
const SHIFT_RIGHT_BY: u8 = 0x7c;
/// `BPF_JMP | BPF_JEQ | BPF_K`: skip `offset` instructions if equal.
const JUMP_EQUAL: u8 = 0x15;
/// `BPF_JMP | BPF_JNE | BPF_K`: skip `offset` instructions if not equal.
const JUMP_UNEQUAL: u8 = 0x55;
/// `BPF_JMP | BPF_JGT | BPF_K`: skip `offset` instructions if greater.
const JUMP_GREATER: u8 = 0x25;
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

/// Major number of what is in /dev/pts.
const TERMINALS: i32 = 136;
/// Minor numbers, to major number 1, of null, zero, full, random and urandom.
const MINORS: i32 = 1 << 3 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 9;
/// The last of those.
const MINOR_LAST: i32 = 9;

/// Takes `struct bpf_cgroup_dev_ctx` apart: `access_type` (kind, and access in the high half), `major`, `minor`. Decides
/// what is the same for every container: any node may be made; the devices above, tty and the multiplexer of terminals may
/// be used. Who wants no access at all (access(2) with F_OK) is let through. The verifier's work is most of what a filter
/// costs, and grows with each branch.
static PROLOGUE: &[Instruction] = &[
    instruction(LOAD, UNDECIDED | CONTEXT << 4, 0, 0),
    instruction(LOAD, MAJOR | CONTEXT << 4, 4, 0),
    instruction(LOAD, MINOR | CONTEXT << 4, 8, 0),
    instruction(MOVE_REGISTER, KIND | UNDECIDED << 4, 0, 0),
    instruction(AND, KIND, 0, 0xffff),
    instruction(SHIFT_RIGHT, UNDECIDED, 0, 16),
    instruction(AND, UNDECIDED, 0, ACCESS_ALL),
    instruction(MOVE, RESULT, 0, 1),
    instruction(JUMP_EQUAL, UNDECIDED, 11, 0),
    instruction(JUMP_UNEQUAL, KIND, 11, CHARACTER),
    instruction(JUMP_EQUAL, MAJOR, 9, TERMINALS),
    instruction(JUMP_UNEQUAL, MAJOR, 2, 5),
    instruction(JUMP_EQUAL, MINOR, 7, 0),
    instruction(JUMP_EQUAL, MINOR, 6, 2),
    instruction(JUMP_UNEQUAL, MAJOR, 6, 1),
    instruction(JUMP_GREATER, MINOR, 5, MINOR_LAST),
    instruction(MOVE, RESULT, 0, MINORS),
    instruction(SHIFT_RIGHT_BY, RESULT | MINOR << 4, 0, 0),
    instruction(AND, RESULT, 0, 1),
    instruction(JUMP_EQUAL, RESULT, 1, 0),
    instruction(EXIT, 0, 0, 0),
];

const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers, offset, immediate }
}

impl Program<'_, '_> {
    fn rule(&mut self, rule: &Match) {
        if self.complete || rule.is_decided() {
            return;
        }
        self.complete = rule.is_final();
        self.denies |= !rule.allow;
        let tests = [(KIND, rule.kind), (MAJOR, rule.major), (MINOR, rule.minor)];
        // What a test that fails skips: the tests after it and the rest.
        let mut skipped = if rule.access == ACCESS_ALL { 2 } else { 4 };
        skipped += tests.iter().filter(|(_, value)| *value != ANY).count() as i16;
        for (register, value) in tests {
            if value != ANY {
                skipped -= 1;
                self.put(JUMP_UNEQUAL, register, skipped, value);
            }
        }
        if rule.access != ACCESS_ALL && rule.allow {
            self.put(AND, UNDECIDED, 0, ACCESS_ALL & !rule.access);
            self.put(JUMP_UNEQUAL, UNDECIDED, 2, 0);
        } else if rule.access != ACCESS_ALL {
            self.put(JUMP_SET, UNDECIDED, 1, rule.access);
            self.put(JUMP, 0, 2, 0);
        }
        self.verdict(rule.allow);
    }

    fn verdict(&mut self, allow: bool) {
        self.put(MOVE, RESULT, 0, i32::from(allow));
        self.put(EXIT, 0, 0, 0);
    }

    #[inline(never)]
    fn put(&mut self, code: u8, registers: u8, offset: i16, immediate: i32) {
        self.arena.push(&mut self.list, instruction(code, registers, offset, immediate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Bits of `DeviceRule::access`, as the specification's letters.
    const READ: u8 = 1;
    const WRITE: u8 = 2;
    const MAKE: u8 = 4;
    const ALL: u8 = READ | WRITE | MAKE;

    /// The rules that follow, as the specification would have them.
    fn default_rules() -> Vec<DeviceRule> {
        let numbers = [(1, 3), (1, 8), (1, 7), (5, 0), (1, 5), (1, 9), (136, -1), (5, 2)];
        let used = numbers.map(|(major, minor)| made(true, Some(b'c'), Some(major), Some(minor), ALL));
        let nodes = [b'c', b'b'].map(|kind| made(true, Some(kind), None, None, MAKE));
        [&nodes[..], &used].concat()
    }

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
                SHIFT_RIGHT_BY => registers[to] = u64::from(value as u32 >> registers[from]),
                JUMP_EQUAL if value == immediate as u64 => next += offset as usize,
                JUMP_GREATER if value > immediate as u64 => next += offset as usize,
                SHIFT_RIGHT => registers[to] = u64::from(value as u32 >> immediate),
                JUMP => next += offset as usize,
                JUMP_UNEQUAL if value != immediate as u64 => next += offset as usize,
                JUMP_SET if value & immediate as u64 != 0 => next += offset as usize,
                JUMP_UNEQUAL | JUMP_SET | JUMP_EQUAL | JUMP_GREATER => assert!(offset > 0),
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
            rules.iter().chain(&default_rules()).rfind(speaks).is_some_and(|rule| rule.allow)
        })
    }

    fn compare(rules: &[DeviceRule]) {
        let mut region = vec![0; 1 << 20];
        let program = compile(rules, &mut Arena::new(&mut region));
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
        assert_eq!(compile(&[all], &mut arena), None);
        assert_eq!(compile(&[deny, all], &mut arena), None);
        assert_eq!(compile(&[deny, all, made(true, Some(b'c'), Some(1), None, READ)], &mut arena), None);
        assert!(compile(&[all, deny], &mut arena).is_some());
        assert!(compile(&[], &mut arena).is_some());
        assert!(compile(&[made(true, None, None, None, READ)], &mut arena).is_some());
    }

    #[test]
    fn rules_without_meaning_are_refused_even_if_they_decide_nothing() {
        let mut region = vec![0; 1 << 16];
        let all = made(true, None, None, None, ALL);
        for wrong in [
            made(true, Some(b'x'), None, None, ALL),
            made(true, Some(b'c'), Some(-2), None, ALL),
            made(true, Some(b'c'), None, Some(1 << 40), ALL),
        ] {
            for rules in [&[wrong][..], &[wrong, all]] {
                let mut arena = Arena::new(&mut region);
                compile(rules, &mut arena);
                assert!(arena.check().is_err());
            }
        }
    }
}
