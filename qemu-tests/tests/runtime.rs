//! The command line of an OCI runtime, against this machine's kernel: the real file and a bundle of busybox, in a mount
//! namespace where control groups of version 2 are mounted. Needs root and busybox; says so and passes where there is none.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use qemu_tests::artifacts;
use serde_json::{Value, json};

/// A place with states and a bundle of its own. Of this thread and its children only: each has its own mount namespace.
struct Host {
    directory: tempfile::TempDir,
    pidone: PathBuf,
    name: String,
}

/// What a command did.
struct Done {
    code: i32,
    out: String,
    err: String,
}

fn host(name: &str) -> Option<Host> {
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
    for tool in ["sh", "ls", "cat", "sleep", "echo", "id", "tty", "stty", "true", "readlink", "kill", "env", "printf"] {
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
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the bundle's config.json: that of `pidone spec`, changed.
    fn configure(&self, args: &[&str], change: impl Fn(&mut Value)) {
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
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.pidone);
        command.arg("--root").arg(self.path("root")).args(words).current_dir(self.path("bundle"));
        command
    }

    fn run(&self, words: &[&str]) -> Done {
        done(&mut self.command(words))
    }

    /// A command that must succeed; what it wrote.
    fn good(&self, words: &[&str]) -> String {
        let done = self.run(words);
        assert_eq!(done.code, 0, "{words:?}: {}", done.err);
        done.out
    }

    /// A command that must fail with code 1 and say this.
    fn bad(&self, words: &[&str], says: &str) {
        let done = self.run(words);
        assert_eq!(done.code, 1, "{words:?}: {}", done.out);
        assert!(done.err.contains(says), "{words:?}: {:?} does not say {says:?}", done.err);
    }

    fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    fn state(&self, id: &str) -> Value {
        serde_json::from_str(&self.good(&["state", id])).unwrap()
    }

    fn status(&self, id: &str) -> String {
        self.state(id)["status"].as_str().unwrap().to_owned()
    }

    fn await_status(&self, id: &str, wanted: &str) {
        await_true(wanted, || self.status(id) == wanted);
    }

    /// Nothing of any container is left: no state, no control group, no process.
    fn assert_clean(&self) {
        let states: Vec<_> = fs::read_dir(self.path("root")).map(|list| list.flatten().collect()).unwrap_or_default();
        assert!(states.is_empty(), "{states:?}");
        assert_eq!(self.groups(), Vec::<PathBuf>::new());
    }

    fn groups(&self) -> Vec<PathBuf> {
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
fn done(command: &mut Command) -> Done {
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
fn reap(pid: &str) {
    // SAFETY: a number, and no status.
    unsafe { libc::waitpid(pid.parse().unwrap(), std::ptr::null_mut(), 0) };
}

fn await_true(what: &str, check: impl Fn() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_life_goes_step_by_step_and_what_is_out_of_place_changes_nothing() {
    let Some(host) = host("life") else { return };
    let id = &*host.id("a");
    host.bad(&["state", id], "container does not exist");
    host.bad(&["start", id], "container does not exist");
    host.bad(&["kill", id], "container does not exist");
    host.bad(&["delete", id], "container does not exist");
    host.bad(&["exec", id, "true"], "container does not exist");
    host.good(&["delete", "--force", id]);

    let pid_file = host.path("pid");
    host.good(&["create", id, "--pid-file", pid_file.to_str().unwrap()]);
    let state = host.state(id);
    assert_eq!(state["status"], "created");
    assert_eq!(state["id"], id);
    assert_eq!(state["ociVersion"], "1.3.0");
    assert_eq!(state["bundle"], host.path("bundle").to_str().unwrap());
    assert_eq!(state["annotations"]["org.example.key"], "a \"value\"");
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), state["pid"].to_string());
    let pid = state["pid"].to_string();
    let words = |pid: &str| fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!words(&pid).starts_with(b"sleep"), "the program runs already");
    host.bad(&["create", id], "already exists");
    host.bad(&["delete", id], "not stopped");
    host.bad(&["resume", id], "wrong state");
    assert_eq!(host.status(id), "created");

    host.good(&["start", id]);
    assert_eq!(host.status(id), "running");
    assert_eq!(words(&pid), b"sleep\x001000\0");
    host.bad(&["start", id], "already running");
    host.bad(&["create", id], "already exists");
    host.bad(&["delete", id], "not stopped");
    host.bad(&["kill", id, "NOTHING"], "unknown signal");
    assert_eq!(host.status(id), "running");

    host.good(&["pause", id]);
    assert_eq!(host.status(id), "paused");
    host.bad(&["pause", id], "wrong state");
    host.bad(&["exec", id, "true"], "paused");
    host.good(&["resume", id]);
    assert_eq!(host.status(id), "running");

    host.good(&["kill", id, "SIGKILL"]);
    host.await_status(id, "stopped");
    assert_eq!(host.state(id)["pid"], 0);
    host.bad(&["kill", id], "container not running");
    host.bad(&["start", id], "stopped");
    host.bad(&["pause", id], "container not running");
    host.bad(&["exec", id, "true"], "container not running");
    host.bad(&["create", id], "already exists");
    host.good(&["delete", id]);
    host.bad(&["state", id], "container does not exist");
    host.assert_clean();
}

#[test]
fn ids_are_held_to_runcs_characters() {
    let Some(host) = host("ids") else { return };
    for id in ["", ".", "..", "a/b", "a b", "ä", "a\nb", "../a"] {
        assert_eq!(host.run(&["create", id]).code, 1, "{id:?}");
    }
    host.bad(&["create", &"x".repeat(1025)], "too many bytes");
    for (number, id) in ["A.b_c+d-0", "..a", "-a"].iter().enumerate() {
        // An id that looks like an option can only be given behind `--`, which conmon does not.
        if number < 2 {
            host.good(&["create", id]);
            host.good(&["delete", "-f", id]);
        }
    }
    host.assert_clean();
}

#[test]
fn exit_codes_are_the_programs_or_say_why_there_was_none() {
    let Some(host) = host("codes") else { return };
    let id = &*host.id("a");
    for (args, code) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["true"], 0),
        (&["sh", "-c", "kill -9 $$; kill -9 1"], 0),
        (&["nothing"], 127),
        (&["/bin/nothing"], 127),
        (&["/etc"], 126),
        (&["/bin/broken"], 126),
    ] {
        host.configure(args, |_| {});
        let done = host.run(&["run", id]);
        assert_eq!(done.code, code, "{args:?}: {}", done.err);
        host.assert_clean();
    }
    // What callers look for: conmon hands these words to podman.
    for (args, says) in [(["nothing"], "no such file or directory"), (["/etc"], "permission denied")] {
        host.configure(&args, |_| {});
        host.bad(&["create", id], says);
        host.assert_clean();
    }
    // And not for anything else.
    host.configure(&["true"], |config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.push(json!({"destination": "/x", "type": "bind", "source": "/nowhere", "options": ["bind"]}));
    });
    let done = host.run(&["create", id]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("ENOENT") && !done.err.contains("no such file"), "{}", done.err);
    host.assert_clean();

    host.configure(&["sleep", "1000"], |_| {});
    host.good(&["run", "-d", id]);
    for (program, code) in [
        (&["sh", "-c", "exit 5"][..], 5),
        (&["true"], 0),
        (&["sh", "-c", "kill -9 $$"], 137),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["nothing"], 127),
        (&["/etc"], 126),
    ] {
        let words: Vec<&str> = ["exec", id].into_iter().chain(program.iter().copied()).collect();
        assert_eq!(host.run(&words).code, code, "{program:?}");
    }
    host.good(&["delete", "-f", id]);
    host.assert_clean();
}

#[test]
fn a_log_of_json_holds_one_error_and_nothing_else() {
    let Some(host) = host("log") else { return };
    let id = &*host.id("a");
    let log = host.path("log");
    // An unknown capability is a warning.
    host.configure(&["nothing"], |config| {
        config["process"]["capabilities"]["bounding"].as_array_mut().unwrap().push(json!("CAP_NOTHING"));
    });
    let done = host.run(&["--log", log.to_str().unwrap(), "--log-format=json", "create", id]);
    assert_eq!(done.code, 1);
    let record: Value = serde_json::from_slice(&fs::read(&log).unwrap()).unwrap();
    assert_eq!(record["level"], "error");
    assert_eq!(record["errno"], libc::ENOENT);
    assert!(record["step"].as_u64().unwrap() > 10, "{record}");
    assert!(record["msg"].as_str().unwrap().contains("no such file or directory"), "{record}");
    let time = record["time"].as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z') && time.contains('T'), "{time}");
    host.assert_clean();
}

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

/// Receives a descriptor, as conmon receives the other end of a terminal.
fn receive(listener: &UnixListener) -> fs::File {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    let (connection, _) = listener.accept().unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut slices = [std::io::IoSliceMut::new(&mut byte)];
    recvmsg(&connection, &mut slices, &mut control, RecvFlags::empty()).unwrap();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            return fs::File::from(descriptors.next().unwrap());
        }
    }
    panic!("no descriptor came");
}

#[test]
fn a_terminal_is_the_containers_own_and_its_other_end_is_sent_to_whoever_asked() {
    let Some(host) = host("tty") else { return };
    let id = &*host.id("a");
    let program =
        "tty; readlink /proc/self/fd/0; stty size; ls -l /dev/console; echo x > /dev/console; exec sleep 1000";
    let terminal = |config: &mut Value| {
        config["process"]["terminal"] = json!(true);
        config["process"]["consoleSize"] = json!({"height": 33, "width": 77});
    };
    host.configure(&["sh", "-c", program], terminal);
    host.bad(&["create", id], "process.terminal");
    host.assert_clean();
    // A path longer than a socket's address.
    let folder = host.path(&"long".repeat(30));
    fs::create_dir(&folder).unwrap();
    let short = host.path("s");
    let listener = UnixListener::bind(&short).unwrap();
    fs::rename(&short, folder.join("s")).unwrap();
    let socket = folder.join("s");
    let socket = socket.to_str().unwrap();
    host.good(&["create", "--console-socket", socket, id]);
    let master = receive(&listener);
    host.good(&["start", id]);
    let mut lines = BufReader::new(master).lines().map(|line| line.unwrap().trim().to_owned());
    assert_eq!(lines.next().unwrap(), "/dev/pts/0");
    assert_eq!(lines.next().unwrap(), "/dev/pts/0");
    assert_eq!(lines.next().unwrap(), "33 77");
    assert!(lines.next().unwrap().contains("136,"), "/dev/console is not the terminal");
    assert_eq!(lines.next().unwrap(), "x");

    let pid_file = host.path("pid");
    let words = ["exec", "-t", "-d", "--pid-file", pid_file.to_str().unwrap(), "--console-socket", socket];
    host.good(&[&words[..], &[id, "sh", "-c", "tty; exec sleep 1000"]].concat());
    let mut lines = BufReader::new(receive(&listener)).lines().map(|line| line.unwrap().trim().to_owned());
    assert_eq!(lines.next().unwrap(), "/dev/pts/1");
    let pid = fs::read_to_string(&pid_file).unwrap();
    // Shown here, without anybody's socket.
    let out = host.good(&["exec", "-t", id, "sh", "-c", "tty; exit 0"]);
    assert!(out.starts_with("/dev/pts/"), "{out}");
    assert_eq!(host.run(&["exec", id, "kill", "-9", "1"]).code, 0);
    host.good(&["kill", "-a", id, "9"]);
    reap(&pid);
    host.good(&["delete", "-f", id]);
    host.assert_clean();
}

#[test]
fn a_descriptor_of_the_process_is_sent_to_whoever_asked() {
    let Some(host) = host("pidfd") else { return };
    let id = &*host.id("a");
    let path = host.path("s");
    let listener = UnixListener::bind(&path).unwrap();
    let socket = path.to_str().unwrap();
    let pid_of = |descriptor: fs::File| {
        let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd())).unwrap();
        about.lines().find_map(|line| line.strip_prefix("Pid:").map(|pid| pid.trim().to_owned())).expect("no pidfd")
    };
    host.good(&["create", "--pidfd-socket", socket, id]);
    assert_eq!(pid_of(receive(&listener)), host.state(id)["pid"].to_string());
    host.good(&["start", id]);
    let file = host.path("pid");
    let words = ["exec", "-d", "--pidfd-socket", socket, "--pid-file", file.to_str().unwrap(), id, "sleep", "1000"];
    host.good(&words);
    let pid = fs::read_to_string(&file).unwrap();
    assert_eq!(pid_of(receive(&listener)), pid);
    host.good(&["kill", "-a", id, "9"]);
    reap(&pid);
    host.good(&["delete", "-f", id]);
    // Nobody listens.
    drop(listener);
    host.bad(&["create", "--pidfd-socket", socket, id], "send a descriptor of the process");
    host.assert_clean();
}

#[test]
fn a_log_of_text_has_runcs_lines() {
    let Some(host) = host("text") else { return };
    let id = &*host.id("a");
    let log = host.path("log");
    let log = log.to_str().unwrap();
    host.configure(&["noth\"ing"], |_| {});
    host.bad(&["--log", log, "--log-format", "text", "create", id], "pidone: ");
    host.bad(&["--log", log, "state", id], "pidone: ");
    host.bad(&["--log-format", "xml", "state", id], "--log-format: must be text or json");
    let text = fs::read_to_string(log).unwrap();
    let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    for line in [first, second] {
        let rest = line.strip_prefix("time=\"").expect(line);
        let (time, rest) = rest.split_at(20);
        assert!(time.ends_with('Z') && time.contains('T'), "{line}");
        let message = rest.strip_prefix("\" level=error msg=").expect(line);
        // Go quotes as JSON does, as far as we use it.
        let message: String = serde_json::from_str(message).expect(line);
        assert!(message.starts_with(&format!("{id}: ")), "{line}");
    }
    assert!(first.contains("no such file or directory"), "{first}");
    assert!(second.contains("container does not exist"), "{second}");
    host.assert_clean();
}

#[test]
fn usage_is_told_again_and_again_until_the_container_ends() {
    let Some(host) = host("events") else { return };
    let id = &*host.id("a");
    host.good(&["run", "-d", id]);
    let mut events = host.command(&["events", "--interval", "300ms", id]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(events.stdout.take().unwrap()).lines();
    let mut times = Vec::new();
    for _ in 0..3 {
        let told: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!((&told["type"], &told["id"]), (&json!("stats"), &json!(id)));
        times.push(Instant::now());
    }
    let apart = times[2] - times[1];
    assert!(apart > Duration::from_millis(200) && apart < Duration::from_secs(4), "{apart:?}");
    host.good(&["kill", id, "KILL"]);
    for line in lines {
        line.unwrap();
    }
    assert!(events.wait().unwrap().success());
    host.bad(&["events", "--interval", "often", id], "--interval");
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

#[test]
fn a_user_namespace_is_shown_what_its_root_has_no_way_to() {
    let Some(host) = host("far") else { return };
    fs::create_dir_all(host.path("closed/inner")).unwrap();
    fs::write(host.path("closed/inner/file"), "far\n").unwrap();
    fs::set_permissions(host.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    host.configure(&["cat", "/run/file"], |config| {
        let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
        config["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "user"}));
        (config["linux"]["uidMappings"], config["linux"]["gidMappings"]) = (mapping.clone(), mapping);
        config["mounts"].as_array_mut().unwrap().retain(|mount| mount["type"] != "sysfs" && mount["type"] != "cgroup");
        let source = host.path("closed/inner");
        let mount = json!({"destination": "/run", "source": source, "options": ["bind", "ro"]});
        config["mounts"].as_array_mut().unwrap().push(mount);
    });
    assert_eq!(host.good(&["run", &host.id("far")]), "far\n");
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
fn killing_reaches_everybody_even_without_a_pid_namespace() {
    let Some(host) = host("everybody") else { return };
    for ends_before in [false, true] {
        let id = host.id("everybody");
        host.configure(&["sleep", "1000"], |config| {
            config["linux"]["namespaces"].as_array_mut().unwrap().retain(|entry| entry["type"] != "pid");
        });
        host.good(&["run", "--detach", &id]);
        host.good(&["exec", "--detach", &id, "sleep", "1001"]);
        host.good(&["kill", &id, "0"]);
        let all: Vec<i32> = serde_json::from_str(&host.good(&["ps", "--format", "json", &id])).unwrap();
        let first = host.state(&id)["pid"].as_i64().unwrap() as i32;
        assert_eq!(all.len(), 2);
        if ends_before {
            // SAFETY: takes numbers.
            unsafe { libc::kill(first, libc::SIGKILL) };
            host.await_status(&id, "stopped");
            host.bad(&["kill", &id, "0"], "container not running");
        }
        host.good(&["kill", &id, "KILL"]);
        for pid in all {
            await_true("the end", || {
                reap(&pid.to_string());
                // SAFETY: takes numbers.
                unsafe { libc::kill(pid, 0) != 0 }
            });
        }
        host.good(&["delete", &id]);
    }
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

#[test]
fn a_hook_that_fails_before_the_program_leaves_a_stopped_container() {
    let Some(host) = host("hook") else { return };
    let id = &*host.id("a");
    let (hooked, gone) = (host.path("hooked"), host.path("gone"));
    host.configure(&["sleep", "1000"], |config| {
        config["hooks"] = json!({
            "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}],
            "poststart": [{"path": "/bin/sh", "args": ["sh", "-c", format!("touch {}", hooked.display())]}],
            "poststop": [{"path": "/bin/sh", "args": ["sh", "-c", format!("touch {}", gone.display())]}],
        });
    });
    // runtime-spec, lifecycle: an error, the container is stopped, and what follows is `delete`, with its hooks.
    host.good(&["create", id]);
    host.bad(&["start", id], "hook");
    host.await_status(id, "stopped");
    host.bad(&["start", id], "stopped");
    host.bad(&["create", id], "already exists");
    assert!(!hooked.exists() && !gone.exists());
    host.good(&["delete", id]);
    assert!(gone.exists() && !hooked.exists());
    host.assert_clean();
    // Whoever says `run` does not say `delete`.
    fs::remove_file(&gone).unwrap();
    let done = host.run(&["run", id]);
    assert!(done.code == 125 && done.err.contains("hook"), "{} {}", done.code, done.err);
    assert!(gone.exists() && !hooked.exists());
    host.assert_clean();
}

#[test]
fn a_machine_that_executes_no_copies_has_its_file_by_a_mount_that_is_read_only() {
    let Some(host) = host("noexec") else { return };
    if !Path::new("/proc/sys/vm/memfd_noexec").exists() {
        eprintln!("SKIPPED 1: a machine that executes no copies: the kernel has no vm.memfd_noexec");
        return;
    }
    let id = &*host.id("a");
    fs::copy(&host.pidone, host.path("pidone")).unwrap();
    let before = fs::read(host.path("pidone")).unwrap();
    // It is the pid namespace's.
    let strict = |words: &str| {
        let script = format!(
            "echo 2 > /proc/sys/vm/memfd_noexec; pidone() {{ ../pidone --root ../root \"$@\"; }}; id={id}; {words}"
        );
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--", "sh", "-c", &script]);
        done(command.current_dir(host.path("bundle")))
    };
    let made = strict(
        "pidone create $id && pid=$(pidone state $id | grep -o '\"pid\": *[0-9]*' | tr -dc 0-9); \
        cat /proc/sys/vm/memfd_noexec; readlink /proc/$pid/exe; echo x 2> /dev/null >> /proc/$pid/exe && echo written; \
        mount -c -o remount,bind,rw /proc/$pid/exe 2> /dev/null && echo changed; \
        pidone start $id; pidone exec $id echo inside; pidone exec $id /proc/self/exe --version | head -n 1 | cut -c 1-6; \
        pidone delete -f $id",
    );
    assert_eq!((made.code, &*made.out), (0, "2\n/\ninside\npidone\n"), "{}", made.err);
    host.assert_clean();
    std::os::unix::fs::chown(host.path("pidone"), Some(1000), None).unwrap();
    let refused = strict("setpriv --reuid=1000 --regid=1000 --clear-groups ../pidone --root ../states run $id");
    let says = "protect the running file, which the caller may write to: EPERM";
    assert!(refused.code == 1 && refused.err.contains(says), "{} {}", refused.code, refused.err);
    assert_eq!(fs::read(host.path("pidone")).unwrap(), before);
}

/// A terminal with pidone at its other end, as an operator has it.
struct Terminal {
    master: fs::File,
    shown: std::sync::Arc<std::sync::Mutex<String>>,
    child: std::process::Child,
}

impl Terminal {
    fn open(command: &mut Command, size: [u16; 2]) -> Terminal {
        use std::os::fd::FromRawFd;
        let (mut master, mut slave) = (0, 0);
        let nothing = std::ptr::null_mut();
        // SAFETY: two descriptors are written.
        let opened = unsafe { libc::openpty(&mut master, &mut slave, nothing, nothing.cast(), nothing.cast()) };
        assert_eq!(opened, 0, "openpty");
        // SAFETY: they were just made.
        let (master, slave) = unsafe { (fs::File::from_raw_fd(master), fs::File::from_raw_fd(slave)) };
        set_size(&master, size);
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        // SAFETY: both may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let shown = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let child = command.spawn().unwrap();
        let (mut reader, all) = (master.try_clone().unwrap(), shown.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length) = reader.read(&mut buffer) {
                all.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        });
        Terminal { master, shown, child }
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    fn await_text(&self, text: &str) {
        let start = Instant::now();
        while !self.shown().contains(text) {
            assert!(start.elapsed() < Duration::from_secs(20), "no {text:?} in {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its flags for input, output, control and local things.
    fn mode(&self) -> [u32; 4] {
        // SAFETY: a C structure of numbers, for which all zeros are valid.
        let mut mode: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: one whole structure is written.
        assert_eq!(unsafe { libc::tcgetattr(self.master.as_raw_fd(), &mut mode) }, 0);
        [mode.c_iflag, mode.c_oflag, mode.c_cflag, mode.c_lflag]
    }
}

fn set_size(master: &fs::File, [ws_row, ws_col]: [u16; 2]) {
    let size = libc::winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: one whole structure is read.
    assert_eq!(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) }, 0);
}

#[test]
fn what_an_operator_types_arrives_and_his_terminal_is_as_it_was_at_the_end() {
    let Some(host) = host("operator") else { return };
    let id = &*host.id("a");
    let program = "stty size; read line; echo \"got <$line>\"; trap 'stty size' WINCH; trap 'echo broken' INT; \
        trap 'echo ended; exit 9' TERM; echo armed; while :; do sleep 0.1; done";
    let terminal = |config: &mut Value| config["process"]["terminal"] = json!(true);
    let further = &*host.id("b");
    host.good(&["run", "-d", further]);
    host.configure(&["sh", "-c", program], terminal);
    for words in [&["run", id][..], &["exec", "-t", further, "sh", "-c", program]] {
        let mut operator = Terminal::open(&mut host.command(words), [24, 80]);
        operator.await_text("24 80\r\n");
        const LINES_AND_ECHO: u32 = libc::ICANON | libc::ECHO | libc::ISIG;
        assert_eq!(operator.mode()[3] & LINES_AND_ECHO, 0, "the operator's terminal is not raw");
        // In the container's terminal it becomes the end of a line.
        operator.master.write_all(b"hello there\r").unwrap();
        operator.await_text("got <hello there>\r\n");
        operator.await_text("armed");
        set_size(&operator.master, [50, 132]);
        operator.await_text("50 132\r\n");
        // No signal for us, but a byte for the container's terminal, which makes one of it.
        operator.master.write_all(b"\x03").unwrap();
        operator.await_text("broken");
        // SAFETY: numbers.
        unsafe { libc::kill(operator.child.id() as i32, libc::SIGTERM) };
        let status = operator.child.wait().unwrap();
        assert_eq!(status.code(), Some(9), "{}", operator.shown());
        operator.await_text("ended");
        assert_eq!(operator.mode()[3] & LINES_AND_ECHO, LINES_AND_ECHO, "the terminal is not as it was");
        assert_eq!(operator.mode()[1] & libc::OPOST, libc::OPOST);
    }
    host.good(&["delete", "-f", further]);
    host.assert_clean();
}

#[test]
fn states_can_have_a_tmpfs_of_their_own() {
    let Some(host) = host("tmpfs") else { return };
    let ids: Vec<String> = (0..6).map(|number| host.id(&number.to_string())).collect();
    // At the same time: there must be one in the end, with all of them.
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| host.good(&["--tmpfs-root", "create", id]));
        }
    });
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap();
    let root = host.path("root");
    let own: Vec<_> = mounts.lines().filter(|line| line.split(' ').nth(1) == root.to_str()).collect();
    let [own] = own[..] else { panic!("{own:?}") };
    assert!(own.contains(" tmpfs rw,nosuid,nodev,noexec") && own.contains("mode=700"), "{own}");
    for id in &ids {
        assert_eq!(host.status(id), "created");
        host.good(&["delete", "-f", id]);
    }
    host.assert_clean();
}

#[test]
fn descriptors_and_sockets_of_the_caller_reach_the_program() {
    let Some(host) = host("fds") else { return };
    let id = &*host.id("a");
    host.configure(&["sh", "-c", "cat <&3; cat <&4; ls /proc/self/fd; echo $LISTEN_FDS $LISTEN_PID"], |_| {});
    let (three, four) = (host.path("3"), host.path("4"));
    fs::write(&three, "three\n").unwrap();
    fs::write(&four, "four\n").unwrap();
    let files = [fs::File::open(&three).unwrap(), fs::File::open(&four).unwrap()];
    let numbers = files.each_ref().map(|file| file.as_raw_fd());
    let hand_on = move |command: &mut Command| {
        // SAFETY: dup2(2) may be called between fork and exec.
        unsafe {
            command.pre_exec(move || {
                let high = numbers.map(|number| libc::fcntl(number, libc::F_DUPFD, 100));
                libc::dup2(high[0], 3);
                libc::dup2(high[1], 4);
                libc::close(high[0]);
                libc::close(high[1]);
                Ok(())
            });
        }
    };
    let mut command = host.command(&["run", "--preserve-fds", "2", id]);
    hand_on(&mut command);
    let preserved = done(&mut command);
    assert!(preserved.out.starts_with("three\nfour\n0\n1\n2\n3\n4\n"), "{:?} {}", preserved.out, preserved.err);
    for mut file in &files {
        file.seek(SeekFrom::Start(0)).unwrap();
    }
    let mut command = host.command(&["run", id]);
    hand_on(&mut command);
    let listening = done(command.env("LISTEN_FDS", "2").env("LISTEN_PID", "1"));
    assert!(listening.out.starts_with("three\nfour\n") && listening.out.ends_with("2 1\n"), "{}", listening.out);
    host.bad(&["run", "--preserve-fds", "9", id], "--preserve-fds");
    host.bad(&["run", "--preserve-fds", "two", id], "--preserve-fds");

    let notify = std::os::unix::net::UnixDatagram::bind(host.path("notify")).unwrap();
    host.configure(&["sh", "-c", "echo $NOTIFY_SOCKET; ls -l $NOTIFY_SOCKET"], |_| {});
    let told = done(host.command(&["run", id]).env("NOTIFY_SOCKET", host.path("notify")));
    assert!(told.out.starts_with("/run/notify/notify\ns"), "{} {}", told.out, told.err);
    drop(notify);
    host.assert_clean();
}

#[test]
fn a_container_cannot_write_to_the_file_that_made_it() {
    let Some(host) = host("image") else { return };
    let id = &*host.id("a");
    host.good(&["create", id]);
    let pid = host.state(id)["pid"].to_string();
    let image = format!("/proc/{pid}/exe");
    // By a mount of its own: what the path is in that.
    assert_eq!(fs::read_link(&image).unwrap().to_string_lossy(), "/");
    for change in
        ["echo x >> $1", "mount -c -o remount,bind,rw $1", "mount -c --bind $1 $2 && echo x >> $2", "ln -L $1 $2.too"]
    {
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", change, "sh", &image]).arg(host.path("bundle/config.json"));
        assert!(!shell.stderr(Stdio::null()).status().unwrap().success(), "{change}");
    }
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(words.starts_with(b"pidone\0"), "{:?}", String::from_utf8_lossy(&words));
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    assert!(maps.lines().all(|line| !line.contains("pidone")), "the machine's file is mapped: {maps}");
    host.good(&["delete", "-f", id]);
    // A program that is the file that runs until it is executed.
    host.good(&["run", "-d", id]);
    let own = host.run(&["exec", id, "/proc/self/exe", "--version"]);
    assert!(own.code == 0 && own.out.starts_with("pidone"), "{} {}", own.code, own.err);
    host.good(&["delete", "-f", id]);
    host.assert_clean();
}

#[test]
fn what_there_is_and_what_it_uses_is_told() {
    let Some(host) = host("told") else { return };
    assert_eq!(host.good(&["list", "-f", "json"]).trim(), "[]");
    let ids = [host.id("a"), host.id("b")];
    for id in &ids {
        host.good(&["create", id]);
    }
    let listed: Vec<Value> = serde_json::from_str(&host.good(&["list", "--format=json"])).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|entry| entry["status"] == "created" && entry["owner"] == "root"));
    let quiet = host.good(&["list", "-q"]);
    let mut names: Vec<&str> = quiet.lines().collect();
    names.sort();
    assert_eq!(names, ids);
    assert_eq!(host.good(&["list"]).lines().count(), 3);
    let told: Value = serde_json::from_str(&host.good(&["events", "--stats", &ids[0]])).unwrap();
    assert_eq!(told["type"], "stats");
    assert!(told["data"]["cpu"]["usage"]["total"].as_u64().unwrap() > 0, "{told}");
    let features: Value = serde_json::from_str(&host.good(&["features"])).unwrap();
    assert!(features["mountOptions"].as_array().unwrap().contains(&json!("rro")));
    assert!(features["linux"]["capabilities"].as_array().unwrap().contains(&json!("CAP_BPF")));
    host.bad(&["update", "--memory", "much", &ids[0]], "not a number");
    // What crun has and we have not.
    host.bad(&["delete", "--regex", "a.*"], "--regex: not supported");
    host.bad(&["kill", "--regex", "a.*", "9"], "--regex: not supported");
    let mounts = host.run(&["mounts", "add", &ids[0], "file"]);
    assert!(mounts.code == 2 && mounts.err.contains("unknown command `mounts`"), "{} {}", mounts.code, mounts.err);
    host.good(&["update", &ids[0]]);
    for id in &ids {
        host.good(&["delete", "-f", id]);
    }
    host.assert_clean();
}

#[test]
fn two_hundred_containers_of_eight_callers_leave_nothing() {
    let Some(host) = host("many") else { return };
    const CALLERS: usize = 8;
    const EACH: usize = 25;
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let host = &host;
            scope.spawn(move || {
                for number in 0..EACH {
                    let id = &*host.id(&format!("{caller}-{number}"));
                    host.good(&["create", id]);
                    host.good(&["start", id]);
                    assert_eq!(host.status(id), "running");
                    host.good(&["delete", "--force", id]);
                }
            });
        }
    });
    host.assert_clean();
}

/// A command under strace, which does not follow: the container's process is to find out by itself.
fn traced(host: &Host, options: &[&str], words: &[&str]) -> bool {
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
    assert!(most.iter().all(|most| *most > 20), "nothing was killed: {most:?}");
}

#[test]
fn the_containers_of_a_machine_are_seen_and_entered_from_its_console() -> anyhow::Result<()> {
    use qemu_tests::container::Container;
    use qemu_tests::image::Image;
    use qemu_tests::observation;
    let script = "sleep 2; echo; echo + selinux; ls /machine/sys/fs/selinux; run() { echo; echo \"+ $*\"; chroot /machine /init \"$@\"; echo \"= $?\"; }
        run list -q; run state web; run exec web echo from web; run exec web sh -c 'exit 4'; run exec -t web tty
        run exec --process-label unlabeled web cat /proc/self/attr/current; run ps web; run pause web; run list; run resume web; run kill web KILL; sleep 1; run list -q; run state web";
    let image = Image::new()?
        .service(Container::shell("web", "while true; do sleep 1; done"))
        .service(Container::shell("operator", script).pid_host().capability_all().bind("/:/machine").device_all("a"));
    // Without a policy the kernel knows its own labels, and denies nothing.
    let seen = observation::boot(image, "security=selinux")?;
    let out = seen.output("operator");
    let after = |command: &str| {
        let text = out.split_once(&format!("+ {command}\n")).map_or("", |(_, text)| text);
        text.split("\n\n+ ").next().unwrap_or_default().trim_end().to_owned()
    };
    let about = || format!("{out}\n{}", seen.errors("operator"));
    let mut names: Vec<String> = after("list -q").lines().map(str::to_owned).collect();
    names.sort();
    assert_eq!(names, ["= 0", "operator", "web"], "{}", about());
    let state: Value = serde_json::from_str(after("state web").lines().next().unwrap_or_default())?;
    assert_eq!((&state["status"], &state["bundle"]), (&json!("running"), &json!("/containers/services/web")));
    assert_eq!(after("exec web echo from web"), "from web\n= 0", "{}", about());
    assert_eq!(after("exec web sh -c exit 4"), "= 4", "{}", about());
    assert_eq!(after("exec -t web tty").replace("\r", ""), "/dev/pts/0\n= 0", "{}", about());
    let label = after("exec --process-label unlabeled web cat /proc/self/attr/current");
    if after("selinux").contains("enforce") {
        // From Linux 6.8 on whatever is executed then is `init`.
        assert!(["unlabeled= 0", "init= 0"].contains(&&*label.replace('\0', "")), "{}", about());
    } else {
        assert!(
            seen.errors("operator").contains("process.selinuxLabel: the kernel does not use SELinux"),
            "{}",
            about()
        );
    }
    assert!(after("ps web").contains("sleep 1"), "{}", about());
    assert!(after("list").contains("paused"), "{}", about());
    assert_eq!(after("kill web KILL"), "= 0", "{}", about());
    let (_, last) = out.rsplit_once("+ list -q").unwrap_or_default();
    assert!(last.starts_with("\noperator\n= 0"), "{}", about());
    assert!(last.ends_with("= 1\n") && seen.errors("operator").contains("container does not exist"), "{}", about());
    Ok(())
}
