//! What a launch tells PID 1, over the socket that every launcher inherits: sixteen bytes a message, kept apart and in
//! order by the socket. Who sent it is not in the message: the kernel says so.

use crate::sys::BorrowedFd;

use crate::sys::{self, wait};

/// Bytes of a message.
pub const BYTES: usize = 16;

/// A message of a launch about its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// "I am the container in this slot", from the container's own first process before it does anything else.
    Announced {
        /// The container's slot in PID 1's table.
        slot: u16,
    },
    /// "The container's program runs", from its launcher.
    Executed {
        /// The container's slot in PID 1's table.
        slot: u16,
        /// When the launcher saw that: monotonic microseconds.
        time_us: u64,
    },
}

impl Message {
    /// The message as bytes: kind, slot, four bytes of nothing, time; numbers as the machine has them.
    pub fn encode(self) -> [u8; BYTES] {
        let (kind, slot, time_us) = match self {
            Message::Announced { slot } => (1_u16, slot, 0),
            Message::Executed { slot, time_us } => (2, slot, time_us),
        };
        let ([a, b], [c, d]) = (kind.to_ne_bytes(), slot.to_ne_bytes());
        let [e, f, g, h, i, j, k, l] = time_us.to_ne_bytes();
        [a, b, c, d, 0, 0, 0, 0, e, f, g, h, i, j, k, l]
    }

    /// The message that the bytes are, if they are one.
    pub fn decode(bytes: [u8; BYTES]) -> Option<Message> {
        let [a, b, c, d, 0, 0, 0, 0, e, f, g, h, i, j, k, l] = bytes else { return None };
        let slot = u16::from_ne_bytes([c, d]);
        let time_us = u64::from_ne_bytes([e, f, g, h, i, j, k, l]);
        match u16::from_ne_bytes([a, b]) {
            1 => Some(Message::Announced { slot }),
            2 => Some(Message::Executed { slot, time_us }),
            _ => None,
        }
    }

    /// Sends it; waits while PID 1 has not read enough of those before.
    pub fn send(self, socket: BorrowedFd) -> sys::Result<()> {
        wait::send(socket, &self.encode())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_the_socket_and_nonsense_does_not() {
        let executed = Message::Executed { slot: 0x1234, time_us: u64::MAX - 7 };
        for message in [Message::Announced { slot: 1023 }, executed] {
            assert_eq!(Message::decode(message.encode()), Some(message));
        }
        assert_eq!(Message::decode([0; BYTES]), None);
        let mut bytes = executed.encode();
        bytes[5] = 1;
        assert_eq!(Message::decode(bytes), None);
    }
}
