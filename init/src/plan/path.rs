//! Paths as text: joined and compared by their components, never looked up. Links are the business of whoever opens.

use crate::arena::Arena;
use crate::text::{Fields, Line, fields};
use crate::texts::CStr;
use crate::texts::until_nul;

/// The components of a path, without empty ones and `.`.
pub(super) fn components(path: &[u8]) -> Components<'_> {
    Components(fields(path, b'/'))
}

/// See [`components`].
pub(super) struct Components<'p>(Fields<'p>);

impl<'p> Iterator for Components<'p> {
    type Item = &'p [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'p [u8]> {
        loop {
            let component = self.0.next()?;
            if !component.is_empty() && component != b"." {
                return Some(component);
            }
        }
    }
}

/// `base` and below it `path`: absolute, with one slash before each component and none at the end.
pub(super) fn join<'a>(arena: &mut Arena<'a>, base: &CStr, path: &CStr) -> &'a CStr {
    let (base, path) = (base.to_bytes(), path.to_bytes());
    // There is room for a slash too many on each side, and for the NUL.
    let mut line = Line::new(arena.bytes(base.len() + path.len() + 3));
    for part in [base, path] {
        for component in components(part) {
            line.byte(b'/').raw(component);
        }
    }
    if line.is_empty() {
        line.byte(b'/');
    }
    line.byte(0);
    until_nul(line.written()).unwrap_or(s!("/"))
}

/// Whether a path starts at the root.
pub(super) fn is_absolute(path: &CStr) -> bool {
    path.first() == b'/'
}

/// Whether a path has a component `..`.
pub(super) fn goes_up(path: &CStr) -> bool {
    components(path.to_bytes()).any(|component| component == b"..")
}

/// Whether two paths have the same components.
pub(super) fn same(path: &CStr, other: &CStr) -> bool {
    components(path.to_bytes()).eq(components(other.to_bytes()))
}

/// Whether a path is in a directory, at any depth.
pub(super) fn is_below(path: &CStr, directory: &CStr) -> bool {
    let mut path = components(path.to_bytes());
    components(directory.to_bytes()).all(|component| path.next() == Some(component)) && path.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joining_leaves_one_slash_before_each_component() {
        let mut region = [0; 512];
        let mut arena = Arena::new(&mut region);
        for (base, path, joined) in [
            (s!("/a/b/"), s!("rootfs"), s!("/a/b/rootfs")),
            (s!("/a"), s!("./x//y/."), s!("/a/x/y")),
            (s!("/"), s!("x"), s!("/x")),
            (s!(""), s!("x"), s!("/x")),
            (s!(""), s!(""), s!("/")),
            (s!("/"), s!("/"), s!("/")),
            (s!("a"), s!("b"), s!("/a/b")),
        ] {
            assert_eq!(join(&mut arena, base, path), joined);
        }
    }

    #[test]
    fn paths_compare_by_components() {
        assert!(same(s!("/dev/"), s!("//./dev")));
        assert!(!same(s!("/dev"), s!("/devices")));
        assert!(is_below(s!("/a/b/tmp"), s!("/a/b/")));
        assert!(!is_below(s!("/a/b"), s!("/a/b")));
        assert!(!is_below(s!("/a/bc"), s!("/a/b")));
        assert!(goes_up(s!("a/../b")) && goes_up(s!("..")) && !goes_up(s!("a..b/...")) && !goes_up(s!("/")));
    }
}
