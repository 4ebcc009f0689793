//! The initramfs writer: a newc archive whose bytes depend on the tree alone.
//!
//! Entries are sorted, inode numbers are counted from one, times are zero. It is not compressed: under emulation that
//! costs more than it saves.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use crate::tree::{DeviceKind, Kind, Tree};

const TYPE_DIRECTORY: u32 = 0o040000;
const TYPE_FILE: u32 = 0o100000;
const TYPE_SYMLINK: u32 = 0o120000;
const TYPE_CHARACTER: u32 = 0o020000;
const TYPE_BLOCK: u32 = 0o060000;

/// Writes the tree to a file.
pub fn write(tree: &Tree, path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut archive = BufWriter::new(file);
    write_to(tree, &mut archive)?;
    Ok(archive.flush()?)
}

/// Writes the tree as an archive.
pub fn write_to(tree: &Tree, archive: &mut impl Write) -> Result<()> {
    for (inode, (path, node)) in (1..).zip(tree.iter()) {
        let (kind, links, device, content) = match &node.kind {
            Kind::Directory => (TYPE_DIRECTORY, 2, (0, 0), Vec::new()),
            Kind::File(content) => (TYPE_FILE, 1, (0, 0), content.read()?),
            Kind::Symlink(target) => (TYPE_SYMLINK, 1, (0, 0), target.as_bytes().to_vec()),
            Kind::Device(DeviceKind::Character, major, minor) => (TYPE_CHARACTER, 1, (*major, *minor), Vec::new()),
            Kind::Device(DeviceKind::Block, major, minor) => (TYPE_BLOCK, 1, (*major, *minor), Vec::new()),
        };
        let header = Header { inode, mode: kind | node.mode, uid: node.uid, gid: node.gid, links, device };
        header.write(archive, path, &content)?;
    }
    let trailer = Header { inode: 0, mode: 0, uid: 0, gid: 0, links: 1, device: (0, 0) };
    Ok(trailer.write(archive, "TRAILER!!!", &[])?)
}

struct Header {
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    device: (u32, u32),
}

impl Header {
    /// See the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
    fn write(&self, archive: &mut impl Write, path: &str, content: &[u8]) -> io::Result<()> {
        let size = u32::try_from(content.len()).map_err(|_| io::Error::other(format!("{path} is over 4 GiB")))?;
        let name_size = path.len() as u32 + 1;
        let time = 0;
        let (major, minor) = self.device;
        let fields =
            [self.inode, self.mode, self.uid, self.gid, self.links, time, size, 0, 0, major, minor, name_size, 0];
        archive.write_all(b"070701")?;
        for field in fields {
            write!(archive, "{field:08X}")?;
        }
        archive.write_all(path.as_bytes())?;
        // The name's own NUL, then up to a multiple of four; 110 is the size of the header.
        archive.write_all(&[0; 4][..1 + padding(110 + path.len() + 1)])?;
        archive.write_all(content)?;
        archive.write_all(&[0; 4][..padding(content.len())])
    }
}

fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_aligned_entries_and_a_trailer() {
        let mut tree = Tree::new();
        tree.file("init", 0o755, "#!").directory("dev", 0o755).device("dev/null", 0o666, DeviceKind::Character, 1, 3);
        let mut archive = Vec::new();
        write_to(&tree, &mut archive).unwrap();
        assert_eq!(archive.len() % 4, 0);
        let text = String::from_utf8_lossy(&archive);
        assert!(text.starts_with("07070100000001000041ED"), "{text}");
        assert!(text.contains("000081ED") && text.contains("000021B6") && text.contains("TRAILER!!!"), "{text}");
    }
}
