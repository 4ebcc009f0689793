//! The kernel under test: Debian's cloud kernel, taken out of its package without installing it.
//!
//! QEMU enters an uncompressed `vmlinux` directly (PVH), which spares the guest from decompressing itself. Lanes:
//! - nothing set: what `linux-image-cloud-amd64` depends on (6.1 on Debian 12);
//! - `PIDONE_KERNEL=6.12`: the newest `linux-image-6.12*-cloud-amd64` of the configured archives;
//! - `PIDONE_KERNEL=full`: the kernel for all machines, what `linux-image-amd64` depends on: it has more drivers;
//! - `PIDONE_KERNEL=small`: the one that `kernel/build` makes, with all that the tests need built in;
//! - `PIDONE_VMLINUX=path`, with `PIDONE_MODULES=directory` if it has modules: a kernel of one's own.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::{cache, command, debian};

/// A kernel ready to boot.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What `uname -r` will say, as far as the modules folder tells.
    pub release: String,
    /// The uncompressed ELF image.
    pub vmlinux: PathBuf,
    /// `lib/modules/RELEASE` with `modules.dep` and its kin; `None` for a kernel without modules.
    pub modules: Option<PathBuf>,
}

impl Kernel {
    /// The kernel the environment asks for.
    pub fn from_environment() -> Result<Kernel> {
        if let Some(vmlinux) = std::env::var_os("PIDONE_VMLINUX") {
            return own(Path::new(&vmlinux), std::env::var_os("PIDONE_MODULES").map(PathBuf::from));
        }
        match std::env::var("PIDONE_KERNEL").ok().as_deref().filter(|lane| !lane.is_empty()) {
            Some("small") => small(),
            lane => of_debian(lane),
        }
    }

    /// The compressed form, which machines start by themselves; `None` for a kernel of one's own.
    pub fn compressed(&self) -> Option<PathBuf> {
        let places = ["vmlinuz", "bzImage"].map(|name| self.vmlinux.with_file_name(name));
        places.into_iter().find(|path| path.is_file())
    }

    /// Debian's newest cloud kernel of a version, for what older ones cannot; or `full`, for what cloud kernels cannot.
    /// `None`, and a loud word of it, where it cannot be had.
    pub fn of_version(version: &str) -> Option<Kernel> {
        let kernel = of_debian(Some(version));
        if let Err(error) = &kernel {
            eprintln!("SKIPPED: no kernel {version}: {error:#}");
        }
        kernel.ok()
    }
}

fn own(vmlinux: &Path, modules: Option<PathBuf>) -> Result<Kernel> {
    let vmlinux = std::path::absolute(vmlinux)?;
    ensure!(vmlinux.is_file(), "PIDONE_VMLINUX: {} is not a file", vmlinux.display());
    let modules = match modules {
        Some(given) => Some(modules_folder(&std::path::absolute(given)?)?),
        None => None,
    };
    let release = match &modules {
        Some(folder) => name_of(folder),
        None => "unknown".into(),
    };
    Ok(Kernel { release, vmlinux, modules })
}

/// The folder that has `modules.dep`: the given one, or the only one in `lib/modules` below it.
fn modules_folder(given: &Path) -> Result<PathBuf> {
    if given.join("modules.dep").is_file() {
        return Ok(given.to_owned());
    }
    for parent in [given.to_owned(), given.join("lib/modules")] {
        let mut folders = fs::read_dir(&parent).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Some(found) = folders.find(|folder| folder.join("modules.dep").is_file()) {
            return Ok(found);
        }
    }
    bail!("{}: no modules.dep in it; run depmod", given.display())
}

/// The newest result of `kernel/build` that was made from the fragment as it is now.
fn small() -> Result<Kernel> {
    let fragment = fs::read(cache::repository().join("qemu-tests/kernel/config-fragment"))?;
    let entries = fs::read_dir(cache::directory()?.join("kernel")).into_iter().flatten().flatten();
    let current = entries.map(|entry| entry.path()).filter(|entry| {
        name_of(entry).starts_with("pidone-")
            && fs::read(entry.join("config-fragment")).is_ok_and(|made| made == fragment)
    });
    let newest = current.max_by_key(|entry| fs::metadata(entry.join("vmlinux")).and_then(|file| file.modified()).ok());
    let entry = newest.context("no small kernel of this configuration in the cache: run `just kernel`")?;
    own(&entry.join("vmlinux"), None)
}

fn of_debian(lane: Option<&str>) -> Result<Kernel> {
    let file_name = package_file(lane)?;
    let stem = file_name.trim_end_matches(".deb");
    let entry = cache::entry("kernel", stem, |directory| unpack(stem, directory))?;
    let modules = modules_folder(&entry)?;
    Ok(Kernel { release: name_of(&modules), vmlinux: entry.join("vmlinux"), modules: Some(modules) })
}

fn package_file(lane: Option<&str>) -> Result<String> {
    let kernels = cache::directory()?.join("kernel");
    let unpacked = |name: &str| kernels.join(name.trim_end_matches(".deb")).is_dir();
    cache::answer(&format!("kernel-lane-{}", lane.unwrap_or("default")), unpacked, || resolve(lane))
}

fn resolve(lane: Option<&str>) -> Result<String> {
    let package = match lane {
        None => dependency_of("linux-image-cloud-amd64")?,
        Some("full") => dependency_of("linux-image-amd64")?,
        Some(lane) => newest_of_lane(lane)?,
    };
    let package = package.with_context(|| format!("apt knows no kernel {}", lane.unwrap_or("for clouds")))?;
    let uris = command::text(Command::new("apt-get").args(["download", "--print-uris", &package]))?;
    // 'URI' FILE SIZE HASH
    let file = uris.lines().find_map(|line| line.split_whitespace().nth(1)).context("apt-get gave no address")?;
    Ok(file.to_owned())
}

/// The kernel that a package without content depends on.
fn dependency_of(package: &str) -> Result<Option<String>> {
    let depends = command::text(Command::new("apt-cache").args(["depends", package]))?;
    let mut names = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    Ok(names.find(|name| name.starts_with("linux-image-")).map(str::to_owned))
}

fn newest_of_lane(lane: &str) -> Result<Option<String>> {
    let pattern = format!("^linux-image-{}[.0-9].*-cloud-amd64$", lane.replace('.', "\\."));
    let found = command::text(Command::new("apt-cache").args(["search", "--names-only", &pattern]))?;
    let mut newest: Option<&str> = None;
    let versions = found.lines().filter_map(|line| line.split_whitespace().next()?.strip_prefix("linux-image-"));
    for version in versions {
        let is_newer = match newest {
            None => true,
            Some(other) => Command::new("dpkg").args(["--compare-versions", version, "gt", other]).status()?.success(),
        };
        if is_newer {
            newest = Some(version);
        }
    }
    Ok(newest.map(|version| format!("linux-image-{version}")))
}

fn unpack(stem: &str, directory: &Path) -> Result<()> {
    let scratch = tempfile::Builder::new().prefix(".package-").tempdir_in(directory)?;
    let wanted = debian::package_and_version(stem)?;
    command::output(Command::new("apt-get").args(["-q", "download", &wanted]).current_dir(scratch.path()))
        .context("cannot download the kernel (apt-get update?)")?;
    let file = fs::read_dir(scratch.path())?.flatten().map(|entry| entry.path()).next().context("no package file")?;
    command::output(Command::new("dpkg-deb").arg("-x").arg(&file).arg(scratch.path()))?;

    let boot = fs::read_dir(scratch.path().join("boot"))?.flatten().map(|entry| entry.path());
    let image =
        boot.into_iter().find(|path| name_of(path).starts_with("vmlinuz-")).context("the package has no vmlinuz")?;
    extract_vmlinux(&fs::read(&image)?, &directory.join("vmlinux"))?;
    fs::rename(image, directory.join("vmlinuz"))?;

    // Since the merge of /usr the folder may be in either place.
    let places = ["lib/modules", "usr/lib/modules"].map(|place| scratch.path().join(place));
    let place = places.iter().find(|place| place.is_dir()).context("the package has no modules")?;
    fs::create_dir(directory.join("lib"))?;
    fs::rename(place, directory.join("lib/modules"))?;
    let folder = fs::read_dir(directory.join("lib/modules"))?.next().context("the modules folder is empty")??;
    if !folder.path().join("modules.dep").exists() {
        command::output(Command::new("depmod").arg("-b").arg(directory).arg(folder.file_name()))?;
    }
    Ok(())
}

/// Takes the ELF image out of a bzImage; the offsets are those of the boot protocol's setup header (2.08 and later).
fn extract_vmlinux(image: &[u8], target: &Path) -> Result<()> {
    ensure!(image.get(0x202..0x206) == Some(b"HdrS"), "not a bzImage");
    let word = |at: usize| u32::from_le_bytes([image[at], image[at + 1], image[at + 2], image[at + 3]]) as usize;
    let setup_sectors = usize::from(image[0x1f1]);
    let start = (setup_sectors + 1) * 512 + word(0x248);
    let payload = image.get(start..start + word(0x24c)).context("the payload lies outside the bzImage")?;
    let (tool, payload) = match payload {
        [0x1f, 0x8b, ..] => ("gzip", payload),
        // Behind these formats the build appends the unpacked size, which the tools do not expect.
        [0xfd, b'7', b'z', b'X', b'Z', ..] => ("xz", &payload[..payload.len() - 4]),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("zstd", &payload[..payload.len() - 4]),
        [0x02, 0x21, 0x4c, 0x18, ..] => ("lz4", &payload[..payload.len() - 4]),
        _ => bail!("unknown compression {:02x?}", &payload[..payload.len().min(6)]),
    };
    let mut child = Command::new(tool)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(fs::File::create(target)?)
        .spawn()
        .with_context(|| format!("cannot run {tool}"))?;
    child.stdin.take().expect("it is piped").write_all(payload)?;
    ensure!(child.wait()?.success(), "{tool} cannot unpack the kernel");
    ensure!(fs::read(target)?.starts_with(b"\x7fELF"), "the unpacked kernel is not an ELF file");
    Ok(())
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
