//! The text files of a boot image: lines of words, blank lines and comments between them.

/// The lines that say something, without the blanks around them. A line that begins with a character of `comments` says
/// nothing.
pub fn lines<'a>(text: &'a [u8], comments: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let said = move |line: &&[u8]| line.first().is_some_and(|first| comments.iter().all(|comment| comment != first));
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(said)
}

/// The words of a line.
pub fn words(line: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// The text before the first of `separator`, and the text behind it.
pub fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
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
