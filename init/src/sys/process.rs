//! Processes: fork, clone into namespaces, exec, wait, signal, exit.

use super::texts::CStr;

use crate::abi::Errno;
use linux_raw_sys::general::{
    __NR_chdir, __NR_chroot, __NR_clone, __NR_clone3, __NR_dup3, __NR_execve, __NR_exit_group, __NR_fchdir,
    __NR_getpid, __NR_getppid, __NR_kill, __NR_pidfd_getfd, __NR_pidfd_open, __NR_pidfd_send_signal, __NR_setsid,
    __NR_wait4, __NR_waitid, CLONE_INTO_CGROUP, CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_VFORK, CLONE_VM, SIGCHLD,
    WEXITED, WNOHANG, WNOWAIT, clone_args,
};

use super::arena::Arena;
use super::{AsFd, BorrowedFd, OwnedFd, Result, fd, raw};

/// A process id; always positive.
pub type Pid = i32;

/// Which of the two processes returned from a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The one that called; the child's id.
    Parent(Pid),
    /// The new one.
    Child,
}

/// How a process ended: wait(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this code.
    Exited(u8),
    /// This signal ended it.
    Killed(u8),
}

impl Ended {
    /// The status a shell would show: the code, or 128 and the signal.
    pub fn code(self) -> u8 {
        match self {
            Ended::Exited(code) => code,
            Ended::Killed(signal) => signal.saturating_add(128),
        }
    }
}

/// Makes a copy of this process: fork(2).
///
/// There is one thread and no heap, so the child may go on with anything.
pub fn fork() -> Result<Fork> {
    // SAFETY: no flags but the exit signal: a plain fork. The null stack means "a copy of mine".
    let pid = unsafe { raw::value(__NR_clone, [SIGCHLD as usize, 0, 0, 0, 0]) }?;
    Ok(if pid == 0 { Fork::Child } else { Fork::Parent(pid as Pid) })
}

/// Makes a container's first process: clone3(2), born in new namespaces and in its control group.
///
/// `namespaces` is a set of `CLONE_NEW*`. With `sibling` the new process becomes a child of *our parent*: that is how
/// PID 1 gets the exit status of a container whose launcher has long gone.
pub fn clone_container(namespaces: u64, cgroup: Option<BorrowedFd>, sibling: bool) -> Result<Fork> {
    let arguments = arguments(namespaces, cgroup, sibling);
    let pointer = &raw const arguments as usize;
    // SAFETY: a whole `clone_args` of the size given; no shared memory and no new stack: a fork as far as memory goes.
    let pid = unsafe { raw::value(__NR_clone3, [pointer, size_of::<clone_args>(), 0, 0, 0]) }?;
    Ok(if pid == 0 { Fork::Child } else { Fork::Parent(pid as Pid) })
}

/// [`clone_container`] whose process runs `child` in this one's memory, and is told its id as this one sees it. This one goes
/// on when that has executed a program or ended, with all that `child` did to memory.
///
/// What `child` drops that has a descriptor stays open here. It must not end by a panic, which does not exist.
pub fn clone_and_wait(
    namespaces: u64,
    cgroup: Option<BorrowedFd>,
    sibling: bool,
    child: &mut dyn FnMut(Pid),
) -> Result<Pid> {
    struct With<'c> {
        pid: u32,
        child: &'c mut dyn FnMut(Pid),
    }
    extern "C" fn begin(with: usize) -> ! {
        // SAFETY: the address of the `With` below, which nobody uses meanwhile: who made it waits.
        let with = unsafe { &mut *(with as *mut With) };
        (with.child)(with.pid as Pid);
        exit(EXIT_NOT_LAUNCHED)
    }
    let mut with = With { pid: 0, child };
    let mut arguments = arguments(namespaces, cgroup, sibling);
    arguments.flags |= u64::from(CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID);
    arguments.parent_tid = &raw mut with.pid as u64;
    // SAFETY: both flags, no stack, and room for the id. `begin` gets what it wants, alive until it is done with it.
    let pid = unsafe { raw::clone_here(&arguments, begin, &raw mut with as usize) };
    if pid > -4096_isize as usize { Err(Errno::new((pid as u32).wrapping_neg())) } else { Ok(pid as Pid) }
}

/// How much of the stack stays for who makes a process that has the rest of it: [`clone_beside`]. No call needs more.
const STACK_KEPT: usize = super::region::STACK_BYTES;

/// [`clone_container`] whose process runs `child` in this one's memory, on a part of its stack further down, while this one
/// runs `parent`, which is told the id. If that is true, this process ends and the other one goes on; otherwise the other one
/// has ended when this returns. What both of them use they only read.
///
/// `child` is given `theirs`, which is closed here, and does not have `ours`. It must not end by a panic, which does not exist.
pub fn clone_beside(
    (namespaces, cgroup): (u64, Option<BorrowedFd>),
    ours: BorrowedFd,
    theirs: OwnedFd,
    child: &mut dyn FnMut(OwnedFd),
    parent: &mut dyn FnMut(Pid) -> bool,
) -> Result<()> {
    struct With<'c> {
        ours: BorrowedFd<'c>,
        theirs: u32,
        child: &'c mut dyn FnMut(OwnedFd),
    }
    extern "C" fn begin(with: usize) -> ! {
        // SAFETY: the address of the `With` below, which stays: who made it does not go on while there is this process.
        let with = unsafe { &mut *(with as *mut With) };
        fd::leave(with.ours);
        // SAFETY: open, and of the two processes' descriptors of this number it is this one's own.
        (with.child)(unsafe { OwnedFd::new(with.theirs) });
        exit(EXIT_NOT_LAUNCHED)
    }
    let mut with = With { ours, theirs: theirs.as_fd().number(), child };
    let mut arguments = arguments(namespaces, cgroup, false);
    arguments.flags |= u64::from(CLONE_VM);
    arguments.stack_size = 4096;
    // The kernel wants where it begins, and uses it from its end.
    arguments.stack = ((&raw const with as u64) & !15) - STACK_KEPT as u64 - arguments.stack_size;
    // SAFETY: the flag, and a stack that nobody uses: this process's calls stay above it, and the kernel makes room below.
    // `begin` gets what it wants, alive until one of the two processes has ended.
    let pid = unsafe { raw::clone_here(&arguments, begin, &raw mut with as usize) };
    if pid > -4096_isize as usize {
        return Err(Errno::new((pid as u32).wrapping_neg()));
    }
    drop(theirs);
    if parent(pid as Pid) {
        exit(0);
    }
    kill(pid as Pid, crate::abi::signal::KILL)?;
    reap(pid as Pid, true).map(drop)
}

fn arguments(namespaces: u64, cgroup: Option<BorrowedFd>, sibling: bool) -> clone_args {
    let mut arguments = clone_args {
        flags: namespaces,
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(SIGCHLD),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    if sibling {
        // The exit signal is then the caller's own (clone(2)), and must not be given again.
        arguments.flags |= u64::from(CLONE_PARENT);
        arguments.exit_signal = 0;
    }
    if let Some(cgroup) = &cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(cgroup.number());
    }
    arguments
}

/// What a container's process exits with when it never became the container; nobody reads it but a tracer.
pub const EXIT_NOT_LAUNCHED: u8 = 125;

/// A NULL-terminated vector of C strings, as execve(2) wants it.
pub struct Vector<'a>(&'a [*const u8]);

impl<'a> Vector<'a> {
    /// A vector of these strings, kept in the arena.
    ///
    /// # Errors
    /// The arena is full.
    pub fn new(strings: &[&'a CStr], arena: &mut Arena<'a>) -> Result<Vector<'a>> {
        let mut pointers = arena.list();
        for string in strings {
            arena.push(&mut pointers, string.as_ptr());
        }
        arena.push(&mut pointers, core::ptr::null());
        let pointers = arena.finish(pointers);
        // Only a whole one ends in NULL.
        arena.check().map_or(Err(Errno::TOOBIG), |()| Ok(Vector(pointers)))
    }
}

impl Vector<'_> {
    /// Where it is.
    pub(super) fn pointer(&self) -> usize {
        self.0.as_ptr() as usize
    }
}

/// Replaces the process: execve(2). Returns only the error.
pub fn execute(path: &CStr, arguments: &Vector, environment: &Vector) -> Errno {
    let (path, arguments, environment) = (path.as_ptr(), arguments.0.as_ptr(), environment.0.as_ptr());
    // SAFETY: a C string and two vectors that `Vector::new` ended in NULL, all alive during the call.
    match unsafe { raw::call(__NR_execve, path as usize, arguments as usize, environment as usize) } {
        Ok(_) => Errno::NOEXEC,
        Err(errno) => errno,
    }
}

/// Ends the process: exit_group(2).
pub fn exit(code: u8) -> ! {
    loop {
        // SAFETY: takes a number and does not return.
        let _ = unsafe { raw::call(__NR_exit_group, code as usize, 0, 0) };
    }
}

/// A child that has ended and is not reaped yet, which stays so: waitid(2) with WNOWAIT.
pub fn peek_ended() -> Result<Option<Pid>> {
    // `siginfo_t` is 128 bytes; `si_pid` is the fifth 32-bit word on 64-bit targets.
    let mut info = [0_u32; 32];
    let options = (WEXITED | WNOHANG | WNOWAIT) as usize;
    // SAFETY: the kernel writes at most one `siginfo_t` into `info`; P_ALL (0) takes no id; no usage is asked for.
    unsafe { raw::value(__NR_waitid, [0, 0, info.as_mut_ptr() as usize, options, 0]) }?;
    let [_, _, _, _, pid, ..] = info;
    Ok(if pid == 0 { None } else { Some(pid as Pid) })
}

/// Reaps one child: wait4(2). `block` waits for it; otherwise `None` says that it still runs.
pub fn reap(pid: Pid, block: bool) -> Result<Option<Ended>> {
    let (reaped, ended) = wait(pid, if block { 0 } else { WNOHANG as usize })?;
    Ok((reaped != 0).then_some(ended))
}

/// Reaps any child that has ended; process 0 if none has.
pub fn reap_ended() -> Result<(Pid, Ended)> {
    wait(-1, WNOHANG as usize)
}

/// Waits for the end of any child, and reaps it: which, and how.
pub fn reap_any() -> Result<(Pid, Ended)> {
    wait(-1, 0)
}

/// Process 0 says that none has ended.
fn wait(pid: Pid, options: usize) -> Result<(Pid, Ended)> {
    let mut status = 0_u32;
    let call = [pid as usize, &raw mut status as usize, options, 0, 0];
    loop {
        // SAFETY: the kernel writes one `int` into `status`; no usage is asked for.
        match unsafe { raw::value(__NR_wait4, call) } {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
            Ok(reaped) => {
                let signal = (status & 0x7f) as u8;
                let ended = if signal == 0 { Ended::Exited((status >> 8) as u8) } else { Ended::Killed(signal) };
                return Ok((reaped as Pid, ended));
            }
        }
    }
}

/// Sends a signal: kill(2). -1 is every process but this one and PID 1.
pub fn kill(pid: Pid, signal: u8) -> Result<()> {
    // SAFETY: takes two numbers.
    unsafe { raw::call(__NR_kill, pid as usize, signal as usize, 0) }
}

/// A process that keeps its meaning when its id is taken by another one: pidfd_open(2).
pub struct Handle(OwnedFd);

impl Handle {
    /// The process that has this id now.
    pub fn open(pid: Pid) -> Result<Handle> {
        // SAFETY: takes numbers.
        let fd = unsafe { raw::value(__NR_pidfd_open, [pid as usize, 0, 0, 0, 0]) }?;
        // SAFETY: the kernel just made it (close-on-exec) and nobody else knows it.
        Ok(Handle(unsafe { OwnedFd::new(fd) }))
    }

    /// A copy of a descriptor that it has: pidfd_getfd(2).
    pub fn descriptor(&self, number: u32) -> Result<OwnedFd> {
        // SAFETY: a borrowed descriptor and numbers.
        let fd = unsafe { raw::value(__NR_pidfd_getfd, [self.0.as_fd().argument(), number as usize, 0, 0, 0]) }?;
        // SAFETY: the kernel just made it (close-on-exec) and nobody else knows it.
        Ok(unsafe { OwnedFd::new(fd) })
    }

    /// Sends a signal: pidfd_send_signal(2).
    pub fn signal(&self, signal: u8) -> Result<()> {
        let call = [self.0.as_fd().argument(), signal as usize, 0, 0, 0];
        // SAFETY: a borrowed descriptor and numbers; the kernel fills in who sent it.
        unsafe { raw::value(__NR_pidfd_send_signal, call) }.map(drop)
    }
}

impl AsFd for Handle {
    /// Readable when the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// This process's id, in its own pid namespace: getpid(2).
pub fn own_pid() -> Pid {
    // SAFETY: takes nothing. It cannot fail.
    unsafe { raw::address(__NR_getpid, [0; 5]) as Pid }
}

/// The id of the process that made this one, or of whoever has taken its place: getppid(2).
pub fn parent() -> Pid {
    // SAFETY: takes nothing. It cannot fail.
    unsafe { raw::address(__NR_getppid, [0; 5]) as Pid }
}

/// Makes this process the leader of a new session: setsid(2).
pub fn new_session() -> Result<()> {
    // SAFETY: takes nothing.
    unsafe { raw::call(__NR_setsid, 0, 0, 0) }
}

/// Changes the working directory: chdir(2).
pub fn change_directory(path: &CStr) -> Result<()> {
    // SAFETY: a C string.
    unsafe { raw::call(__NR_chdir, path.as_ptr() as usize, 0, 0) }
}

/// Changes the working directory to the one that is open: fchdir(2).
pub fn enter(directory: BorrowedFd) -> Result<()> {
    // SAFETY: a borrowed descriptor.
    unsafe { raw::call(__NR_fchdir, directory.argument(), 0, 0) }
}

/// Makes the working directory the root: chroot(2).
pub fn change_root() -> Result<()> {
    // SAFETY: a C string.
    unsafe { raw::call(__NR_chroot, s!(".").as_ptr() as usize, 0, 0) }
}

/// Makes `file` one of this process's standard descriptors, 0 to 2: dup3(2).
pub fn set_standard(file: BorrowedFd, number: u32) -> Result<()> {
    if file.number() == number {
        return Ok(());
    }
    // SAFETY: nobody has a borrowed descriptor that depends on what a standard descriptor is open on.
    unsafe { raw::call(__NR_dup3, file.argument(), number as usize, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_seen_before_it_is_reaped_and_its_code_is_kept() {
        let Fork::Parent(pid) = fork().unwrap() else { exit(7) };
        assert_eq!(reap(pid, true), Ok(Some(Ended::Exited(7))));
        assert_eq!(reap(pid, false), Err(Errno::CHILD));
    }

    #[test]
    fn a_child_in_our_memory_leaves_there_what_it_did_and_knows_its_id() {
        let mut told = 0;
        let pid = clone_and_wait(0, None, false, &mut |pid| told = pid).unwrap();
        assert_eq!(told, pid);
        assert_eq!(reap(pid, true), Ok(Some(Ended::Exited(EXIT_NOT_LAUNCHED))));
    }

    #[test]
    fn a_killed_child_reports_its_signal() {
        let Fork::Parent(pid) = fork().unwrap() else {
            loop {
                std::thread::sleep(std::time::Duration::from_secs(1));
            }
        };
        kill(pid, 9).unwrap();
        let ended = reap(pid, true).unwrap().unwrap();
        assert_eq!((ended, ended.code()), (Ended::Killed(9), 137));
    }
}
