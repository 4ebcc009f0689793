//! What a launch tells PID 1, over the socket that every launcher inherits: sixteen bytes a message, kept apart and in
//! order by the socket. Who sent it is not in the message: the kernel says so.

use super::table::Change;
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
    /// "The container does what it is there for", from its launcher.
    Ready {
        /// The container's slot in PID 1's table.
        slot: u16,
        /// When the launcher saw that: monotonic microseconds.
        time_us: u64,
    },
    /// "This container wants something else than others do", from the surveyor.
    Wish {
        /// The container's slot in PID 1's table.
        slot: u16,
        /// What: see [`crate::config::policy::Key`].
        place: u16,
        /// How much.
        number: u32,
    },
    /// "This container waits for that one", from the surveyor.
    Order {
        /// The slot of the one that waits.
        slot: u16,
        /// The slot of the other.
        on: u16,
        /// Whether it is not even started if the other one has failed.
        requires: bool,
    },
    /// "The kernel has killed processes of the container because memory was short", from its cleaner.
    OutOfMemory {
        /// The container's slot in PID 1's table.
        slot: u16,
        /// How many.
        kills: u32,
    },
    /// "Do this with that service", from an answerer, whom the operator has told.
    Change {
        /// The service's slot in PID 1's table.
        slot: u16,
        /// What.
        change: Change,
    },
    /// "This container is not to be started", from the surveyor, which has said why.
    Refused {
        /// The container's slot in PID 1's table.
        slot: u16,
    },
}

impl Message {
    /// The message as bytes: kind, slot, a number, a larger one; as the machine has them.
    pub fn encode(self) -> [u8; BYTES] {
        let (kind, slot, number, more) = match self {
            Message::Announced { slot } => (1_u16, slot, 0, 0),
            Message::Executed { slot, time_us } => (2, slot, 0, time_us),
            Message::Ready { slot, time_us } => (3, slot, 0, time_us),
            Message::Wish { slot, place, number } => (4, slot, number, place.into()),
            Message::Order { slot, on, requires } => (5, slot, requires.into(), on.into()),
            Message::Refused { slot } => (6, slot, 0, 0),
            Message::OutOfMemory { slot, kills } => (8, slot, kills, 0),
            Message::Change { slot, change } => (7, slot, change as u32, 0),
        };
        let ([a, b], [c, d], [e, f, g, h]) = (kind.to_ne_bytes(), slot.to_ne_bytes(), number.to_ne_bytes());
        let [i, j, k, l, m, n, o, p] = more.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// The message that the bytes are, if they are one.
    pub fn decode(bytes: [u8; BYTES]) -> Option<Message> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        let (slot, number) = (u16::from_ne_bytes([c, d]), u32::from_ne_bytes([e, f, g, h]));
        let more = u64::from_ne_bytes([i, j, k, l, m, n, o, p]);
        match (u16::from_ne_bytes([a, b]), number) {
            (1, 0) if more == 0 => Some(Message::Announced { slot }),
            (2, 0) => Some(Message::Executed { slot, time_us: more }),
            (3, 0) => Some(Message::Ready { slot, time_us: more }),
            (4, number) => Some(Message::Wish { slot, place: u16::try_from(more).ok()?, number }),
            (5, 0 | 1) => Some(Message::Order { slot, on: u16::try_from(more).ok()?, requires: number == 1 }),
            (6, 0) if more == 0 => Some(Message::Refused { slot }),
            (8, kills) if more == 0 => Some(Message::OutOfMemory { slot, kills }),
            (7, number) if more == 0 => {
                Change::ALL.get(number as usize).map(|change| Message::Change { slot, change: *change })
            }
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
        for message in [
            Message::Announced { slot: 1023 },
            executed,
            Message::Ready { slot: 7, time_us: 1 },
            Message::Wish { slot: 2, place: 14, number: u32::MAX },
            Message::Order { slot: 3, on: 0xffff, requires: true },
            Message::Order { slot: 3, on: 0, requires: false },
            Message::Refused { slot: 4 },
            Message::OutOfMemory { slot: 6, kills: 1 },
            Message::Change { slot: 5, change: Change::Start },
            Message::Change { slot: 5, change: Change::Stop },
            Message::Change { slot: 5, change: Change::Restart },
        ] {
            assert_eq!(Message::decode(message.encode()), Some(message));
        }
        assert_eq!(Message::decode([0; BYTES]), None);
        let mut bytes = executed.encode();
        bytes[5] = 1;
        assert_eq!(Message::decode(bytes), None);
    }
}
