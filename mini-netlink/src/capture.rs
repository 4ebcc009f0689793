//! Captured bytes as annotated text, and every way to damage them. For tests only.
//!
//! All captures are from little-endian machines.

use std::vec::Vec;

use crate::wire::{Message, Messages, Request, WriteError, encode};

/// The bytes of a text: hexadecimal digits up to a bar, then a remark. Lines without a bar are remarks.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .lines()
        .filter_map(|line| line.split_once('|'))
        .flat_map(|(digits, _)| digits.chars().filter(|digit| !digit.is_whitespace()))
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The pieces of a file with several captures: what was done, which is the line before the first with a bar, and the rest.
pub(crate) fn commands(file: &str) -> impl Iterator<Item = (&str, &str)> {
    let pieces = file.split("\n\n").filter(|piece| piece.contains('|'));
    pieces.map(|piece| piece.trim_start().split_once('\n').unwrap())
}

/// The piece of a file with several captures that tells of this.
#[track_caller]
pub(crate) fn block<'a>(file: &'a str, command: &str) -> &'a str {
    commands(file).find(|(other, _)| *other == command).unwrap_or_else(|| panic!("no {command}")).1
}

/// Calls `read` with every prefix of `bytes`, and with every change of a single byte.
pub(crate) fn for_every_damage(bytes: &[u8], mut read: impl FnMut(&[u8])) {
    for length in 0..=bytes.len() {
        read(&bytes[..length]);
    }
    let mut damaged = bytes.to_vec();
    for position in 0..bytes.len() {
        for change in 1..=255 {
            damaged[position] = bytes[position] ^ change;
            read(&damaged);
        }
        damaged[position] = bytes[position];
    }
}

/// Has `read` read what `request` writes, as if the kernel told it.
pub(crate) fn told<T>(request: &dyn Request, read: impl FnOnce(&Message<'_>) -> T) -> T {
    let mut buffer = [0xee; 4096];
    let length = encode(request, 1, &mut buffer).unwrap();
    read(&Messages::new(&buffer[..length]).next().unwrap().unwrap())
}

/// Holds the bytes of `request`, sent with sequence number 1, against a capture; and that every smaller buffer is full.
#[track_caller]
pub(crate) fn check(request: &dyn Request, capture: &str) {
    let expected = bytes(capture);
    let mut buffer = [0xee; 1024];
    let length = encode(request, 1, &mut buffer).unwrap();
    assert_eq!(&buffer[..length], expected);
    for short in 0..length {
        assert_eq!(encode(request, 1, &mut buffer[..short]), Err(WriteError::Full));
    }
    assert_eq!(encode(request, 1, &mut buffer[..length]), Ok(length));
}
