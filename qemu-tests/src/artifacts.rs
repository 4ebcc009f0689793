//! The programs that go into guests: pidone itself, the probe, and busybox.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use crate::{cache, command};

/// The product: `PIDONE_BINARY`, or built here, once a process.
pub fn pidone_binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(path) = std::env::var_os("PIDONE_BINARY") {
        return Ok(std::path::absolute(path)?);
    }
    once(&BUILT, || {
        let target = target_directory();
        cargo(&["build", "--release", "--quiet"], &target, None)?;
        Ok(target.join("release/pidone"))
    })
}

/// What `just bench` measures by, built here, once a process; see `floor/src/main.rs`.
pub fn floor_binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&BUILT, || {
        let target = target_directory();
        cargo(&["build", "--release", "--quiet", "-p", "floor"], &target, None)?;
        Ok(target.join("release/floor"))
    })
}

/// The program that looks around inside a guest, linked statically; see `guest/main.rs`.
pub fn probe_binary() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(path) = std::env::var_os("PIDONE_PROBE") {
        return Ok(std::path::absolute(path)?);
    }
    once(&BUILT, || for_guests("qemu-tests", "probe"))
}

/// What asks containerd for pods and containers in a guest, linked statically; see `cri/src/main.rs`.
pub fn cri_client() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    once(&BUILT, || for_guests("cri-client", "cri"))
}

fn for_guests(package: &str, binary: &str) -> Result<PathBuf> {
    // A directory of its own: other flags in the same one would build everything anew at each turn. The target is
    // named so that the flags do not reach build scripts.
    let target = target_directory().join("guest");
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["build", "--release", "--quiet", "-p", package, "--bin", binary, "--target", &triple];
    cargo(&arguments, &target, Some("-C target-feature=+crt-static"))?;
    Ok(target.join(triple).join("release").join(binary))
}

/// The host's busybox, which must be static.
pub fn busybox() -> Result<PathBuf> {
    let found = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new).into_iter().find(|path| path.is_file());
    let path = found.context("no busybox (package busybox-static)")?;
    ensure!(is_static(&fs::read(path)?), "{} is not static (package busybox-static)", path.display());
    Ok(path.to_owned())
}

fn once(cell: &'static OnceLock<Result<PathBuf, String>>, build: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
    cell.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)
}

fn cargo(arguments: &[&str], target: &Path, flags: Option<&str>) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(arguments).current_dir(cache::repository()).env("CARGO_TARGET_DIR", target);
    if let Some(flags) = flags {
        build.env("RUSTFLAGS", flags);
    }
    command::output(&mut build).map(drop)
}

fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(path) => cache::repository().join(path),
        None => cache::repository().join("target"),
    }
}

/// Whether a 64-bit ELF file asks for no interpreter.
fn is_static(elf: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let half = |at: usize| elf.get(at..at + 2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    let (start, size, count) =
        (elf.get(0x20).copied().map_or(0, usize::from), usize::from(half(0x36)), usize::from(half(0x38)));
    let types = (0..count).filter_map(|index| elf.get(start + index * size..)?.get(..4));
    elf.starts_with(b"\x7fELF\x02") && !types.into_iter().any(|kind| kind == INTERPRETER.to_le_bytes())
}
