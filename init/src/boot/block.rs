//! Block devices by what is written on them: identifiers and names of file systems and partitions.
//!
//! Nothing on a disk is trusted: every read is of a fixed size at a place that the kernel checks, and only processes of
//! their own do this.

use super::lines::{lines, words};
use crate::limits;
use crate::log;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::join;
use crate::sys::{AsFd, BorrowedFd};
use crate::text::{Line, Value, cut, number, position};
use crate::texts::CStr;
use crate::texts::until_nul;

/// File systems: name; where the magic number is and what it is; where the identifier, the label and how long that is.
/// Hexadecimal. 0 where there is none.
const FILE_SYSTEMS: &[u8] = b"\
ext4 438 53ef 468 478 10
xfs 0 58465342 20 6c c
btrfs 10040 5f42485266535f4d 10020 1012b 20
erofs 400 e2e1f5e0 430 440 10
squashfs 0 68737173 0 0 0
f2fs 400 1020f5f2 46c 0 0
iso9660 8001 4344303031 0 8028 20
";

const BLOCKS: &CStr = s!("/sys/class/block");

/// The path of the device that an option names: `/dev/...`, `UUID=`, `LABEL=`, `PARTUUID=` or `PARTLABEL=`. A name of none
/// of these kinds is what a monitor shares, and returned as it is.
pub fn find<'b>(name: &[u8], buffer: &'b mut [u8]) -> Option<&'b CStr> {
    let wanted =
        cut(name, b'=').and_then(|(key, value)| Some((position(b"UUID LABEL PARTUUID PARTLABEL", key)?, value)));
    let Some((key, value)) = wanted else {
        let path = join(buffer, &[name]).ok()?;
        return (!name.starts_with(b"/") || file::exists(path)).then_some(path);
    };
    // The longest is 32 bytes, DISK_NAME_LEN of the kernel.
    let mut found = [0; 64];
    let mut found = Line::new(&mut found);
    for_each(&mut |device, block| {
        // The first one counts.
        let is_first = found.is_empty();
        if is_first && key < 2 {
            if has_file_system(block, key == 0, value) {
                found.raw(device.to_bytes());
            }
        } else if is_first && let Some(partition) = partition(block, key == 2, value) {
            found.raw(device.to_bytes());
            if device.to_bytes().last().is_some_and(u8::is_ascii_digit) {
                found.byte(b'p');
            }
            found.number(partition.into());
        }
    });
    if found.is_empty() {
        return None;
    }
    let path = join(buffer, &[b"/dev/", found.bytes()]).ok()?;
    file::exists(path).then_some(path)
}

/// The name of the file system on a device.
pub fn file_system(device: &CStr) -> Option<&'static [u8]> {
    let block = file::open(CWD, device, Open::Read).ok()?;
    words(kind_of(block.as_fd())?).next()
}

/// Says that a device is not there, and which ones are.
pub fn report_all(name: &[u8]) {
    let mut buffer = [0; limits::LOG_PART_BYTES];
    let mut line = Line::new(&mut buffer);
    for_each(&mut |device, block| {
        line.byte(b' ').quoted(device.to_bytes());
        if let Some(kind) = kind_of(block) {
            line.byte(b':').raw(words(kind).next().unwrap_or_default());
        }
    });
    line.bytes();
    log::error(
        t!("no device {}; there are:{}"),
        &[Value::Quoted(name), Value::Raw(until_nul(&buffer).unwrap_or_default())],
    );
}

/// Calls `each` with every block device that can be read.
fn for_each(each: &mut dyn FnMut(&CStr, BorrowedFd)) {
    let Ok(blocks) = file::open(CWD, BLOCKS, Open::Directory) else { return };
    let _ = file::for_each_entry(blocks.as_fd(), &mut |name, _| {
        let mut path = [0; 64];
        if let Ok(block) =
            join(&mut path, &[b"/dev/", name.to_bytes()]).and_then(|path| file::open(CWD, path, Open::Read))
        {
            each(name, block.as_fd());
        }
        Ok(())
    });
}

/// The line of the file system on a device.
fn kind_of(block: BorrowedFd) -> Option<&'static [u8]> {
    lines(FILE_SYSTEMS, b"").find(|line| {
        let magic = words(line).nth(2).unwrap_or_default();
        let mut bytes = [0; 8];
        let length = magic.len() / 2;
        let Some(bytes) = bytes.get_mut(..length) else { return false };
        let found = file::read_at(block, field(line, 1), bytes) == Ok(length as u32);
        found
            && bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
                == number(magic, 16).unwrap_or_default()
    })
}

fn field(line: &[u8], index: usize) -> u64 {
    words(line).nth(index).and_then(|word| number(word, 16)).unwrap_or_default()
}

/// Whether a device has a file system with this identifier, or this label.
fn has_file_system(block: BorrowedFd, by_identifier: bool, value: &[u8]) -> bool {
    let Some(line) = kind_of(block) else { return false };
    let (at, length) = if by_identifier { (field(line, 3), 16) } else { (field(line, 4), field(line, 5) as usize) };
    let mut bytes = [0; 32];
    let Some(bytes) = bytes.get_mut(..length).filter(|_| at != 0) else { return false };
    if file::read_at(block, at, bytes) != Ok(length as u32) {
        return false;
    }
    if by_identifier {
        return Some(&*bytes) == identifier(value).as_ref().map(|identifier| &identifier[..]);
    }
    let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
    bytes.get(..end) == Some(value)
}

/// The bytes of `0fc63daf-8483-4772-8e79-3d69d8477de4`.
fn identifier(text: &[u8]) -> Option<[u8; 16]> {
    let mut digits = text.iter().filter(|byte| **byte != b'-');
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = number(&[*digits.next()?, *digits.next()?], 16)? as u8;
    }
    digits.next().is_none().then_some(bytes)
}

/// Bytes of an entry of a GUID partition table that matter: identifier at 16, name at 56.
const ENTRY_BYTES: usize = 128;

/// The number of the partition with this identifier, or this name, on a disk.
fn partition(disk: BorrowedFd, by_identifier: bool, value: &[u8]) -> Option<u32> {
    let mut header = [0; 512];
    if by_identifier && value.len() == 11 && file::read_at(disk, 0, &mut header) == Ok(512) {
        // `SSSSSSSS-NN`: the signature of a DOS partition table, and the number.
        let (signature, partition) = cut(value, b'-')?;
        let is_it = header.ends_with(&[0x55, 0xaa]) && number(signature, 16) == Some(little(&header, 440, 4));
        return number(partition, 16).filter(|_| is_it).map(|partition| partition as u32);
    }
    let wanted = if by_identifier { identifier(value)? } else { [0; 16] };
    // Sectors of both sizes that there are.
    for sector in [512, 4096] {
        if file::read_at(disk, sector, &mut header) == Ok(512) && header.starts_with(b"EFI PART") {
            let mut at = little(&header, 72, 8).wrapping_mul(sector);
            let mut entry = [0; ENTRY_BYTES];
            for index in 0..little(&header, 80, 4).min(limits::PARTITIONS_MAX) {
                if file::read_at(disk, at, &mut entry) != Ok(ENTRY_BYTES as u32) {
                    break;
                }
                at = at.wrapping_add(little(&header, 84, 4));
                if if by_identifier { is_identifier(&entry, &wanted) } else { is_name(&entry, value) } {
                    return Some(index as u32 + 1);
                }
            }
        }
    }
    None
}

/// A number of so many bytes, the smallest first.
#[inline(never)]
fn little(bytes: &[u8], at: usize, count: usize) -> u64 {
    let bytes = bytes.get(at..).unwrap_or_default().iter().take(count);
    bytes.rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The first three parts of an identifier are numbers, and written as such: the smallest byte first.
fn is_identifier(entry: &[u8; ENTRY_BYTES], wanted: &[u8; 16]) -> bool {
    const ORDER: [u8; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    ORDER.iter().zip(wanted).all(|(at, byte)| entry.get(16 + usize::from(*at)) == Some(byte))
}

/// Names are of 36 UTF-16 units; only ASCII ones are looked for.
fn is_name(entry: &[u8; ENTRY_BYTES], wanted: &[u8]) -> bool {
    wanted.len() <= 36
        && (0..36).all(|unit| {
            little(entry, 56 + 2 * unit, 2) == wanted.get(unit).copied().unwrap_or_default().into()
                || unit > wanted.len()
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A device with these bytes at these places.
    fn device(pieces: &[(u64, &[u8])]) -> crate::sys::OwnedFd {
        let path =
            std::env::temp_dir().join(format!("pidone-block-{}-{:?}", std::process::id(), std::thread::current().id()));
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(1 << 17).unwrap();
        for (at, bytes) in pieces {
            std::os::unix::fs::FileExt::write_all_at(&file, bytes, *at).unwrap();
        }
        (&file).flush().unwrap();
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        let device = file::open(CWD, CStr::of(&name), Open::Read).unwrap();
        std::fs::remove_file(path).unwrap();
        device
    }

    const UUID: &[u8] = b"0fc63daf-8483-4772-8e79-3d69d8477de4";
    const BYTES: [u8; 16] =
        [0x0f, 0xc6, 0x3d, 0xaf, 0x84, 0x83, 0x47, 0x72, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];

    #[test]
    fn file_systems_are_known_by_their_superblocks() {
        for (name, pieces, label) in [
            (&b"ext4"[..], &[(0x438, &[0x53, 0xef][..]), (0x468, &BYTES), (0x478, b"data")][..], &b"data"[..]),
            (b"xfs", &[(0, b"XFSB"), (32, &BYTES), (108, b"twelve-bytes")], b"twelve-bytes"),
            (b"btrfs", &[(0x10040, b"_BHRfS_M"), (0x10020, &BYTES), (0x1012b, b"x y")], b"x y"),
            (b"erofs", &[(1024, &[0xe2, 0xe1, 0xf5, 0xe0]), (1072, &BYTES), (1088, b"image")], b"image"),
        ] {
            let device = device(pieces);
            assert_eq!(words(kind_of(device.as_fd()).unwrap()).next(), Some(name));
            assert!(has_file_system(device.as_fd(), true, UUID) && has_file_system(device.as_fd(), false, label));
            assert!(!has_file_system(device.as_fd(), true, b"0fc63daf-8483-4772-8e79-3d69d8477de5"));
            assert!(!has_file_system(device.as_fd(), false, b"dat") && !has_file_system(device.as_fd(), true, b"0fc6"));
        }
        let squashfs = device(&[(0, b"hsqs")]);
        assert!(kind_of(squashfs.as_fd()).is_some() && !has_file_system(squashfs.as_fd(), false, b""));
        assert_eq!(kind_of(device(&[]).as_fd()), None);
    }

    /// A GUID partition table with one entry, the third.
    fn table(sector: u64, entries: u64, size: u32, count: u32) -> crate::sys::OwnedFd {
        let mut entry = [0; ENTRY_BYTES];
        entry[16..32].copy_from_slice(&[
            0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
        ]);
        entry[56..62].copy_from_slice(b"r\0o\0t\0");
        let mut header = [0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[72..80].copy_from_slice(&entries.to_le_bytes());
        header[80..84].copy_from_slice(&count.to_le_bytes());
        header[84..88].copy_from_slice(&size.to_le_bytes());
        let at = entries.wrapping_mul(sector).wrapping_add(2 * u64::from(size));
        device(&[(sector, &header), (at % (1 << 17), &entry)])
    }

    #[test]
    fn partitions_are_known_by_their_tables() {
        for sector in [512, 4096] {
            let disk = table(sector, 2, 128, 128);
            assert_eq!(partition(disk.as_fd(), true, UUID), Some(3));
            assert_eq!(partition(disk.as_fd(), false, b"rot"), Some(3));
            assert_eq!(partition(disk.as_fd(), false, b"ro"), None);
            assert_eq!(partition(disk.as_fd(), false, &[b'x'; 100]), None);
            assert_eq!(partition(disk.as_fd(), true, b"1234abcd-02"), None);
        }
        let dos = device(&[(440, &[0xcd, 0xab, 0x34, 0x12]), (510, &[0x55, 0xaa])]);
        assert_eq!(partition(dos.as_fd(), true, b"1234abcd-02"), Some(2));
        assert_eq!(partition(dos.as_fd(), true, b"1234ABCD-0f"), Some(15));
        assert_eq!(partition(dos.as_fd(), true, b"1234abce-02"), None);
    }

    #[test]
    fn a_hostile_table_costs_a_bounded_number_of_reads_and_finds_nothing() {
        for (entries, size, count) in
            [(u64::MAX, u32::MAX, u32::MAX), (2, 0, u32::MAX), (2, 128, 2), (1 << 60, 128, 128)]
        {
            assert_eq!(partition(table(512, entries, size, count).as_fd(), true, b"x"), None);
            assert_eq!(partition(table(512, entries, size, count).as_fd(), false, b"nobody"), None);
        }
    }
}
