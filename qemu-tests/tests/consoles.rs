//! Consoles that nobody reads, or not as fast as lines come: what is shown there holds up nobody.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::vm::Ending;

/// Behind its number, what each line of the flood has.
const REST: &str = "rest of a line that is long enough for one to be cut in two";

/// What comes within a time, or until it holds a text, no faster than so many bytes a hundredth of a second.
fn read(socket: &mut UnixStream, bytes: usize, time: Duration, until: &str) -> Result<String> {
    let (mut all, mut buffer, end) = (Vec::new(), vec![0; bytes], Instant::now() + time);
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    while Instant::now() < end && !String::from_utf8_lossy(&all).contains(until) {
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => all.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(String::from_utf8_lossy(&all).replace('\r', ""))
}

#[test]
fn a_console_that_nobody_reads_holds_up_nobody_and_is_told_in_whole_lines_what_it_has_missed() -> Result<()> {
    // More than the pipe to the logger holds in a few seconds.
    let flood = format!(
        "n=0; for round in $(seq 1000); do for i in $(seq 60); do n=$((n+1)); echo $n {REST}; done; \
        echo round $round. >/dev/ttyS0; sleep 0.2; done"
    );
    // The console takes nothing: a process that writes more to it than it has room for does not end.
    let looks = "exec 2>/dev/ttyS0 >&2; echo active: $(cat /sys/class/tty/console/active).; sleep 8; \
        timeout 3 sh -c 'head -c 20000 /dev/zero >/dev/ttyS1'; echo stuck: $?.; \
        timeout 9 /pidone logs flood | tail -n 1; timeout 9 /pidone status | grep -c run; echo looked.";
    let looks = Container::shell("looks", looks).bind("/init:/pidone").bind("/run:/run").bind("/sys:/sys");
    let device =
        |container: Container, line: i64| container.device(&format!("/dev/ttyS{line}"), "c", 4, 64 + line, 0o600);
    let directory = tempfile::tempdir_in("/tmp")?;
    let path = directory.path().join("slow");
    let chardev = format!("socket,id=slow,path={},server=on,wait=off", path.display());
    let mut vm = Image::new()?
        .service(device(Container::shell("flood", &flood), 0))
        .service(device(device(looks, 0), 1))
        .vm()?
        .arguments(["-chardev", &chardev, "-serial", "chardev:slow"])
        .console("ttyS1")
        .append("quiet pidone.output=console")
        .start()?;
    let mut slow = UnixStream::connect(&path)?;

    // Stuck: the services' streams and the commands do not notice.
    vm.wait_for("active: ttyS1.")?;
    vm.wait_for("stuck: 143.")?;
    vm.wait_for(REST)?;
    vm.wait_for("\n2\n")?;
    vm.wait_for("looked.")?;
    while !vm.console.contains("round 50.") {
        vm.wait_for("round ")?;
    }

    // Slow: what it shows are lines.
    let first = read(&mut slow, 40, Duration::from_secs(60), "too slow\n")?;
    let told = first.lines().find(|line| line.ends_with(" lines dropped: too slow")).context(first.clone())?;
    ensure!(told.starts_with("pidone: "), "{told}");
    let text = first + &read(&mut slow, 40, Duration::from_secs(8), "never")?;
    let shown = text.split_once("flood.out: ").context("no flood")?.1;
    let lines: Vec<&str> = shown.split('\n').collect();
    let mut expected = None;
    for line in &lines[1..lines.len() - 1] {
        // Zeros are of the one that wrote there, too.
        let line = line.trim_start_matches('\0');
        let number =
            line.strip_prefix("flood.out: ").and_then(|rest| rest.strip_suffix(REST)?.trim().parse::<u64>().ok());
        let dropped = line.strip_prefix("pidone: ").and_then(|rest| rest.strip_suffix(" lines dropped: too slow"));
        expected = match (number, dropped) {
            (Some(number), None) if expected.is_none_or(|expected| expected == number) => Some(number + 1),
            (None, Some(dropped)) => expected.map(|expected| expected + dropped.parse::<u64>().unwrap()),
            _ => bail!("{line:?}, {expected:?} of\n{text}"),
        };
    }
    ensure!(lines.len() > 100, "{text}");

    // Stuck again, to the end.
    thread::sleep(Duration::from_secs(3));
    let asked = Instant::now();
    vm.power_button()?;
    vm.expect(Ending::PowerOff)?;
    println!("ended after {:?}", asked.elapsed());
    ensure!(asked.elapsed() < Duration::from_secs(40), "{:?}", asked.elapsed());
    Ok(())
}
