//! From the kernel's first instruction to `pidone_main`.
//!
//! The kernel starts a static program with nothing but a stack (System V ABI, "Process Initialization"):
//!
//! ```text
//! sp -> argc | argv[0] ... argv[argc-1] | NULL | envp[0] ... | NULL | auxv: (type, value) ... (0, 0)
//! ```

use core::ffi::CStr;

#[cfg(all(target_arch = "x86_64", not(test)))]
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

#[cfg(not(test))]
unsafe extern "Rust" {
    /// The program: defined by the binary that links this crate.
    safe fn pidone_main(start: Start) -> !;
}

/// The Rust half of `_start`.
#[cfg(not(test))]
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

    /// What the kernel says about itself and the process: getauxval(3).
    pub fn auxiliary(&self) -> Auxiliary {
        let mut environment = self.environment();
        while environment.next().is_some() {}
        // SAFETY: the environment's iterator stopped at the final NULL; the auxiliary vector is right behind it.
        Auxiliary { next: unsafe { environment.next.add(1) } }
    }
}

/// The strings of a NULL-terminated vector on the initial stack. They live as long as the process.
#[derive(Clone)]
pub struct Strings {
    next: *const usize,
}

impl Strings {
    /// Where each of them is, as the kernel laid them out.
    pub fn addresses(&self) -> &'static [Address] {
        let count = self.clone().count();
        // SAFETY: so many pointers were just found there, in memory that nobody writes to.
        unsafe { core::slice::from_raw_parts(self.next.cast(), count) }
    }
}

/// Where a C string is that lives as long as the process, and that nothing in it writes to.
#[repr(transparent)]
pub struct Address(*const core::ffi::c_char);

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

/// The auxiliary vector on the initial stack.
#[derive(Clone)]
pub struct Auxiliary {
    next: *const usize,
}

/// The entry that ends the vector: `AT_NULL` of <linux/auxvec.h>.
const AT_NULL: usize = 0;

impl Iterator for Auxiliary {
    /// `AT_*` of <linux/auxvec.h>, and its value: a number, or the address of something that lives as long as the process.
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        // SAFETY: `next` is at an entry of two words: it only moves past entries that were not the last.
        let (kind, value) = unsafe { (*self.next, *self.next.add(1)) };
        if kind == AT_NULL {
            return None;
        }
        // SAFETY: as above; the entry read was not the last.
        self.next = unsafe { self.next.add(2) };
        Some((kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A stack as the kernel lays it out.
    fn stack(arguments: &[&CStr], environment: &[&CStr], auxiliary: &[(usize, usize)]) -> Vec<usize> {
        let addresses = |strings: &[&CStr]| strings.iter().map(|string| string.as_ptr() as usize).collect::<Vec<_>>();
        let mut words = Vec::from([arguments.len()]);
        words.extend(addresses(arguments));
        words.push(0);
        words.extend(addresses(environment));
        words.push(0);
        words.extend(auxiliary.iter().flat_map(|&(kind, value)| [kind, value]));
        words.extend([AT_NULL, 0]);
        words
    }

    fn check(arguments: &[&'static CStr], environment: &[&'static CStr], auxiliary: &[(usize, usize)]) {
        let words = stack(arguments, environment, auxiliary);
        let start = Start { stack: words.as_ptr() };
        assert_eq!(start.arguments().collect::<Vec<_>>(), arguments);
        assert_eq!(start.environment().collect::<Vec<_>>(), environment);
        assert_eq!(start.auxiliary().collect::<Vec<_>>(), auxiliary);
    }

    #[test]
    fn each_vector_is_found_behind_the_one_before() {
        check(&[c"/init", c"quiet"], &[c"HOME=/", c"TERM=linux"], &[(6, 4096), (25, 0x7ffd_1234_5678)]);
        check(&[c"/init"], &[], &[(6, 4096)]);
        check(&[c"/init"], &[c"A="], &[]);
    }

    #[test]
    fn a_program_started_without_arguments_has_its_other_vectors() {
        check(&[], &[c"A=1"], &[(6, 4096)]);
        check(&[], &[], &[]);
    }

    #[test]
    fn a_vector_that_has_ended_stays_ended() {
        let words = stack(&[c"a"], &[c"b"], &[(6, 4096)]);
        let start = Start { stack: words.as_ptr() };
        let (mut arguments, mut auxiliary) = (start.arguments(), start.auxiliary());
        for _ in 0..3 {
            arguments.next();
            auxiliary.next();
        }
        assert_eq!((arguments.next(), auxiliary.next()), (None, None));
    }
}
