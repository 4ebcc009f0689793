//! The modules folder of the running kernel: its index files in memory, and its modules on their way into the kernel.

use super::index::{Index, name_of};
use crate::boot::folder;
use crate::error::{Context, Error, Result};
use crate::sys::file::{self, CWD, Open};
use crate::sys::map;
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, OwnedFd, machine, module};
use crate::text::{Line, Value};
use crate::texts::CStr;
use crate::{limits, log};

/// Where distributions keep the modules of their kernels.
static PLACES: [&CStr; 2] = [s!("/lib/modules"), s!("/usr/lib/modules")];
/// modprobe.d(5), the least important first.
static SETTINGS: [&CStr; 2] = [s!("/lib/modprobe.d"), OPERATOR];
const OPERATOR: &CStr = s!("/etc/modprobe.d");
const COMMAND_LINE: &CStr = s!("/proc/cmdline");

/// See the module's documentation.
pub(super) struct Tree {
    folder: OwnedFd,
    /// The texts.
    pub(super) index: Index<'static>,
}

impl Tree {
    /// That of the running kernel; `None` if there is none: a kernel without modules.
    pub(super) fn open() -> Option<Tree> {
        let folder = open_folder()?;
        // Without one of them less is found, which whoever asks for more will hear.
        let read = |name| reported(name, map::read(folder.as_fd(), name).doing(s!("read")));
        let index = Index {
            dependencies: read(s!("modules.dep")),
            aliases: read(s!("modules.alias")),
            soft: read(s!("modules.softdep")),
            builtin: read(s!("modules.builtin")),
            settings: reported(s!("modprobe.d"), settings()),
            command_line: reported(COMMAND_LINE, command_line()),
        };
        Some(Tree { folder, index })
    }

    /// Whether there is one.
    pub(super) fn exists() -> bool {
        open_folder().is_some()
    }

    /// Loads one file, with its parameters; whether the kernel did not have it.
    pub(super) fn load(&self, path: &[u8]) -> Result<bool> {
        let name = name_of(path);
        if is_live(name) {
            return Ok(false);
        }
        let mut buffer = PathBuffer::empty();
        let path_string = buffer.join(&[path]).doing(c!("open its file"))?;
        let file = file::open(self.folder.as_fd(), path_string, Open::Read).doing(c!("open its file"))?;

        let mut buffer = [0; limits::MODULE_PARAMETERS_BYTES_MAX + 1];
        let mut line = Line::new(&mut buffer);
        self.index.parameters(name, &mut line);
        let most = limits::MODULE_PARAMETERS_BYTES_MAX;
        let parameters =
            line.terminated().ok_or(Error::limit(s!("load"), c!("bytes of parameters"), most + 1, most))?;
        let packed = !path.ends_with(b".ko");
        let doing = if packed { c!("load, by a kernel that can unpack it") } else { s!("load") };
        module::load(file.as_fd(), parameters, packed).doing(doing)?;
        Ok(true)
    }
}

/// Whether the kernel has a module, and it works already: one that still starts must be waited for.
fn is_live(name: &[u8]) -> bool {
    let mut plain = [0; 64];
    let Some(plain) = plain.get_mut(..name.len()) else { return false };
    for (to, from) in plain.iter_mut().zip(name) {
        *to = super::pattern::plain(*from);
    }
    let mut buffer = PathBuffer::empty();
    let Ok(path) = buffer.join(&[b"/sys/module/", plain, b"/initstate"]) else { return false };
    let mut state = [0; 8];
    file::read_file(path, &mut state).is_ok_and(|state| state.starts_with(b"live"))
}

fn open_folder() -> Option<OwnedFd> {
    let machine = machine::uname();
    let mut buffer = PathBuffer::empty();
    PLACES.iter().find_map(|place| {
        let path = buffer.below(place, CStr::of(machine.release())).ok()?;
        file::open(CWD, path, Open::Directory).ok()
    })
}

#[inline(never)]
fn reported(name: &'static CStr, text: Result<&'static [u8]>) -> &'static [u8] {
    text.unwrap_or_else(|error| {
        log::warning(t!("modules: {}: {}"), &[Value::Raw(name), Value::Print(&error)]);
        &[]
    })
}

/// All files of modprobe.d, in the order of their names. One in /etc replaces that of its name in /lib.
fn settings() -> Result<&'static [u8]> {
    let mut line = Line::new(map::zeroed(limits::MODULE_SETTINGS_BYTES_MAX + 1).doing(s!("read"))?);
    for path in &SETTINGS {
        folder::for_each_text(path, b".conf", &mut |name, text| {
            let mut buffer = PathBuffer::empty();
            let replaced = *path != OPERATOR && buffer.below(OPERATOR, name).is_ok_and(file::exists_itself);
            if !replaced {
                append(&mut line, text);
            }
        });
    }
    if line.overflowed() {
        let most = limits::MODULE_SETTINGS_BYTES_MAX;
        return Err(Error::limit(s!("read"), s!("bytes"), most + 1, most));
    }
    Ok(line.written())
}

/// Appends a file; a line that ends in a backslash goes on in the next.
fn append(line: &mut Line, text: &[u8]) {
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && bytes.next_if_eq(&b'\n').is_some() {
            line.byte(b' ');
        } else {
            line.byte(byte);
        }
    }
    line.byte(b'\n');
}

fn command_line() -> Result<&'static [u8]> {
    let most = limits::CMDLINE_BYTES_MAX;
    let text = file::read_file(COMMAND_LINE, map::zeroed(most + 1).doing(s!("read"))?).doing(s!("read"))?;
    if text.len() > most {
        return Err(Error::limit(s!("read"), s!("bytes"), text.len(), most));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_behind_a_backslash() {
        let mut buffer = [0; 64];
        let mut line = Line::new(&mut buffer);
        append(&mut line, b"options a \\\n  b=\"\\\"\nblacklist c");
        append(&mut line, b"blacklist d");
        assert_eq!(line.bytes(), b"options a    b=\"\\\"\nblacklist c\nblacklist d\n");
    }
}
