//! Mount flags: mount(2), mount_setattr(2).

/// Read-only.
pub const MS_RDONLY: u32 = 1;
/// Ignore set-user-id bits.
pub const MS_NOSUID: u32 = 1 << 1;
/// Ignore device nodes.
pub const MS_NODEV: u32 = 1 << 2;
/// Forbid executing programs.
pub const MS_NOEXEC: u32 = 1 << 3;
/// Write synchronously.
pub const MS_SYNCHRONOUS: u32 = 1 << 4;
/// Change flags of an existing mount.
pub const MS_REMOUNT: u32 = 1 << 5;
/// Permit mandatory locks (a no-op since Linux 5.15).
pub const MS_MANDLOCK: u32 = 1 << 6;
/// Directory changes are synchronous.
pub const MS_DIRSYNC: u32 = 1 << 7;
/// Do not follow symbolic links.
pub const MS_NOSYMFOLLOW: u32 = 1 << 8;
/// Do not keep access times.
pub const MS_NOATIME: u32 = 1 << 10;
/// Do not keep access times of directories.
pub const MS_NODIRATIME: u32 = 1 << 11;
/// Move a mount.
pub const MS_MOVE: u32 = 1 << 13;
/// Fewer kernel messages.
pub const MS_SILENT: u32 = 1 << 15;
/// Propagation: cannot be bound.
pub const MS_UNBINDABLE: u32 = 1 << 17;
/// Propagation: none.
pub const MS_PRIVATE: u32 = 1 << 18;
/// Propagation: receive only.
pub const MS_SLAVE: u32 = 1 << 19;
/// Propagation: both ways.
pub const MS_SHARED: u32 = 1 << 20;
/// Update access times relative to modification times.
pub const MS_RELATIME: u32 = 1 << 21;
/// Count versions of inodes.
pub const MS_I_VERSION: u32 = 1 << 23;
/// Always update access times.
pub const MS_STRICTATIME: u32 = 1 << 24;
/// Write access times lazily.
pub const MS_LAZYTIME: u32 = 1 << 25;

/// Read-only.
pub const MOUNT_ATTR_RDONLY: u32 = 1;
/// Ignore set-user-id bits.
pub const MOUNT_ATTR_NOSUID: u32 = 2;
/// Ignore device nodes.
pub const MOUNT_ATTR_NODEV: u32 = 4;
/// Forbid executing programs.
pub const MOUNT_ATTR_NOEXEC: u32 = 8;
/// The field of access time modes: must be cleared as a whole to set another.
pub const MOUNT_ATTR_ATIME: u32 = 0x70;
/// Access time mode: relative (the default).
pub const MOUNT_ATTR_RELATIME: u32 = 0;
/// Access time mode: none.
pub const MOUNT_ATTR_NOATIME: u32 = 0x10;
/// Access time mode: always.
pub const MOUNT_ATTR_STRICTATIME: u32 = 0x20;
/// Show other ids than the files have.
pub const MOUNT_ATTR_IDMAP: u32 = 0x0010_0000;
/// Do not keep access times of directories.
pub const MOUNT_ATTR_NODIRATIME: u32 = 0x80;
/// Do not follow symbolic links.
pub const MOUNT_ATTR_NOSYMFOLLOW: u32 = 0x0020_0000;
