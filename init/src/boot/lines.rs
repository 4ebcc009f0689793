//! The text files of a boot image: lines of words, blank lines and comments between them.

use crate::text::cut;

/// The lines that say something, without the blanks around them. A line that begins with a character of `comments` says
/// nothing.
pub fn lines<'a>(text: &'a [u8], comments: &'static [u8]) -> Lines<'a> {
    Lines { rest: text, comments }
}

/// The words of a line.
pub fn words(line: &[u8]) -> Words<'_> {
    Words(line)
}

/// See [`lines`]. A type of its own, whose code is there once and not with each of its users.
#[derive(Clone)]
pub struct Lines<'a> {
    rest: &'a [u8],
    comments: &'static [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (line, rest) = cut(self.rest, b'\n').unwrap_or((self.rest, b""));
            self.rest = rest;
            let line = line.trim_ascii();
            if line.first().is_some_and(|first| self.comments.iter().all(|comment| comment != first)) {
                return Some(line);
            }
        }
        None
    }
}

/// See [`words`].
#[derive(Clone)]
pub struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (word, rest) = first_word(self.0.trim_ascii_start());
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// The text before the first blank, and what follows the blanks.
pub fn first_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    (text.get(..end).unwrap_or_default(), text.get(end..).unwrap_or_default().trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blanks_say_nothing() {
        let found: Vec<&[u8]> = lines(b"# one\n\n  two # three\t\n;four\r\n\t\nfive", b"#;").collect();
        assert_eq!(found, [&b"two # three"[..], b"five"]);
        assert_eq!(words(b" a\t b  ").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(cut(b"a=b=c", b'='), Some((&b"a"[..], &b"b=c"[..])));
        assert_eq!(cut(b"a", b'='), None);
    }
}
