//! The store of descriptors: the queue of a socket that PID 1 holds both ends of and never looks at.
//!
//! Whoever has something to be logged sends the end of it that is to be read, with the stream's name, and is done. The
//! logger only looks at what is in the queue and leaves it there, so that the one after it finds the same; what has come
//! to its end is taken out when there is enough of it. At every moment each descriptor is in the queue at least once: a
//! stream is put in again at its end before it is taken out at its beginning.

use super::file::Place;
use crate::limits;
use crate::sys::{AsFd, BorrowedFd, OwnedFd, Result, fd, path, socket, wait};

/// What is sent: what it is, and for a stream its name.
pub(super) const MESSAGE_BYTES: usize = 1 + limits::LOG_SOURCE_BYTES;

/// What a descriptor in the store is, beside the [`Place`]s of streams.
pub(super) const EXTERNAL: u8 = 3;
/// Where others send descriptors to.
pub(super) const REQUESTS: u8 = 4;
/// Where others ask for what was logged.
pub(super) const QUESTIONS: u8 = 5;

/// See the module's documentation.
pub struct Store {
    receiver: OwnedFd,
    sender: OwnedFd,
}

impl Store {
    pub(super) fn new() -> Result<Store> {
        // Nobody waits for anybody: a container whose output cannot be logged runs all the same.
        let (receiver, sender) = wait::sockets_without_waiting()?;
        // Launchers need it.
        Ok(Store { receiver, sender: fd::moved_up(sender.as_fd())? })
    }

    /// Where to wait for more.
    pub(super) fn receiver(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    /// Gives it room for all streams.
    pub(super) fn prepare(&self) -> Result<()> {
        socket::set_room(self.sender.as_fd(), limits::LOG_STORE_BYTES)
    }

    /// Puts a descriptor in: of a stream, whose lines are then logged whoever runs.
    pub fn put(&self, place: Place, source: &[u8], descriptor: BorrowedFd) -> Result<()> {
        self.put_as(place as u8, source, descriptor)
    }

    #[inline(never)]
    pub(super) fn put_as(&self, what: u8, source: &[u8], descriptor: BorrowedFd) -> Result<()> {
        let mut message = [what; MESSAGE_BYTES];
        path::copy(message.get_mut(1..).unwrap_or_default(), source);
        let message = message.get(..1 + source.len()).ok_or(crate::abi::Errno::NAMETOOLONG)?;
        socket::send_descriptor(self.sender.as_fd(), descriptor, message)
    }

    /// Begins to look at the beginning.
    pub(super) fn rewind(&self) {
        // The kernel has had it for all sockets of the family since Linux 3.4.
        let _ = socket::look_from(self.receiver.as_fd(), 0);
    }

    /// The next one that was not looked at.
    pub(super) fn look(&self, message: &mut [u8; MESSAGE_BYTES]) -> Option<(usize, OwnedFd)> {
        let (length, descriptor) = socket::receive(self.receiver.as_fd(), message, true).ok()?;
        Some((length, descriptor?))
    }

    /// Takes the first one out, or puts it at the end.
    pub(super) fn turn(&self, keep: &dyn Fn(BorrowedFd) -> bool) {
        let mut message = [0; MESSAGE_BYTES];
        self.rewind();
        if let Some((length, descriptor)) = self.look(&mut message) {
            let message = message.get(..length).unwrap_or_default();
            if keep(descriptor.as_fd())
                && socket::send_descriptor(self.sender.as_fd(), descriptor.as_fd(), message).is_err()
            {
                // It stays where it is.
                return;
            }
        }
        let _ = socket::receive(self.receiver.as_fd(), &mut message, false);
    }
}
