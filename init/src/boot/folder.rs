//! The files of a folder in the order of their names: `/etc/init.d`, `/etc/sysctl.d` and their like.

use crate::abi::Errno;
use crate::texts::CStr;

use crate::log;
use crate::sys::file::{self, CWD, FileType, Open};
use crate::sys::map;
use crate::sys::path::copy;
use crate::sys::{AsFd, BorrowedFd, OwnedFd, Result};
use crate::text::Value;
use crate::texts::until_nul;

/// A file's name: 255 bytes at most (Linux's NAME_MAX), and the final NUL.
struct Name {
    bytes: [u8; 256],
    length: usize,
}

impl Name {
    const fn empty() -> Name {
        Name { bytes: [0; 256], length: 0 }
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }

    fn set(&mut self, name: &CStr) {
        let bytes = name.to_bytes_with_nul();
        if let Some(room) = self.bytes.get_mut(..bytes.len()) {
            copy(room, bytes);
            self.length = bytes.len() - 1;
        }
    }
}

/// Calls `each` with every name in a folder that ends in `suffix`, in their order, and the folder. A folder that is not
/// there has no files; one that cannot be read is reported.
///
/// The folder is read once for each file: that takes no memory, and such folders have a few files.
pub fn for_each_name(path: &CStr, suffix: &[u8], each: &mut dyn FnMut(BorrowedFd, &CStr)) {
    let mut last = Name::empty();
    loop {
        match next_name(path, suffix, &last) {
            Ok(Some((folder, name))) => {
                if let Some(name) = until_nul(&name.bytes) {
                    each(folder.as_fd(), name);
                }
                last = name;
            }
            Ok(None) | Err(Errno::NOENT) => return,
            Err(errno) => {
                return log::warning(t!("{}: read the folder: {}"), &[Value::Raw(path), Value::Kernel(errno)]);
            }
        }
    }
}

/// Calls `each` with the name and content of every regular file in a folder whose name ends in `suffix`, in the order
/// of their names. Links are followed. What cannot be read is reported.
pub fn for_each_text(path: &CStr, suffix: &[u8], each: &mut dyn FnMut(&CStr, &[u8])) {
    for_each_name(path, suffix, &mut |folder, name| {
        if !is_regular(folder, name) {
            return;
        }
        match map::read(folder, name) {
            Ok(text) => each(name, text),
            Err(errno) => {
                log::warning(t!("{}/{}: read: {}"), &[Value::Raw(path), Value::Name(name), Value::Kernel(errno)]);
            }
        }
    });
}

/// Whether a name leads to a regular file. A link to /dev/null does not: that is how a file of that name in another
/// folder is switched off.
pub fn is_regular(folder: BorrowedFd, name: &CStr) -> bool {
    file::kind(folder, name) == Ok(FileType::REGULAR_FILE)
}

/// The first name behind `last`, and the folder.
fn next_name(path: &CStr, suffix: &[u8], last: &Name) -> Result<Option<(OwnedFd, Name)>> {
    let folder = file::open(CWD, path, Open::Directory)?;
    let mut next = Name::empty();
    file::for_each_entry(folder.as_fd(), &mut |name, _| {
        let bytes = name.to_bytes();
        if bytes.ends_with(suffix) && bytes > last.get() && (next.length == 0 || bytes < next.get()) {
            next.set(name);
        }
        Ok(())
    })?;
    Ok((next.length > 0).then_some((folder, next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_names_and_links_to_nothing_are_passed_over() {
        let folder = std::env::temp_dir().join(format!("pidone-folder-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("d.conf")).unwrap();
        for name in ["20-b.conf", "10-a.conf", "30-c", "9-z.conf"] {
            std::fs::write(folder.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("/dev/null", folder.join("11.conf")).unwrap();
        std::os::unix::fs::symlink("30-c", folder.join("40.conf")).unwrap();
        let path = std::ffi::CString::new(folder.to_str().unwrap()).unwrap();
        let mut found = Vec::new();
        for_each_text(CStr::of(&path), b".conf", &mut |name, text| found.push((name.core().to_owned(), text.to_vec())));
        std::fs::remove_dir_all(&folder).unwrap();
        let names: Vec<_> = found.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(names, ["10-a.conf", "20-b.conf", "40.conf", "9-z.conf"]);
        assert_eq!(found[2].1, b"30-c");
        for_each_text(CStr::of(&path), b"", &mut |_, _| panic!("the folder is gone"));
    }
}
