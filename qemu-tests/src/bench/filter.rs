//! The engines' default seccomp profile: as the specification's `linux.seccomp`, and compiled for the floor.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use syscalls::Sysno;

/// Podman's, from Debian's golang-github-containers-common: Docker's profile with a few names more.
const PROFILE: &str = "/usr/share/containers/seccomp.json";

/// The capabilities of `runc spec`, by which engines choose rules.
const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

/// Whether the profile is on this machine.
pub fn is_there() -> bool {
    Path::new(PROFILE).exists()
}

/// The profile in the specification's terms, for a container with `runc spec`'s capabilities on x86_64.
pub fn profile() -> Result<Value> {
    let text = fs::read(PROFILE).with_context(|| format!("{PROFILE} (package golang-github-containers-common)"))?;
    let engine: Value = serde_json::from_slice(&text)?;
    let rules: Vec<Value> =
        engine["syscalls"].as_array().context("no rules")?.iter().filter(|rule| applies(rule)).map(rule).collect();
    Ok(json!({
        "defaultAction": engine["defaultAction"],
        "defaultErrnoRet": engine["defaultErrnoRet"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules,
    }))
}

/// Whether an engine would hand this rule on.
fn applies(rule: &Value) -> bool {
    let has = |place: &str, kind: &str, ours: &[&str]| {
        let listed = rule[place][kind].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = listed.iter().filter(|name| name.as_str().is_some_and(|name| ours.contains(&name)));
        (listed.len(), found.count())
    };
    let architectures = ["amd64"];
    let (wanted, found) = has("includes", "arches", &architectures);
    let (capabilities_wanted, capabilities_found) = has("includes", "caps", &CAPABILITIES);
    let excluded = has("excludes", "arches", &architectures).1 + has("excludes", "caps", &CAPABILITIES).1 > 0;
    !excluded && (wanted == 0 || found > 0) && capabilities_wanted == capabilities_found
}

fn rule(rule: &Value) -> Value {
    let mut result = json!({"names": rule["names"], "action": rule["action"]});
    if rule["errnoRet"].is_number() {
        result["errnoRet"] = rule["errnoRet"].clone();
    }
    if rule["args"].as_array().is_some_and(|arguments| !arguments.is_empty()) {
        result["args"] = rule["args"].clone();
    }
    result
}

// <linux/filter.h>, <linux/seccomp.h>, <linux/audit.h>.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
const SECCOMP_RET_ALLOW: u32 = 0x7fff_0000;
const SECCOMP_RET_ERRNO: u32 = 0x0005_0000;
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;

/// A program that allows the calls that the profile ever allows, by number alone: what no filter can do without. Rules on
/// arguments would add a few instructions to it.
pub fn floor_program() -> Result<Vec<u8>> {
    let profile = profile()?;
    let mut allowed = BTreeSet::new();
    for rule in profile["syscalls"].as_array().context("no rules")? {
        if rule["action"] == "SCMP_ACT_ALLOW" {
            let names = rule["names"].as_array().context("no names")?.iter().filter_map(Value::as_str);
            allowed.extend(names.filter_map(|name| Some(name.parse::<Sysno>().ok()?.id() as u32)));
        }
    }
    let refused = SECCOMP_RET_ERRNO | profile["defaultErrnoRet"].as_u64().unwrap_or(1) as u32;
    let mut program = vec![
        statement(LOAD, 4), // the architecture
        jump(JUMP_IF_EQUAL, AUDIT_ARCH_X86_64, 1, 0),
        statement(RETURN, refused),
        statement(LOAD, 0), // the number
    ];
    program.extend(search(&edges(&allowed), false, refused)?);
    Ok(program.concat())
}

/// The numbers from which on calls are allowed, refused, allowed, and so on.
fn edges(allowed: &BTreeSet<u32>) -> Vec<u32> {
    let edge = |number: &u32| number.checked_sub(1).is_some_and(|before| allowed.contains(&before));
    let begins = allowed.iter().filter(|number| !edge(number)).copied();
    let ends = allowed.iter().map(|number| number + 1).filter(|next| !allowed.contains(next));
    let mut edges: Vec<u32> = begins.chain(ends).collect();
    edges.sort_unstable();
    edges
}

/// Binary search over the edges; `allowed` is the answer before the first of them.
fn search(edges: &[u32], allowed: bool, refused: u32) -> Result<Vec<[u8; 8]>> {
    let middle = edges.len() / 2;
    let Some((left, rest)) = edges.split_at_checked(middle).filter(|_| !edges.is_empty()) else {
        return Ok(vec![statement(RETURN, if allowed { SECCOMP_RET_ALLOW } else { refused })]);
    };
    let (edge, right) = (rest[0], &rest[1..]);
    let below = search(left, allowed, refused)?;
    let above = search(right, allowed ^ middle.is_multiple_of(2), refused)?;
    let far = u8::try_from(below.len()).context("the filter's jumps are too far")?;
    Ok([vec![jump(JUMP_IF_AT_LEAST, edge, far, 0)], below, above].concat())
}

fn statement(code: u16, value: u32) -> [u8; 8] {
    jump(code, value, 0, 0)
}

/// `struct sock_filter`.
fn jump(code: u16, value: u32, if_true: u8, if_false: u8) -> [u8; 8] {
    let ([a, b], [c, d, e, f]) = (code.to_ne_bytes(), value.to_ne_bytes());
    [a, b, if_true, if_false, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program answers for a call on x86_64.
    fn answer(program: &[[u8; 8]], number: u32) -> u32 {
        let mut at = 0;
        loop {
            let [a, b, if_true, if_false, c, d, e, f] = program[at];
            let (code, value) = (u16::from_ne_bytes([a, b]), u32::from_ne_bytes([c, d, e, f]));
            match code {
                RETURN => return value,
                JUMP_IF_AT_LEAST => at += 1 + usize::from(if number >= value { if_true } else { if_false }),
                _ => panic!("unexpected instruction {code:#x}"),
            }
        }
    }

    #[test]
    fn the_search_allows_what_is_in_the_set_and_nothing_else() {
        for set in [vec![], vec![0], vec![0, 1, 2, 5, 7, 8, 300], vec![1, 3, 5, 7, 9, 11], (3..90).collect()] {
            let allowed: BTreeSet<u32> = set.into_iter().collect();
            let program = search(&edges(&allowed), false, 7).unwrap();
            for number in 0..400 {
                let expected = if allowed.contains(&number) { SECCOMP_RET_ALLOW } else { 7 };
                assert_eq!(answer(&program, number), expected, "{number} of {allowed:?}");
            }
        }
    }
}
