//! A root that containers can pivot away from.
//!
//! pivot_root(2) refuses to move the initramfs: it is the namespace's very first mount and has no parent. LinuxKit copies
//! it all into a tmpfs for that reason. Here it is bound on itself, in three calls and without a byte copied: the bind
//! is an ordinary mount, the process's root from then on, and what every container starts from.

use crate::sys::AsFd;
use crate::sys::process;

use crate::abi::Errno;
use crate::sys::file::{self, CWD, Open};
use crate::sys::{Result, mount};

/// statfs(2): the two file systems that an initramfs can be.
const RAMFS_MAGIC: u64 = 0x8584_58f6;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Binds an initramfs root on itself and moves there. Any other root is left as it is.
pub fn make_pivotable() -> Result<()> {
    let kind = file::file_system_of(c"/")?;
    if kind != RAMFS_MAGIC && kind != TMPFS_MAGIC {
        return Ok(());
    }
    let tree = mount::clone_tree(c"/", true)?;
    mount::attach(tree.as_fd(), file::open(CWD, c"/", Open::Place)?.as_fd())?;
    process::enter(tree.as_fd())?;
    process::change_root()?;
    if file::is_mount_root(file::open(CWD, c"/", Open::Place)?.as_fd())? { Ok(()) } else { Err(Errno::INVAL) }
}
