//! What other runtimes' own tests found, against this machine's kernel. Needs root and busybox; says so and passes where there
//! is none.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use qemu_tests::artifacts;
use serde_json::{Value, json};

/// A bundle, and a place for states.
struct Host {
    directory: tempfile::TempDir,
    pidone: PathBuf,
}

fn host() -> Option<Host> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED 1: needs root");
        return None;
    }
    // SAFETY: only this thread, and those that it makes.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "unshare");
    mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE);
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0);
    }
    let directory = tempfile::tempdir().unwrap();
    mount("tmpfs", directory.path().to_str().unwrap(), "tmpfs", 0);
    let rootfs = directory.path().join("bundle/rootfs");
    for folder in ["bin", "proc", "sys", "dev", "etc"] {
        fs::create_dir_all(rootfs.join(folder)).unwrap();
    }
    fs::copy(artifacts::busybox().unwrap(), rootfs.join("bin/busybox")).unwrap();
    for tool in ["sh", "sleep", "cat", "stat", "grep", "true"] {
        symlink("busybox", rootfs.join("bin").join(tool)).unwrap();
    }
    Some(Host { directory, pidone: artifacts::pidone_binary().unwrap() })
}

fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong) {
    let text = |text: &str| std::ffi::CString::new(text).unwrap();
    let (source, to, kind) = (text(source), text(target), text(kind));
    // SAFETY: C strings.
    let result = unsafe { libc::mount(source.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) };
    assert_eq!(result, 0, "mount {target}: {}", std::io::Error::last_os_error());
}

impl Host {
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn pidone(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.pidone);
        command.arg("--root").arg(self.path("root")).args(words).current_dir(self.path("bundle"));
        command.stdin(Stdio::null());
        command
    }

    /// Writes the bundle's config.json: that of `pidone spec`, changed, for a shell's script.
    fn configure(&self, script: &str, change: impl Fn(&mut Value)) {
        let file = self.path("bundle/config.json");
        let _ = fs::remove_file(&file);
        assert!(self.pidone(&["spec"]).status().unwrap().success());
        let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["sh", "-c", script]);
        config["root"]["readonly"] = json!(false);
        change(&mut config);
        fs::write(&file, config.to_string()).unwrap();
    }

    /// Runs the script in a container: exit code, output, errors.
    fn run(&self, name: &str, script: &str, change: impl Fn(&mut Value)) -> (i32, String, String) {
        self.configure(script, change);
        said(&mut self.pidone(&["run", &format!("peers-{name}-{}", std::process::id())]))
    }

    /// What the script writes, which must succeed.
    #[track_caller]
    fn written(&self, name: &str, script: &str, change: impl Fn(&mut Value)) -> String {
        let (code, out, errors) = self.run(name, script, change);
        assert_eq!(code, 0, "{errors}");
        out
    }
}

fn said(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn who_is_not_root_can_open_his_streams_by_name() {
    let Some(host) = host() else { return };
    let as_user = |config: &mut Value| config["process"]["user"] = json!({"uid": 1000, "gid": 1001});
    let script = "echo out > /dev/stdout && echo err > /dev/stderr && stat -Lc %u:%g /proc/self/fd/1 /proc/self/fd/0";
    let done = host.run("streams", script, as_user);
    // A device stays whose it is.
    assert_eq!(done, (0, "out\n1000:1001\n0:0\n".into(), "err\n".into()));
}

#[test]
fn a_poststop_hook_that_fails_is_a_warning_and_the_container_is_gone() {
    let Some(host) = host() else { return };
    let with_hooks = |config: &mut Value| {
        let after = host.path("after");
        config["hooks"] =
            json!({"poststop": [{"path": "/bin/false"}, {"path": "/bin/touch", "args": ["touch", after]}]});
    };
    let (code, _, errors) = host.run("poststop", "true", with_hooks);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("run hooks.poststop /bin/false: ECANCELED"), "{errors}");
    assert!(host.path("after").exists());
    assert_eq!(fs::read_dir(host.path("root")).unwrap().count(), 0);
}

#[test]
fn a_further_process_makes_no_directory_to_work_in() {
    let Some(host) = host() else { return };
    let id = format!("peers-cwd-{}", std::process::id());
    host.configure("sleep 1000", |_| {});
    // Who waits for the end of its output waits for the container's.
    let status = host.pidone(&["run", "--detach", &id]).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    let (code, _, errors) = said(&mut host.pidone(&["exec", "--cwd", "/nowhere/at/all", &id, "true"]));
    assert!(code != 0 && errors.contains("enter directory /nowhere/at/all: ENOENT"), "{code} {errors}");
    assert!(!host.path("bundle/rootfs/nowhere").exists());
    assert!(host.pidone(&["delete", "--force", &id]).status().unwrap().success());
}

#[test]
fn what_needs_no_number_needs_none() {
    let Some(host) = host() else { return };
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
    let Some(host) = host() else { return };
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
