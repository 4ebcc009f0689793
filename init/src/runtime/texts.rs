//! `pidone spec` and `pidone features`: texts of our own.

use super::Caller;
use super::options::Name;
use super::packed::{Text, text};
use crate::abi::Errno;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, identity};
use crate::text::Line;
use crate::texts::CStr;

const WRITE: &CStr = c!("write the text");

/// `pidone spec`.
pub(super) fn spec(caller: &Caller) -> u8 {
    let mut path = PathBuffer::empty();
    let path = path.below(caller.options.get(Name::Bundle).unwrap_or(s!(".")), s!("config.json"));
    let file = match path.and_then(|path| file::open(CWD, path, Open::New)) {
        Err(Errno::EXIST) => caller.refuse(s!("spec"), c!("config.json exists already")),
        file => caller.must_do(WRITE, file),
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
    caller.must_do(WRITE, file::write_all(file.as_fd(), line.bytes()));
    0
}

/// `pidone features`.
pub(super) fn features(caller: &Caller) -> u8 {
    caller.show(WRITE, text(Text::Features));
    0
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
