//! The command line of an OCI runtime by an ordinary user, and by root of a user namespace: this machine's kernel, the real
//! file and a bundle of busybox, in a mount namespace where control groups of version 2 are mounted. Needs root, to become
//! the user, busybox, setpriv and unshare; says so and passes where there is no root.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use qemu_tests::artifacts;
use serde_json::{Value, json};

const USER: u32 = 1000;

/// A user's directory with a bundle and states. Of this thread and its children only.
struct Home {
    directory: tempfile::TempDir,
    /// Words that become the user.
    become_user: &'static [&'static str],
}

const ORDINARY: &[&str] = &["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
const ROOT_OF_A_NAMESPACE: &[&str] =
    &["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "unshare", "--user", "--map-root-user", "--mount"];

fn home(name: &str, become_user: &'static [&'static str]) -> Option<Home> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED 1: {name}: needs root, to become an ordinary user");
        return None;
    }
    // SAFETY: only this thread, and those that it makes.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "unshare");
    mount("/", "", libc::MS_REC | libc::MS_PRIVATE);
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        mount("/sys/fs/cgroup", "cgroup2", 0);
    }
    let directory = tempfile::tempdir().unwrap();
    mount(directory.path().to_str().unwrap(), "tmpfs", 0);
    let home = Home { directory, become_user };
    let rootfs = home.path("bundle/rootfs");
    for folder in ["bin", "proc", "sys", "dev", "tmp", "etc", "run"] {
        fs::create_dir_all(rootfs.join(folder)).unwrap();
    }
    fs::copy(artifacts::busybox().unwrap(), rootfs.join("bin/busybox")).unwrap();
    for tool in ["sh", "cat", "sleep", "id", "ls", "readlink"] {
        symlink("busybox", rootfs.join("bin").join(tool)).unwrap();
    }
    fs::copy(artifacts::pidone_binary().unwrap(), home.path("pidone")).unwrap();
    for place in ["", "bundle", "bundle/rootfs", "bundle/rootfs/dev"] {
        chown(home.path(place), Some(USER), Some(USER)).unwrap();
    }
    Some(home)
}

fn mount(target: &str, kind: &str, flags: libc::c_ulong) {
    let [to, kind] = [target, kind].map(|text| std::ffi::CString::new(text).unwrap());
    // SAFETY: C strings.
    let result = unsafe { libc::mount(kind.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) };
    assert_eq!(result, 0, "mount {target}: {}", std::io::Error::last_os_error());
}

impl Home {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a script does as the user in the bundle's directory, where `pidone` is the file: code, output, errors.
    fn run(&self, script: &str) -> (i32, String, String) {
        let script = format!("pidone() {{ ../pidone --root ../states \"$@\"; }}\n{script}");
        let (out, err) = (self.path("out"), self.path("err"));
        // Files: a container keeps a pipe open.
        let status = Command::new("env")
            .args(self.become_user)
            .args(["sh", "-c", &script])
            .current_dir(self.path("bundle"))
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&err).unwrap())
            .status()
            .unwrap();
        let [out, err] = [out, err].map(|file| fs::read_to_string(file).unwrap());
        (status.code().unwrap_or(-1), out, err)
    }

    /// Makes config.json as `pidone spec --rootless` writes it, changed.
    fn configure(&self, args: &[&str], change: impl Fn(&mut Value)) {
        let (code, _, err) = self.run("rm -f config.json; pidone spec --rootless");
        assert_eq!(code, 0, "{err}");
        let file = self.path("bundle/config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(args);
        change(&mut config);
        fs::write(&file, config.to_string()).unwrap();
    }

    /// A container's whole life, and that nothing of it is left.
    fn live(&self, change: impl Fn(&mut Value)) {
        self.configure(
            &["sh", "-c", "id -u; cat /proc/self/uid_map; echo x > /dev/null; ls /sys/class; exit 7"],
            &change,
        );
        let (code, out, err) = self.run("pidone run a");
        assert_eq!(code, 7, "{err}");
        assert!(err.contains("no control group"), "{err}");
        assert!(out.starts_with("0\n"), "{out}");
        assert!(out.contains("net"), "{out}");

        self.configure(&["sleep", "1000"], change);
        let script = "pidone create b && pidone start b && pidone state b && \
            pidone exec b sh -c 'id -u; readlink /proc/self/ns/user; readlink /proc/1/ns/user; cat /proc/1/comm'; \
            pidone exec b sh -c 'exit 9'; echo $?; pidone kill b KILL && \
            until pidone state b | grep -q stopped; do sleep 0.1; done; pidone delete b; echo $?; ls ../states";
        let (code, out, err) = self.run(script);
        assert_eq!(code, 0, "{err}");
        let mut lines = out.lines();
        let state: Value = serde_json::from_str(lines.next().unwrap_or_default()).expect(&err);
        assert_eq!(state["status"], "running");
        let rest: Vec<_> = lines.collect();
        let [id, own, first, name, code, deleted] = rest[..] else { panic!("{out}{err}") };
        assert_eq!((id, name, code, deleted), ("0", "sleep", "9", "0"), "{out}{err}");
        assert_eq!(own, first);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let path = std::ffi::CString::new(self.directory.path().to_str().unwrap()).unwrap();
        // SAFETY: a C string.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn an_ordinary_user_runs_a_container_enters_it_and_deletes_it() {
    let Some(home) = home("ordinary", ORDINARY) else { return };
    home.live(|_| {});
}

#[test]
fn root_of_a_user_namespace_runs_a_container_enters_it_and_deletes_it() {
    let Some(home) = home("namespace", ROOT_OF_A_NAMESPACE) else { return };
    // Each script has a user namespace of its own, all of the same user.
    home.live(|_| {});
}

#[test]
fn root_of_a_user_namespace_runs_a_container_in_that() {
    let Some(home) = home("same", ROOT_OF_A_NAMESPACE) else { return };
    // As an engine asks for it.
    home.live(|config| {
        let linux = config["linux"].as_object_mut().unwrap();
        linux.remove("uidMappings");
        linux.remove("gidMappings");
        linux["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "user");
        config["mounts"].as_array_mut().unwrap().retain(|entry| entry["type"] != "cgroup");
    });
}

#[test]
fn limits_without_a_control_group_are_refused_by_name() {
    let Some(home) = home("limits", ORDINARY) else { return };
    for (resources, field) in [
        (json!({"memory": {"limit": 67_108_864}}), "linux.resources.memory.limit"),
        (json!({"pids": {"limit": 10}}), "linux.resources.pids.limit"),
        (json!({"unified": {"cgroup.max.depth": "3"}}), "linux.resources.unified[0]"),
    ] {
        home.configure(&["id"], |config| config["linux"]["resources"] = resources.clone());
        let (code, _, err) = home.run("pidone run a");
        assert_eq!(code, 125, "{err}");
        assert!(err.contains(&format!("{field}: the container has no control group")), "{err}");
    }
    // No limit needs none.
    home.configure(&["id"], |config| config["linux"]["resources"] = json!({"pids": {"limit": -1}}));
    let (code, _, err) = home.run("pidone run a");
    assert_eq!(code, 0, "{err}");
}

#[test]
fn a_group_below_ones_own_is_used_but_filters_no_devices() {
    let Some(home) = home("delegated", ORDINARY) else { return };
    let name = format!("pidone-test-delegated-{}", std::process::id());
    let group = Path::new("/sys/fs/cgroup").join(&name);
    // Of the user, and the user's processes in a group of it: as systemd does it.
    fs::create_dir_all(group.join("shell")).unwrap();
    for file in ["", "cgroup.procs", "cgroup.subtree_control", "shell", "shell/cgroup.procs"] {
        chown(group.join(file), Some(USER), Some(USER)).unwrap();
    }
    home.configure(&["cat", "/proc/self/cgroup"], |config| {
        config["linux"]["cgroupsPath"] = json!(format!("/{name}/container"));
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "cgroup");
    });
    let rules = home.path("rules.json");
    let mut config: Value = serde_json::from_slice(&fs::read(home.path("bundle/config.json")).unwrap()).unwrap();
    config["linux"]["resources"] = json!({"devices": [{"allow": false, "access": "rwm"}]});
    fs::write(&rules, config.to_string()).unwrap();
    let enter = group.join("shell/cgroup.procs");
    let run = format!("../pidone --root {} run", home.path("states").display());
    let script = format!("{run} a; {run} --config {} b > /dev/null", rules.display());
    let words = [&["sh", "-c", "echo $$ > \"$0\" && exec \"$@\"", enter.to_str().unwrap()], home.become_user].concat();
    let done = Command::new(words[0])
        .args(&words[1..])
        .args(["sh", "-c", &script])
        .current_dir(home.path("bundle"))
        .output()
        .unwrap();
    let left = group.join("container").exists();
    fs::remove_dir(group.join("shell")).unwrap();
    fs::remove_dir(&group).unwrap();
    let [out, err] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(out.contains(&format!("0::/{name}/container\n")), "{out}{err}");
    // Of the second, and no more: the first asked for no filter.
    assert_eq!(err.matches("pidone: ").count(), 1, "{err}");
    assert!(err.starts_with("pidone: container b: devices are not filtered"), "{err}");
    assert!(!left, "the group is left");
}
