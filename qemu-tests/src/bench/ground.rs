//! The private place where containers are made: namespaces of mounts, processes and control groups of our own, memory
//! for what is written, and nothing left when it ends.
//!
//! Machines that still have control groups of version 1 beside those of version 2 get the latter mounted alone, without
//! controllers: all but limits works there.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::command;

/// Where the private place has its control groups.
pub const GROUPS: &str = "/sys/fs/cgroup";
/// Where bundles are, in memory.
pub const BUNDLES: &str = "/run/bundles";
/// The group that the driver itself is in, below [`GROUPS`].
const DRIVER: &str = "driver";
/// The first argument of the process inside.
const INSIDE: &str = "--inside";

/// Runs `work` in a private place: the program starts itself again in it, with the same arguments.
pub fn enter(work: impl FnOnce(Vec<String>) -> Result<ExitCode>) -> Result<ExitCode> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == INSIDE) {
        arguments.remove(0);
        prepare()?;
        return work(arguments);
    }
    ensure!(rustix::process::geteuid().is_root(), "needs root: it makes namespaces and control groups");
    let group = Group::make()?;
    // A group namespace's root is where its first process was, which then steps down: the root must stay empty for
    // controllers to be handed on. The process namespace ends whatever is left.
    let script = r#"echo $$ > "$0/cgroup.procs" && exec unshare --cgroup sh -c \
        'echo $$ > "$0/driver/cgroup.procs" && exec unshare --mount --pid --ipc --fork --kill-child --mount-proc "$@"' "$0" "$@""#;
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(&group.path)
        .arg(std::env::current_exe()?)
        .arg(INSIDE)
        .args(arguments)
        .status()?;
    Ok(ExitCode::from(status.code().unwrap_or(1) as u8))
}

fn prepare() -> Result<()> {
    command::output(Command::new("mount").args(["--make-rprivate", "/"]))?;
    command::output(Command::new("mount").args(["-t", "cgroup2", "cgroup2", GROUPS]))?;
    command::output(Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]))?;
    fs::create_dir(BUNDLES)?;
    let wanted = fs::read_to_string(format!("{GROUPS}/cgroup.controllers"))?;
    for controller in wanted.split_whitespace() {
        // One that cannot be handed on is told by the case that needs it.
        let _ = fs::write(format!("{GROUPS}/cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

/// The controllers that containers here can be limited by.
pub fn controllers() -> String {
    fs::read_to_string(format!("{GROUPS}/cgroup.subtree_control")).unwrap_or_default().trim().to_owned()
}

/// Kills whatever is in a group that is not the driver's, reaps it, and removes the groups.
pub fn clear() -> Result<()> {
    for entry in fs::read_dir(GROUPS)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with(DRIVER) {
            let _ = fs::write(path.join("cgroup.kill"), "1");
            remove(&path)?;
        }
    }
    Ok(())
}

/// Waits until a container's group is empty, and reaps what was left to us.
pub fn await_end(id: &str) -> Result<()> {
    for _ in 0..1000 {
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        if !is_populated(Path::new(GROUPS), id)? {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    bail!("{id}: does not end")
}

/// Whether a group with this in its name, anywhere below, has a process.
fn is_populated(group: &Path, id: &str) -> Result<bool> {
    for entry in fs::read_dir(group)?.flatten().filter(|entry| entry.path().is_dir()) {
        let path = entry.path();
        let events = fs::read_to_string(path.join("cgroup.events")).unwrap_or_default();
        let is_it = path.file_name().is_some_and(|name| name.to_string_lossy().contains(id));
        if is_it && events.lines().any(|line| line == "populated 1") || is_populated(&path, id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes a tree of groups whose processes are being killed, and reaps those that are ours.
fn remove(group: &Path) -> Result<()> {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove(&entry.path())?;
        }
    }
    for _ in 0..1000 {
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        match fs::remove_dir(group) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => return Ok(()),
        }
    }
    bail!("{}: still has processes", group.display())
}

/// A control group on the machine; removed, with all below it, when dropped.
struct Group {
    path: PathBuf,
}

impl Group {
    fn make() -> Result<Group> {
        let mounts = fs::read_to_string("/proc/mounts")?;
        let mount = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
        let mount = mount.and_then(|line| line.split(' ').nth(1)).context("no control groups of version 2")?;
        let path = Path::new(mount).join(format!("pidone-bench.{}", std::process::id()));
        fs::create_dir(&path)?;
        fs::create_dir(path.join(DRIVER))?;
        Ok(Group { path })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
        // What is left is seen by the next one who looks, and harms nobody.
        let _ = remove(&self.path);
    }
}

/// Lays a root file system out: busybox, as a few of its names, and the places for mounts.
pub fn root_file_system(root: &Path, busybox: &Path) -> Result<()> {
    for name in ["bin", "dev", "proc", "sys", "etc", "tmp"] {
        fs::create_dir_all(root.join(name))?;
    }
    fs::copy(busybox, root.join("bin/busybox"))?;
    for name in ["true", "sleep", "sh"] {
        symlink("busybox", root.join("bin").join(name))?;
    }
    Ok(())
}
