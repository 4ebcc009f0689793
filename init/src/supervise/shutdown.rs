//! The way down: asking and killing containers, unmounting, the last system call.

use super::table::Power;
use crate::abi::{mount, signal};
use crate::limits;
use crate::log;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::{below, join};
use crate::sys::power::{self, Command};
use crate::sys::process::{self, Fork, Handle, Pid};
use crate::sys::{AsFd, OwnedFd, Result, block, mount as calls, region, time, wait};
use crate::text::{Line, Value, cut_last, fields, number, position};
use crate::texts::CStr;

/// Longest path the kernel takes or gives, with its NUL.
const PATH_BYTES: usize = 4096;

/// Asks a container to end, by the signal that it wants to be asked with.
///
/// The init of a pid namespace never sees SIGTERM unless it handles it (pid_namespaces(7)): waiting for it would be
/// waiting for nothing. Then those of its processes that do handle it are asked, as with a shell in front of a server;
/// when there are none, it is killed at once.
// Never part of the loop: its buffers would be on the stack all the time, and every fork would copy them.
#[inline(never)]
pub(super) fn ask(main: Pid, signal: u8) {
    if hears(main, signal, true) {
        terminate(main, signal);
        return;
    }
    let mut text = [0; PATH_BYTES];
    let mut asked = false;
    if let Some(file) = group_file(main, b"/cgroup.procs", Open::Read)
        && let Ok(text) = file::read_all(file.as_fd(), &mut text)
    {
        each_process(text, &mut |pid| {
            // It may have ended meanwhile and its pid be another process's: all are told to end soon anyway.
            asked |= pid != main && hears(pid, signal, false) && terminate(pid, signal);
        });
    }
    if !asked {
        kill_container(main);
    }
}

/// A process that is stopped could not act on it, so it is continued.
fn terminate(pid: Pid, signal: u8) -> bool {
    let sent = process::kill(pid, signal).is_ok();
    let _ = process::kill(pid, signal::CONT);
    sent
}

/// Kills everything in a container's control group; without one of its own, its first process.
pub(super) fn kill_container(main: Pid) {
    if let Some(file) = group_file(main, b"/cgroup.kill", Open::Write) {
        let _ = file::write(file.as_fd(), b"1");
    }
    // In case it has no group, or sits in one that cannot be killed (a threaded one).
    let _ = process::kill(main, signal::KILL);
}

/// Calls `each` with the pids in a cgroup.procs file: as many as a few containers have; the others are killed in the end.
fn each_process(text: &[u8], each: &mut dyn FnMut(Pid)) {
    // What is behind the last newline is a number that the end of the buffer cut in two.
    for digits in fields(cut_last(text, b'\n').0, b'\n') {
        if let Some(pid @ 1..) = number(digits, 10).and_then(|pid| Pid::try_from(pid).ok()) {
            each(pid);
        }
    }
}

/// Opens a file of the control group that a process is in, unless that is the root group.
pub fn group_file(pid: Pid, file: &[u8], how: Open) -> Option<OwnedFd> {
    let (mut text, mut path) = ([0; PATH_BYTES], [0; PATH_BYTES]);
    let group = cgroup_path(proc_file(pid, b"/cgroup", &mut text)?)?;
    file::open(CWD, join(&mut path, &[b"/sys/fs/cgroup", group, file]).ok()?, how).ok()
}

/// The path in /proc/PID/cgroup: `0::/services/web`. None for the root group and for one that was removed.
fn cgroup_path(text: &[u8]) -> Option<&[u8]> {
    let path = fields(text, b'\n').find_map(|line| line.strip_prefix(b"0::"))?;
    let outside = path.windows(3).any(|part| part == b"/..") || path.ends_with(b" (deleted)");
    (path.len() > 1 && !outside).then_some(path)
}

fn proc_file<'a>(pid: Pid, name: &[u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut path = [0; 64];
    let mut line = Line::new(&mut path);
    line.say(t!("/proc/")).signed(i64::from(pid)).raw(name);
    file::read_file(line.terminated()?, buffer).ok().map(|text| &*text)
}

/// Whether a signal reaches a process: if it is the init of a pid namespace, only when it catches or blocks it. With
/// `default` the signal's default action, the end, counts as well where there is one. In doubt it does.
fn hears(pid: Pid, signal: u8, default: bool) -> bool {
    let mut buffer = [0; PATH_BYTES];
    proc_file(pid, b"/status", &mut buffer).is_none_or(|status| status_hears(status, signal, default))
}

fn status_hears(status: &[u8], signal: u8, default: bool) -> bool {
    let field = |name: &[u8]| fields(status, b'\n').find_map(|line| line.strip_prefix(name));
    let set = |name| field(name).and_then(|digits| number(digits, 16)).unwrap_or(!0);
    let handles = (set(b"SigCgt:\t") | set(b"SigBlk:\t")) & 1 << (signal.wrapping_sub(1) & 63) != 0;
    // Its pid in each namespace it is in, the innermost last: an init is 1 there, and something else outside.
    let init = field(b"NSpid:\t").is_some_and(|pids| pids.ends_with(b"\t1"));
    handles || (default && !init)
}

/// Unmounts everything and lets go of the block devices that stand on others; 0. Runs in a process of its own: a file
/// system whose server has gone may hold it for ever.
pub(super) fn unmount_all() -> u8 {
    let Some(regions) = region::take() else { return 1 };
    let buffer = &mut regions.arena;
    let deadline_us = time::monotonic_us().saturating_add(limits::SERVERS_US);
    // Also for what a process that could not be killed has mounted in its own namespace: that stays mounted.
    aside(deadline_us, &power::sync);
    for _ in 0..limits::UNMOUNT_ROUNDS {
        let unmounted = unmount_once(buffer, deadline_us);
        release_devices();
        if unmounted == 0 {
            break;
        }
    }
    make_readonly(buffer);
    0
}

/// Does in a process of its own what a server that has gone may hold up for ever, and waits for it until the deadline.
fn aside(deadline_us: u64, act: &dyn Fn()) {
    match process::fork() {
        Ok(Fork::Child) => {
            act();
            process::exit(0)
        }
        Ok(Fork::Parent(pid)) => {
            if let Ok(handle) = Handle::open(pid) {
                let _ = wait::ready(&[Some(handle.as_fd())], Some(deadline_us.saturating_sub(time::monotonic_us())));
            }
        }
        Err(_) => act(),
    }
}

/// One line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
struct Mounted<'a> {
    /// With octal escapes.
    target: &'a [u8],
    kind: &'a [u8],
    /// Whether a block device is below it: file systems without one have major number 0.
    device: bool,
}

impl<'a> Mounted<'a> {
    fn parse(line: &'a [u8]) -> Option<Mounted<'a>> {
        let mut fields = fields(line, b' ');
        let device = !fields.nth(2)?.starts_with(b"0:");
        let target = fields.nth(1)?;
        // Optional fields, then `-`, then the type.
        fields.find(|field| *field == b"-")?;
        Some(Mounted { target, kind: fields.next()?, device })
    }

    /// Whether it stays until the end: the root, and what the unmounting itself needs, which hold no data.
    fn stays(&self) -> bool {
        let top = fields(self.target, b'/').nth(1).unwrap_or_default();
        position(b"proc sys dev", top).is_some() || matches!(self.target, b"/" | b"/run")
    }

    /// Whether a server elsewhere may be gone, for which nobody should wait long.
    fn remote(&self) -> bool {
        position(b"nfs nfs4 cifs smb3 ceph afs 9p virtiofs", self.kind).is_some()
    }
}

/// Undoes the octal escapes of mountinfo: `\040` is a space.
fn unescape<'a>(text: &[u8], line: &'a mut Line) -> Option<&'a CStr> {
    line.clear();
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                line.byte((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                after
            }
            _ => {
                line.byte(*first);
                tail
            }
        };
    }
    line.terminated()
}

/// Calls `each` with every mount and its path, the last one first.
fn for_each_mount(buffer: &mut [u8], each: &mut dyn FnMut(&Mounted, &CStr)) {
    let text = match file::read_file(s!("/proc/self/mountinfo"), buffer) {
        Ok(text) => &*text,
        Err(errno) => {
            log::error(t!("read /proc/self/mountinfo: {}"), &[Value::Kernel(errno)]);
            return;
        }
    };
    let mut path = [0; PATH_BYTES];
    let mut path = Line::new(&mut path);
    let mut before = text;
    while !before.is_empty() {
        let (rest, line) = cut_last(before, b'\n');
        before = rest;
        if let Some(mounted) = Mounted::parse(line)
            && let Some(target) = unescape(mounted.target, &mut path)
        {
            each(&mounted, target);
        }
    }
}

/// Unmounts what can be, from the last mount to the first; how many that were.
fn unmount_once(buffer: &mut [u8], deadline_us: u64) -> usize {
    let mut unmounted = 0;
    for_each_mount(buffer, &mut |mounted, target| {
        if mounted.stays() {
            return;
        }
        if mounted.remote() {
            // It is detached at once. Whoever was the last to use it waits for the server.
            aside(deadline_us, &|| _ = calls::unmount(target, true));
            unmounted += 1;
        } else {
            if mounted.device {
                let _ = remount_readonly(target);
            }
            unmounted += usize::from(calls::unmount(target, false).is_ok());
        }
    });
    unmounted
}

/// Which writes it back, wherever else it is mounted, unless a file in it is open for writing.
fn remount_readonly(target: &CStr) -> Result<()> {
    calls::mount(s!("none"), target, s!(""), mount::MS_REMOUNT | mount::MS_RDONLY, s!(""))
}

/// What is left on block devices, the root among it, is made read-only, which writes it back.
fn make_readonly(buffer: &mut [u8]) {
    let mut failed = false;
    for_each_mount(buffer, &mut |mounted, target| {
        let root = target == s!("/");
        if !root && (mounted.stays() || !mounted.device) {
            return;
        }
        let result = remount_readonly(target);
        failed |= result.is_err();
        if !root || (mounted.device && result.is_err()) {
            let target = Value::Name(target);
            match result {
                Ok(()) => log::warning(t!("{} is still in use: made read-only"), &[target]),
                Err(errno) => {
                    log::warning(t!("{} is still in use: make it read-only: {}"), &[target, Value::Kernel(errno)]);
                }
            }
        }
    });
    if failed {
        // However long it takes: a slow disk is no server that has gone.
        power::sync();
    }
}

/// Loop devices are detached from their files, mapped devices removed.
fn release_devices() {
    if let Ok(control) = file::open(CWD, s!("/dev/mapper/control"), Open::Write) {
        // Those in use stay, which is no error here: what uses them is reported when it is made read-only.
        if let Err(errno) = block::remove_mapped(control.as_fd()) {
            log::debug(t!("remove mapped devices: {}"), &[Value::Kernel(errno)]);
        }
    }
    let Ok(blocks) = file::open(CWD, s!("/sys/block"), Open::Directory) else { return };
    let _ = file::for_each_entry(blocks.as_fd(), &mut |name, _| {
        let (mut backing, mut device) = ([0; 64], [0; 64]);
        if name.to_bytes().starts_with(b"loop")
            && let Ok(backing) = below(&mut backing, name, s!("loop/backing_file"))
            && file::kind(blocks.as_fd(), backing).is_ok()
            && let Ok(device) = below(&mut device, s!("/dev"), name)
            && let Err(errno) =
                file::open(CWD, device, Open::Read).and_then(|opened| block::release_loop(opened.as_fd()))
        {
            log::warning(t!("release {}: {}"), &[Value::Name(device), Value::Kernel(errno)]);
        }
        Ok(())
    });
}

/// The last system call. Should the kernel refuse it, the next best one.
pub(super) fn end(wanted: Power, code: Option<u8>) {
    let first = match wanted {
        Power::Panic => {
            log::error(t!("ending, so that the kernel panics"), &[]);
            // The kernel prints it: `exitcode=0x00000300`.
            process::exit(code.unwrap_or(1).max(1))
        }
        Power::PowerOff if power::restart_is_power_off() => {
            log::info(t!("power off: not in this machine's power; its monitor is told by a reset"), &[]);
            Command::Restart
        }
        Power::PowerOff => Command::PowerOff,
        Power::Halt => Command::Halt,
        Power::Reboot => Command::Restart,
        Power::Kexec => Command::Kexec,
    };
    for command in [first, Command::Restart, Command::Halt] {
        let errno = power::act(command);
        log::error(t!("{}: {}"), &[Value::Print(&wanted), Value::Kernel(errno)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_group_is_found_but_never_the_root_or_one_outside() {
        assert_eq!(cgroup_path(b"0::/services/web\n"), Some(&b"/services/web"[..]));
        assert_eq!(cgroup_path(b"1:name=systemd:/x\n0::/a b\n"), Some(&b"/a b"[..]));
        for text in [&b"0::/\n"[..], b"", b"0::/../x\n", b"0::/x (deleted)\n", b"1:cpu:/x\n"] {
            assert_eq!(cgroup_path(text), None);
        }
    }

    #[test]
    fn an_init_that_ignores_terminate_is_not_waited_for() {
        let status = |pids: &str, caught: &str, blocked: &str| {
            format!("Name:\tx\nNSpid:\t{pids}\nSigBlk:\t{blocked}\nSigIgn:\t0\nSigCgt:\t{caught}\n").into_bytes()
        };
        let (none, term) = ("0000000000000000", "0000000000004000");
        for (pids, caught, blocked, hears) in [
            ("77", none, none, true),
            ("77\t1", none, none, false),
            ("77\t1", term, none, true),
            ("77\t1", none, term, true),
            ("77\t21", none, none, true),
            ("77\t1\t5", none, none, true),
        ] {
            assert_eq!(
                status_hears(&status(pids, caught, blocked), signal::TERM, true),
                hears,
                "{pids} {caught} {blocked}"
            );
        }
        assert!(!status_hears(&status("77\t21", none, none), signal::TERM, false));
        assert!(status_hears(&status("77\t21", term, none), signal::TERM, false));
        assert!(!status_hears(&status("77\t1", term, none), signal::USR1, true));
        assert!(status_hears(b"", signal::TERM, true), "in doubt it is asked");
        assert!(hears(process::own_pid(), signal::TERM, true));
    }

    #[test]
    fn mounts_are_read_as_the_kernel_writes_them() {
        let line = br"36 35 98:0 /mnt1 /mnt\0402\134x rw,noatime master:1 - ext3 /dev/root rw,errors=continue";
        let mounted = Mounted::parse(line).unwrap();
        assert!(mounted.device && !mounted.stays() && !mounted.remote());
        assert_eq!(mounted.kind, b"ext3");
        let mut buffer = [0; 32];
        assert_eq!(unescape(mounted.target, &mut Line::new(&mut buffer)), Some(s!("/mnt 2\\x")));
        assert_eq!(unescape(&[b'x'; 32], &mut Line::new(&mut [0; 32])), None);
        for end in 0..line.len() {
            if let Some(mounted) = Mounted::parse(&line[..end]) {
                assert!(b"ext3".starts_with(mounted.kind) || mounted.kind == b"ext3");
            }
        }
    }

    #[test]
    fn what_unmounting_needs_stays() {
        let stays = |target: &'static [u8]| Mounted { target, kind: b"x", device: false }.stays();
        for target in [&b"/"[..], b"/proc", b"/proc/sys/fs/binfmt_misc", b"/sys/fs/cgroup", b"/dev/pts", b"/run"] {
            assert!(stays(target));
        }
        for target in [&b"/var"[..], b"/run/x", b"/process", b"/devices", b"/containers/onboot/a/rootfs"] {
            assert!(!stays(target));
        }
    }

    #[test]
    fn pids_of_a_group_are_read_whole() {
        let mut pids = Vec::new();
        each_process(b"1\n22\n0\n33", &mut |pid| pids.push(pid));
        each_process(b"44", &mut |pid| pids.push(pid));
        assert_eq!(pids, [1, 22]);
    }
}
