//! The root: the initramfs, made into one that containers can pivot away from; or what `root=` names, in its place.

use super::{block, modules};
use crate::abi::Errno;
use crate::abi::mount::{MS_MOVE, MS_RDONLY};
use crate::config::cmdline::Options;
use crate::limits;
use crate::log;
use crate::sys::file::{self, CWD, FileType, Open};
use crate::sys::path::copied;
use crate::sys::process::{self, Ended, Fork};
use crate::sys::{AsFd, BorrowedFd, OwnedFd, Result, mount, time, wait};
use crate::text::{Value, fields, number};
use crate::texts::CStr;

/// statfs(2): the two file systems that an initramfs can be.
const RAMFS_MAGIC: u64 = 0x8584_58f6;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Whether this is an initramfs.
pub fn is_initramfs() -> bool {
    matches!(file::file_system_of(s!("/")), Ok(RAMFS_MAGIC | TMPFS_MAGIC))
}

/// Binds the initramfs on itself and moves there.
///
/// pivot_root(2) refuses to move the initramfs: it is the namespace's very first mount and has no parent. LinuxKit copies
/// it all into a tmpfs for that reason. Here it is bound on itself, in three calls and without a byte copied: the bind
/// is an ordinary mount, the process's root from then on, and what every container starts from.
pub fn make_pivotable() -> Result<()> {
    let tree = mount::clone_tree(s!("/"), true)?;
    mount::attach(tree.as_fd(), file::open(CWD, s!("/"), Open::Place)?.as_fd())?;
    process::enter(tree.as_fd())?;
    process::change_root()?;
    if file::is_mount_root(file::open(CWD, s!("/"), Open::Place)?.as_fd())? { Ok(()) } else { Err(Errno::INVAL) }
}

/// Where the new root is mounted in the old one, and what an overlay is made of.
const ROOT: &CStr = s!("/.root");
const LOWER: &CStr = s!("/.lower");
const UPPER: &CStr = s!("/.upper");
/// This program, in the new root: the kernel runs it for modules, and so may people.
pub const PROGRAM: &CStr = s!("/run/pidone");

/// What is left of the old root: its files, and this program's among them.
pub struct Old {
    files: OwnedFd,
    program: OwnedFd,
}

/// Mounts what `root=` names and moves there. A machine without a root ends: the kernel's `panic=` says how.
pub fn switch(options: &Options, name: &[u8]) -> Old {
    // What is on the disks is not to be trusted, and whoever mounts it may wait for ever.
    let mounted = match process::fork() {
        Ok(Fork::Child) => process::exit(u8::from(!mount_root(options, name))),
        Ok(Fork::Parent(pid)) => process::reap(pid, true) == Ok(Some(Ended::Exited(0))),
        Err(_) => false,
    };
    match if mounted { move_to_root() } else { Err(Errno::NODEV) } {
        Ok(old) => old,
        Err(errno) => {
            let name = Value::Quoted(name);
            log::error(t!("root={}: {}; without a root there is nothing to run"), &[name, Value::Kernel(errno)]);
            process::exit(1)
        }
    }
}

fn move_to_root() -> Result<Old> {
    let program = mount::clone_tree(s!("/proc/self/exe"), false)?;
    let files = file::open(CWD, s!("/"), Open::Directory)?;
    process::change_directory(ROOT)?;
    for used in [s!("/dev"), s!("/sys"), s!("/proc")] {
        let _ = mount::unmount(used, true);
    }
    mount::mount(s!("."), s!("/"), s!(""), MS_MOVE, s!(""))?;
    process::change_root()?;
    process::change_directory(s!("/"))?;
    Ok(Old { files, program })
}

/// Shows this program at [`PROGRAM`], and frees the memory of the old root.
pub fn leave(old: &Old) {
    let shown = file::open(CWD, PROGRAM, Open::New)
        .and_then(|_| mount::attach(old.program.as_fd(), file::open(CWD, PROGRAM, Open::Place)?.as_fd()));
    if let Err(errno) = shown {
        log::warning(t!("show {}: {}"), &[Value::Raw(PROGRAM), Value::Kernel(errno)]);
    }
    // Nobody waits for it; without a process for it the memory stays taken.
    if process::fork() == Ok(Fork::Child) {
        delete(old.files.as_fd(), limits::EMPTY_DEPTH_MAX);
        process::exit(0)
    }
}

/// Removes what a directory of the old root holds, staying on its file system. The recursion is bounded by `depth`.
fn delete(directory: BorrowedFd, depth: usize) {
    let _ = file::for_each_entry(directory, &mut |name, kind| {
        let _ = if kind == FileType::DIRECTORY {
            if let Ok(inner) = file::open_itself(directory, name)
                && depth > 0
                && file::are_on_same_device(inner.as_fd(), directory) == Ok(true)
            {
                delete(inner.as_fd(), depth - 1);
            }
            file::remove_directory(directory, name)
        } else {
            file::remove(directory, name)
        };
        Ok(())
    });
}

/// In a process of its own: whether the new root is in its place. What is wrong was said.
fn mount_root(options: &Options, name: &[u8]) -> bool {
    modules::answer_kernel();
    modules::load(&mut options.modules());
    let _ = wait::ready(&[], Some(u64::from(options.root_delay_seconds) * 1_000_000));
    let writable = options.root_is_writable();
    let Some(overlay) = options.value(b"pidone.overlay") else {
        return mount_device(options, name, ROOT, writable);
    };
    if !mount_device(options, name, LOWER, false) {
        return false;
    }
    let upper = if overlay == b"tmpfs" {
        said(overlay, mount::mount(s!("tmpfs"), UPPER, s!("tmpfs"), 0, s!("mode=755")))
    } else {
        mount_device(options, overlay, UPPER, true)
    };
    upper && said(b"an overlay", lay_over())
}

fn lay_over() -> Result<()> {
    file::make_directory(s!("/.upper/upper"), 0o755)?;
    file::make_directory(s!("/.upper/work"), 0o755)?;
    let layers = s!("lowerdir=/.lower,upperdir=/.upper/upper,workdir=/.upper/work");
    mount::mount(s!("overlay"), ROOT, s!("overlay"), 0, layers)?;
    // The overlay has its own hold on both.
    mount::unmount(LOWER, true)?;
    mount::unmount(UPPER, true)
}

/// Mounts a device, or what a monitor shares under a name that is no path, as `rootfstype=` and `rootflags=` say; those are
/// not for the overlay's own device.
fn mount_device(options: &Options, name: &[u8], target: &CStr, writable: bool) -> bool {
    let mut buffer = [0; limits::PATH_BYTES_MAX];
    let (mut kinds, mut data) = (None, None);
    if target != UPPER {
        (kinds, data) = (options.value(b"rootfstype"), options.value(b"rootflags"));
    }
    let wait = match options.value(b"rootwait") {
        Some(seconds) => number(seconds, 10).map_or(u64::MAX, |seconds| seconds.saturating_mul(1_000_000)),
        None => limits::ROOT_WAIT_US,
    };
    let deadline_us = time::monotonic_us().saturating_add(wait);
    let mut waiting = false;
    let device = loop {
        match block::find(name, &mut buffer) {
            Some(device) => break device,
            None if time::monotonic_us() < deadline_us => wait::pause(),
            None => {
                block::report_all(name);
                return false;
            }
        }
        if wait == u64::MAX && !waiting {
            waiting = true;
            log::warning(t!("waiting for {}"), &[Value::Quoted(name)]);
        }
    };
    let flags = if writable { 0 } else { MS_RDONLY };
    let Some(kinds) = kinds.or_else(|| block::file_system(device)) else {
        log::error(t!("{}: no file system that I know: rootfstype= may name it"), &[Value::Quoted(name)]);
        return false;
    };
    let (mut kind_buffer, mut data_buffer) = ([0; 64], [0; limits::CMDLINE_BYTES_MAX]);
    let mut result = Err(Errno::INVAL);
    for kind in fields(kinds, b',') {
        result = copied(&mut kind_buffer, kind).and_then(|kind| {
            mount::mount(device, target, kind, flags, copied(&mut data_buffer, data.unwrap_or_default())?)
        });
        if result.is_ok() {
            break;
        }
    }
    said(name, result)
}

fn said(what: &[u8], result: Result<()>) -> bool {
    if let Err(errno) = result {
        log::error(t!("mount {}: {}"), &[Value::Quoted(what), Value::Kernel(errno)]);
    }
    result.is_ok()
}
