//! The cache directory: `.cache` in the repository's root, or `PIDONE_CACHE`.
//!
//! An entry is a directory that is either absent or complete: it is made under another name and renamed. A lock file a
//! name keeps two processes from making the same entry twice.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rustix::fs::{FlockOperation, flock};

/// How long an answer of the package archives is taken for current: asking apt takes most of a second.
const ANSWER_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("qemu-tests lies in the repository")
}

/// The cache directory, made when it is not there.
pub fn directory() -> Result<PathBuf> {
    let path = match std::env::var_os("PIDONE_CACHE") {
        Some(path) => std::path::absolute(path)?,
        None => repository().join(".cache"),
    };
    fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

/// Waits for the lock called `name`; it is held until the file is dropped.
pub fn lock(name: &str) -> Result<File> {
    let file = lock_file(name)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Takes the lock called `name`, or `None` when somebody has it.
pub fn try_lock(name: &str) -> Result<Option<File>> {
    let file = lock_file(name)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn lock_file(name: &str) -> Result<File> {
    let locks = directory()?.join("locks");
    fs::create_dir_all(&locks)?;
    Ok(File::create(locks.join(name))?)
}

/// The entry `kind/name`, made by `make` in an empty directory if it is not there yet.
pub fn entry(kind: &str, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let parent = directory()?.join(kind);
    let path = parent.join(name);
    if path.is_dir() {
        return Ok(path);
    }
    let _lock = lock(&format!("{kind}-{name}"))?;
    if path.is_dir() {
        return Ok(path);
    }
    fs::create_dir_all(&parent)?;
    let unfinished = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(&parent)?;
    make(unfinished.path()).with_context(|| format!("cannot make the cache entry {kind}/{name}"))?;
    let unfinished = unfinished.keep();
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

/// A short text that `ask` takes long to find out, kept for a day. When it cannot be asked for any more, an old answer that
/// still `holds` will do: archives forget superseded packages.
pub fn answer(name: &str, holds: impl Fn(&str) -> bool, ask: impl FnOnce() -> Result<String>) -> Result<String> {
    let path = directory()?.join(name);
    let known = fs::read_to_string(&path).ok().filter(|text| holds(text));
    let written = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
    let age = written.and_then(|time| SystemTime::now().duration_since(time).ok());
    let fresh = age.is_some_and(|age| age < ANSWER_LIFETIME);
    match known {
        Some(text) if fresh => Ok(text),
        known => match (ask(), known) {
            (Ok(text), _) => {
                fs::write(&path, &text)?;
                Ok(text)
            }
            (Err(_), Some(text)) => Ok(text),
            (Err(error), None) => Err(error),
        },
    }
}
