//! Each command, killed at each of its system calls.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::host::{Host, await_true, done, host};

/// A command under strace, which does not follow: the container's process is to find out by itself.
pub(super) fn traced(host: &Host, options: &[&str], words: &[&str]) -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o"]).arg(host.path("trace")).args(options);
    strace.arg(&host.pidone).arg("--root").arg(host.path("root")).args(words);
    done(strace.current_dir(host.path("bundle"))).code == 0
}

/// The system calls that a command made: their names, and how many of that name there were up to each.
fn calls(host: &Host) -> Vec<(String, usize)> {
    let trace = fs::read_to_string(host.path("trace")).unwrap();
    let mut met = std::collections::HashMap::new();
    let mut count = |name: &str| {
        let count = met.entry(name.to_owned()).or_insert(0);
        *count += 1;
        (name.to_owned(), *count)
    };
    trace.lines().filter_map(|line| Some(count(line.split_once('(')?.0))).collect()
}

/// Processes in control groups of this host that no state knows of.
fn assert_known(host: &Host, what: &str) {
    await_true(what, || {
        host.groups().iter().all(|group| {
            let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            let id = group.file_name().unwrap().to_str().unwrap();
            let done = host.run(&["state", id]);
            let state: Value = serde_json::from_str(&done.out).unwrap_or_default();
            processes.lines().all(|pid| state["pid"].as_u64() == pid.parse().ok())
        })
    });
}

#[test]
fn a_command_that_is_killed_anywhere_leaves_what_delete_force_cleans() {
    let Some(host) = host("killed") else { return };
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("SKIPPED 1: a command that is killed anywhere: needs strace");
        return;
    }
    let id = &*host.id("a");
    let mut most = [0; 3];
    for (index, prepare) in [&[][..], &["create"][..], &["create", "start", "kill"][..]].iter().enumerate() {
        let command = ["create", "start", "delete"][index];
        let prepare = || {
            for step in prepare.iter() {
                if *step == "kill" {
                    host.good(&["kill", id, "KILL"]);
                    host.await_status(id, "stopped");
                } else {
                    host.good(&[step, id]);
                }
            }
        };
        prepare();
        assert!(traced(&host, &[], &[command, id]));
        host.good(&["delete", "--force", id]);
        for (name, when) in calls(&host) {
            prepare();
            let inject = format!("inject={name}:signal=SIGKILL:when={when}");
            traced(&host, &["-e", &format!("trace={name}"), "-e", &inject], &[command, id]);
            assert_known(&host, &format!("{command} killed at {name} {when}: a process that no state knows"));
            host.good(&["delete", "--force", id]);
            host.assert_clean();
            most[index] += 1;
        }
    }
    assert!(most.iter().all(|most| *most > 10), "nothing was killed: {most:?}");
}
