//! How the kernel treats a process: sched_setattr(2), ioprio_set(2), set_mempolicy(2), personality(2).

use linux_raw_sys::general::{
    __NR_ioprio_set, __NR_personality, __NR_sched_setaffinity, __NR_sched_setattr, __NR_set_mempolicy,
};

use super::process::Pid;
use super::{Result, raw};

/// `struct sched_attr`.
#[repr(C)]
#[derive(Debug)]
pub struct Attributes {
    size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// -20 to 19.
    pub nice: i32,
    /// 1 to 99 for real-time policies.
    pub priority: u32,
    /// In nanoseconds.
    pub runtime: u64,
    /// In nanoseconds.
    pub deadline: u64,
    /// In nanoseconds.
    pub period: u64,
    utilization: [u32; 2],
}

impl Default for Attributes {
    fn default() -> Attributes {
        // SAFETY: a C structure of integers, for which all zeros are valid.
        let mut attributes: Attributes = unsafe { core::mem::zeroed() };
        attributes.size = size_of::<Attributes>() as u32;
        attributes
    }
}

/// Sets a process's policy and what belongs to it.
pub fn set_scheduler(pid: Pid, attributes: &Attributes) -> Result<()> {
    // SAFETY: the kernel reads a `struct sched_attr` of the size that it says itself.
    unsafe { raw::call(__NR_sched_setattr, pid as usize, &raw const *attributes as usize, 0) }
}

/// Sets the class (`IOPRIO_CLASS_*`) and priority of a process's input and output.
pub fn set_io_priority(pid: Pid, class: u32, priority: u32) -> Result<()> {
    const WHO_PROCESS: usize = 1;
    // SAFETY: takes three numbers.
    unsafe { raw::call(__NR_ioprio_set, WHO_PROCESS, pid as usize, (class << 13 | priority) as usize) }
}

/// Sets where this process's memory is taken from: a mode with its flags, and a set of nodes.
pub fn set_memory_policy(mode: u32, nodes: &[u64]) -> Result<()> {
    // The kernel takes one off before it counts, also from none.
    let count = nodes.len() * 64 + 1;
    // SAFETY: the kernel reads as many bits as are said, less one.
    unsafe { raw::call(__NR_set_mempolicy, mode as usize, nodes.as_ptr() as usize, count) }
}

/// Sets which processors this process may run on.
pub fn set_affinity(processors: &[u64]) -> Result<()> {
    // SAFETY: the kernel reads as many bytes as the slice has.
    unsafe { raw::call(__NR_sched_setaffinity, 0, size_of_val(processors), processors.as_ptr() as usize) }
}

/// Sets the execution domain.
pub fn set_personality(domain: u32) -> Result<()> {
    // SAFETY: takes a number.
    unsafe { raw::call(__NR_personality, domain as usize, 0, 0) }
}
