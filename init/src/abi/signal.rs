//! Signal numbers: signal(7). The real-time ones are as C libraries count them, from 34.

use crate::text::{number as parse, position};

/// The names of the signals from 1, without `SIG`.
const NAMES: &[u8] =
    b"HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP \
    TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// A signal by its number or its name, with or without `SIG`, in letters of either case: `9`, `KILL`, `SIGRTMIN+1`.
pub fn number(given: &[u8]) -> Option<u8> {
    if let Some(number) = parse(given, 10) {
        return u8::try_from(number).ok().filter(|number| matches!(number, 1..=64));
    }
    let mut upper = [0; 16];
    let name = upper.get_mut(..given.len())?;
    for (to, from) in name.iter_mut().zip(given) {
        *to = from.to_ascii_uppercase();
    }
    let name: &[u8] = name.strip_prefix(b"SIG").unwrap_or(name);
    let from = |start, sign: &[u8]| match name.strip_prefix(start)?.strip_prefix(sign)? {
        [] => Some(0),
        digits => parse(digits, 10).filter(|number| *number <= 30).map(|number| number as u8),
    };
    let (first, last) = (from(b"RTMIN", b"+").or(from(b"RTMIN", b"")), from(b"RTMAX", b"-").or(from(b"RTMAX", b"")));
    match (first, last) {
        (Some(more), _) => Some(RTMIN + more),
        (_, Some(less)) => Some(64 - less),
        _ => Some(position(NAMES, name)? as u8 + 1),
    }
}

/// Interrupt; from the kernel to PID 1: Ctrl-Alt-Del was pressed.
pub const INT: u8 = 2;
/// Kill, not to be caught.
pub const KILL: u8 = 9;
/// User-defined 1.
pub const USR1: u8 = 10;
/// User-defined 2.
pub const USR2: u8 = 12;
/// Terminate.
pub const TERM: u8 = 15;
/// Stop, not to be caught.
pub const STOP: u8 = 19;
/// A child has ended.
pub const CHLD: u8 = 17;
/// The terminal has another size.
pub const WINCH: u8 = 28;
/// Continue.
pub const CONT: u8 = 18;
/// Something can be read.
pub const IO: u8 = 29;
/// Power failure.
pub const PWR: u8 = 30;
/// First real-time signal that programs may use.
pub const RTMIN: u8 = 34;

#[cfg(test)]
mod tests {
    #[test]
    fn signals_have_names_and_numbers() {
        for (given, number) in [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigterm", 15),
            ("hup", 1),
            ("SYS", 31),
            ("64", 64),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-1", 63),
            ("RTMAX", 64),
        ] {
            assert_eq!(super::number(given.as_bytes()), Some(number), "{given}");
        }
        for given in ["", "0", "65", "NOTHING", "SIG", "-9", "9 ", "RTMIN+31", "SIGSIGKILL", "123456789012345678"] {
            assert_eq!(super::number(given.as_bytes()), None, "{given}");
        }
    }
}
