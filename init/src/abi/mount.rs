//! Mount flags: mount(2), mount_setattr(2).

/// Read-only.
pub const MS_RDONLY: u64 = 1;
/// Ignore set-user-id bits.
pub const MS_NOSUID: u64 = 1 << 1;
/// Ignore device nodes.
pub const MS_NODEV: u64 = 1 << 2;
/// Forbid executing programs.
pub const MS_NOEXEC: u64 = 1 << 3;
/// Write synchronously.
pub const MS_SYNCHRONOUS: u64 = 1 << 4;
/// Change flags of an existing mount.
pub const MS_REMOUNT: u64 = 1 << 5;
/// Permit mandatory locks (a no-op since Linux 5.15).
pub const MS_MANDLOCK: u64 = 1 << 6;
/// Directory changes are synchronous.
pub const MS_DIRSYNC: u64 = 1 << 7;
/// Do not follow symbolic links.
pub const MS_NOSYMFOLLOW: u64 = 1 << 8;
/// Do not keep access times.
pub const MS_NOATIME: u64 = 1 << 10;
/// Do not keep access times of directories.
pub const MS_NODIRATIME: u64 = 1 << 11;
/// Move a mount.
pub const MS_MOVE: u64 = 1 << 13;
/// Fewer kernel messages.
pub const MS_SILENT: u64 = 1 << 15;
/// Propagation: cannot be bound.
pub const MS_UNBINDABLE: u64 = 1 << 17;
/// Propagation: none.
pub const MS_PRIVATE: u64 = 1 << 18;
/// Propagation: receive only.
pub const MS_SLAVE: u64 = 1 << 19;
/// Propagation: both ways.
pub const MS_SHARED: u64 = 1 << 20;
/// Update access times relative to modification times.
pub const MS_RELATIME: u64 = 1 << 21;
/// Count versions of inodes.
pub const MS_I_VERSION: u64 = 1 << 23;
/// Always update access times.
pub const MS_STRICTATIME: u64 = 1 << 24;
/// Write access times lazily.
pub const MS_LAZYTIME: u64 = 1 << 25;

/// Read-only.
pub const MOUNT_ATTR_RDONLY: u64 = 1;
/// Ignore set-user-id bits.
pub const MOUNT_ATTR_NOSUID: u64 = 2;
/// Ignore device nodes.
pub const MOUNT_ATTR_NODEV: u64 = 4;
/// Forbid executing programs.
pub const MOUNT_ATTR_NOEXEC: u64 = 8;
/// The field of access time modes: must be cleared as a whole to set another.
pub const MOUNT_ATTR_ATIME: u64 = 0x70;
/// Access time mode: relative (the default).
pub const MOUNT_ATTR_RELATIME: u64 = 0;
/// Access time mode: none.
pub const MOUNT_ATTR_NOATIME: u64 = 0x10;
/// Access time mode: always.
pub const MOUNT_ATTR_STRICTATIME: u64 = 0x20;
/// Show other ids than the files have.
pub const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;
/// Do not keep access times of directories.
pub const MOUNT_ATTR_NODIRATIME: u64 = 0x80;
/// Do not follow symbolic links.
pub const MOUNT_ATTR_NOSYMFOLLOW: u64 = 0x0020_0000;
