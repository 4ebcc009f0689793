//! A place with states and a bundle of its own, and commands in it.

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use qemu_tests::artifacts;
use serde_json::{Value, json};

/// A place with states and a bundle of its own. Of this thread and its children only: each has its own mount namespace.
pub(super) struct Host {
    pub(super) directory: tempfile::TempDir,
    pub(super) pidone: PathBuf,
    pub(super) name: String,
}

/// What a command did.
pub(super) struct Done {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

pub(super) fn host(name: &str) -> Option<Host> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED 1: {name}: needs root");
        return None;
    }
    // Who else would reap what is detached.
    // SAFETY: takes numbers.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
    // SAFETY: only this thread, and those that it makes.
    assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "unshare");
    mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE);
    if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0);
    }
    let directory = tempfile::tempdir().unwrap();
    mount("tmpfs", directory.path().to_str().unwrap(), "tmpfs", 0);
    let rootfs = directory.path().join("bundle/rootfs");
    for folder in ["bin", "proc", "sys", "dev", "tmp", "etc", "run"] {
        fs::create_dir_all(rootfs.join(folder)).unwrap();
    }
    fs::copy(artifacts::busybox().unwrap(), rootfs.join("bin/busybox")).unwrap();
    for tool in [
        "sh", "ls", "cat", "sleep", "echo", "id", "tty", "stty", "true", "readlink", "kill", "env", "printf", "stat",
        "grep",
    ] {
        std::os::unix::fs::symlink("busybox", rootfs.join("bin").join(tool)).unwrap();
    }
    fs::write(rootfs.join("bin/broken"), "no program").unwrap();
    let name = format!("pidone-test-{name}-{}", std::process::id());
    let host = Host { directory, pidone: artifacts::pidone_binary().unwrap(), name };
    host.configure(&["sleep", "1000"], |_| {});
    Some(host)
}

fn mount(source: &str, target: &str, kind: &str, flags: libc::c_ulong) {
    let text = |text: &str| std::ffi::CString::new(text).unwrap();
    let (source, to, kind) = (text(source), text(target), text(kind));
    // SAFETY: C strings.
    let result = unsafe { libc::mount(source.as_ptr(), to.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) };
    assert_eq!(result, 0, "mount {target}: {}", std::io::Error::last_os_error());
}

impl Host {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the bundle's config.json: that of `pidone spec`, changed.
    pub(super) fn configure(&self, args: &[&str], change: impl Fn(&mut Value)) {
        let file = self.path("bundle/config.json");
        let _ = fs::remove_file(&file);
        let spec = Command::new(&self.pidone).args(["spec", "--bundle"]).arg(self.path("bundle")).status().unwrap();
        assert!(spec.success());
        let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(args);
        config["root"]["readonly"] = json!(false);
        // A network namespace costs more than all the rest.
        config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "network");
        config["annotations"] = json!({"org.example.key": "a \"value\""});
        change(&mut config);
        fs::write(&file, config.to_string()).unwrap();
    }

    /// In one control group for all containers of this host.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.pidone);
        command.arg("--root").arg(self.path("root")).args(words).current_dir(self.path("bundle"));
        command
    }

    pub(super) fn run(&self, words: &[&str]) -> Done {
        done(&mut self.command(words))
    }

    /// A command that must succeed; what it wrote.
    pub(super) fn good(&self, words: &[&str]) -> String {
        let done = self.run(words);
        assert_eq!(done.code, 0, "{words:?}: {}", done.err);
        done.out
    }

    /// A command that must fail with code 1 and say this.
    pub(super) fn bad(&self, words: &[&str], says: &str) {
        let done = self.run(words);
        assert_eq!(done.code, 1, "{words:?}: {}", done.out);
        assert!(done.err.contains(says), "{words:?}: {:?} does not say {says:?}", done.err);
    }

    pub(super) fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    pub(super) fn state(&self, id: &str) -> Value {
        serde_json::from_str(&self.good(&["state", id])).unwrap()
    }

    pub(super) fn status(&self, id: &str) -> String {
        self.state(id)["status"].as_str().unwrap().to_owned()
    }

    pub(super) fn await_status(&self, id: &str, wanted: &str) {
        await_true(wanted, || self.status(id) == wanted);
    }

    /// Nothing of any container is left: no state, no control group, no process.
    pub(super) fn assert_clean(&self) {
        let states: Vec<_> = fs::read_dir(self.path("root")).map(|list| list.flatten().collect()).unwrap_or_default();
        assert!(states.is_empty(), "{states:?}");
        assert_eq!(self.groups(), Vec::<PathBuf>::new());
    }

    pub(super) fn groups(&self) -> Vec<PathBuf> {
        let all: Vec<_> =
            fs::read_dir("/sys/fs/cgroup/containers").map(|list| list.flatten().collect()).unwrap_or_default();
        all.iter().map(|entry| entry.path()).filter(|path| path.to_string_lossy().contains(&self.name)).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for group in self.groups() {
            let _ = fs::write(group.join("cgroup.kill"), "1");
            for _ in 0..100 {
                if fs::remove_dir(&group).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let path = std::ffi::CString::new(self.directory.path().to_str().unwrap()).unwrap();
        // SAFETY: a C string.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

/// Runs a command to its end. What it writes goes to files: a pipe would stay open as long as the container has it.
pub(super) fn done(command: &mut Command) -> Done {
    use std::os::unix::process::ExitStatusExt;
    let [mut out, mut err] = [(); 2].map(|()| tempfile::tempfile().unwrap());
    command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
    let status = command.status().unwrap();
    let text = |file: &mut fs::File| {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let code = status.code().unwrap_or_else(|| -status.signal().unwrap_or(0));
    Done { code, out: text(&mut out), err: text(&mut err) }
}

/// Reaps a process that became ours: as long as it is not, its pid namespace cannot end.
pub(super) fn reap(pid: &str) {
    // SAFETY: a number, and no status.
    unsafe { libc::waitpid(pid.parse().unwrap(), std::ptr::null_mut(), 0) };
}

pub(super) fn await_true(what: &str, check: impl Fn() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
