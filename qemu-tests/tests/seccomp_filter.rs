//! The filter for the profile that engines use: what it decides, its size, and what a call costs, beside libseccomp's.

use std::collections::BTreeSet;
use std::ffi::{CString, c_char, c_int, c_void};
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;

use pidone::abi::bpf::{AND, Classic, EQUAL, GREATER, GREATER_EQUAL, JUMP, LOAD, RETURN};
use pidone::abi::syscall::{Abi, Name};
use pidone::arena::Arena;
use pidone::config::spec::{Runtime, Spec};
use pidone::plan::facts::{Controllers, Facts, Manner, Resctrl, Section};
use pidone::plan::step::Step;
use pidone::texts::CStr;
use qemu_tests::profile;
use serde_json::{Value, json};

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
const X32_BIT: u32 = 0x4000_0000;
const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;

/// `struct seccomp_data`.
#[derive(Clone, Copy, Debug)]
struct Data {
    architecture: u32,
    number: u32,
    arguments: [u64; 6],
}

/// What the kernel would return, and after how many instructions.
fn run(program: &[Classic], data: &Data) -> (u32, usize) {
    let word = |offset: u32| match offset {
        0 => data.number,
        4 => data.architecture,
        _ => (data.arguments[(offset as usize - 16) / 8] >> (offset % 8 * 8)) as u32,
    };
    let (mut at, mut accumulator) = (0, 0_u32);
    for count in 1.. {
        let instruction = program[at];
        at += 1;
        let holds = match instruction.code {
            EQUAL => accumulator == instruction.value,
            GREATER => accumulator > instruction.value,
            GREATER_EQUAL => accumulator >= instruction.value,
            _ => {
                match instruction.code {
                    LOAD => accumulator = word(instruction.value),
                    AND => accumulator &= instruction.value,
                    JUMP => at += instruction.value as usize,
                    RETURN => return (instruction.value, count),
                    code => panic!("code {code:#x}"),
                }
                continue;
            }
        };
        at += usize::from(if holds { instruction.yes } else { instruction.no });
    }
    unreachable!()
}

/// pidone's filter for a `linux.seccomp`.
fn ours(seccomp: &Value) -> Vec<Classic> {
    let config = json!({
        "ociVersion": "1.2.0",
        "root": { "path": "rootfs" },
        "process": { "args": ["/init"], "cwd": "/" },
        "linux": { "namespaces": [{ "type": "mount" }], "seccomp": seccomp },
    });
    let facts = Facts {
        bundle: CStr::of(c"/b"),
        name: CStr::of(c"b"),
        section: Section::Other,
        lower: false,
        again: false,
        user_namespace_is_own: false,
        misplaced_namespaces: 0,
        capabilities: !0,
        controllers: Controllers::default(),
        bfq_weight: false,
        manner: Manner::NONE,
        apparmor: false,
        selinux: false,
        resctrl: Resctrl::Absent,
    };
    let mut region = vec![0; 4 << 20];
    let mut arena = Arena::new(&mut region);
    let mut spec = Spec::default();
    pidone::config::read_config(&serde_json::to_vec(&config).unwrap(), &mut arena, &mut spec).unwrap();
    let plan = pidone::plan::plan(&spec, &Runtime::default(), &facts, &mut arena).unwrap();
    let filter = plan.inside.iter().find_map(|step| match step {
        Step::FilterSystemCalls(filter) => Some(filter.program.to_vec()),
        _ => None,
    });
    filter.expect("a filter")
}

/// libseccomp, where it is installed: nothing is linked to it.
struct Library(*mut c_void);

/// `struct scmp_arg_cmp` of seccomp.h.
#[repr(C)]
struct Comparison {
    argument: u32,
    operator: c_int,
    first: u64,
    second: u64,
}

type Context = *mut c_void;

impl Library {
    fn open() -> Option<Library> {
        // SAFETY: a C string; what the library runs when it is loaded is its own.
        let library = unsafe { libc::dlopen(c"libseccomp.so.2".as_ptr(), libc::RTLD_NOW) };
        (!library.is_null()).then_some(Library(library))
    }

    fn symbol(&self, name: &std::ffi::CStr) -> *mut c_void {
        // SAFETY: an open library and a C string.
        let symbol = unsafe { libc::dlsym(self.0, name.as_ptr()) };
        assert!(!symbol.is_null(), "{name:?}");
        symbol
    }

    /// The number of a call on an architecture, negative if there is none.
    fn number(&self, architecture: u32, name: &str) -> i32 {
        type Resolve = unsafe extern "C" fn(u32, *const c_char) -> c_int;
        let name = CString::new(name).unwrap();
        // SAFETY: the function has this signature in seccomp.h.
        let resolve =
            unsafe { std::mem::transmute::<*mut c_void, Resolve>(self.symbol(c"seccomp_syscall_resolve_name_arch")) };
        // SAFETY: a number and a C string.
        unsafe { resolve(architecture, name.as_ptr()) }
    }

    /// Its filter for a `linux.seccomp`, made as runc and crun make it. `optimize` is 1 for a list, 2 for a tree.
    fn filter(&self, seccomp: &Value, optimize: u32) -> Vec<Classic> {
        type Init = unsafe extern "C" fn(u32) -> Context;
        type ArchAdd = unsafe extern "C" fn(Context, u32) -> c_int;
        type AttrSet = unsafe extern "C" fn(Context, c_int, u32) -> c_int;
        type RuleAdd = unsafe extern "C" fn(Context, u32, c_int, u32, *const Comparison) -> c_int;
        type Export = unsafe extern "C" fn(Context, c_int) -> c_int;
        // SAFETY: the functions have these signatures in seccomp.h.
        let (init, arch_add, attr_set, rule_add, export) = unsafe {
            (
                std::mem::transmute::<*mut c_void, Init>(self.symbol(c"seccomp_init")),
                std::mem::transmute::<*mut c_void, ArchAdd>(self.symbol(c"seccomp_arch_add")),
                std::mem::transmute::<*mut c_void, AttrSet>(self.symbol(c"seccomp_attr_set")),
                std::mem::transmute::<*mut c_void, RuleAdd>(self.symbol(c"seccomp_rule_add_array")),
                std::mem::transmute::<*mut c_void, Export>(self.symbol(c"seccomp_export_bpf")),
            )
        };
        const CTL_OPTIMIZE: c_int = 8;
        let default = action(&seccomp["defaultAction"], &seccomp["defaultErrnoRet"]);
        // SAFETY: numbers; the context is given to the functions of the library only. It is not freed: tests end soon.
        let context = unsafe { init(default) };
        for architecture in [I386, X32_BIT | 0x3e] {
            // SAFETY: the context of above and a number.
            assert_eq!(unsafe { arch_add(context, architecture) }, 0);
        }
        // SAFETY: as above.
        assert_eq!(unsafe { attr_set(context, CTL_OPTIMIZE, optimize) }, 0);
        for rule in seccomp["syscalls"].as_array().unwrap() {
            let action = action(&rule["action"], &rule["errnoRet"]);
            if action == default {
                continue;
            }
            let comparisons: Vec<Comparison> = arguments(rule)
                .iter()
                .map(|argument| Comparison {
                    argument: argument["index"].as_u64().unwrap() as u32,
                    operator: operator(argument) as c_int + 1,
                    first: argument["value"].as_u64().unwrap(),
                    second: argument["valueTwo"].as_u64().unwrap_or(0),
                })
                .collect();
            for name in rule["names"].as_array().unwrap() {
                // -1: the library does not know it.
                let number = self.number(X86_64, name.as_str().unwrap());
                if number != -1 {
                    // SAFETY: the context of above, numbers, and as many comparisons as said.
                    let result =
                        unsafe { rule_add(context, action, number, comparisons.len() as u32, comparisons.as_ptr()) };
                    assert_eq!(result, 0, "{name}");
                }
            }
        }
        let mut file = tempfile::tempfile().unwrap();
        // SAFETY: the context of above and an open file.
        assert_eq!(unsafe { export(context, file.as_raw_fd()) }, 0);
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let instruction = |bytes: &[u8]| Classic {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            yes: bytes[2],
            no: bytes[3],
            value: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        };
        bytes.chunks_exact(8).map(instruction).collect()
    }
}

fn arguments(rule: &Value) -> &[Value] {
    rule["args"].as_array().map_or(&[], Vec::as_slice)
}

fn operator(argument: &Value) -> usize {
    let operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    let name = argument["op"].as_str().unwrap().strip_prefix("SCMP_CMP_").unwrap();
    operators.iter().position(|known| *known == name).unwrap()
}

fn action(name: &Value, errno: &Value) -> u32 {
    match name.as_str().unwrap() {
        "SCMP_ACT_ERRNO" => 0x0005_0000 | errno.as_u64().unwrap_or(1) as u32,
        "SCMP_ACT_ALLOW" => ALLOW,
        other => panic!("{other}"),
    }
}

/// The rules of the profile, read one after the other: none of its calls has a rule without conditions beside another.
fn expected(library: &Library, seccomp: &Value, data: &Data) -> u32 {
    let architecture = match (data.architecture, data.number & X32_BIT != 0) {
        (X86_64, false) => X86_64,
        (X86_64, true) => X32_BIT | 0x3e,
        (I386, _) => I386,
        _ => return KILL_PROCESS,
    };
    for rule in seccomp["syscalls"].as_array().unwrap() {
        let named = rule["names"].as_array().unwrap().iter().any(|name| {
            let name = name.as_str().unwrap();
            let number = match library.number(architecture, name) {
                // On i386 a number of the library's own stands for both ways to make the call.
                ..-1 if architecture == I386 => Name::named(name.as_bytes()).number(Abi::X86).map_or(-1, i32::from),
                number => number,
            };
            number >= 0 && number as u32 == data.number
        });
        let holds = |argument: &Value| {
            let (given, value) =
                (data.arguments[argument["index"].as_u64().unwrap() as usize], argument["value"].as_u64().unwrap());
            match operator(argument) {
                0 => given != value,
                3 => given == value,
                other => panic!("{other}"),
            }
        };
        if named && arguments(rule).iter().all(holds) {
            return action(&rule["action"], &rule["errnoRet"]);
        }
    }
    action(&seccomp["defaultAction"], &seccomp["defaultErrnoRet"])
}

/// Arguments at which the profile's conditions change their mind, and others.
fn some_arguments() -> Vec<[u64; 6]> {
    let values = [0, 1, 8, 9, 16, 0x20000, 0x20008, 0xffff_ffff, 1 << 32, 1 << 32 | 8, u64::MAX];
    let mut all = Vec::new();
    for first in values {
        for third in [0, 9, 10, 1 << 32 | 9] {
            all.push([first, 77, third, 3, 4, 5]);
        }
    }
    all
}

#[test]
fn the_engines_profile_is_kept_for_every_call_and_smaller_and_faster_than_libseccomps() {
    let Some(library) = Library::open() else {
        eprintln!("SKIPPED: libseccomp.so.2 is not installed");
        return;
    };
    let seccomp = profile::seccomp().unwrap();
    let rules = seccomp["syscalls"].as_array().unwrap();
    let names: BTreeSet<&str> =
        rules.iter().flat_map(|rule| rule["names"].as_array().unwrap()).map(|name| name.as_str().unwrap()).collect();
    let program = ours(&seccomp);

    // For every number of every architecture, what the rules say; what libseccomp's filter says, too.
    let theirs = library.filter(&seccomp, 1);
    let numbers: Vec<u32> =
        (0..600).chain((0..600).map(|number| number | X32_BIT)).chain([X32_BIT - 1, u32::MAX - 1, u32::MAX]).collect();
    let conditional: BTreeSet<i32> = rules
        .iter()
        .filter(|rule| !arguments(rule).is_empty())
        .flat_map(|rule| rule["names"].as_array().unwrap())
        .flat_map(|name| {
            [X86_64, I386, X32_BIT | 0x3e].map(|architecture| library.number(architecture, name.as_str().unwrap()))
        })
        .collect();
    for architecture in [X86_64, I386, 0xc000_00b7, 0] {
        for &number in &numbers {
            let all = some_arguments();
            let tried = if conditional.contains(&(number as i32)) { &all[..] } else { &all[..2] };
            for &arguments in tried {
                let mask = if architecture == I386 { u64::from(u32::MAX) } else { u64::MAX };
                let data = Data { architecture, number, arguments: arguments.map(|argument| argument & mask) };
                let (answer, _) = run(&program, &data);
                assert_eq!(answer, expected(&library, &seccomp, &data), "{data:x?}");
                let (other, _) = run(&theirs, &data);
                // Of x32 it looks at the low halves of arguments only, though a call has both.
                let low_halves = number & X32_BIT != 0 && data.arguments.iter().any(|argument| argument >> 32 != 0);
                // A foreign architecture kills the thread there, the process here.
                if !low_halves && (answer, other) != (KILL_PROCESS, 0) {
                    assert_eq!(answer, other, "{data:x?}");
                }
            }
        }
    }

    // Every call of the machine's own architecture, once.
    let own: BTreeSet<u32> = (0..600).filter(|number| is_call(&library, *number)).collect();
    let cost = |program: &[Classic]| {
        let one = |number: &u32| run(program, &Data { architecture: X86_64, number: *number, arguments: [0; 6] }).1;
        own.iter().map(one).sum::<usize>() as f64 / own.len() as f64
    };
    println!("{} names, {} calls of x86_64; three architectures", names.len(), own.len());
    println!("{:24} {:>12} {:>15}", "", "instructions", "run for a call");
    println!("{:24} {:>12} {:>15.1}", "pidone", program.len(), cost(&program));
    for (name, optimize) in [("libseccomp, list", 1), ("libseccomp, tree", 2)] {
        let theirs = library.filter(&seccomp, optimize);
        println!("{name:24} {:>12} {:>15.1}", theirs.len(), cost(&theirs));
        assert!(program.len() * 2 < theirs.len(), "{name}: {} instructions", theirs.len());
        assert!(cost(&program) < cost(&theirs), "{name}: {} run", cost(&theirs));
    }
    assert!(program.len() < 400 && cost(&program) < 14.0, "{} {}", program.len(), cost(&program));
}

fn is_call(library: &Library, number: u32) -> bool {
    type Resolve = unsafe extern "C" fn(u32, c_int) -> *mut c_char;
    // SAFETY: the function has this signature in seccomp.h.
    let resolve =
        unsafe { std::mem::transmute::<*mut c_void, Resolve>(library.symbol(c"seccomp_syscall_resolve_num_arch")) };
    // SAFETY: numbers; the string is the caller's, and small.
    !unsafe { resolve(X86_64, number as c_int) }.is_null()
}
