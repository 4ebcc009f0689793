//! One-shot boots: a command or a bundle, its output to the last byte, its exit code.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use qemu_tests::artifacts::{busybox, pidone_binary};
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::kernel::Kernel;
use qemu_tests::oneshot;
use qemu_tests::root::Root;
use qemu_tests::tree::Tree;
use qemu_tests::vm::{self, End, Ending, Vm};

/// An image with busybox on the machine's own root, and nothing to run but what the options say.
fn plain(modules: &[&str]) -> Result<vm::Builder> {
    let root = Root::busybox()?;
    Image::new()?.modules(modules).edit(|tree| _ = tree.tree("", root.tree())).vm()
}

const PORTS: &[&str] = &["virtio_pci", "virtio_console", "pvpanic_pci"];

/// What came out of a command: its output, its errors, its exit code, and the machine's end.
type Outcome = (Vec<u8>, Vec<u8>, Option<u8>, End);

/// Runs a command whose streams are ports.
fn on_ports(machine: vm::Builder, options: &str, input: &[u8]) -> Result<Outcome> {
    let directory = tempfile::Builder::new().prefix("pidone-").tempdir_in("/tmp")?;
    let machine = oneshot::with_ports(machine, directory.path());
    let mut machine = machine.append(oneshot::STDIO).append(options).start()?;
    let mut stdin = oneshot::connect(directory.path(), "stdin")?;
    let [output, errors, exit] = ["stdout", "stderr", "org.pidone.exit"]
        .map(|name| oneshot::connect(directory.path(), name).map(|port| oneshot::collect(port, std::io::sink())));
    let input = input.to_vec();
    let feed = std::thread::spawn(move || stdin.write_all(&input).is_ok() && oneshot::finish(stdin).is_ok());
    let end = machine.wait()?;
    feed.join().expect("the writer panicked");
    let [output, errors, exit] = [output?, errors?, exit?].map(|thread| thread.join().expect("a reader panicked"));
    Ok((output, errors, oneshot::exit_code(&exit), end))
}

#[test]
fn a_command_speaks_on_the_console_and_its_code_stands_there() -> Result<()> {
    let command = r#"-- sh -c "echo to-output; echo to-errors >&2; tty; exit 7""#;
    let end = plain(&[])?.append("quiet pidone.run").append(command).start()?.expect(Ending::PowerOff)?;
    for line in ["to-output", "to-errors", "pidone: exit code 7"] {
        // The firmware's last words have no newline.
        assert_eq!(end.console.lines().filter(|found| found.ends_with(line)).count(), 1, "{line}\n{}", end.console);
    }
    Ok(())
}

#[test]
fn words_of_a_command_arrive_as_they_were_meant() -> Result<()> {
    let words = ["printf", "<%s>", "a b", "\"", "\\x41", "x=y z", "ä\n", "pidone.run", "--"];
    let words: Vec<_> = words.iter().map(|word| oneshot::quoted(word)).collect();
    let command = format!("pidone.run -- {}", words.join(" "));
    let (output, errors, code, end) = on_ports(plain(PORTS)?, &command, b"")?;
    let expected = "<a b><\"><\\x41><x=y z><ä\n><pidone.run><-->";
    assert_eq!(String::from_utf8_lossy(&output), expected, "{}", end.console);
    assert_eq!((errors, code, end.ending), (Vec::new(), Some(0), Ending::PowerOff));
    Ok(())
}

#[test]
fn bytes_pass_through_ports_unchanged_and_every_exit_code_arrives() -> Result<()> {
    // Every byte there is, a megabyte of them: a terminal would have changed some.
    let input: Vec<u8> = (0..1 << 20).map(|index: u32| (index ^ index >> 8) as u8).collect();
    let (output, errors, code, end) =
        on_ports(plain(PORTS)?, r#"pidone.run -- sh -c "cat; echo bye >&2; exit 200""#, &input)?;
    assert!(output == input, "{} of {} bytes came back\n{}", output.len(), input.len(), end.console);
    assert_eq!((&errors[..], code, end.ending), (&b"bye\n"[..], Some(200), Ending::PowerOff), "{}", end.console);
    Ok(())
}

#[test]
fn a_bundle_runs_behind_the_services_and_ends_the_machine_with_its_code() -> Result<()> {
    let container = Container::shell("x", "cat; hostname; exit 77");
    let image = Image::new()?.service(Container::probe("steady", "on-term-sleep 0"));
    let root = Root::busybox()?;
    let image = image.edit(|tree| {
        tree.tree("opt/job/rootfs", &root.as_unpacked());
        tree.file("opt/job/config.json", 0o644, container.read_only().config_json());
    });
    let (output, _, code, end) = on_ports(image.vm()?, "pidone.run=/opt/job", b"from the host\n")?;
    assert_eq!(String::from_utf8_lossy(&output), "from the host\npidone-test\n", "{}", end.console);
    assert_eq!((code, end.ending), (Some(77), Ending::PowerOff), "{}", end.console);
    assert!(end.probe("on-term-sleep").contains(&"ended".into()), "{}\n{}", end.report, end.console);
    assert!(end.console.contains("going down (power off): all is done"), "{}", end.console);
    Ok(())
}

#[test]
fn the_exit_device_ends_qemu_with_the_code() -> Result<()> {
    let command = "pidone.run -- sh -c \"exit 3\"";
    let device = |device| -> Result<vm::Builder> { Ok(plain(&[])?.append(command).device(device)) };
    let end = device("isa-debug-exit")?.start()?.wait()?;
    assert_eq!(end.exit_code, Some(3 << 1 | 1), "{}", end.console);
    let elsewhere = vm::Builder::append(plain(&[])?, "pidone.exit=isa-debug-exit:f4").append(command);
    let end = elsewhere.device("isa-debug-exit,iobase=0xf4,iosize=4").start()?.wait()?;
    assert_eq!(end.exit_code, Some(3 << 1 | 1), "{}", end.console);
    Ok(())
}

#[test]
fn a_failure_is_a_panic_where_that_is_how_the_host_is_told() -> Result<()> {
    let run = |command: &str| -> Result<End> {
        plain(PORTS)?.append("pidone.exit=pvpanic pidone.run --").append(command).start()?.wait()
    };
    let end = run("nonexistent")?;
    assert_eq!((end.ending, end.exit_code), (Ending::Panic, Some(1)), "{}", end.console);
    assert!(end.console.contains("nonexistent: ENOENT"), "{}", end.console);
    assert!(end.console.contains("exitcode=0x00007f00"), "{}", end.console);
    assert_eq!(run("true")?.ending, Ending::PowerOff);
    Ok(())
}

#[test]
fn what_cannot_be_started_ends_the_machine_and_says_why() -> Result<()> {
    for (options, problem, code) in [
        ("pidone.run", "nothing behind ` -- `", 125),
        ("pidone.run=/nowhere", "ENOENT", 125),
        ("pidone.stdio=/dev/nowhere pidone.run -- true", "pidone.stdio: /dev/nowhere: ENOENT", 125),
        ("pidone.run -- /etc", "/etc: EACCES", 126),
    ] {
        let end = plain(&[])?.append(options).start()?.expect(Ending::PowerOff)?;
        assert!(end.console.contains(problem), "{options}\n{}", end.console);
        assert!(end.console.contains(&format!("pidone: exit code {code}")), "{options}\n{}", end.console);
    }
    Ok(())
}

#[test]
fn a_throwaway_machine_takes_a_command_or_a_bundle_and_gives_its_code_back() -> Result<()> {
    let run = |arguments: &[&str]| -> Result<(String, Option<i32>)> {
        let mut vm = Command::new(env!("CARGO_BIN_EXE_vm"));
        let output = vm.args(["--timeout", "120"]).args(arguments).stdin(Stdio::null()).output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((String::from_utf8_lossy(&text).into_owned(), output.status.code()))
    };
    assert_eq!(run(&["--", "sh", "-c", "echo \"a  b\"; exit 42"])?, ("a  b\n".into(), Some(42)));
    let bundle = tempfile::tempdir()?;
    std::fs::create_dir_all(bundle.path().join("rootfs/bin"))?;
    std::fs::copy(busybox()?, bundle.path().join("rootfs/bin/sh"))?;
    let config = Container::shell("x", "echo kept > /new; echo in-a-bundle $$; exit 9").config_json();
    std::fs::write(bundle.path().join("config.json"), config)?;
    let path = bundle.path().to_str().expect("a path of ASCII");
    assert_eq!(run(&["--bundle", path])?, ("in-a-bundle 1\n".into(), Some(9)));
    Ok(())
}

/// A hundred boots of a machine that has next to nothing, in one QEMU that resets. Each writes more than a serial line
/// holds, and ends.
#[test]
fn the_last_line_arrives_in_a_hundred_boots_of_a_hundred() -> Result<()> {
    const BOOTS: usize = 100;
    let mut tree = Tree::new();
    oneshot::mount_points(&mut tree);
    tree.host_file("init", 0o755, pidone_binary()?).host_file("bin/busybox", 0o755, busybox()?);
    let script =
        "#!/bin/busybox sh\nfor line in 1 2 3 4 5 6 7 8 9 10; do echo filler; done\necho the last line of the boot\n";
    tree.file("bin/last", 0o755, script);
    let kernel = Kernel::from_environment()?;
    let machine = Vm::new(&kernel).initramfs(&tree).memory_mib(256).arguments(["-action", "reboot=reset"]);
    let machine = machine.append("quiet loglevel=1 pidone.log=error pidone.idle=reboot pidone.run -- last");
    let mut machine = machine.deadline(Duration::from_secs(900)).start()?;
    for boot in 0..BOOTS {
        machine.wait_for("pidone: exit code 0").map_err(|error| error.context(format!("boot {boot}")))?;
    }
    machine.quit()?;
    let end = machine.wait()?;
    let count = |line: &str| end.console.lines().filter(|found| found.ends_with(line)).count();
    assert!(count("the last line of the boot") >= BOOTS, "{}\n{}", count("the last line of the boot"), end.console);
    assert!(count("filler") >= 10 * BOOTS);
    Ok(())
}
