//! Further processes in a container.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::host::{await_true, done, host, reap};

#[test]
fn exec_is_a_process_of_the_container_with_rights_of_its_own() {
    let Some(host) = host("exec") else { return };
    let id = &*host.id("a");
    host.good(&["run", "-d", id]);
    let own = host.good(&["exec", id, "sh", "-c", "for n in /proc/self/ns/*; do readlink $n; done"]);
    let first = host.state(id)["pid"].to_string();
    for line in own.lines().filter(|line| !line.contains("for_children")) {
        let kind = line.split(':').next().unwrap();
        assert_eq!(fs::read_link(format!("/proc/{first}/ns/{kind}")).unwrap().to_str(), Some(line));
    }
    let group = host.good(&["exec", id, "cat", "/proc/self/cgroup"]);
    assert!(group.lines().any(|line| line == "0::/"), "not in the container's control group: {group}");
    let out = host.good(&[
        "exec",
        "-u",
        "5:6",
        "-g",
        "7",
        "-e",
        "A=B",
        "--cwd",
        "/tmp",
        "--cap",
        "CAP_CHOWN",
        "--no-new-privs",
        id,
        "sh",
        "-c",
        "id -u; id -g; id -G; echo $A; pwd; cat /proc/self/status",
    ]);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..5], ["5", "6", "6 7", "B", "/tmp"]);
    assert!(out.contains("NoNewPrivs:\t1"));
    assert!(out.contains("CapBnd:\t0000000020000421"), "{out}");
    // Nothing of ours is open in it.
    assert_eq!(host.good(&["exec", id, "ls", "/proc/self/fd"]).trim(), "0\n1\n2\n3", "3 is the directory itself");

    // A file that says all, as conmon and containerd give it, and a process that stays.
    let process = host.path("process.json");
    let text = json!({"args": ["sh", "-c", "echo $X > /tmp/x; exec sleep 77"], "cwd": "/", "env": ["PATH=/bin", "X=y"],
        "user": {"uid": 0, "gid": 0}});
    fs::write(&process, text.to_string()).unwrap();
    let pid = host.path("exec.pid");
    let (process, pid_file) = (process.to_str().unwrap(), pid.to_str().unwrap());
    host.good(&["exec", "--process", process, "--detach", "--pid-file", pid_file, id]);
    let pid = fs::read_to_string(&pid).unwrap();
    await_true("the program runs", || fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default() == b"sleep\x0077\0");
    assert_eq!(host.good(&["exec", id, "cat", "/tmp/x"]), "y\n");
    let listed: Vec<Value> = serde_json::from_str(&host.good(&["ps", "--format", "json", id])).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().any(|listed| listed.as_u64() == pid.parse().ok()), "{listed:?} lacks {pid}");
    assert!(host.good(&["ps", id]).contains("sleep 77"));
    for (words, says) in [
        (&["exec", id][..], "process.args"),
        (&["exec", "-u", "nobody", id, "true"], "take numbers"),
        (&["exec", "-u", "0x0", id, "true"], "take numbers"),
        (&["exec", "--cap", "CAP_NOTHING", id, "true"], "CAP_KILL"),
        (&["exec", "--cgroup", "../other", id, "true"], "`..`"),
    ] {
        let done = host.run(words);
        assert!(done.code != 0 && done.err.contains(says), "{words:?}: {} {}", done.code, done.err);
    }
    host.good(&["kill", "--all", id, "KILL"]);
    reap(&pid);
    host.await_status(id, "stopped");
    host.good(&["delete", id]);
    host.assert_clean();
}

#[test]
fn a_further_process_gets_a_group_and_labels_of_its_own() {
    let Some(host) = host("labels") else { return };
    let id = &*host.id("a");
    host.good(&["run", "-d", id]);
    let [group] = &host.groups()[..] else { panic!("not one group: {:?}", host.groups()) };
    fs::create_dir(group.join("sub")).unwrap();
    let out = host.good(&["exec", "--cgroup", "sub", id, "cat", "/proc/self/cgroup"]);
    assert!(out.lines().any(|line| line == "0::/sub"), "{out}");
    let done = host.run(&["exec", "--cgroup", "nothing", id, "true"]);
    assert!(done.code != 0 && done.err.contains("control group"), "{}", done.err);
    // What the kernel does not have is refused by name; `systemd.rs` has a kernel with AppArmor.
    let modules = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    for (option, module, field) in
        [("--apparmor", "apparmor", "apparmorProfile"), ("--process-label", "selinux", "selinuxLabel")]
    {
        if !modules.contains(module) {
            let done = host.run(&["exec", option, "some", id, "true"]);
            assert!(done.code != 0 && done.err.contains(field), "{}", done.err);
        }
    }
    // Whoever removed the group meanwhile, as systemd does: there is nobody left.
    fs::remove_dir(group.join("sub")).unwrap();
    host.good(&["kill", id, "KILL"]);
    host.await_status(id, "stopped");
    host.good(&["kill", "--all", id, "KILL"]);
    await_true("the group goes", || fs::remove_dir(group).is_ok());
    host.good(&["kill", "--all", id, "KILL"]);
    host.good(&["delete", id]);
    host.assert_clean();
}

#[test]
fn a_capability_is_passed_on_where_some_are_inherited() {
    let Some(host) = host("ambient") else { return };
    let id = host.id("ambient");
    host.configure(&["sleep", "1000"], |config| {
        config["process"]["capabilities"]["inheritable"] = json!(["CAP_KILL", "CAP_SYSLOG"]);
        config["process"]["capabilities"]["bounding"] = json!(["CAP_KILL", "CAP_SYSLOG"]);
        config["process"]["capabilities"]["ambient"] = json!([]);
    });
    host.good(&["run", "--detach", &id]);
    let status = host.good(&["exec", "--cap", "CAP_SYSLOG", &id, "cat", "/proc/self/status"]);
    assert!(status.contains("CapAmb:\t0000000400000000"), "{status}");
}

#[test]
fn a_process_is_described_by_a_pipe_as_well() {
    let Some(host) = host("pipe") else { return };
    let id = host.id("pipe");
    host.good(&["run", "--detach", &id]);
    let process = r#"{"args": ["echo", "piped"], "cwd": "/", "env": ["PATH=/bin"]}"#;
    let mut command = Command::new("sh");
    command.args(["-c", "echo \"$0\" | exec \"$@\"", process]).arg(&host.pidone);
    command.arg("--root").arg(host.path("root")).args(["exec", "--process", "/dev/stdin", &id]);
    let done = done(&mut command);
    assert_eq!((done.code, &*done.out), (0, "piped\n"), "{}", done.err);
}
