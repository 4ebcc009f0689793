//! Kernel settings: `/etc/sysctl.d/*.conf` in the order of their names, then `/etc/sysctl.conf`.

use super::folder;
use super::lines::lines;
use crate::error::{Context, Error, Result};
use crate::log;
use crate::sys::file::{self, CWD};
use crate::sys::map;
use crate::sys::path::PathBuffer;
use crate::text::{Value, cut, fields};

/// One line: `net.ipv4.ip_forward = 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting<'a> {
    key: &'a [u8],
    value: &'a [u8],
    /// A `-` before it: it may fail.
    optional: bool,
}

/// Writes all settings. One that fails is reported, and the others are written.
pub fn write_all() {
    folder::for_each_text(s!("/etc/sysctl.d"), b".conf", &mut |_, text| write_text(text));
    if let Ok(text) = map::read(CWD, s!("/etc/sysctl.conf")) {
        write_text(text);
    }
}

fn write_text(text: &[u8]) {
    for line in lines(text, b"#;") {
        let Some(setting) = parse(line) else {
            log::warning(t!("sysctl {}: no value"), &[Value::Quoted(line)]);
            continue;
        };
        match write(setting) {
            Err(error) if !setting.optional => {
                log::warning(t!("sysctl {}: {}"), &[Value::Quoted(setting.key), Value::Print(&error)]);
            }
            _ => {}
        }
    }
}

fn parse(line: &[u8]) -> Option<Setting<'_>> {
    let (key, value) = cut(line, b'=')?;
    let (key, optional) = match key {
        [b'-', key @ ..] => (key, true),
        _ => (key, false),
    };
    Some(Setting { key: key.trim_ascii(), value: value.trim_ascii(), optional })
}

fn write(setting: Setting) -> Result<()> {
    let mut buffer = PathBuffer::empty();
    let mut key = [0; 256];
    let path = buffer.join(&[b"/proc/sys/", path(setting.key, &mut key)?]).doing(s!("write"))?;
    file::write_file(path, setting.value).doing(s!("write"))
}

/// The file of a key, below /proc/sys. The first separator counts, a dot or a slash; the other of the two then stands
/// for itself, or rather for its counterpart: `net.ipv4.conf.eth0/1.forwarding` is `net/ipv4/conf/eth0.1/forwarding`.
fn path<'a>(key: &[u8], buffer: &'a mut [u8; 256]) -> Result<&'a [u8]> {
    let refused = |problem| Error::wrong(s!("write"), problem);
    let path = buffer.get_mut(..key.len()).ok_or(refused(c!("longer than 256 bytes")))?;
    let dotted = key.iter().find(|byte| matches!(byte, b'.' | b'/')) == Some(&b'.');
    for (to, from) in path.iter_mut().zip(key) {
        *to = match from {
            b'.' if dotted => b'/',
            b'/' if dotted => b'.',
            other => *other,
        };
    }
    if fields(path, b'/').any(|part| matches!(part, b"" | b"." | b"..")) {
        return Err(refused(c!("not a path below /proc/sys")));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, &str, bool)>) {
        let mut buffer = [0; 256];
        let found = parse(line.as_bytes()).and_then(|setting| {
            let path = path(setting.key, &mut buffer).ok()?;
            Some((std::str::from_utf8(path).unwrap(), std::str::from_utf8(setting.value).unwrap(), setting.optional))
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn a_key_is_split_at_dots_or_slashes() {
        check("net.ipv4.ip_forward=1", Some(("net/ipv4/ip_forward", "1", false)));
        check("net/ipv4/ip_forward = 1", Some(("net/ipv4/ip_forward", "1", false)));
        check("net.ipv4.conf.eth0/1.forwarding=1", Some(("net/ipv4/conf/eth0.1/forwarding", "1", false)));
        check("net/ipv4/conf/eth0.1/forwarding=1", Some(("net/ipv4/conf/eth0.1/forwarding", "1", false)));
        check("-kernel.x =", Some(("kernel/x", "", true)));
        check("kernel.core_pattern = |/bin/x %p = y", Some(("kernel/core_pattern", "|/bin/x %p = y", false)));
    }

    #[test]
    fn a_key_cannot_leave_its_folder() {
        check("kernel/../../self/oom_score_adj=1", None);
        check("/etc/passwd=x", None);
        check("..=x", None);
        check("=x", None);
        check("kernel.panic", None);
        check(&format!("{}=1", "x".repeat(257)), None);
    }
}
