//! Joining, making, binding and mapping namespaces.

use crate::sys::{AsFd, OwnedFd};
use crate::texts::CStr;

use super::{Applier, mounts, numbered};
use crate::abi::namespace::Namespace;
use crate::abi::{Errno, signal};
use crate::config::spec::{Hook, IdMapping};
use crate::sys::file::{self, CWD, Open};
use crate::sys::path;
use crate::sys::process::{self, Fork, Pid};
use crate::sys::{Result, mount, namespace};
use crate::text::Line;

impl Applier<'_, '_> {
    pub(super) fn bind_namespace(&mut self, kind: Namespace, path: &CStr) -> Result<()> {
        let mut buffer = [0; 64];
        let mut suffix = [0; 16];
        let suffix = path::join(&mut suffix, &[b"/ns/", kind.proc_name().to_bytes()])?;
        let source = numbered(&mut buffer, "/proc/", self.process()?.unsigned_abs(), suffix.to_bytes())?;
        mounts::attach_on_file(self, mount::clone_tree(source, false)?.as_fd(), path)
    }

    /// Gives the container's user namespace its mappings. Who may not write what is asked for, but is allotted it in
    /// /etc/subuid and /etc/subgid, has newuidmap(1) do it. Who maps his own group alone gives up setgroups(2) for that.
    pub(super) fn map_container(&mut self, uids: &[IdMapping], gids: &[IdMapping]) -> Result<()> {
        let pid = self.process()?;
        if write_map(pid, b"/uid_map", uids) == Err(Errno::PERM) {
            self.ask_for_map(s!("/usr/bin/newuidmap"), pid, uids)?;
        }
        let mut written = write_map(pid, b"/gid_map", gids);
        if let (Err(Errno::PERM), [IdMapping { size: 1, .. }]) = (written, gids) {
            write_file(pid, b"/setgroups", b"deny")?;
            written = write_map(pid, b"/gid_map", gids);
        }
        if written == Err(Errno::PERM) { self.ask_for_map(s!("/usr/bin/newgidmap"), pid, gids) } else { written }
    }

    fn ask_for_map(&mut self, program: &'static CStr, pid: Pid, mappings: &[IdMapping]) -> Result<()> {
        let mut arguments = self.arena.list();
        self.arena.push(&mut arguments, program);
        let mut push = |number: u32| {
            let mut digits = [0; 10];
            let digits = path::decimal(&mut digits, number);
            let text = self.arena.copy(digits);
            self.arena.push(&mut arguments, text);
        };
        push(pid.unsigned_abs());
        for mapping in mappings {
            push(mapping.container_id);
            push(mapping.host_id);
            push(mapping.size);
        }
        let args = self.arena.finish(arguments);
        self.run_program(&Hook { path: Some(program), args, env: &[], timeout: None }, b"")
    }
}

pub(super) fn join(kind: Namespace, path: &CStr) -> Result<()> {
    namespace::join(file::open(CWD, path, Open::Read)?.as_fd(), kind.flag())
}

pub(super) fn new_cgroup_namespace() -> Result<()> {
    namespace::unshare(Namespace::Cgroup.flag())
}

/// Makes a time namespace and enters it, which takes effect at once, unlike the joining of a pid namespace.
pub(super) fn new_time_namespace(offsets: &CStr) -> Result<()> {
    namespace::unshare(Namespace::Time.flag())?;
    file::write_file(s!("/proc/self/timens_offsets"), offsets.to_bytes())?;
    join(Namespace::Time, s!("/proc/self/ns/time_for_children"))
}

/// A user namespace with these mappings, which has no other use: of a process that lives until it is open.
pub(super) fn with_ids(uids: &[IdMapping], gids: &[IdMapping]) -> Result<OwnedFd> {
    let Fork::Parent(pid) = process::clone_container(Namespace::User.flag(), None, false)? else {
        loop {
            // Until it is killed. Stopped and without a parent it would be hung up.
            let _ = process::kill(process::own_pid(), signal::STOP);
        }
    };
    let mut path = [0; 64];
    let opened = map_ids(pid, uids, gids).and_then(|()| {
        let path = numbered(&mut path, "/proc/", pid.unsigned_abs(), b"/ns/user")?;
        file::open(CWD, path, Open::Read)
    });
    process::kill(pid, signal::KILL)?;
    process::reap(pid, true)?;
    opened
}

/// user_namespaces(7): each map is written once and whole.
pub(super) fn map_ids(process: Pid, uids: &[IdMapping], gids: &[IdMapping]) -> Result<()> {
    write_map(process, b"/uid_map", uids)?;
    write_map(process, b"/gid_map", gids)
}

/// The kernel takes at most 340 lines, in one write of less than a page.
fn write_map(process: Pid, file: &[u8], mappings: &[IdMapping]) -> Result<()> {
    let mut buffer = [0; crate::limits::PATH_BYTES_MAX];
    let mut line = Line::new(&mut buffer);
    for mapping in mappings {
        line.number(u64::from(mapping.container_id)).byte(b' ');
        line.number(u64::from(mapping.host_id)).byte(b' ').number(u64::from(mapping.size)).byte(b'\n');
    }
    if line.overflowed() {
        return Err(Errno::TOOBIG);
    }
    write_file(process, file, line.bytes())
}

/// Writes a text into a file of a process's directory in /proc.
fn write_file(process: Pid, file: &[u8], text: &[u8]) -> Result<()> {
    let mut path = [0; 64];
    file::write_file(numbered(&mut path, "/proc/", process.unsigned_abs(), file)?, text)
}
