//! Where a container is put: its root, mounts, working directory and control group.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::host::{Host, host};
use super::kills::traced;

#[test]
fn a_container_without_a_control_group_stays_in_its_callers() {
    let Some(host) = host("disabled") else { return };
    let id = &*host.id("a");
    let disabled = |words: &[&str]| host.run(&[&["--cgroup-manager", "disabled"], words].concat());
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own.lines().find(|line| line.starts_with("0::")).unwrap().to_owned();
    let shared = |config: &mut Value| {
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "cgroup");
        config["linux"]["resources"] = json!({});
    };
    host.configure(&["cat", "/proc/self/cgroup"], shared);
    let done = disabled(&["run", id]);
    assert!(done.code == 0 && done.out.lines().any(|line| line == own), "{own}: {}{}", done.out, done.err);
    assert_eq!(done.err, "");
    host.configure(&["sleep", "1000"], shared);
    let done = disabled(&["run", "-d", id]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(host.groups(), Vec::<PathBuf>::new());
    assert_eq!(disabled(&["exec", id, "sh", "-c", "exit 3"]).code, 3);
    host.bad(&["pause", id], "no control group");
    host.bad(&["update", "--pids-limit", "3", id], "no control group");
    host.good(&["delete", "-f", id]);
    // A limit would not be in force, and a filter of devices is not.
    host.configure(&["true"], |config| config["linux"]["resources"]["pids"] = json!({"limit": 3}));
    let done = disabled(&["run", id]);
    assert!(done.code == 125 && done.err.contains("pids.limit"), "{}", done.err);
    host.configure(&["true"], |_| {});
    let done = disabled(&["run", id]);
    assert!(done.code == 0 && done.err.contains("devices are not filtered"), "{} {}", done.code, done.err);
    let done = host.run(&["--cgroup-manager", "other", "run", id]);
    assert!(done.code == 1 && done.err.contains("cgroupfs, systemd or disabled"), "{}", done.err);
    host.assert_clean();
}

#[test]
fn a_working_directory_is_entered_that_the_user_has_no_way_to() {
    let Some(host) = host("closed") else { return };
    let closed = host.path("bundle/rootfs/closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let id = host.id("closed");
    host.configure(&["sleep", "1000"], |config| {
        config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        config["process"]["cwd"] = json!("/closed");
    });
    host.good(&["run", "--detach", &id]);
    let there = host.good(&["exec", &id, "sh", "-c", "readlink /proc/self/cwd; ls 2>&1; id -u"]);
    assert!(there.starts_with("/closed\n") && there.contains("denied") && there.ends_with("\n1000\n"), "{there}");
    let there = host.good(&["exec", "--user", "7:7", "--cwd", "/closed", &id, "readlink", "/proc/self/cwd"]);
    assert_eq!(there, "/closed\n");
    // The way there took no right of the user's away, and gave him none.
    let status = host.good(&["exec", "--user", "7:7", &id, "cat", "/proc/self/status"]);
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
}

#[test]
fn what_is_mounted_finds_its_place_behind_links_and_among_permissions() {
    let Some(host) = host("places") else { return };
    let rootfs = host.path("bundle/rootfs");
    std::os::unix::fs::symlink("../run/resolve/stub.conf", rootfs.join("etc/resolv.conf")).unwrap();
    std::os::unix::fs::symlink("/etc/made", rootfs.join("run/resolve")).unwrap();
    fs::create_dir(rootfs.join("shut")).unwrap();
    fs::set_permissions(rootfs.join("shut"), fs::Permissions::from_mode(0o710)).unwrap();
    fs::write(host.path("resolv.conf"), "nameserver ::1\n").unwrap();
    let script = "cat /etc/made/stub.conf; ls -ld /shut /new /said";
    host.configure(&["sh", "-c", script], |config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        let source = host.path("resolv.conf");
        mounts.push(json!({"destination": "/etc/resolv.conf", "source": source, "options": ["bind"]}));
        mounts.push(json!({"destination": "/shut", "type": "tmpfs"}));
        mounts.push(json!({"destination": "/new", "type": "tmpfs"}));
        mounts.push(json!({"destination": "/said", "type": "tmpfs", "options": ["mode=0700"]}));
    });
    let seen = host.good(&["run", &host.id("places")]);
    let lines: Vec<_> = seen.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(lines, ["nameserver", "drwxrwxrwt", "drwx------", "drwx--x---"], "{seen}");
    assert!(!Path::new("/etc/made").exists());
}

#[test]
fn a_process_that_fails_unheard_is_heard_all_the_same() {
    let Some(host) = host("unheard") else { return };
    fs::remove_dir(host.path("bundle/rootfs/proc")).unwrap();
    std::os::unix::fs::symlink("/tmp", host.path("bundle/rootfs/proc")).unwrap();
    let done = host.run(&["run", &host.id("unheard")]);
    assert_eq!(done.code, 125);
    assert!(done.err.contains("mount proc on /proc: ENOTDIR"), "{}", done.err);
}

/// A container in a user namespace of its own that shows a directory of the machine's at /run.
fn configure_mapped(host: &Host, source: &str, args: &[&str]) {
    host.configure(args, |config| {
        let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        (config["linux"]["uidMappings"], config["linux"]["gidMappings"]) = (mapping.clone(), mapping);
        config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "sysfs" && mount["type"] != "cgroup");
        let mount = json!({"destination": "/run", "source": host.path(source), "options": ["bind"]});
        config["mounts"].as_array_mut().unwrap().push(mount);
        for set in ["bounding", "effective", "permitted"] {
            config["process"]["capabilities"][set].as_array_mut().unwrap().push(json!("CAP_SYS_ADMIN"));
        }
    });
}

#[test]
fn a_user_namespace_is_shown_what_its_root_has_no_way_to() {
    let Some(host) = host("far") else { return };
    fs::create_dir_all(host.path("closed/inner")).unwrap();
    fs::write(host.path("closed/inner/file"), "far\n").unwrap();
    fs::set_permissions(host.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    configure_mapped(&host, "closed/inner", &["cat", "/run/file"]);
    assert_eq!(host.good(&["run", &host.id("far")]), "far\n");
}

#[test]
fn what_the_machine_has_mounted_readonly_stays_so_for_root_of_a_user_namespace() {
    let Some(host) = host("locked") else { return };
    fs::create_dir(host.path("locked")).unwrap();
    for options in ["-t tmpfs -o mode=777 tmpfs", "-o remount,bind,ro"] {
        let mount = Command::new("mount").args(options.split(' ')).arg(host.path("locked")).status();
        assert!(mount.unwrap().success());
    }
    let script = "busybox mount -o remount,bind,rw /run 2> /dev/null; busybox touch /run/new 2> /dev/null && echo open || echo closed";
    configure_mapped(&host, "locked", &["sh", "-c", script]);
    assert_eq!(host.good(&["run", &host.id("locked")]), "closed\n");
}

#[test]
fn a_control_group_of_others_is_neither_joined_nor_taken_along() {
    let Some(host) = host("shared") else { return };
    let (one, other) = (host.id("one"), host.id("other"));
    let group = format!("/sys/fs/cgroup/{one}");
    host.configure(&["sleep", "1000"], |config| config["linux"]["cgroupsPath"] = json!(format!("/{one}")));
    host.good(&["run", "--detach", &one]);
    host.bad(&["create", &other], "the control group: has processes, or is frozen");
    assert_eq!(host.status(&one), "running");
    host.good(&["delete", "--force", &one]);
    // A process would be made there, and never run.
    fs::create_dir(&group).unwrap();
    fs::write(format!("{group}/cgroup.freeze"), "1").unwrap();
    host.bad(&["create", &other], "the control group: has processes, or is frozen");
    fs::remove_dir(&group).unwrap();
}

#[test]
fn a_root_is_not_moved_to_where_that_would_show_all_of_proc() {
    let Some(host) = host("masks") else { return };
    configure_mapped(&host, "bundle", &["true"]);
    let why = "--no-pivot: not with a user namespace, whose root would have all of /proc";
    let done = host.run(&["run", "--no-pivot", &host.id("masks")]);
    assert!(done.code == 125 && done.err.contains(why), "{} {}", done.code, done.err);
}

#[test]
fn a_root_can_be_moved_to_instead_of_pivoted() {
    let Some(host) = host("move") else { return };
    let id = &*host.id("a");
    host.configure(&["sh", "-c", "ls /; cat /proc/self/mountinfo; ls /.. "], |_| {});
    for words in [&["run", id][..], &["run", "--no-pivot", id]] {
        let done = host.run(words);
        assert_eq!(done.code, 0, "{}", done.err);
        let root = "bin\ndev\netc\nproc\nrun\nsys\ntmp\n";
        assert!(done.out.starts_with(root) && done.out.ends_with(root), "{}", done.out);
    }
    let traced = |words: &[&str]| {
        let options = ["-f", "-e", "trace=pivot_root"];
        assert!(traced(&host, &options, words));
        fs::read_to_string(host.path("trace")).unwrap().contains("pivot_root(")
    };
    if Command::new("strace").arg("-V").output().is_ok() {
        assert!(traced(&["run", id]));
        assert!(!traced(&["run", "--no-pivot", id]));
    }
    host.assert_clean();
}
