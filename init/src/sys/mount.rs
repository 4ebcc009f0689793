//! Mounts: mount(2), open_tree(2), mount_setattr(2), move_mount(2), umount2(2), pivot_root(2).

use super::texts::CStr;

use linux_raw_sys::general::{
    __NR_mount, __NR_mount_setattr, __NR_move_mount, __NR_open_tree, __NR_open_tree_attr, __NR_pivot_root,
    __NR_umount2, AT_EMPTY_PATH, AT_RECURSIVE, MNT_DETACH, MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH,
    MOVE_MOUNT_T_SYMLINKS, OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE, UMOUNT_NOFOLLOW, mount_attr,
};

use super::file::CWD;
use super::{AsFd, BorrowedFd, OwnedFd, Result, raw};
use crate::abi::mount::{MOUNT_ATTR_IDMAP, MOUNT_ATTR_RDONLY};

const NOTHING: &CStr = s!("");

/// Mounts a new instance of a file system, or with `MS_REMOUNT` changes one: mount(2).
pub fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: u32, data: &CStr) -> Result<()> {
    let (source, target, kind, data) = (source.as_ptr(), target.as_ptr(), kind.as_ptr(), data.as_ptr());
    let call = [source as usize, target as usize, kind as usize, flags as usize, data as usize];
    // SAFETY: four C strings and a number; flags without data of another kind than text.
    unsafe { raw::value(__NR_mount, call) }.map(drop)
}

/// A detached copy of the mount at a path, with those below it if `recursive`: open_tree(2). Closing it drops it.
pub fn clone_tree(source: &CStr, recursive: bool) -> Result<OwnedFd> {
    clone_tree_at(CWD, source, recursive)
}

/// [`clone_tree`] relative to a directory; an empty path is the descriptor itself.
pub fn clone_tree_at(directory: BorrowedFd, source: &CStr, recursive: bool) -> Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let call = [directory.argument(), source.as_ptr() as usize, flags as usize, 0, 0];
    // SAFETY: a borrowed descriptor, a C string and a number.
    let opened = unsafe { raw::value(__NR_open_tree, call) };
    // SAFETY: the kernel just made it and nobody else knows it.
    opened.map(|number| unsafe { OwnedFd::new(number) })
}

/// [`clone_tree_at`] that cannot be written to: open_tree_attr(2), Linux 6.15, or what it stands for.
pub fn clone_readonly(directory: BorrowedFd, source: &CStr, recursive: bool) -> Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let wanted = mount_attr { attr_set: MOUNT_ATTR_RDONLY.into(), attr_clr: 0, propagation: 0, userns_fd: 0 };
    let (path, pointer) = (source.as_ptr() as usize, &raw const wanted as usize);
    let call = [directory.argument(), path, flags as usize, pointer, size_of::<mount_attr>()];
    // SAFETY: a borrowed descriptor, a C string, a number, and a whole `mount_attr` of the size given.
    if let Ok(number) = unsafe { raw::value(__NR_open_tree_attr, call) } {
        // SAFETY: the kernel just made it and nobody else knows it.
        return Ok(unsafe { OwnedFd::new(number) });
    }
    let copy = clone_tree_at(directory, source, recursive)?;
    change(copy.as_fd(), &wanted, recursive)?;
    Ok(copy)
}

/// Attaches a detached mount on the file or directory that `target` is open on: move_mount(2).
pub fn attach(tree: BorrowedFd, target: BorrowedFd) -> Result<()> {
    attach_at(tree, target, NOTHING)
}

/// [`attach`] on what a path leads to.
pub fn attach_at(tree: BorrowedFd, directory: BorrowedFd, path: &CStr) -> Result<()> {
    let flags = (MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) as usize;
    let call = [tree.argument(), NOTHING.as_ptr() as usize, directory.argument(), path.as_ptr() as usize, flags];
    // SAFETY: two borrowed descriptors, two C strings and a number.
    unsafe { raw::value(__NR_move_mount, call) }.map(drop)
}

/// Changes attributes and propagation of the mount that `mount` is open on, or with [`CWD`] of the root: mount_setattr(2).
pub fn set_attributes(mount: BorrowedFd, set: u32, clear: u32, propagation: u32, recursive: bool) -> Result<()> {
    change(
        mount,
        &mount_attr { attr_set: set.into(), attr_clr: clear.into(), propagation: propagation.into(), userns_fd: 0 },
        recursive,
    )
}

fn change(mount: BorrowedFd, attributes: &mount_attr, recursive: bool) -> Result<()> {
    let flags = (AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 }) as usize;
    let pointer = &raw const *attributes as usize;
    let path = if mount.number() == CWD.number() { s!("/") } else { NOTHING };
    let call = [mount.argument(), path.as_ptr() as usize, flags, pointer, size_of::<mount_attr>()];
    // SAFETY: a borrowed descriptor, a C string, and a whole `mount_attr` of the size given.
    unsafe { raw::value(__NR_mount_setattr, call) }.map(drop)
}

/// Makes a detached mount show the ids that a user namespace maps those of its files to: mount_setattr(2).
pub fn map_ids(mount: BorrowedFd, namespace: BorrowedFd, recursive: bool) -> Result<()> {
    let namespace = u64::from(namespace.number());
    change(
        mount,
        &mount_attr { attr_set: MOUNT_ATTR_IDMAP.into(), attr_clr: 0, propagation: 0, userns_fd: namespace },
        recursive,
    )
}

/// Unmounts what is on top at a path: umount2(2), without following a final link. `lazily` detaches the whole tree now
/// and lets the kernel finish when nobody uses it.
pub fn unmount(target: &CStr, lazily: bool) -> Result<()> {
    let flags = UMOUNT_NOFOLLOW | if lazily { MNT_DETACH } else { 0 };
    // SAFETY: a C string and a number.
    unsafe { raw::call(__NR_umount2, target.as_ptr() as usize, flags as usize, 0) }
}

/// Makes the current directory the root mount and stacks the old root on top of it: pivot_root(2) with both `.`.
pub fn pivot_here() -> Result<()> {
    let here = s!(".").as_ptr() as usize;
    // SAFETY: two C strings.
    unsafe { raw::call(__NR_pivot_root, here, here, 0) }
}
