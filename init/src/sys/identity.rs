//! Who a process is and what it may do: setresuid(2), setgroups(2), capset(2), prctl(2), prlimit(2).

use linux_raw_sys::general::{
    __NR_capget, __NR_capset, __NR_geteuid, __NR_prctl, __NR_prlimit64, __NR_setgroups, __NR_setresgid, __NR_setresuid,
    __NR_umask, _LINUX_CAPABILITY_VERSION_3,
};
use linux_raw_sys::prctl::{
    PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, PR_CAP_AMBIENT_RAISE, PR_CAPBSET_DROP, PR_GET_SECUREBITS,
    PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, PR_SET_SECUREBITS,
};

use super::{Result, file, raw};

fn prctl(option: u32, argument: usize, value: usize) -> Result<()> {
    // SAFETY: every option used in this file takes numbers only.
    unsafe { raw::value(__NR_prctl, [option as usize, argument, value, 0, 0]) }.map(drop)
}

/// `SECBIT_NO_SETUID_FIXUP` of linux/securebits.h.
const NO_SETUID_FIXUP: usize = 1 << 2;

/// Has a change of the user from root leave all capabilities as they are, or take them away, as usual.
pub fn keep_capabilities(keep: bool) -> Result<()> {
    // SAFETY: takes numbers.
    let others =
        unsafe { raw::value(__NR_prctl, [PR_GET_SECUREBITS as usize, 0, 0, 0, 0]) }? as usize & !NO_SETUID_FIXUP;
    prctl(PR_SET_SECUREBITS, if keep { others | NO_SETUID_FIXUP } else { others }, 0)
}

/// Neither this process nor what it executes gains privileges by exec any more.
pub fn set_no_new_privileges() -> Result<()> {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// Keeps other processes, root of a user namespace among them, from tracing this one and from looking into its
/// descriptors, until it executes a program.
pub fn set_undumpable() -> Result<()> {
    prctl(PR_SET_DUMPABLE, 0, 0)
}

/// Has the kernel kill this process when its parent ends.
pub fn end_with_parent() -> Result<()> {
    prctl(PR_SET_PDEATHSIG, usize::from(crate::abi::signal::KILL), 0)
}

/// Drops one capability from the bounding set. EINVAL: the kernel does not know it.
pub fn drop_bounding(capability: u32) -> Result<()> {
    prctl(PR_CAPBSET_DROP, capability as usize, 0)
}

/// Empties the ambient set.
pub fn clear_ambient() -> Result<()> {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL as usize, 0)
}

/// Adds one capability, which must be permitted and inheritable, to the ambient set.
pub fn raise_ambient(capability: u32) -> Result<()> {
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE as usize, capability as usize)
}

/// The permitted set of this process: capget(2).
pub fn permitted_capabilities() -> Result<u64> {
    // As in `set_capabilities`.
    let header = [_LINUX_CAPABILITY_VERSION_3, 0];
    let mut data = [0_u32; 6];
    // SAFETY: version 3 reads one header and writes two data structures, which these arrays are.
    unsafe { raw::call(__NR_capget, header.as_ptr() as usize, data.as_mut_ptr() as usize, 0) }?;
    let [_, low, _, _, high, _] = data;
    Ok(u64::from(high) << 32 | u64::from(low))
}

/// Sets the effective, permitted and inheritable sets.
pub fn set_capabilities(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    // `struct __user_cap_header_struct` and two `struct __user_cap_data_struct`, low halves first.
    let header = [_LINUX_CAPABILITY_VERSION_3, 0];
    let data = [
        effective as u32,
        permitted as u32,
        inheritable as u32,
        (effective >> 32) as u32,
        (permitted >> 32) as u32,
        (inheritable >> 32) as u32,
    ];
    // SAFETY: version 3 reads one header and two data structures, which these arrays are.
    unsafe { raw::call(__NR_capset, header.as_ptr() as usize, data.as_ptr() as usize, 0) }
}

/// Sets the real, effective and saved user id.
pub fn set_user(uid: u32) -> Result<()> {
    // SAFETY: takes three numbers.
    unsafe { raw::call(__NR_setresuid, uid as usize, uid as usize, uid as usize) }
}

/// Sets the real, effective and saved group id.
pub fn set_group(gid: u32) -> Result<()> {
    // SAFETY: takes three numbers.
    unsafe { raw::call(__NR_setresgid, gid as usize, gid as usize, gid as usize) }
}

/// Sets the additional groups.
pub fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: the kernel reads as many 32-bit ids as the slice has.
    unsafe { raw::call(__NR_setgroups, groups.len(), groups.as_ptr() as usize, 0) }
}

/// Sets the file mode creation mask.
pub fn set_umask(mask: u32) {
    // SAFETY: takes a number; it cannot fail.
    let _ = unsafe { raw::call(__NR_umask, mask as usize, 0, 0) };
}

/// Sets a resource limit of this process; all ones is infinity.
pub fn set_rlimit(resource: u8, soft: u64, hard: u64) -> Result<()> {
    // `struct rlimit64`.
    let limit = [soft, hard];
    // SAFETY: the kernel reads one `struct rlimit64`; the old one is not asked for.
    unsafe { raw::call(__NR_prlimit64, 0, resource as usize, limit.as_ptr() as usize) }
}

/// The name of this process as others see it: up to 15 bytes.
pub fn set_name(name: &super::texts::CStr) {
    const SET_NAME: usize = 15;
    // SAFETY: a C string, of which the kernel reads 16 bytes at most. It cannot fail.
    let _ = unsafe { raw::value(__NR_prctl, [SET_NAME, name.as_ptr() as usize, 0, 0, 0]) };
}

/// The effective user id of this process.
pub fn user() -> u32 {
    // SAFETY: takes nothing. It cannot fail.
    unsafe { raw::value(__NR_geteuid, [0; 5]) }.unwrap_or_default()
}

/// `USER_NS_INIT_INO` of linux/nsfs.h.
const MACHINES_USERS: u64 = 0xefff_fffd;

/// Whether this process's user is root of the machine, and not of a user namespace, unless that maps every id, too.
pub fn is_root_of_machine() -> bool {
    let is_root = user() == 0;
    if !is_root || file::number_of(s!("/proc/self/ns/user")) == Ok(MACHINES_USERS) {
        return is_root;
    }
    let mut buffer = [0; 64];
    let map = file::read_start(s!("/proc/self/uid_map"), &mut buffer).unwrap_or_default();
    map.trim_ascii_end().ends_with(b" 4294967295")
}
