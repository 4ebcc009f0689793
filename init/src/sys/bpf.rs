//! Device filters of control groups: bpf(2) BPF_PROG_LOAD and BPF_PROG_ATTACH.

use linux_raw_sys::general::__NR_bpf;

use super::{BorrowedFd, OwnedFd, Result, raw};
use crate::abi::Errno;
use crate::abi::bpf::Instruction;
use crate::limits;

const BPF_PROG_LOAD: usize = 5;
const BPF_PROG_ATTACH: usize = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
/// Let groups below have programs of their own; all of them must allow.
const BPF_F_ALLOW_MULTI: u32 = 2;

/// The beginning of `union bpf_attr` for BPF_PROG_LOAD (linux/bpf.h).
#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
}

/// The beginning of `union bpf_attr` for BPF_PROG_ATTACH.
#[repr(C)]
struct Attach {
    target: u32,
    program: u32,
    kind: u32,
    flags: u32,
}

/// Loads a device program into the kernel, which verifies it, and gives up with EAGAIN when a signal comes meanwhile,
/// a stop for example.
pub fn load_device_program(program: &[Instruction]) -> Result<OwnedFd> {
    let load = Load {
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: s!("MIT").as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log: 0,
        kernel_version: 0,
        flags: 0,
    };
    let mut loaded = Err(Errno::AGAIN);
    for _ in 0..limits::BPF_TRIES {
        // SAFETY: a prefix of `union bpf_attr` of the size given (the kernel takes the rest as zero); the instructions and
        // the licence live through the call.
        loaded = unsafe { raw::value(__NR_bpf, [BPF_PROG_LOAD, &raw const load as usize, size_of::<Load>(), 0, 0]) };
        if loaded != Err(Errno::AGAIN) {
            break;
        }
    }
    // SAFETY: the kernel just made it (close-on-exec, as all of bpf(2)) and nobody else knows it.
    loaded.map(|fd| unsafe { OwnedFd::new(fd) })
}

/// Attaches a device program to the control group that `cgroup` is open on.
pub fn attach_device_program(cgroup: BorrowedFd, program: BorrowedFd) -> Result<()> {
    let attach = Attach {
        target: cgroup.number(),
        program: program.number(),
        kind: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
    };
    // SAFETY: a prefix of `union bpf_attr` of the size given, with two borrowed descriptors in it.
    unsafe { raw::call(__NR_bpf, BPF_PROG_ATTACH, &raw const attach as usize, size_of::<Attach>()) }
}
