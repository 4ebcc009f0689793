//! Bundles: the configuration that `runc spec` writes, and what the cases change in it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{artifacts, cache};

use super::{filter, ground};

/// What a bundle has besides `runc spec`'s defaults, `terminal: false` and another program.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Any device may be used: crun cannot load a filter where the limit of locked memory cannot be lifted.
    pub all_devices: bool,
    /// A network namespace of its own.
    pub network: bool,
    /// The engines' default seccomp profile.
    pub seccomp: bool,
    /// Memory, processes and processor time are limited.
    pub limits: bool,
}

/// `runc spec`'s default, as it is kept for the parser's tests.
pub fn default_configuration() -> Result<Value> {
    let path = cache::repository().join("init/src/config/samples/runc-spec.config.json");
    let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// Makes a bundle that runs `program`, with a root file system of its own.
pub fn make(name: &str, program: &[&str], options: Options) -> Result<PathBuf> {
    let path = Path::new(ground::BUNDLES).join(name);
    ground::root_file_system(&path.join("rootfs"), &artifacts::busybox()?)?;
    fs::write(path.join("config.json"), serde_json::to_vec_pretty(&configuration(program, options)?)?)?;
    Ok(path)
}

/// Its configuration.
pub fn configuration(program: &[&str], options: Options) -> Result<Value> {
    let mut config = default_configuration()?;
    // What the oldest of the peers knows.
    config["ociVersion"] = json!("1.0.2");
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(program);
    if !options.network {
        let namespaces = config["linux"]["namespaces"].as_array_mut().context("no namespaces")?;
        namespaces.retain(|namespace| namespace["type"] != "network");
    }
    if options.all_devices {
        config["linux"].as_object_mut().context("no linux")?.remove("resources");
    }
    if options.seccomp {
        config["linux"]["seccomp"] = filter::profile()?;
    }
    if options.limits {
        config["linux"]["resources"]["memory"] = json!({"limit": 268_435_456, "reservation": 134_217_728});
        config["linux"]["resources"]["pids"] = json!({"limit": 512});
        config["linux"]["resources"]["cpu"] = json!({"shares": 512, "quota": 50_000, "period": 100_000});
    }
    Ok(config)
}
