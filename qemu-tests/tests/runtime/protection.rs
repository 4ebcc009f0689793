//! The running file, and containers that would write to it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::host::{done, host};

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
