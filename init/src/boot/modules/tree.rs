//! The modules folder of the running kernel: its index files in memory, and its modules on their way into the kernel.

use core::ffi::CStr;

use super::index::{Index, name_of};
use crate::boot::folder;
use crate::error::{Context, Error, Result};
use crate::sys::file::{self, CWD, Open};
use crate::sys::map::Map;
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, OwnedFd, machine, module};
use crate::text::{Line, Value};
use crate::{limits, log};

/// Where distributions keep the modules of their kernels.
static PLACES: [&CStr; 2] = [c"/lib/modules", c"/usr/lib/modules"];
/// modprobe.d(5), the least important first.
static SETTINGS: [&CStr; 2] = [c"/lib/modprobe.d", OPERATOR];
const OPERATOR: &CStr = c"/etc/modprobe.d";
const COMMAND_LINE: &CStr = c"/proc/cmdline";

/// depmod's files.
static INDEXES: [&CStr; 4] = [c"modules.dep", c"modules.alias", c"modules.softdep", c"modules.builtin"];

/// See the module's documentation.
pub(super) struct Tree {
    folder: OwnedFd,
    indexes: [Map; INDEXES.len()],
    settings: Map,
    command_line: Map,
}

impl Tree {
    /// That of the running kernel; `None` if there is none: a kernel without modules.
    pub(super) fn open() -> Option<Tree> {
        let folder = open_folder()?;
        let mut indexes = [const { Map::empty() }; INDEXES.len()];
        for (index, name) in indexes.iter_mut().zip(&INDEXES) {
            // Without it less is found, which whoever asks for more will hear.
            *index = reported(name, Map::read(folder.as_fd(), name).doing(c"read"));
        }
        let (settings, command_line) = (reported(c"modprobe.d", settings()), reported(COMMAND_LINE, command_line()));
        Some(Tree { folder, indexes, settings, command_line })
    }

    /// Whether there is one.
    pub(super) fn exists() -> bool {
        open_folder().is_some()
    }

    /// The texts.
    pub(super) fn index(&self) -> Index<'_> {
        let [dependencies, aliases, soft, builtin] = &self.indexes;
        let (settings, command_line) = (&self.settings, &self.command_line);
        Index { dependencies, aliases, soft, builtin, settings, command_line }
    }

    /// Loads one file, with its parameters; whether the kernel did not have it.
    pub(super) fn load(&self, path: &[u8]) -> Result<bool> {
        let name = name_of(path);
        if is_live(name) {
            return Ok(false);
        }
        let mut buffer = PathBuffer::empty();
        let path_string = buffer.join(&[path]).doing(c"open its file")?;
        let file = file::open(self.folder.as_fd(), path_string, Open::Read).doing(c"open its file")?;

        let mut buffer = [0; limits::MODULE_PARAMETERS_BYTES_MAX + 1];
        let mut line = Line::new(&mut buffer);
        self.index().parameters(name, &mut line);
        let most = limits::MODULE_PARAMETERS_BYTES_MAX;
        let parameters = line.terminated().ok_or(Error::limit(c"load", c"bytes of parameters", most + 1, most))?;
        module::load(file.as_fd(), parameters, !path.ends_with(b".ko")).doing(c"load")?;
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
        let path = buffer.below(place, machine.release()).ok()?;
        file::open(CWD, path, Open::Directory).ok()
    })
}

fn reported(name: &'static CStr, text: Result<Map>) -> Map {
    text.unwrap_or_else(|error| {
        log::warning("modules: {}: {}", &[Value::Raw(name), Value::Print(&error)]);
        Map::empty()
    })
}

/// All files of modprobe.d, in the order of their names. One in /etc replaces that of its name in /lib.
fn settings() -> Result<Map> {
    let mut all = Map::zeroed(limits::MODULE_SETTINGS_BYTES_MAX + 1).doing(c"read")?;
    let mut line = Line::new(&mut all);
    for path in &SETTINGS {
        folder::for_each_text(path, b".conf", &mut |name, text| {
            let mut buffer = PathBuffer::empty();
            let replaced = *path != OPERATOR && buffer.below(OPERATOR, name).is_ok_and(file::exists_itself);
            if !replaced {
                append(&mut line, text);
            }
        });
    }
    let (length, overflowed) = (line.bytes().len(), line.overflowed());
    if overflowed {
        let most = limits::MODULE_SETTINGS_BYTES_MAX;
        return Err(Error::limit(c"read", c"bytes", most + 1, most));
    }
    all.truncate(length);
    Ok(all)
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

fn command_line() -> Result<Map> {
    let most = limits::CMDLINE_BYTES_MAX;
    let mut text = Map::zeroed(most + 1).doing(c"read")?;
    let length = file::read_file(COMMAND_LINE, &mut text).doing(c"read")?.len();
    if length > most {
        return Err(Error::limit(c"read", c"bytes", length, most));
    }
    text.truncate(length);
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
