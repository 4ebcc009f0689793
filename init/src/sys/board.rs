//! A few numbers in memory that a process shares with the children it forks. What happens to one whose system calls are
//! filtered can be written here without any.

use core::sync::atomic::{AtomicU32, Ordering};

use linux_raw_sys::general::{__NR_mmap, MAP_ANONYMOUS, MAP_SHARED, PROT_READ, PROT_WRITE};

use super::{Result, raw};
use crate::abi::Errno;

/// See the module's documentation.
pub struct Board {
    /// A descriptor that is offered; 0 if none.
    offer: AtomicU32,
    /// Number and error number of what failed; 0 if nothing.
    failure: AtomicU32,
}

/// How often is looked whether an offer was taken: some seconds, in which whoever takes it is dead.
const LOOKS_MAX: u32 = 1 << 30;

impl Board {
    /// An empty one, for this process and the children that it will have. It is never given back.
    pub fn new() -> Result<&'static Board> {
        let (protection, flags) = (PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
        let call = [0, size_of::<Board>(), protection as usize, flags as usize, -1_isize as usize];
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory that anybody has.
        let start = unsafe { raw::address(__NR_mmap, call) };
        // From -4095 to -1 it is an error number.
        if start >= -4095_isize as usize {
            return Err(Errno::NOMEM);
        }
        // SAFETY: the kernel just mapped a page of zeros there, which are a valid value. It is never unmapped, and all who
        // have it change it by atomic operations only.
        Ok(unsafe { &*(start as *const Board) })
    }

    /// Offers a descriptor of this process, and waits until it is taken: by looking, since any call might be denied.
    pub fn offer(&self, descriptor: u32) -> Result<()> {
        self.offer.store(descriptor, Ordering::Release);
        for _ in 0..LOOKS_MAX {
            if self.offer.load(Ordering::Acquire) == 0 {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(Errno::TIMEDOUT)
    }

    /// The descriptor that is offered.
    pub fn offered(&self) -> Option<u32> {
        Some(self.offer.load(Ordering::Acquire)).filter(|descriptor| *descriptor != 0)
    }

    /// Lets the one who offered it go on.
    pub fn taken(&self) {
        self.offer.store(0, Ordering::Release);
    }

    /// Writes down what failed.
    pub fn fail(&self, number: u16, errno: Errno) {
        self.failure.store(u32::from(number) << 16 | u32::from(errno.number()), Ordering::Release);
    }

    /// What failed.
    pub fn failure(&self) -> Option<(u16, Errno)> {
        let failure = self.failure.load(Ordering::Acquire);
        (failure != 0).then(|| ((failure >> 16) as u16, Errno::new(failure & 0xffff)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Fork};

    #[test]
    fn a_child_offers_a_descriptor_and_reports_without_a_call() {
        let board = Board::new().unwrap();
        assert!(board.offered().is_none() && board.failure().is_none());
        let Fork::Parent(pid) = process::fork().unwrap() else {
            let taken = board.offer(7);
            board.fail(3, Errno::PERM);
            process::exit(u8::from(taken.is_err()))
        };
        while board.offered().is_none() {
            std::thread::yield_now();
        }
        assert_eq!((board.offered(), board.failure()), (Some(7), None));
        board.taken();
        assert_eq!(process::reap(pid, true).unwrap().map(|ended| ended.code()), Some(0));
        assert_eq!(board.failure(), Some((3, Errno::PERM)));
    }
}
