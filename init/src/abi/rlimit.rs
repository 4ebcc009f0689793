//! Names of resource limits: getrlimit(2), `include/uapi/asm-generic/resource.h`. The numbers are those of x86 and arm.

use crate::text::{fields, position};

/// All names, without `RLIMIT_`, in the order of their numbers.
const NAMES: &[u8] =
    b"CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME";

/// The number of a limit by its full name, `RLIMIT_NOFILE`.
pub fn number(name: &[u8]) -> Option<u8> {
    let name = name.strip_prefix(b"RLIMIT_")?;
    Some(position(NAMES, name)? as u8)
}

/// The name of a limit without `RLIMIT_`: `NOFILE`.
pub fn name(number: u8) -> Option<&'static [u8]> {
    fields(NAMES, b' ').nth(usize::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_kernels_numbers() {
        for (known, expected) in [("RLIMIT_CPU", 0), ("RLIMIT_NOFILE", 7), ("RLIMIT_AS", 9), ("RLIMIT_RTTIME", 15)] {
            assert_eq!(number(known.as_bytes()), Some(expected), "{known}");
            assert_eq!(name(expected), known.as_bytes().strip_prefix(b"RLIMIT_"));
        }
        assert_eq!(number(b"RLIMIT_UNKNOWN"), None);
        assert_eq!(number(b"NOFILE"), None);
        assert_eq!(name(16), None);
    }
}
