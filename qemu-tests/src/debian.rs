//! Root file systems of unmodified Debian packages, without installing them.
//!
//! A root is the packages asked for and what they need to run, unpacked over each other; documentation is left out, as in
//! Debian's own slim images, and so are conversions of character sets. Maintainer scripts do not run: what they would have made (users, links, owners) the caller adds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::tree::Tree;
use crate::{cache, command};

/// Dependencies that serve installation and init scripts only.
const NOT_NEEDED_TO_RUN: [&str; 12] = [
    "adduser",
    "cdebconf",
    "debconf",
    "dpkg",
    "init-system-helpers",
    "iproute2",
    "lsb-base",
    "passwd",
    "perl-base",
    "sysvinit-utils",
    "usr-is-merged",
    "usrmerge",
];

const LEFT_OUT: [&str; 6] = [
    "./usr/lib/*/gconv/*",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/lintian/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
];

/// Left out unless systemd is asked for.
const SYSTEMD: &str = "./usr/lib/systemd/*";

/// The tree of the packages and their dependencies.
pub fn tree(packages: &[&str]) -> Result<Tree> {
    let files = package_files(packages)?;
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    let name = format!("{}-{:016x}", packages.join("+"), hasher.finish());
    let root = cache::entry("debian", &name, |directory| unpack(&files, packages.contains(&"systemd"), directory))?;
    let mut tree = Tree::new();
    tree.host_tree("", &root)?;
    for (path, mode) in [("dev", 0o755), ("proc", 0o755), ("run", 0o755), ("sys", 0o755), ("tmp", 0o1777)] {
        tree.directory(path, mode);
    }
    Ok(tree)
}

/// One package alone, all of it unpacked.
pub fn unpacked(package: &str) -> Result<PathBuf> {
    cache::entry("package", package, |directory| {
        let scratch = tempfile::tempdir_in(cache::directory()?)?;
        command::output(Command::new("apt-get").args(["-q", "download", package]).current_dir(scratch.path()))
            .context("cannot download the package (apt-get update?)")?;
        let file = fs::read_dir(scratch.path())?.flatten().next().context("no package file")?.path();
        command::output(Command::new("dpkg-deb").arg("-x").args([file.as_path(), directory])).map(drop)
    })
}

/// The names of the package files.
fn package_files(packages: &[&str]) -> Result<Vec<String>> {
    let holds = |_: &str| true;
    let answer = cache::answer(&format!("debian-{}", packages.join("+")), holds, || resolve(packages))?;
    Ok(answer.lines().map(str::to_owned).collect())
}

fn resolve(packages: &[&str]) -> Result<String> {
    let relations = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
    let mut depends = Command::new("apt-cache");
    depends.args(["depends", "--recurse"]).args(relations.map(|relation| format!("--no-{relation}"))).args(packages);
    let names = closure(&command::text(&mut depends)?, packages);
    let uris = command::text(Command::new("apt-get").args(["download", "--print-uris"]).args(names))?;
    // 'URI' FILE SIZE HASH
    let mut files: Vec<&str> = uris.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    ensure!(!files.is_empty(), "apt knows no packages {}", packages.join(" "));
    files.sort_unstable();
    Ok(files.join("\n"))
}

/// The packages to unpack, from the text of `apt-cache depends --recurse`: of alternatives (`|Depends`) the first, and for a
/// virtual package (`<name>`) the first that provides it, which is on the next line.
fn closure(text: &str, packages: &[&str]) -> BTreeSet<String> {
    let mut needs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut current, mut alternative_taken, mut provider_wanted) = ("", false, false);
    for line in text.lines() {
        let trimmed = line.trim();
        if !line.starts_with([' ', '|']) {
            current = line;
            needs.entry(current).or_default();
        } else if let Some((relation, name)) = trimmed.split_once(": ") {
            let is_alternative = relation.starts_with('|');
            if !alternative_taken {
                provider_wanted = name.starts_with('<');
                if !provider_wanted {
                    needs.entry(current).or_default().push(name);
                }
            }
            alternative_taken = is_alternative;
        } else if std::mem::take(&mut provider_wanted) {
            needs.entry(current).or_default().push(trimmed);
        }
    }
    let mut wanted = BTreeSet::new();
    let mut pending: Vec<&str> = packages.to_vec();
    while let Some(name) = pending.pop() {
        if (packages.contains(&name) || !NOT_NEEDED_TO_RUN.contains(&name)) && wanted.insert(name.to_owned()) {
            pending.extend(needs.get(name).into_iter().flatten());
        }
    }
    wanted
}

fn unpack(files: &[String], with_systemd: bool, directory: &Path) -> Result<()> {
    let scratch = tempfile::tempdir_in(cache::directory()?)?;
    let versions = files.iter().map(|file| package_and_version(file)).collect::<Result<Vec<String>>>()?;
    command::output(Command::new("apt-get").args(["-q", "download"]).args(versions).current_dir(scratch.path()))
        .context("cannot download the packages (apt-get update?)")?;
    // The merged /usr of an installed system: some packages still say /lib, others /usr/lib.
    for name in ["bin", "lib", "lib64", "sbin"] {
        fs::create_dir_all(directory.join("usr").join(name))?;
        symlink(format!("usr/{name}"), directory.join(name))?;
    }
    let mut packages: Vec<PathBuf> = fs::read_dir(scratch.path())?.flatten().map(|entry| entry.path()).collect();
    packages.sort();
    for package in packages {
        let mut reader = Command::new("dpkg-deb").arg("--fsys-tarfile").arg(&package).stdout(Stdio::piped()).spawn()?;
        let mut tar = Command::new("tar");
        tar.arg("-x").arg("-C").arg(directory).args(["--keep-directory-symlink", "--no-same-owner", "-p"]);
        tar.args(LEFT_OUT.map(|pattern| format!("--exclude={pattern}")));
        if !with_systemd {
            tar.arg(format!("--exclude={SYSTEMD}"));
        }
        tar.stdin(reader.stdout.take().context("dpkg-deb's standard output")?);
        let unpacked = tar.status()?.success();
        ensure!(reader.wait()?.success() && unpacked, "cannot unpack {}", package.display());
    }
    Ok(())
}

/// `name=version` for `name_version_architecture.deb`; a file name writes the colon of an epoch as `%3a`.
pub(crate) fn package_and_version(file: &str) -> Result<String> {
    let mut parts = file.trim_end_matches(".deb").split('_');
    let (name, version) = (parts.next().context("no package name")?, parts.next().context("no version")?);
    Ok(format!("{name}={}", version.replace("%3a", ":")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_to_run_is_followed_and_the_rest_is_not() {
        let text = "server\n  PreDepends: init-system-helpers\n |Depends: first\n  Depends: second\n  Depends: <abi>\n    provider\n    \
            other\n  Depends: adduser\nfirst\n  Depends: libc6\nlibc6\nsecond\nprovider\nother\nadduser\n  Depends: passwd\n";
        let names: Vec<String> = closure(text, &["server"]).into_iter().collect();
        assert_eq!(names, ["first", "libc6", "provider", "server"]);
    }

    #[test]
    fn a_file_name_gives_the_version_with_its_epoch() {
        assert_eq!(package_and_version("a-b_5%3a7.0-1_amd64.deb").unwrap(), "a-b=5:7.0-1");
    }
}
