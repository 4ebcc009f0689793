//! What other runtimes' own tests found.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::host::{Done, Host, host};

impl Host {
    /// Runs the script in a container.
    fn run_script(&self, name: &str, script: &str, change: impl Fn(&mut Value)) -> Done {
        self.configure(&["sh", "-c", script], change);
        self.run(&["run", &self.id(name)])
    }

    /// What the script writes, which must succeed.
    #[track_caller]
    fn written(&self, name: &str, script: &str, change: impl Fn(&mut Value)) -> String {
        let done = self.run_script(name, script, change);
        assert_eq!(done.code, 0, "{}", done.err);
        done.out
    }
}

/// Exit code, output and errors of a command that writes into pipes.
fn said(command: &mut Command) -> (i32, String, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn who_is_not_root_can_open_his_streams_by_name() {
    let Some(host) = host("peers-streams") else { return };
    let as_user = |config: &mut Value| config["process"]["user"] = json!({"uid": 1000, "gid": 1001});
    let script = "echo out > /dev/stdout && echo err > /dev/stderr && stat -Lc %u:%g /proc/self/fd/1 /proc/self/fd/0";
    host.configure(&["sh", "-c", script], as_user);
    let done = said(&mut host.command(&["run", &host.id("streams")]));
    // A device stays whose it is.
    assert_eq!(done, (0, "out\n1000:1001\n0:0\n".into(), "err\n".into()));
}

#[test]
fn a_poststop_hook_that_fails_is_a_warning_and_the_container_is_gone() {
    let Some(host) = host("peers-poststop") else { return };
    let with_hooks = |config: &mut Value| {
        let after = host.path("after");
        config["hooks"] =
            json!({"poststop": [{"path": "/bin/false"}, {"path": "/bin/touch", "args": ["touch", after]}]});
    };
    let done = host.run_script("poststop", "true", with_hooks);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("run hooks.poststop /bin/false: ECANCELED"), "{}", done.err);
    assert!(host.path("after").exists());
    assert_eq!(fs::read_dir(host.path("root")).unwrap().count(), 0);
}

#[test]
fn a_further_process_makes_no_directory_to_work_in() {
    let Some(host) = host("peers-cwd") else { return };
    let id = host.id("cwd");
    host.good(&["run", "--detach", &id]);
    let done = host.run(&["exec", "--cwd", "/nowhere/at/all", &id, "true"]);
    assert!(
        done.code != 0 && done.err.contains("enter directory /nowhere/at/all: ENOENT"),
        "{} {}",
        done.code,
        done.err
    );
    assert!(!host.path("bundle/rootfs/nowhere").exists());
    host.good(&["delete", "--force", &id]);
}

#[test]
fn what_needs_no_number_needs_none() {
    let Some(host) = host("peers-numbers") else { return };
    host.written("idle", "true", |config| config["process"]["ioPriority"] = json!({"class": "IOPRIO_CLASS_IDLE"}));
    for mode in ["default", "local"] {
        let with_policy = |config: &mut Value| {
            config["linux"]["memoryPolicy"] = json!({"mode": format!("MPOL_{}", mode.to_uppercase())});
        };
        let maps = host.written(mode, "cat /proc/self/numa_maps", with_policy);
        assert!(maps.contains(&format!(" {mode} ")), "{maps}");
    }
}

#[test]
fn control_groups_can_be_mounted_where_the_machines_are_bound() {
    let Some(host) = host("peers-groups") else { return };
    let with_mounts = |config: &mut Value| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "network" && namespace["type"] != "cgroup");
        namespaces.push(json!({"type": "cgroup"}));
        config["mounts"] = json!([
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "rprivate", "ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "ro"]},
        ]);
    };
    let script = "cat /sys/fs/cgroup/cgroup.procs; grep ^0: /proc/self/cgroup; grep -c ' /sys/fs/cgroup cgroup2 ro' /proc/mounts";
    assert_eq!(host.written("groups", script, with_mounts), "1\n2\n0::/\n1\n");
}
