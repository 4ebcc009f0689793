//! Where a user is at home, by the container's own /etc/passwd: passwd(5). It may be anything that an image can hold.

use crate::arena::Arena;
use crate::limits;
use crate::sys::file::{self, CWD, FileType, Open};
use crate::sys::{AsFd, OwnedFd};
use crate::text::{cut_last, fields, number};
use crate::texts::CStr;

/// `HOME=` and the directory of a user; `/` for one who is not listed.
pub(super) fn home<'a>(user: u32, root: Option<&OwnedFd>, arena: &mut Arena<'a>) -> &'a CStr {
    open(root).and_then(|passwd| listed(&passwd, user, arena)).unwrap_or(s!("HOME=/"))
}

const PASSWD: &CStr = s!("/etc/passwd");

fn open(root: Option<&OwnedFd>) -> Option<OwnedFd> {
    let passwd = match root {
        Some(root) => file::open_in_root(root.as_fd(), PASSWD, Open::Events),
        // This process is in the container by now: what leads out of its root leads nowhere.
        None => file::open_in_root(file::open(CWD, s!("/"), Open::Place).ok()?.as_fd(), PASSWD, Open::Events),
    };
    passwd.ok().filter(|passwd| file::kind_of(passwd.as_fd()) == Ok(FileType::REGULAR_FILE))
}

#[inline(never)]
fn listed<'a>(passwd: &OwnedFd, user: u32, arena: &mut Arena<'a>) -> Option<&'a CStr> {
    let mut buffer = [0; limits::PASSWD_BYTES_MAX];
    // A regular file gives all at once.
    let length = file::read(passwd.as_fd(), &mut buffer).ok()?;
    let directory = directory(buffer.get(..length as usize)?, user)?;
    Some(arena.string(&[b"HOME=", directory]))
}

/// The sixth field of the first line whose third is the user's id. A line that may have been cut off does not count.
fn directory(passwd: &[u8], user: u32) -> Option<&[u8]> {
    let whole = if passwd.len() < limits::PASSWD_BYTES_MAX { passwd } else { cut_last(passwd, b'\n').0 };
    for line in fields(whole, b'\n') {
        let mut fields = fields(line, b':');
        if fields.nth(2).and_then(|id| number(id, 10)) == Some(user.into()) {
            return fields.nth(2).filter(|directory| directory.starts_with(b"/"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_at_home_where_the_first_line_says() {
        let text =
            b"root:x:0:0:root:/root:/bin/sh\nbad\n:::\na:x:7:7::/home/a\nb:x:7:7::/home/b:\nc:x:8:8::rel:\nd:x:9:9:\n";
        for (user, expected) in [(0, Some(&b"/root"[..])), (7, Some(b"/home/a")), (8, None), (9, None), (10, None)] {
            assert_eq!(directory(text, user), expected);
        }
        assert_eq!(directory(b"", 0), None);
    }

    #[test]
    fn a_line_that_is_cut_off_does_not_count() {
        let mut text = vec![b'#'; limits::PASSWD_BYTES_MAX - 16];
        text.extend(b"\na:x:7:7::/home/");
        assert_eq!((text.len(), directory(&text, 7)), (limits::PASSWD_BYTES_MAX, None));
    }
}
