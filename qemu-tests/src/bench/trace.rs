//! The system calls of a runtime, as strace(1) saw them.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// A call of some process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which process, by the order in which they appeared: the runtime itself is 0.
    pub process: usize,
    /// The call.
    pub name: String,
    /// The line, without the process.
    pub line: String,
}

/// Runs a command and returns the calls of it and its children, up to and including the exec of the container's program.
///
/// # Errors
/// The command failed, or there is no strace.
pub fn trace(command: &[String], program: &str) -> Result<Vec<Call>> {
    let file = tempfile::NamedTempFile::new()?;
    let mut strace = Command::new("strace");
    // -I: what ends it may do so although it writes to a file.
    strace.args(["-f", "-I", "2", "-s", "60", "-o"]).arg(file.path()).arg("--").args(command);
    let errors = tempfile::NamedTempFile::new()?;
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors.reopen()?);
    let mut strace = strace.spawn().context("cannot run strace (package strace)")?;
    // It would stay as long as the container does.
    let code = loop {
        let over = strace.try_wait()?.is_some();
        if let Some(code) = exit_code(&fs::read_to_string(file.path())?) {
            break code;
        }
        ensure!(!over, "{}: strace has ended: {}", command.join(" "), fs::read_to_string(errors.path())?.trim());
        std::thread::sleep(Duration::from_millis(10));
    };
    if strace.try_wait()?.is_none() {
        kill_process(Pid::from_child(&strace), Signal::TERM)?;
        strace.wait()?;
    }
    ensure!(code == "0", "{}: exit code {code}: {}", command.join(" "), fs::read_to_string(errors.path())?.trim());
    Ok(read(&fs::read_to_string(file.path())?, program))
}

/// What the first process exited with, if it has.
fn exit_code(text: &str) -> Option<String> {
    let (first, _) = text.split_once(' ')?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(first));
    let end = lines.find_map(|line| line.trim_start().strip_prefix("+++ "))?;
    Some(end.trim_start_matches("exited with ").trim_end_matches(" +++").to_owned())
}

/// Reads what `strace -f -o` wrote.
fn read(text: &str, program: &str) -> Vec<Call> {
    let mut processes: Vec<&str> = Vec::new();
    let mut finished = HashSet::new();
    let mut calls = Vec::new();
    for (pid, line) in text.lines().filter_map(|line| line.split_once(' ')) {
        let line = line.trim_start();
        let process = processes.iter().position(|known| *known == pid).unwrap_or_else(|| {
            processes.push(pid);
            processes.len() - 1
        });
        // Signals, ends, and the second halves of calls.
        let name = line.split('(').next().unwrap_or_default();
        let is_call = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_call || finished.contains(pid) {
            continue;
        }
        calls.push(Call { process, name: name.to_owned(), line: line.to_owned() });
        if name == "execve" && line.starts_with(&format!("execve(\"{program}\"")) {
            finished.insert(pid);
        }
    }
    calls
}

/// What calls are for, by their names; the first group that has a name counts.
pub const GROUPS: &[(&str, &str)] = &[
    (
        "start-up",
        "execve brk mmap munmap mprotect mremap arch_prctl set_tid_address set_robust_list rseq getrandom pread64",
    ),
    (
        "processes",
        "clone clone3 fork vfork wait4 waitid exit exit_group kill tgkill pidfd_open setsid getpid gettid futex getppid",
    ),
    ("namespaces", "unshare setns sethostname setdomainname"),
    // strace does not know the name of open_tree_attr everywhere.
    (
        "mounts",
        "mount umount2 pivot_root open_tree open_tree_attr syscall_0x1d3 move_mount fsopen fsconfig fsmount mount_setattr chroot",
    ),
    (
        "nodes, links",
        "mknod mknodat symlink symlinkat mkdir mkdirat rmdir unlink unlinkat rename renameat2 chmod fchmod fchmodat chown fchownat",
    ),
    (
        "identity",
        "prctl capset capget setgroups setuid setgid setresuid setresgid umask prlimit64 setrlimit seccomp keyctl getuid geteuid getgid getegid chdir",
    ),
    ("control groups", "bpf"),
    (
        "messages",
        "socket socketpair sendto recvfrom sendmsg recvmsg connect bind pipe2 epoll_create1 epoll_ctl epoll_pwait eventfd2 signalfd4 poll ioctl",
    ),
    ("signals", "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait sigaltstack"),
    ("files", ""),
];

/// How many calls of each group.
pub fn by_group(calls: &[Call]) -> BTreeMap<&'static str, usize> {
    let group = |name: &str| {
        let found = GROUPS.iter().find(|(_, names)| names.split(' ').any(|other| other == name));
        found.map_or("files", |(group, _)| *group)
    };
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(group(&call.name)).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_once_and_up_to_the_program() {
        let text = "7 execve(\"/usr/bin/x\", [\"x\"], 0x7 /* 2 vars */) = 0\n\
                    7 clone3({flags=0}, 88 <unfinished ...>\n\
                    9 setsid() = 1\n\
                    7 <... clone3 resumed>) = 9\n\
                    9 execve(\"/bin/true\", [\"/bin/true\"], 0x1 /* 0 vars */) = 0\n\
                    9 brk(NULL) = 0x1\n\
                    9 +++ exited with 0 +++\n\
                    7 --- SIGCHLD {si_signo=SIGCHLD} ---\n\
                    7 wait4(-1, NULL, 0, NULL) = 9\n";
        let calls = read(text, "/bin/true");
        let names: Vec<_> = calls.iter().map(|call| (call.process, call.name.as_str())).collect();
        assert_eq!(names, [(0, "execve"), (0, "clone3"), (1, "setsid"), (1, "execve"), (0, "wait4")]);
        assert_eq!(by_group(&calls)["processes"], 3);
    }
}
