//! A file tree in memory: what an initramfs or a disk will hold.
//!
//! Paths are absolute in the tree and written with or without the leading `/`. A parent that is missing is made as a
//! directory of mode 0755. Everything belongs to root unless [`Tree::owner`] says otherwise.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where a file's bytes come from.
#[derive(Clone, Debug)]
pub enum Content {
    /// From memory.
    Bytes(Vec<u8>),
    /// From a file of the host, read when the tree is written.
    Host(PathBuf),
}

impl Content {
    /// The bytes themselves.
    pub fn read(&self) -> Result<Vec<u8>> {
        match self {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::Host(path) => fs::read(path).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// The two kinds of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// What lies at a path.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and its target.
    Symlink(String),
    /// A device node: its kind, major and minor number.
    Device(DeviceKind, u32, u32),
}

/// One entry of a tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits, without the type.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Node {
    fn new(kind: Kind, mode: u32) -> Node {
        Node { kind, mode, uid: 0, gid: 0 }
    }
}

/// A file tree in memory, sorted by path.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Adds a directory, or sets the mode of one that is there.
    pub fn directory(&mut self, path: &str, mode: u32) -> &mut Tree {
        self.insert(path, Node::new(Kind::Directory, mode))
    }

    /// Adds a file.
    pub fn file(&mut self, path: &str, mode: u32, content: impl Into<Vec<u8>>) -> &mut Tree {
        self.insert(path, Node::new(Kind::File(Content::Bytes(content.into())), mode))
    }

    /// Adds a file whose bytes are the host's.
    pub fn host_file(&mut self, path: &str, mode: u32, host: impl Into<PathBuf>) -> &mut Tree {
        self.insert(path, Node::new(Kind::File(Content::Host(host.into())), mode))
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> &mut Tree {
        self.insert(path, Node::new(Kind::Symlink(target.into()), 0o777))
    }

    /// Adds a device node.
    pub fn device(&mut self, path: &str, mode: u32, kind: DeviceKind, major: u32, minor: u32) -> &mut Tree {
        self.insert(path, Node::new(Kind::Device(kind, major, minor), mode))
    }

    /// Gives an entry to somebody else than root.
    pub fn owner(&mut self, path: &str, uid: u32, gid: u32) -> &mut Tree {
        let node = self.nodes.get_mut(&normal(path)).unwrap_or_else(|| panic!("{path} is not in the tree"));
        (node.uid, node.gid) = (uid, gid);
        self
    }

    /// Takes out an entry and all below it.
    pub fn remove(&mut self, path: &str) -> &mut Tree {
        let path = normal(path);
        let below = format!("{path}/");
        self.nodes.retain(|other, _| *other != path && !other.starts_with(&below));
        self
    }

    /// Adds all of another tree below `path`.
    pub fn tree(&mut self, path: &str, other: &Tree) -> &mut Tree {
        self.directory(path, 0o755);
        for (name, node) in &other.nodes {
            self.insert(&format!("{path}/{name}"), node.clone());
        }
        self
    }

    /// Adds all of a host directory below `path`, as root's. Sockets are left out: nobody listens on a copy.
    pub fn host_tree(&mut self, path: &str, host: &Path) -> Result<&mut Tree> {
        let mut pending = vec![(path.to_owned(), host.to_owned())];
        while let Some((path, host)) = pending.pop() {
            let metadata = fs::symlink_metadata(&host).with_context(|| format!("cannot read {}", host.display()))?;
            let (kind, mode) = (metadata.file_type(), metadata.mode() & 0o7777);
            if kind.is_dir() {
                self.directory(&path, mode);
                for entry in fs::read_dir(&host)? {
                    let entry = entry?;
                    let Ok(name) = entry.file_name().into_string() else { bail!("{:?} is not UTF-8", entry.path()) };
                    pending.push((format!("{path}/{name}"), entry.path()));
                }
            } else if kind.is_file() {
                self.host_file(&path, mode, host);
            } else if kind.is_symlink() {
                let target = fs::read_link(&host)?;
                let Some(target) = target.to_str() else { bail!("{} is not UTF-8", target.display()) };
                self.symlink(&path, target);
            } else if kind.is_char_device() || kind.is_block_device() {
                let kind = if kind.is_char_device() { DeviceKind::Character } else { DeviceKind::Block };
                let device = metadata.rdev();
                self.device(&path, mode, kind, rustix::fs::major(device), rustix::fs::minor(device));
            }
        }
        Ok(self)
    }

    /// What lies at a path.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&normal(path))
    }

    /// Whether the tree has this path.
    pub fn contains(&self, path: &str) -> bool {
        self.nodes.contains_key(&normal(path))
    }

    /// The text of a regular file of the tree.
    pub fn text(&self, path: &str) -> Result<String> {
        match self.nodes.get(&normal(path)).map(|node| &node.kind) {
            Some(Kind::File(content)) => Ok(String::from_utf8(content.read()?)?),
            _ => bail!("{path} is not a file of the tree"),
        }
    }

    /// All entries in the order of their paths, which have no leading `/`; parents come before children.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    fn insert(&mut self, path: &str, node: Node) -> &mut Tree {
        let path = normal(path);
        if path.is_empty() {
            return self; // The root itself: it is always there.
        }
        for (at, _) in path.match_indices('/') {
            let parent = self.nodes.entry(path[..at].to_owned());
            let parent = parent.or_insert_with(|| Node::new(Kind::Directory, 0o755));
            assert!(matches!(parent.kind, Kind::Directory), "{path}: {} is not a directory", &path[..at]);
        }
        self.nodes.insert(path, node);
        self
    }
}

/// `a/b` for `/a//b/`.
fn normal(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    assert!(!parts.contains(&".."), "{path} leaves the tree");
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_parents_are_made_and_come_first() {
        let mut tree = Tree::new();
        tree.file("/a//b/c", 0o600, "x").symlink("a/b/d", "c");
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, ["a", "a/b", "a/b/c", "a/b/d"]);
        tree.remove("a/b");
        assert!(tree.contains("a") && !tree.contains("a/b/c"));
    }
}
