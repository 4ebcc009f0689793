//! Who runs containers: pidone, its peers from Debian, and the floor. Each by the same four commands.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::bundle::Options;
use crate::artifacts;

/// A runtime.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// What it is called in tables.
    pub name: &'static str,
    program: PathBuf,
    /// The floor has no parser: it is told what is different.
    is_floor: bool,
}

/// The floor's compiled filter.
pub const FLOOR_FILTER: &str = "/run/floor-filter";

impl Runtime {
    /// The fewest system calls.
    pub fn floor() -> Result<Runtime> {
        Ok(Runtime { name: "floor", program: artifacts::floor_binary()?, is_floor: true })
    }

    /// The product.
    pub fn pidone() -> Result<Runtime> {
        Ok(Runtime { name: "pidone", program: artifacts::pidone_binary()?, is_floor: false })
    }

    /// A peer, if it is installed.
    pub fn installed(name: &'static str) -> Option<Runtime> {
        let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
        let program = folders.map(|folder| Path::new(folder).join(name)).into_iter().find(|path| path.is_file())?;
        Some(Runtime { name, program, is_floor: false })
    }

    /// The first line of what it says of itself.
    pub fn version(&self) -> String {
        if self.is_floor {
            return "the system calls alone".to_owned();
        }
        let said = Command::new(&self.program).arg("--version").output();
        let text = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// `run`.
    pub fn run(&self, id: &str, bundle: &Path, program: &[&str], options: Options) -> Vec<String> {
        self.make("run", id, bundle, program, options)
    }

    /// `create`.
    pub fn create(&self, id: &str, bundle: &Path, program: &[&str], options: Options) -> Vec<String> {
        self.make("create", id, bundle, program, options)
    }

    /// `start`.
    pub fn start(&self, id: &str) -> Vec<String> {
        self.command(&["start", id])
    }

    /// `delete`, of a container that has ended.
    pub fn delete(&self, id: &str) -> Vec<String> {
        self.command(&["delete", id])
    }

    fn make(&self, what: &str, id: &str, bundle: &Path, program: &[&str], options: Options) -> Vec<String> {
        let bundle = bundle.display().to_string();
        if !self.is_floor {
            return self.command(&[what, "--bundle", &bundle, id]);
        }
        let mut words = vec![what];
        if options.all_devices {
            words.push("-d");
        }
        if options.network {
            words.push("-n");
        }
        if options.seccomp {
            words.extend(["-s", FLOOR_FILTER]);
        }
        words.extend([id, &bundle]);
        words.extend(program);
        self.command(&words)
    }

    fn command(&self, words: &[&str]) -> Vec<String> {
        let program = self.program.display().to_string();
        [program].into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect()
    }
}
