//! `pidone help`, `pidone help COMMAND` and `pidone --version`.

use crate::runtime::options;
use crate::runtime::packed::{Text, text};
use crate::sys::file;
use crate::text::{cut, fields, position};
use crate::texts::CStr;

/// Lines as runc has them, and the last as crun has it: callers look there for what a runtime can do.
const VERSION: &str = concat!(
    "pidone version ",
    env!("CARGO_PKG_VERSION"),
    "\nspec: 1.3.0\n+CGROUP_V2 +SECCOMP +EBPF +APPARMOR +SELINUX +CAP +SYSTEMD\n"
);

/// Prints what is to be said of a command, or of all; the exit code.
#[inline(never)]
pub(super) fn print(command: Option<&CStr>) -> u8 {
    let command = command.map(CStr::to_bytes);
    let has_options = command.is_some_and(|command| position(options::COMMANDS, command).is_some());
    let mut code = 0;
    for text in fields(text(Text::Help), b'%') {
        let text = text.strip_prefix(b"\n").unwrap_or(text);
        let is_wanted = match name(text) {
            Some(name) => command == Some(name),
            // The first and the last.
            None if text.starts_with(b"\n") => has_options,
            None => command.is_none(),
        };
        if is_wanted {
            code |= show(text);
        }
    }
    code
}

/// The command that a text is about.
fn name(text: &[u8]) -> Option<&[u8]> {
    let (name, _) = cut(text.strip_prefix(b"pidone ")?, b' ')?;
    Some(name.strip_suffix(b":").unwrap_or(name))
}

/// Prints the version; the exit code.
pub(super) fn print_version() -> u8 {
    show(VERSION.as_bytes())
}

fn show(text: &[u8]) -> u8 {
    u8::from(file::write_all(file::standard_output(), text).is_err())
}
