//! The machine's name.

use crate::abi::Errno;

use super::lines::lines;
use crate::log;
use crate::sys::{Result, file, machine};
use crate::text::{Value, position};

/// The kernel's bound, __NEW_UTS_LEN.
const NAME_BYTES: usize = 64;
/// `linuxkit-` and twelve digits: what LinuxKit's images expect of a machine that nobody named.
const PREFIX: &[u8] = b"linuxkit-";
const DEFAULT_BYTES: usize = PREFIX.len() + 12;

/// Sets the name: that of `/etc/hostname`; else the operator's; else, if nobody named the machine yet, one made of the
/// first network interface's address. What is no name is reported, and the next one counts.
pub fn set(option: Option<&[u8]>) {
    let mut buffer = [0; NAME_BYTES + 2];
    let written = file::read_file(s!("/etc/hostname"), &mut buffer).unwrap_or_default();
    if let Some(name) = accepted(lines(written, b"#").next()).or_else(|| accepted(option)) {
        return report(name, machine::set_hostname(name));
    }
    let machine = machine::uname();
    let named = machine.nodename().to_bytes();
    let mut address = [0; 18];
    if (named.is_empty() || position(b"(none) localhost", named).is_some())
        && let Ok(address) = file::read_file(s!("/sys/class/net/eth0/address"), &mut address)
        && let Some(name) = of_address(address)
    {
        report(&name, machine::set_hostname(&name));
    }
}

/// A name if it is one; what is none is reported.
fn accepted(name: Option<&[u8]>) -> Option<&[u8]> {
    let name = name?;
    if is_name(name) {
        return Some(name);
    }
    report(name, Err(Errno::INVAL));
    None
}

/// Whether it is one to hostname(7), with the underscore that people use.
fn is_name(name: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    name.len() <= NAME_BYTES && name.first().is_some_and(u8::is_ascii_alphanumeric) && name.iter().all(allowed)
}

/// `linuxkit-525400123456` of `52:54:00:12:34:56`.
fn of_address(address: &[u8]) -> Option<[u8; DEFAULT_BYTES]> {
    let mut name = [0; DEFAULT_BYTES];
    let digits = address.iter().filter(|byte| byte.is_ascii_hexdigit());
    let mut bytes = PREFIX.iter().chain(digits);
    for to in &mut name {
        *to = *bytes.next()?;
    }
    bytes.next().is_none().then_some(name)
}

fn report(name: &[u8], result: Result<()>) {
    if let Err(errno) = result {
        log::warning(t!("hostname {}: {}"), &[Value::Quoted(name), Value::Kernel(errno)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_break_other_programs_are_refused() {
        assert!(is_name(b"web-1.example_net") && is_name(&[b'x'; 64]));
        for wrong in [&b""[..], b"-x", b"a b", b"a/b", "ä".as_bytes(), &[b'x'; 65]] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn an_unnamed_machine_is_called_after_its_first_interface() {
        assert_eq!(of_address(b"52:54:00:12:34:56\n").as_ref(), Some(b"linuxkit-525400123456"));
        assert_eq!(of_address(b"52:54:00\n"), None);
        assert_eq!(of_address(b"00:00:10:28:fe:80:00:00:00\n"), None);
    }
}
