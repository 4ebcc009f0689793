//! The four commands, on the machine's side.

use core::cell::UnsafeCell;
use core::ffi::CStr;

use linker::start::Strings;
use linux_raw_sys::general as nr;

use crate::inside;
use crate::kernel::{self, must};

/// What was asked.
pub(crate) struct Request {
    pub(crate) id: &'static CStr,
    pub(crate) all_devices: bool,
    pub(crate) network: bool,
    pub(crate) filter: Option<&'static CStr>,
    pub(crate) bundle: &'static CStr,
    pub(crate) command: Strings,
    pub(crate) environment: Strings,
}

/// What the container's process needs. It shares the machine side's memory.
pub(crate) struct Child {
    pub(crate) root: Path,
    pub(crate) network: bool,
    /// A seccomp program, as bytes.
    pub(crate) filter: &'static [u8],
    pub(crate) command: kernel::Vector,
    pub(crate) environment: kernel::Vector,
    /// `create`: the descriptor to say "ready" on, and the one to wait at.
    pub(crate) gate: Option<(usize, usize)>,
}

/// A path being put together.
pub(crate) struct Path {
    bytes: [u8; 256],
    length: usize,
}

impl Path {
    pub(crate) fn new(parts: &[&CStr]) -> Path {
        let mut path = Path { bytes: [0; 256], length: 0 };
        for byte in parts.iter().flat_map(|part| part.to_bytes()).take(255) {
            path.bytes[path.length] = *byte;
            path.length += 1;
        }
        path
    }

    pub(crate) fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// Memory that is lent once: a process runs one command.
struct Region<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: there is one thread, and the child that shares the memory only reads what was lent.
unsafe impl<const BYTES: usize> Sync for Region<BYTES> {}

impl<const BYTES: usize> Region<BYTES> {
    #[allow(clippy::mut_from_ref)] // lent once each
    fn lend(&self) -> &mut [u8] {
        // SAFETY: each region is lent by one call that is reached once.
        unsafe { &mut *self.0.get() }
    }
}

static CONFIG: Region<{ 128 * 1024 }> = Region(UnsafeCell::new([0; 128 * 1024]));
static FILTER: Region<{ 32 * 1024 }> = Region(UnsafeCell::new([0; 32 * 1024]));

/// The stack of the container's process.
#[repr(align(16))]
struct Stack(Region<{ 16 * 1024 }>);

static STACK: Stack = Stack(Region(UnsafeCell::new([0; 16 * 1024])));

/// `run`: the program is seen to its end.
pub(crate) fn run(request: &Request) -> ! {
    let state = Path::new(&[c"/run/floor.", request.id]);
    let group = Path::new(&[c"/sys/fs/cgroup/floor.", request.id]);
    let file = Path::new(&[state.text(), c"/state"]);
    read_configuration(request);
    kernel::mkdir(state.text());
    // It goes on when the program has been executed: it shares the memory and has no more use for it then.
    let pid = make(request, group.text(), None, nr::CLONE_VFORK);
    write_state(&file, pid);
    let (status, _) = kernel::wait(pid as isize);
    kernel::unlink(file.text());
    kernel::rmdir(state.text());
    kernel::rmdir(group.text());
    kernel::exit(if status & 0x7f == 0 { (status >> 8) as u8 } else { 128 + (status & 0x7f) as u8 })
}

/// `create`: all but the exec.
pub(crate) fn create(request: &Request) -> ! {
    let state = Path::new(&[c"/run/floor.", request.id]);
    let group = Path::new(&[c"/sys/fs/cgroup/floor.", request.id]);
    read_configuration(request);
    kernel::mkdir(state.text());
    let gate = Path::new(&[state.text(), c"/gate"]);
    must(kernel::path(nr::__NR_mknod, gate.text(), [(nr::S_IFIFO | 0o600) as usize, 0]));
    // For both directions: it does not wait for the other end.
    let gate = kernel::open(gate.text(), nr::O_RDWR);
    let mut ready = [0_u32; 2];
    must(kernel::numbers(nr::__NR_pipe2, [&raw mut ready as usize, nr::O_CLOEXEC as usize, 0, 0, 0]));
    let [answers, ready] = ready.map(|fd| fd as usize);
    let pid = make(request, group.text(), Some((ready, gate)), 0);
    kernel::close(ready);
    if kernel::read(answers, &mut [0]) != 1 {
        kernel::exit(1)
    }
    write_state(&Path::new(&[state.text(), c"/state"]), pid);
    kernel::exit(0)
}

/// `start`: the word that the container's process waits for.
pub(crate) fn start(id: &CStr) -> ! {
    let gate = kernel::open(Path::new(&[c"/run/floor.", id, c"/gate"]).text(), nr::O_WRONLY);
    kernel::write(gate, b"1");
    kernel::exit(0)
}

/// `delete`: of a container that has ended.
pub(crate) fn delete(id: &CStr) -> ! {
    let state = Path::new(&[c"/run/floor.", id]);
    let file = Path::new(&[state.text(), c"/state"]);
    let mut pid = [0; 8];
    let fd = kernel::open(file.text(), nr::O_RDONLY);
    kernel::read(fd, &mut pid);
    if kernel::numbers(nr::__NR_kill, [usize::from_ne_bytes(pid), 0, 0, 0, 0]) == 0 {
        kernel::exit(1)
    }
    kernel::unlink(Path::new(&[state.text(), c"/gate"]).text());
    kernel::unlink(file.text());
    kernel::rmdir(state.text());
    kernel::rmdir(Path::new(&[c"/sys/fs/cgroup/floor.", id]).text());
    kernel::exit(0)
}

fn read_configuration(request: &Request) {
    let config = kernel::open(Path::new(&[request.bundle, c"/config.json"]).text(), nr::O_RDONLY);
    kernel::read(config, CONFIG.lend());
    kernel::close(config);
}

fn write_state(file: &Path, pid: usize) {
    let fd = kernel::open(file.text(), nr::O_WRONLY | nr::O_CREAT | nr::O_EXCL);
    kernel::write(fd, &pid.to_ne_bytes());
    kernel::close(fd);
}

/// The control group with its device filter, and the container's process in it.
fn make(request: &Request, group: &CStr, gate: Option<(usize, usize)>, flags: u32) -> usize {
    let filter: &[u8] = match request.filter {
        None => &[],
        Some(path) => {
            let (fd, region) = (kernel::open(path, nr::O_RDONLY), FILTER.lend());
            let length = kernel::read(fd, region);
            kernel::close(fd);
            region.get(..length).unwrap_or_default()
        }
    };
    kernel::mkdir(group);
    let group = kernel::open(group, nr::O_DIRECTORY);
    if !request.all_devices {
        filter_devices(group);
    }
    let child = Child {
        root: Path::new(&[request.bundle, c"/rootfs"]),
        network: request.network,
        filter,
        command: kernel::vector(request.command.clone()),
        environment: kernel::vector(request.environment.clone()),
        gate,
    };
    let network = if request.network { nr::CLONE_NEWNET } else { 0 };
    let namespaces = nr::CLONE_NEWNS | nr::CLONE_NEWPID | nr::CLONE_NEWIPC | nr::CLONE_NEWUTS | network;
    let stack = STACK.0.lend();
    // SAFETY: a record of plain numbers, for which zero is a value.
    let mut arguments: nr::clone_args = unsafe { core::mem::zeroed() };
    arguments.flags = u64::from(nr::CLONE_VM | namespaces | flags) | nr::CLONE_INTO_CGROUP;
    arguments.exit_signal = u64::from(nr::SIGCHLD);
    arguments.stack = stack.as_mut_ptr() as u64;
    arguments.stack_size = stack.len() as u64;
    arguments.cgroup = group as u64;
    let pid = kernel::spawn(&arguments, inside::become_container, &child);
    if gate.is_some() {
        // The child reads its record until it says that it is ready: it is a copy on this stack, which the caller's
        // waiting keeps.
        core::hint::black_box(&child);
    }
    pid
}

const BPF_PROG_LOAD: usize = 5;
const BPF_PROG_ATTACH: usize = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u64 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;

/// An eBPF instruction.
const fn instruction(operation: u8, registers: u8, offset: i16, value: i32) -> u64 {
    operation as u64 | (registers as u64) << 8 | (offset as u16 as u64) << 16 | (value as u32 as u64) << 32
}

/// Any node may be made; null, zero, full, random, urandom, tty, ptmx and terminals may be used.
static DEVICES: [u64; 21] = [
    instruction(0x61, 0x12, 0, 0),      // r2 = access << 16 | kind
    instruction(0x61, 0x14, 4, 0),      // r4 = major
    instruction(0x61, 0x15, 8, 0),      // r5 = minor
    instruction(0xb7, 0x00, 0, 1),      // r0 = allow
    instruction(0xbf, 0x23, 0, 0),      // r3 = r2
    instruction(0x77, 0x03, 0, 16),     // r3 >>= 16
    instruction(0x15, 0x03, 13, 1),     // mknod: allow
    instruction(0x57, 0x02, 0, 0xffff), // r2 &= kind
    instruction(0x55, 0x02, 10, 2),     // not a character device: deny
    instruction(0x15, 0x04, 10, 136),   // terminals: allow
    instruction(0x55, 0x04, 3, 5),      // not 5:
    instruction(0x15, 0x05, 8, 0),      // tty
    instruction(0x15, 0x05, 7, 2),      // ptmx
    instruction(0x05, 0x00, 5, 0),      // deny
    instruction(0x55, 0x04, 4, 1),      // not 1: deny
    instruction(0x15, 0x05, 4, 3),      // null
    instruction(0x15, 0x05, 3, 5),      // zero
    instruction(0xa5, 0x05, 1, 7),      // below 7: deny
    instruction(0xb5, 0x05, 1, 9),      // full, random, urandom
    instruction(0xb7, 0x00, 0, 0),      // deny
    instruction(0x95, 0x00, 0, 0),      // return r0
];

fn filter_devices(group: usize) {
    // The beginnings of `union bpf_attr` (linux/bpf.h).
    let load = [
        BPF_PROG_TYPE_CGROUP_DEVICE | (DEVICES.len() as u64) << 32,
        DEVICES.as_ptr() as u64,
        c"MIT".as_ptr() as u64,
        0,
        0,
        0,
    ];
    let program =
        must(kernel::numbers(nr::__NR_bpf, [BPF_PROG_LOAD, &raw const load as usize, size_of_val(&load), 0, 0]));
    let attach = [group as u32, program as u32, BPF_CGROUP_DEVICE, 0];
    must(kernel::numbers(nr::__NR_bpf, [BPF_PROG_ATTACH, &raw const attach as usize, size_of_val(&attach), 0, 0]));
}
