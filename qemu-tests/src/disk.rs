//! The disk writer: a tree as a raw ext4 image, made without mounting anything and without being root.
//!
//! `mke2fs -d` copies a directory; what only root could put into that directory (owners, device nodes) is then written
//! into the image with `debugfs`. Identifiers and times are fixed as far as these tools let them be.

use std::fs::{self, FileTimes, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::tree::{DeviceKind, Kind, Tree};

const IDENTIFIER: &str = "70696f6e-6500-4000-8000-000000000001";

/// Writes the tree to a new image of that size.
pub fn write(tree: &Tree, image: &Path, size_mib: u32) -> Result<()> {
    let parent = image.parent().context("an image lies in a directory")?;
    let staging = tempfile::Builder::new().prefix("tree-").tempdir_in(parent)?;
    let root = staging.path().join("root");
    fs::create_dir(&root)?;
    let mut corrections = stage(tree, &root)?;
    let hash_seed = format!("root_owner=0:0,hash_seed={IDENTIFIER},lazy_itable_init=0");
    let mut make = Command::new("mke2fs");
    make.args(["-q", "-F", "-t", "ext4", "-m", "0", "-U", IDENTIFIER, "-E", &hash_seed, "-d"]).arg(&root);
    make.arg(image).arg(format!("{size_mib}M")).env("E2FSPROGS_FAKE_TIME", "1").env("SOURCE_DATE_EPOCH", "1");
    command::output(&mut make)?;
    if !corrections.is_empty() {
        corrections.push("quit".into());
        let script = staging.path().join("corrections");
        fs::write(&script, corrections.join("\n"))?;
        let mut correct = Command::new("debugfs");
        correct.arg("-w").arg("-f").arg(&script).arg(image).env("E2FSPROGS_FAKE_TIME", "1");
        command::output(&mut correct)?;
    }
    Ok(())
}

/// Puts the tree into a host directory and returns the `debugfs` commands for what could not be put there.
fn stage(tree: &Tree, root: &Path) -> Result<Vec<String>> {
    let (host_uid, host_gid) = fs::metadata(root).map(|metadata| (metadata.uid(), metadata.gid()))?;
    let mut corrections = Vec::new();
    let mut directories = Vec::new();
    for (path, node) in tree.iter() {
        if path.contains('"') {
            bail!("{path}: a quotation mark in a path");
        }
        let place = root.join(path);
        match &node.kind {
            Kind::Directory => {
                fs::create_dir(&place)?;
                directories.push((place, node.mode));
            }
            Kind::File(content) => {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&place)?;
                std::io::Write::write_all(&mut file, &content.read()?)?;
                file.set_times(
                    FileTimes::new().set_modified(SystemTime::UNIX_EPOCH).set_accessed(SystemTime::UNIX_EPOCH),
                )?;
                fs::set_permissions(&place, Permissions::from_mode(node.mode))?;
            }
            Kind::Symlink(target) => symlink(target, &place)?,
            Kind::Device(kind, major, minor) => {
                let (letter, bits) = match kind {
                    DeviceKind::Character => ("c", 0o020000),
                    DeviceKind::Block => ("b", 0o060000),
                };
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
                corrections.push(format!("cd \"/{parent}\""));
                corrections.push(format!("mknod \"{name}\" {letter} {major} {minor}"));
                corrections.push(format!("set_inode_field \"/{path}\" mode 0{:o}", bits | node.mode));
            }
        }
        let made_by_debugfs = matches!(node.kind, Kind::Device(..));
        if (node.uid, node.gid) != if made_by_debugfs { (0, 0) } else { (host_uid, host_gid) } {
            corrections.push(format!("set_inode_field \"/{path}\" uid {}", node.uid));
            corrections.push(format!("set_inode_field \"/{path}\" gid {}", node.gid));
        }
    }
    // Children first: a directory may forbid its own owner to write.
    for (place, mode) in directories.into_iter().rev() {
        fs::set_permissions(place, Permissions::from_mode(mode))?;
    }
    Ok(corrections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_and_device_nodes_are_in_the_image() {
        let mut tree = Tree::new();
        tree.file("etc/hostname", 0o640, "disk\n").owner("etc/hostname", 7, 8);
        tree.device("dev/null", 0o666, DeviceKind::Character, 1, 3);
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        write(&tree, &image, 8).unwrap();
        let look = |request: &str| command::text(Command::new("debugfs").args(["-R", request]).arg(&image)).unwrap();
        let file = look("stat /etc/hostname");
        assert!(file.contains("Mode:  0640") && file.contains("User:     7   Group:     8"), "{file}");
        let device = look("stat /dev/null");
        assert!(device.contains("Type: character special") && device.contains("Mode:  0666"), "{device}");
        assert!(device.contains("01:03"), "{device}");
    }
}
