//! The init of a Linux guest on Windows, started as hcsshim starts it.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Result, ensure};
use qemu_tests::image::Image;
use qemu_tests::root::Root;
use qemu_tests::vm::{self, End, Ending};

/// A guest's root: the program's own, without anything of LinuxKit's.
fn guest(gcs: Option<&str>) -> Result<vm::Builder> {
    let root = Root::busybox()?;
    let machine = Image::new()?.edit(|tree| {
        tree.tree("", root.tree()).remove("containers").remove("etc/resolv.conf");
        if let Some(script) = gcs {
            tree.file("bin/gcs", 0o755, format!("#!/bin/sh\n{script}\n"));
        }
    });
    Ok(machine.vm()?.append("pci=realloc quiet loglevel=6"))
}

/// Every line of `mount` that shows this target.
fn mounts<'e>(end: &'e End, target: &str) -> Vec<&'e str> {
    let marker = format!(" on {target} type ");
    end.console.lines().filter(|line| line.contains(&marker)).collect()
}

const LOOK: &str = "mount; ulimit -Sn; ulimit -Hn; ls -l /dev/fd /dev/stderr; ip link show lo; echo path $PATH; \
    cat /sys/fs/cgroup/cgroup.subtree_control; tr -d '[:alpha:]' < /proc/self/stat | cut -d' ' -f6";

#[test]
fn the_machine_is_made_ready_mount_by_mount_and_ends_with_its_program() -> Result<()> {
    let machine =
        guest(None)?.append(&format!("-- -e 1 -w sh -c \"{LOOK}; touch /etc/new /var/new && echo laid-over; exit 7\""));
    let end = machine.start()?.expect(Ending::Panic)?;
    for (target, kind, options) in [
        ("/dev", "devtmpfs", &["nosuid", "noexec"][..]),
        ("/proc", "proc", &["nosuid", "nodev", "noexec"]),
        ("/run", "tmpfs", &["nosuid", "nodev", "noexec", "mode=755"]),
        ("/tmp", "tmpfs", &["nosuid", "nodev", "noexec"]),
        ("/dev/shm", "tmpfs", &["nosuid", "nodev", "noexec"]),
        ("/dev/pts", "devpts", &["nosuid", "noexec"]),
        ("/sys", "sysfs", &["nosuid", "nodev", "noexec"]),
        ("/run/over", "tmpfs", &["nosuid", "nodev", "noexec", "mode=755", "size="]),
        ("/etc", "overlay", &["nosuid", "nodev", "noexec", "lowerdir=/etc", "upperdir=/run/over/etc/upper"]),
        ("/var", "overlay", &["nosuid", "nodev", "lowerdir=/var", "upperdir=/run/over/var/upper"]),
        ("/sys/fs/cgroup", "cgroup2", &["nosuid", "nodev", "noexec"]),
    ] {
        let found = mounts(&end, target);
        ensure!(
            found.len() == 1 && found[0].contains(&format!(" type {kind} ")),
            "{target}: {found:?}\n{}",
            end.console
        );
        for option in options {
            ensure!(found[0].contains(option), "{option}: {found:?}");
        }
    }
    ensure!(!mounts(&end, "/var")[0].contains("noexec"), "{}", end.console);
    for text in ["1024", "1048576", "/proc/self/fd", "UP", "path /sbin:/usr/sbin:/bin:/usr/bin", "laid-over", "memory"]
    {
        ensure!(end.console.lines().any(|line| line.contains(text)), "{text}\n{}", end.console);
    }
    ensure!(end.console.contains("exitcode=0x00000700"), "{}", end.console);
    Ok(())
}

#[test]
fn a_program_that_is_killed_ends_the_machine_with_its_signal_and_orphans_do_not() -> Result<()> {
    let script = "(sleep 0.2 & exit 3) & sleep 1; ls -d /proc/[0-9]* | wc -l; kill -9 $$";
    let end = guest(None)?.append(&format!("-- -w sh -c \"{script}\"")).start()?.expect(Ending::Panic)?;
    ensure!(end.console.contains("exitcode=0x00008900"), "{}", end.console);
    Ok(())
}

#[test]
fn without_arguments_it_is_the_hosts_own_program_with_a_shell_that_counts() -> Result<()> {
    let mut vm = guest(Some("echo gcs $*"))?.start()?;
    // What is typed before a shell asks for it may be lost. Either may be first.
    vm.wait_for_all(&["/ # ", "gcs -loglevel debug -logfile=/run/gcs/gcs.log"])?;
    vm.type_text("exit 5\n")?;
    let end = vm.expect(Ending::Panic)?;
    ensure!(end.console.contains("exitcode=0x00000500"), "{}", end.console);
    Ok(())
}

#[test]
fn version_1_of_control_groups_is_there_when_the_host_asks_for_it() -> Result<()> {
    let machine = guest(None)?.append("hcsshim.cgroup=v1 -- -e 1 sh -c \"mount; exit 0\"");
    let end = machine.start()?.expect(Ending::Panic)?;
    ensure!(mounts(&end, "/sys/fs/cgroup")[0].contains("tmpfs"), "{}", end.console);
    for controller in ["memory", "pids", "devices", "cpu"] {
        let found = mounts(&end, &format!("/sys/fs/cgroup/{controller}"));
        ensure!(found.len() == 1 && found[0].contains(" type cgroup "), "{controller}: {found:?}\n{}", end.console);
    }
    Ok(())
}

#[test]
fn wrong_arguments_and_a_program_that_is_not_there_end_the_machine() -> Result<()> {
    let end = guest(None)?.append("-- -e 0 sh").start()?.expect(Ending::Panic)?;
    ensure!(end.console.contains("exitcode=0x00000100"), "{}", end.console);
    let end = guest(None)?.append("-- -e 1 nonexistent").start()?.expect(Ending::Panic)?;
    ensure!(
        end.console.contains("nonexistent: ENOENT") && end.console.contains("exitcode=0x00007f00"),
        "{}",
        end.console
    );
    Ok(())
}

/// The device's other half, which needs no support of the host's kernel.
fn vsock_daemon() -> Option<PathBuf> {
    let mut places: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    places.push("/opt/vhost/bin".into());
    places.into_iter().map(|place| place.join("vhost-device-vsock")).find(|path| path.is_file())
}

/// A program of the host that ends with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn with_vsock(machine: vm::Builder, directory: &Path, context: u32) -> Result<Option<(vm::Builder, Daemon)>> {
    let Some(daemon) = vsock_daemon() else {
        eprintln!("SKIPPED: no vhost-device-vsock (cargo install --locked vhost-device-vsock)");
        return Ok(None);
    };
    let socket = directory.join("vu");
    let mut serve = Command::new(daemon);
    serve.args(["--guest-cid", &context.to_string()]).arg("--socket").arg(&socket);
    serve.arg("--uds-path").arg(directory.join("vm")).stderr(File::create(directory.join("log"))?);
    let daemon = Daemon(serve.spawn()?);
    let started = std::time::Instant::now();
    while !socket.exists() && started.elapsed().as_secs() < 30 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let machine = machine.memory_mib(512).arguments([
        "-object",
        "memory-backend-memfd,id=mem,size=512M,share=on",
        "-numa",
        "node,memdev=mem",
        "-chardev",
        &format!("socket,id=vu,path={}", socket.display()),
        "-device",
        "vhost-user-vsock-pci,chardev=vu",
    ]);
    Ok(Some((machine, daemon)))
}

#[test]
fn entropy_comes_from_the_hosts_port_before_the_program_runs() -> Result<()> {
    let directory = tempfile::Builder::new().prefix("pidone-").tempdir_in("/tmp")?;
    let Some((machine, _daemon)) = with_vsock(guest(None)?, directory.path(), 42)? else { return Ok(()) };
    let listener = UnixListener::bind(directory.path().join("vm_1"))?;
    let host = std::thread::spawn(move || -> std::io::Result<()> { listener.accept()?.0.write_all(&[0x5a; 512]) });
    let end = machine.append("-- -e 1 sh -c \"echo it-runs; exit 0\"").start()?.expect(Ending::Panic)?;
    ensure!(host.is_finished(), "nobody came for entropy\n{}", end.console);
    host.join().expect("the host panicked")?;
    let at = |text: &str| end.console.find(text);
    ensure!(at("entropy: 512 bytes from the host").is_some(), "{}", end.console);
    // The kernel shows its command line first.
    ensure!(at("entropy: 512") < end.console.rfind("it-runs"), "{}", end.console);
    Ok(())
}

#[test]
fn an_exit_code_travels_over_vsock() -> Result<()> {
    let directory = tempfile::Builder::new().prefix("pidone-").tempdir_in("/tmp")?;
    let Some((machine, _daemon)) = with_vsock(guest(None)?, directory.path(), 43)? else { return Ok(()) };
    let listener = UnixListener::bind(directory.path().join("vm_9000"))?;
    let host = std::thread::spawn(move || -> std::io::Result<String> { std::io::read_to_string(listener.accept()?.0) });
    let end =
        machine.append("pidone.exit=vsock:9000 pidone.run -- sh -c \"exit 201\"").start()?.expect(Ending::PowerOff)?;
    ensure!(host.is_finished(), "nobody told the exit code\n{}", end.console);
    ensure!(host.join().expect("the host panicked")? == "exit 201\n");
    Ok(())
}
