//! Choosing modules: a folder with what an image needs, so that its initramfs stays small.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::kernel::Kernel;
use crate::tree::Tree;
use crate::{cache, command};

/// What the machines of the tests have, and what pidone loads for bundles.
pub const USUAL: &[&str] = &[
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "overlay",
    "veth",
    "bridge",
    "dummy",
    "macvlan",
    "ipvlan",
    "vlan",
    "vxlan",
    "tun",
    "button",
    "evdev",
    "pvpanic_pci",
    "loop",
    "dm_mod",
    "ext4",
    "squashfs",
    "erofs",
    "isofs",
    "vfat",
    "rtc_cmos",
    "8021q",
    "br_netfilter",
    "fuse",
    "virtiofs",
    "vsock",
    "vmw_vsock_virtio_transport",
    "wireguard",
    "softdog",
    "nls_ascii",
    "nls_iso8859_1",
];

/// Adds the chosen modules, what they depend on, and the index files over just these, at `lib/modules/RELEASE`.
///
/// A name that the kernel does not have as a module is passed over: it is built in, or it is not there and the guest
/// will say so.
pub fn add(tree: &mut Tree, kernel: &Kernel, names: &[&str]) -> Result<()> {
    let Some(all) = &kernel.modules else { return Ok(()) };
    let folder = subset(kernel, all, names)?;
    tree.host_tree(&format!("lib/modules/{}", kernel.release), &folder)?;
    Ok(())
}

fn subset(kernel: &Kernel, all: &Path, names: &[&str]) -> Result<PathBuf> {
    let names: BTreeSet<String> = names.iter().map(|name| plain(name)).collect();
    let mut hasher = DefaultHasher::new();
    (&names, all).hash(&mut hasher);
    let entry = cache::entry("modules", &format!("{}-{:016x}", kernel.release, hasher.finish()), |directory| {
        let folder = directory.join("lib/modules").join(&kernel.release);
        fs::create_dir_all(&folder)?;
        for file in closure(all, &names)? {
            let target = folder.join(&file);
            fs::create_dir_all(target.parent().context("a module lies in a folder")?)?;
            fs::copy(all.join(&file), target)?;
        }
        for index in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            if all.join(index).exists() {
                fs::copy(all.join(index), folder.join(index))?;
            }
        }
        command::output(Command::new("depmod").arg("-b").arg(directory).arg(&kernel.release))?;
        for file in fs::read_dir(&folder)?.flatten() {
            // The binary forms are kmod's own.
            if file.path().extension().is_some_and(|extension| extension == "bin") {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    })?;
    Ok(entry.join("lib/modules").join(&kernel.release))
}

/// The files of the named modules with their hard and soft dependencies, relative to the modules folder.
fn closure(folder: &Path, names: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let dependencies = fs::read_to_string(folder.join("modules.dep")).context("cannot read modules.dep")?;
    let soft = fs::read_to_string(folder.join("modules.softdep")).unwrap_or_default();
    let mut needs: BTreeMap<String, (&str, Vec<String>)> = BTreeMap::new();
    for line in dependencies.lines() {
        let Some((file, others)) = line.split_once(':') else { continue };
        needs.insert(plain(file), (file, others.split_whitespace().map(plain).collect()));
    }
    for line in soft.lines() {
        let Some((name, others)) = line.strip_prefix("softdep ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        if let Some((_, needed)) = needs.get_mut(&plain(name)) {
            needed.extend(others.split_whitespace().filter(|word| !word.ends_with(':')).map(plain));
        }
    }
    let mut files = BTreeSet::new();
    let mut pending: Vec<&String> = names.iter().collect();
    while let Some(name) = pending.pop() {
        if let Some((file, needed)) = needs.get(name)
            && files.insert((*file).to_owned())
        {
            pending.extend(needed);
        }
    }
    Ok(files)
}

/// `dm_mod` for `kernel/drivers/md/dm-mod.ko.xz`.
fn plain(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let name = name.split_once(".ko").map_or(name, |(name, _)| name);
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_come_along_and_strangers_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let text = "kernel/a-one.ko.xz: kernel/b.ko\nkernel/b.ko:\nkernel/c.ko:\nkernel/d.ko:\n";
        fs::write(folder.path().join("modules.dep"), text).unwrap();
        fs::write(folder.path().join("modules.softdep"), "# x\nsoftdep a_one pre: c\n").unwrap();
        let files = closure(folder.path(), &BTreeSet::from(["a_one".into(), "absent".into()])).unwrap();
        let expected = ["kernel/a-one.ko.xz", "kernel/b.ko", "kernel/c.ko"];
        assert_eq!(files.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
}
