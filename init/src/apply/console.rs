//! A terminal made inside the container, of its own devpts: the machine's has no part in it.

use super::Applier;
use crate::abi::Errno;
use crate::plan::step::Console;
use crate::sys::file::{self, FileType, Open};
use crate::sys::{AsFd, Result, mount, socket, terminal};

impl Applier<'_, '_> {
    pub(super) fn open_console(&mut self, console: &Console) -> Result<()> {
        let master = self.open(&console.multiplexer, Open::Console)?;
        // Nothing else may have been put in its place (CVE-2025-52565).
        if !file::is_node(master.as_fd(), FileType::CHARACTER_DEVICE, rustix::fs::makedev(5, 2))? {
            return Err(Errno::NODEV);
        }
        let slave = terminal::open_other_end(master.as_fd())?;
        let (height, width) = (console.size.height as u16, console.size.width as u16);
        if height != 0 || width != 0 {
            terminal::set_size(slave.as_fd(), [height, width])?;
        }
        file::set_owner(slave.as_fd(), console.uid, u32::MAX)?;
        if let Some(bound) = &console.bound {
            let target = self.open_target(bound, FileType::REGULAR_FILE)?;
            mount::attach(mount::clone_tree_at(slave.as_fd(), s!(""), false)?.as_fd(), target.as_fd())?;
        }
        socket::send_descriptor(self.console_socket.ok_or(Errno::NXIO)?, master.as_fd(), b"\0")?;
        self.console = Some(slave);
        Ok(())
    }
}
