//! The system calls, thinly: a failure ends the program with the number of the error.

use core::arch::asm;
use core::ffi::CStr;

use linux_raw_sys::general as nr;

/// Makes a system call and gives its result: a negative one is an error's negated number.
///
/// # Safety
/// The arguments must be what the call's man page asks for.
unsafe fn system_call(number: u32, [a, b, c, d, e]: [usize; 5]) -> isize {
    let result;
    // SAFETY: the registers of the kernel's calling convention; what the call does to memory is the caller's promise.
    unsafe {
        asm!("syscall", inlateout("rax") number as usize => result, in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d,
            in("r8") e, in("r9") 0, lateout("rcx") _, lateout("r11") _, options(nostack))
    };
    result
}

/// A call that takes numbers only.
pub(crate) fn numbers(number: u32, arguments: [usize; 5]) -> isize {
    // SAFETY: callers pass numbers, or the address of a record that lives through the call, as each of them says.
    unsafe { system_call(number, arguments) }
}

/// A call that takes a path, then numbers.
pub(crate) fn path(number: u32, path: &CStr, [b, c]: [usize; 2]) -> isize {
    // SAFETY: a C string that lives through the call, and numbers.
    unsafe { system_call(number, [path.as_ptr() as usize, b, c, 0, 0]) }
}

/// A call that takes two paths.
pub(crate) fn paths(number: u32, first: &CStr, second: &CStr) -> isize {
    // SAFETY: two C strings that live through the call.
    unsafe { system_call(number, [first.as_ptr() as usize, second.as_ptr() as usize, 0, 0, 0]) }
}

/// The result of a call that must succeed.
pub(crate) fn must(result: isize) -> usize {
    if result < 0 {
        exit(result.unsigned_abs() as u8)
    }
    result as usize
}

/// open(2).
pub(crate) fn open(name: &CStr, flags: u32) -> usize {
    must(path(nr::__NR_open, name, [(flags | nr::O_CLOEXEC) as usize, 0o600]))
}

/// mkdir(2).
pub(crate) fn mkdir(name: &CStr) {
    must(path(nr::__NR_mkdir, name, [0o755, 0]));
}

/// rmdir(2).
pub(crate) fn rmdir(name: &CStr) {
    must(path(nr::__NR_rmdir, name, [0, 0]));
}

/// unlink(2).
pub(crate) fn unlink(name: &CStr) {
    must(path(nr::__NR_unlink, name, [0, 0]));
}

/// close(2).
pub(crate) fn close(fd: usize) {
    must(numbers(nr::__NR_close, [fd, 0, 0, 0, 0]));
}

/// read(2): how many bytes.
pub(crate) fn read(fd: usize, buffer: &mut [u8]) -> usize {
    // SAFETY: the buffer is ours and as long as we say.
    must(unsafe { system_call(nr::__NR_read, [fd, buffer.as_mut_ptr() as usize, buffer.len(), 0, 0]) })
}

/// write(2).
pub(crate) fn write(fd: usize, bytes: &[u8]) {
    // SAFETY: the bytes live through the call.
    must(unsafe { system_call(nr::__NR_write, [fd, bytes.as_ptr() as usize, bytes.len(), 0, 0]) });
}

/// mount(2): its result, since a masked path may not be there.
pub(crate) fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: u32, data: &CStr) -> isize {
    let [source, target, kind, data] = [source, target, kind, data].map(|text| text.as_ptr() as usize);
    // SAFETY: four C strings that live through the call.
    unsafe { system_call(nr::__NR_mount, [source, target, kind, flags as usize, data]) }
}

/// wait4(2) for this process, or for any (-1): its status and what it used.
pub(crate) fn wait(pid: isize) -> (u32, nr::rusage) {
    let mut status = 0_u32;
    // SAFETY: a record of plain numbers, for which zero is a value.
    let mut usage: nr::rusage = unsafe { core::mem::zeroed() };
    let call = [pid as usize, &raw mut status as usize, 0, &raw mut usage as usize, 0];
    // SAFETY: the kernel writes one number and one record, both alive.
    must(unsafe { system_call(nr::__NR_wait4, call) });
    (status, usage)
}

/// clone3(2) into shared memory and onto a stack of its own, where `child` runs. With `CLONE_VFORK` the caller goes on
/// when the child has executed its program or ended.
pub(crate) fn spawn<T>(arguments: &nr::clone_args, child: extern "C" fn(&T) -> !, parameter: &T) -> usize {
    let result: isize;
    // SAFETY: the record is whole. The child starts on the stack it names, which is aligned and nobody else's, and calls a
    // function that does not return; the parameter outlives both, since the caller waits for the child to be done with it.
    unsafe {
        asm!("syscall", "test rax, rax", "jnz 2f", "xor ebp, ebp", "mov rdi, r12", "call r13", "ud2", "2:",
            inlateout("rax") nr::__NR_clone3 as isize => result, in("rdi") arguments,
            in("rsi") size_of::<nr::clone_args>(), in("r12") parameter, in("r13") child,
            lateout("rcx") _, lateout("r11") _)
    };
    must(result)
}

/// Nanoseconds since some moment: clock_gettime(2).
pub(crate) fn now() -> u64 {
    let mut time = nr::__kernel_timespec { tv_sec: 0, tv_nsec: 0 };
    numbers(nr::__NR_clock_gettime, [nr::CLOCK_MONOTONIC as usize, &raw mut time as usize, 0, 0, 0]);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// exit_group(2).
pub(crate) fn exit(code: u8) -> ! {
    loop {
        numbers(nr::__NR_exit_group, [usize::from(code), 0, 0, 0, 0]);
    }
}

/// Room for the words of a command, as execve(2) wants them.
pub(crate) type Vector = [usize; 64];

/// Puts strings behind each other, ended by a null.
pub(crate) fn vector(strings: impl Iterator<Item = &'static CStr>) -> Vector {
    let mut vector = [0; 64];
    for (place, string) in vector.iter_mut().take(63).zip(strings) {
        *place = string.as_ptr() as usize;
    }
    vector
}

/// execve(2) of the first word.
pub(crate) fn execute(words: &Vector, environment: &Vector) -> ! {
    let call = [words[0], words.as_ptr() as usize, environment.as_ptr() as usize, 0, 0];
    // SAFETY: two vectors that end in a null, of C strings on the initial stack.
    let result = unsafe { system_call(nr::__NR_execve, call) };
    exit(result.unsigned_abs() as u8)
}
