//! Root file systems for containers, the way images are in LinuxKit: shared, and unpacked once however often they are used.

use std::process::Command;
use std::sync::{Arc, OnceLock};

use anyhow::Result;

use crate::artifacts::{busybox, probe_binary};
use crate::command;
use crate::tree::{Kind, Tree};

/// A container's root file system. Clones are the same image, which the builder stores once.
#[derive(Clone)]
pub struct Root {
    tree: Arc<Tree>,
}

impl Root {
    /// A root from any tree.
    pub fn new(tree: Tree) -> Root {
        Root { tree: Arc::new(tree) }
    }

    /// The host's static busybox with all its commands.
    pub fn busybox() -> Result<Root> {
        static ROOT: OnceLock<Result<Root, String>> = OnceLock::new();
        let root = ROOT.get_or_init(|| busybox_tree().map(Root::new).map_err(|error| format!("{error:#}")));
        root.clone().map_err(anyhow::Error::msg)
    }

    /// Busybox and `/bin/probe`.
    pub fn probe() -> Result<Root> {
        static ROOT: OnceLock<Result<Root, String>> = OnceLock::new();
        let make = || -> Result<Root> {
            let mut tree = busybox_tree()?;
            tree.host_file("bin/probe", 0o755, probe_binary()?);
            Ok(Root::new(tree))
        };
        ROOT.get_or_init(|| make().map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)
    }

    /// What it holds.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether both are the same image.
    pub fn is(&self, other: &Root) -> bool {
        Arc::ptr_eq(&self.tree, &other.tree)
    }

    /// What the builder unpacks: without the files that belong to the machine, and with the mount points that
    /// every container needs.
    pub fn as_unpacked(&self) -> Tree {
        let mut tree = (*self.tree).clone();
        for path in [".dockerenv", "Dockerfile", "dev/console", "dev/pts", "dev/shm", "etc/hostname"] {
            tree.remove(path);
        }
        for path in ["dev", "dev/pts", "dev/shm", "etc", "proc", "sys"] {
            if !tree.contains(path) {
                tree.directory(path, 0o755);
            }
        }
        if !tree.contains("etc/mtab") {
            tree.symlink("etc/mtab", "/proc/mounts");
        }
        tree.file("etc/hosts", 0o644, HOSTS).file("etc/resolv.conf", 0o644, "\n# no resolv.conf configured\n");
        tree
    }
}

const HOSTS: &str = "127.0.0.1       localhost\n::1     localhost ip6-localhost ip6-loopback\n\
    fe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n";

fn busybox_tree() -> Result<Tree> {
    let mut tree = Tree::new();
    add_busybox(&mut tree)?;
    tree.directory("tmp", 0o1777).directory("root", 0o700).directory("run", 0o755).directory("var/tmp", 0o1777);
    tree.file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
    tree.file("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n");
    Ok(tree)
}

/// Adds the host's static busybox and a link for each of its commands that the tree does not have yet.
pub fn add_busybox(tree: &mut Tree) -> Result<()> {
    let busybox = busybox()?;
    // Debian's trees have /bin as a link to usr/bin.
    let merged = tree.get("bin").is_some_and(|node| matches!(node.kind, Kind::Symlink(_)));
    let directory = if merged { "usr/bin" } else { "bin" };
    for name in command::text(Command::new(&busybox).arg("--list"))?.lines() {
        let path = format!("{directory}/{name}");
        if !tree.contains(&path) {
            tree.symlink(&path, "busybox");
        }
    }
    tree.host_file(&format!("{directory}/busybox"), 0o755, &busybox);
    Ok(())
}
