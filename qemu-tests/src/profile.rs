//! The profile of system calls that ships with podman and its like, and what they make of it in a config.json.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::{cache, command};

/// Debian's package of it, unpacked.
const PACKAGE: &str = "golang-github-containers-common";

/// The capabilities that podman gives a container by default.
pub const CAPABILITIES: [&str; 11] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

fn profile() -> Result<PathBuf> {
    let directory = cache::entry("profile", PACKAGE, |directory| {
        command::output(Command::new("apt-get").args(["-q", "download", PACKAGE]).current_dir(directory))
            .context("cannot download the profile (apt-get update?)")?;
        let package = fs::read_dir(directory)?.flatten().next().context("no package")?.path();
        command::output(Command::new("dpkg-deb").arg("-x").arg(package).arg(directory))?;
        Ok(())
    })?;
    Ok(directory.join("usr/share/containers/seccomp.json"))
}

/// `linux.seccomp` as the engines write it from the profile, for a container with their default capabilities on x86_64.
pub fn seccomp() -> Result<Value> {
    let profile: Value = serde_json::from_slice(&fs::read(profile()?)?)?;
    let mut seccomp = Map::new();
    for field in ["defaultAction", "defaultErrnoRet"] {
        seccomp.insert(field.into(), profile[field].clone());
    }
    let own = |entry: &&Value| entry["architecture"] == "SCMP_ARCH_X86_64";
    let own = profile["archMap"].as_array().and_then(|map| map.iter().find(own)).context("no x86_64")?;
    let mut architectures = vec![own["architecture"].clone()];
    architectures.extend(own["subArchitectures"].as_array().cloned().unwrap_or_default());
    seccomp.insert("architectures".into(), Value::Array(architectures));
    let rules = profile["syscalls"].as_array().context("no rules")?;
    let rules: Vec<Value> = rules.iter().filter(|rule| applies(rule)).map(rule).collect();
    seccomp.insert("syscalls".into(), Value::Array(rules));
    Ok(Value::Object(seccomp))
}

/// All that a rule includes must be there, and nothing that it excludes.
fn applies(rule: &Value) -> bool {
    let list = |side: &str, of: &str| rule[side][of].as_array().cloned().unwrap_or_default();
    let has = |capability: &Value| CAPABILITIES.iter().any(|known| capability == known);
    let architectures = list("includes", "arches");
    (architectures.is_empty() || architectures.contains(&json!("amd64")))
        && !list("excludes", "arches").contains(&json!("amd64"))
        && list("includes", "caps").iter().all(has)
        && !list("excludes", "caps").iter().any(has)
}

fn rule(rule: &Value) -> Value {
    let mut kept = Map::new();
    for field in ["names", "action", "errnoRet", "args"] {
        if let Some(value) = rule.get(field).filter(|value| !value.is_null()) {
            kept.insert(field.into(), value.clone());
        }
    }
    Value::Object(kept)
}
