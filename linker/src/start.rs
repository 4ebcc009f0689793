//! From the kernel's first instruction to `pidone_main`.
//!
//! The kernel starts a static program with nothing but a stack (System V ABI, "Process Initialization"):
//!
//! ```text
//! sp -> argc | argv[0] ... argv[argc-1] | NULL | envp[0] ... | NULL | auxv: (type, value) ... (0, 0)
//! ```

use core::ffi::CStr;

#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "xor ebp, ebp",  // the outermost frame, as the ABI asks
    "mov rdi, rsp",  // first argument: the initial stack
    "and rsp, -16",  // a call needs a 16-byte aligned stack
    "call {enter}",
    "ud2",           // `enter` does not return
    enter = sym enter,
);

#[cfg(not(target_arch = "x86_64"))]
compile_error!("linker: the entry point is written for x86_64 only");

unsafe extern "Rust" {
    /// The program: defined by the binary that links this crate.
    safe fn pidone_main(start: Start) -> !;
}

/// The Rust half of `_start`.
extern "C" fn enter(stack: *const usize) -> ! {
    debug_assert!(stack.is_aligned());
    pidone_main(Start { stack })
}

/// The process's initial stack. Holding one proves that the kernel laid the stack out and that nobody moved it: the
/// only way to get one is to be started.
pub struct Start {
    stack: *const usize,
}

impl Start {
    /// The arguments, the program's own name first.
    pub fn arguments(&self) -> Strings {
        // SAFETY: the kernel puts `argc` in the first word of the initial stack and the vector right behind it.
        Strings { next: unsafe { self.stack.add(1) } }
    }

    /// The environment, as `NAME=value` strings.
    pub fn environment(&self) -> Strings {
        // SAFETY: the first word is `argc`; the environment follows `argc` pointers and their NULL.
        Strings { next: unsafe { self.stack.add(1 + *self.stack + 1) } }
    }
}

/// The strings of a NULL-terminated vector on the initial stack. They live as long as the process.
#[derive(Clone)]
pub struct Strings {
    next: *const usize,
}

impl Iterator for Strings {
    type Item = &'static CStr;

    fn next(&mut self) -> Option<&'static CStr> {
        // SAFETY: `next` is inside the vector: it only moves past entries that were not the final NULL.
        let string = unsafe { *self.next } as *const core::ffi::c_char;
        if string.is_null() {
            return None;
        }
        // SAFETY: as above; the entry read was not the last.
        self.next = unsafe { self.next.add(1) };
        // SAFETY: the kernel terminates each string with a NUL and nothing in this process writes to them.
        Some(unsafe { CStr::from_ptr(string) })
    }
}
