//! Mounts: mount(2), open_tree(2), mount_setattr(2), move_mount(2), umount2(2), pivot_root(2).

use core::ffi::CStr;

use linux_raw_sys::general::{__NR_mount_setattr, AT_EMPTY_PATH, AT_RECURSIVE, mount_attr};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use super::{Result, raw};

/// Mounts a new instance of a file system, or with `MS_REMOUNT` changes one: mount(2).
pub fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: u64, data: &CStr) -> Result<()> {
    rustix::mount::mount(source, target, kind, MountFlags::from_bits_retain(flags as u32), Some(data))
}

/// A detached copy of the mount at a path, with those below it if `recursive`: open_tree(2). Closing it drops it.
pub fn clone_tree(source: &CStr, recursive: bool) -> Result<OwnedFd> {
    clone_tree_at(rustix::fs::CWD, source, recursive)
}

/// [`clone_tree`] relative to a directory; an empty path is the descriptor itself.
pub fn clone_tree_at(directory: BorrowedFd, source: &CStr, recursive: bool) -> Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    rustix::mount::open_tree(directory, source, flags)
}

/// Attaches a detached mount on the file or directory that `target` is open on: move_mount(2).
pub fn attach(tree: BorrowedFd, target: BorrowedFd) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(tree, c"", target, c"", flags)
}

/// Changes attributes and propagation of the mount that `mount` is open on: mount_setattr(2).
pub fn set_attributes(mount: BorrowedFd, set: u64, clear: u64, propagation: u64, recursive: bool) -> Result<()> {
    let attributes = mount_attr { attr_set: set, attr_clr: clear, propagation, userns_fd: 0 };
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let call = [
        mount.as_raw_fd() as usize,
        c"".as_ptr() as usize,
        flags as usize,
        &raw const attributes as usize,
        size_of::<mount_attr>(),
        0,
    ];
    // SAFETY: a borrowed descriptor, a C string, and a whole `mount_attr` of the size given.
    unsafe { raw::call(__NR_mount_setattr, call) }.map(drop)
}

/// Unmounts what is on top at a path: umount2(2), without following a final link. `lazily` detaches the whole tree now
/// and lets the kernel finish when nobody uses it.
pub fn unmount(target: &CStr, lazily: bool) -> Result<()> {
    let flags = if lazily { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    rustix::mount::unmount(target, flags | UnmountFlags::NOFOLLOW)
}

/// Makes the current directory the root mount and stacks the old root on top of it: pivot_root(2) with both `.`.
pub fn pivot_here() -> Result<()> {
    rustix::process::pivot_root(c".", c".")
}
