//! `pidone spec` and `pidone features`: texts of our own.

use core::ffi::CStr;

use super::Caller;
use super::options::Name;
use super::packed::{Text, text};
use crate::error::{Context, Error, Result};
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, identity};
use crate::text::Line;

const WRITE: &CStr = c"write the text";

/// `pidone spec`.
pub(super) fn spec(caller: &Caller) -> Result<u8> {
    let mut path = PathBuffer::empty();
    let path = path.below(caller.options.get(Name::Bundle).unwrap_or(c"."), c"config.json").doing(WRITE)?;
    let file = match file::open(CWD, path, Open::New) {
        Err(crate::abi::Errno::EXIST) => return Err(Error::wrong(c"spec", c"config.json exists already")),
        file => file.doing(WRITE)?,
    };
    let which = if caller.options.has(Name::Rootless) { Text::SpecRootless } else { Text::Spec };
    let mut buffer = [0; 4096];
    let mut line = Line::new(&mut buffer);
    for byte in text(which) {
        match byte {
            b'#' => _ = line.number(identity::user().into()),
            byte => _ = line.byte(*byte),
        }
    }
    file::write_all(file.as_fd(), line.bytes()).map(|()| 0).doing(WRITE)
}

/// `pidone features`.
pub(super) fn features(_: &Caller) -> Result<u8> {
    file::write_all(file::standard_output(), text(Text::Features)).map(|()| 0).doing(WRITE)
}

#[cfg(test)]
mod tests {
    use crate::abi::capability;
    use crate::plan;

    fn names(text: &str, after: &str) -> Vec<String> {
        let (_, list) = text.split_once(after).unwrap();
        let (list, _) = list.split_once(']').unwrap();
        list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn the_features_are_those_that_there_are() {
        let text = include_str!("texts/features.json");
        let known = std::str::from_utf8(capability::NAMES).unwrap().split(' ').map(|name| format!("CAP_{name}"));
        assert_eq!(names(text, "\"capabilities\": ["), known.collect::<Vec<_>>());
        let mut known = Vec::new();
        for (index, name) in std::str::from_utf8(plan::MOUNT_OPTIONS).unwrap().split(' ').enumerate() {
            known.push(name.to_owned());
            if index < plan::RECURSIVE_OPTIONS {
                known.push(format!("r{name}"));
            }
        }
        assert_eq!(names(text, "\"mountOptions\": ["), known);
    }
}
