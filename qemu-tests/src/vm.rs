//! One guest, from QEMU's start to its end.
//!
//! Deadlines are the host's: a guest's clock may run at any speed when the host is busy. The end is read from QEMU's
//! own words (the SHUTDOWN event and the exit code), and from the kernel's where QEMU has none.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::acceleration::Acceleration;
use crate::console::Console;
use crate::gate::{self, Place};
use crate::kernel::Kernel;
use crate::qmp::Qmp;
use crate::tree::Tree;
use crate::{disk, initramfs};

/// An emulated boot takes two to four seconds on a quiet machine, and many times that on a busy one.
const DEADLINE: Duration = Duration::from_secs(120);
/// The last events and bytes of an ended QEMU arrive at once.
const DRAIN: Duration = Duration::from_secs(10);
/// QEMU makes its sockets before anything else.
const START: Duration = Duration::from_secs(30);
/// How much of the console an error shows.
const ERROR_LINES: usize = 300;

/// How a guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It switched its power off.
    PowerOff,
    /// It reset itself: `reboot`.
    Reset,
    /// It stopped without switching off: `halt`.
    Halt,
    /// Its kernel panicked.
    Panic,
    /// The host ended it.
    HostQuit,
    /// It had not ended in time, and was killed.
    Deadline,
    /// QEMU ended without a word that we know.
    Unknown,
}

/// What is left of a guest.
#[derive(Clone, Debug)]
pub struct End {
    /// How it ended.
    pub ending: Ending,
    /// QEMU's exit code; `None` if it had to be killed.
    pub exit_code: Option<i32>,
    /// Everything it said on the console.
    pub console: String,
    /// Everything it said on the second serial line, `/dev/ttyS1`.
    pub report: String,
}

impl End {
    /// The values of `PROBE key=value` lines of one key, from the report and then the console.
    pub fn probe(&self, key: &str) -> Vec<String> {
        [&self.report, &self.console].into_iter().flat_map(|text| probe_values(text, key)).collect()
    }

    /// An error with the whole console unless it ended as expected.
    pub fn expect(self, ending: Ending) -> Result<End> {
        ensure!(
            self.ending == ending,
            "the guest ended by {:?} (QEMU's exit code {:?}), not {ending:?}\n{}",
            self.ending,
            self.exit_code,
            last_lines(&self.console)
        );
        Ok(self)
    }
}

/// The values of `PROBE key=value` lines in a text.
pub fn probe_values(text: &str, key: &str) -> Vec<String> {
    let marker = format!("PROBE {key}=");
    text.lines().filter_map(|line| Some(line.split_once(&marker)?.1.to_owned())).collect()
}

/// A guest to be: what it is made of.
pub struct Builder {
    kernel: Kernel,
    machine: String,
    initramfs: Option<Tree>,
    disks: Vec<Disk>,
    command_line: Vec<String>,
    arguments: Vec<OsString>,
    memory_mib: u32,
    processors: u32,
    deadline: Duration,
    acceleration: Option<Acceleration>,
    echo: bool,
}

enum Disk {
    File(PathBuf),
    Tree(Tree, u32),
}

/// A guest that runs, or has run.
pub struct Vm {
    child: Killed,
    input: ChildStdin,
    qmp: Qmp,
    /// The first serial line.
    pub console: Console,
    /// The second serial line, `/dev/ttyS1` in the guest: kernel messages never mix into it.
    pub report: Console,
    deadline: Instant,
    seen: usize,
    exit: Option<ExitStatus>,
    _place: Place,
    _directory: TempDir,
}

impl Vm {
    /// Starts describing a guest that boots this kernel.
    #[expect(clippy::new_ret_no_self, reason = "reads as the sentence it is: a new VM, described, then started")]
    pub fn new(kernel: &Kernel) -> Builder {
        Builder {
            kernel: kernel.clone(),
            machine: "q35".into(),
            initramfs: None,
            disks: Vec::new(),
            // Debian's kernel spends 0.4 s of a boot testing its ciphers. Its test of the timer fails, and ends in a panic,
            // when a busy host lets the guest wait.
            command_line: ["console=ttyS0", "panic=-1", "cryptomgr.notests", "no_timer_check"]
                .map(String::from)
                .to_vec(),
            arguments: Vec::new(),
            memory_mib: 512,
            processors: 1,
            deadline: DEADLINE,
            acceleration: None,
            echo: false,
        }
    }
}

impl Builder {
    /// Another machine of QEMU's. `microvm` has no PCI: no disks, no second serial line, and a panic looks like a reset.
    pub fn machine(mut self, machine: &str) -> Builder {
        self.machine = machine.into();
        self
    }

    /// The first root file system.
    pub fn initramfs(mut self, tree: &Tree) -> Builder {
        self.initramfs = Some(tree.clone());
        self
    }

    /// A virtio disk with the tree as ext4: `/dev/vda`, `/dev/vdb` and so on in the order they are given.
    pub fn disk(mut self, tree: &Tree, size_mib: u32) -> Builder {
        self.disks.push(Disk::Tree(tree.clone(), size_mib));
        self
    }

    /// A virtio disk from a raw image of the host, which the guest writes to.
    pub fn disk_image(mut self, path: &Path) -> Builder {
        self.disks.push(Disk::File(path.to_owned()));
        self
    }

    /// Another console than the first serial line, which then has only what is written to `/dev/ttyS0`.
    pub fn console(mut self, name: &str) -> Builder {
        self.command_line.retain(|word| !word.starts_with("console="));
        self.append(&format!("console={name}"))
    }

    /// More words for the kernel's command line.
    pub fn append(mut self, words: &str) -> Builder {
        self.command_line.push(words.to_owned());
        self
    }

    /// One more `-device`.
    pub fn device(self, device: &str) -> Builder {
        self.arguments(["-device", device])
    }

    /// More arguments for QEMU.
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Builder {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// The guest's memory.
    pub fn memory_mib(mut self, memory_mib: u32) -> Builder {
        self.memory_mib = memory_mib;
        self
    }

    /// The guest's processors.
    pub fn processors(mut self, processors: u32) -> Builder {
        self.processors = processors;
        self
    }

    /// How long it may run, by the host's clock, once it has its place at the gate.
    pub fn deadline(mut self, deadline: Duration) -> Builder {
        self.deadline = deadline;
        self
    }

    /// Emulated or not, instead of what the probe says.
    pub fn acceleration(mut self, acceleration: Acceleration) -> Builder {
        self.acceleration = Some(acceleration);
        self
    }

    /// Shows the console on the user's terminal while it runs.
    pub fn echo(mut self) -> Builder {
        self.echo = true;
        self
    }

    /// Waits for a place at the gate and starts the guest. The guest dies with the thread that starts it.
    pub fn start(self) -> Result<Vm> {
        let acceleration = match self.acceleration {
            Some(acceleration) => acceleration,
            None => Acceleration::choose(&self.kernel)?,
        };
        // In /tmp whatever TMPDIR says: a unix socket's path has 108 bytes at most.
        let directory = tempfile::Builder::new().prefix("pidone-").tempdir_in("/tmp")?;
        let place = gate::enter()?;
        let (control, report) = (directory.path().join("qmp"), directory.path().join("report"));
        let complaints = directory.path().join("stderr");
        let mut command = self.command(acceleration, directory.path())?;
        command.arg("-qmp").arg(join("unix:", &control, ",server=on,wait=off"));
        command.arg("-serial").arg(join("unix:", &report, ",server=on,wait=off"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&complaints)?);
        die_with_parent(&mut command);

        let deadline = Instant::now() + self.deadline;
        let mut child = Killed(command.spawn().context("cannot run qemu-system-x86_64")?);
        let process = child.get();
        let input = process.stdin.take().context("QEMU's standard input")?;
        let console = Console::capture(process.stdout.take().context("QEMU's standard output")?, self.echo);
        let connect = || -> Result<(Qmp, Console)> {
            let qmp = Qmp::connect(&control, Instant::now() + START)?;
            let report = Console::capture(UnixStream::connect(&report)?, false);
            // It was started halted, so that nothing it says or does comes before we listen.
            qmp.execute("cont", Value::Null)?;
            Ok((qmp, report))
        };
        let (qmp, report) = connect().with_context(|| fs::read_to_string(&complaints).unwrap_or_default())?;
        let (seen, exit) = (0, None);
        Ok(Vm { child, input, qmp, console, report, deadline, seen, exit, _place: place, _directory: directory })
    }

    fn command(&self, acceleration: Acceleration, directory: &Path) -> Result<Command> {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-S", "-nodefaults", "-nographic", "-M", &self.machine, "-accel", acceleration.name()]);
        // An emulated processor without this instruction leaves the guest's random numbers unready for seconds.
        let processor = match acceleration {
            Acceleration::Tcg => "qemu64,+rdrand",
            Acceleration::Kvm => "host",
        };
        command.args(["-cpu", processor]);
        command.args(["-m", &self.memory_mib.to_string(), "-smp", &self.processors.to_string()]);
        command.args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
        // The events that tell the endings apart; without the panic device a panic looks like a reboot.
        command.args(["-action", "reboot=shutdown,shutdown=poweroff,panic=exit-failure"]);
        if !self.machine.starts_with("microvm") {
            command.args(["-device", "pvpanic-pci"]);
        }
        command.arg("-kernel").arg(&self.kernel.vmlinux).args(["-append", &self.command_line.join(" ")]);
        if let Some(tree) = &self.initramfs {
            let archive = directory.join("initramfs");
            initramfs::write(tree, &archive)?;
            command.arg("-initrd").arg(archive);
        }
        for (index, disk) in self.disks.iter().enumerate() {
            let image = match disk {
                Disk::File(path) => path.clone(),
                Disk::Tree(tree, size_mib) => {
                    let image = directory.join(format!("disk{index}"));
                    disk::write(tree, &image, *size_mib)?;
                    image
                }
            };
            let drive = format!(",format=raw,if=none,cache=unsafe,id=disk{index}");
            command.arg("-drive").arg(join("file=", &image, &drive));
            command.args(["-device", &format!("virtio-blk-pci,drive=disk{index}")]);
        }
        command.args(&self.arguments);
        Ok(command)
    }
}

impl Vm {
    /// Waits until `text` comes on the console, behind what earlier waits have found.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        self.wait_for_all(&[text])
    }

    /// Waits until all of these have come there, in whatever order.
    pub fn wait_for_all(&mut self, texts: &[&str]) -> Result<()> {
        let mut last = self.seen;
        for text in texts {
            match self.console.wait_for(text, self.seen, self.deadline) {
                Some(behind) => last = last.max(behind),
                None => bail!("no {text:?} on the console\n{}", last_lines(&self.console.timed_text())),
            }
        }
        self.seen = last;
        Ok(())
    }

    /// Waits until `text` comes on the second serial line.
    pub fn wait_for_report(&self, text: &str) -> Result<()> {
        match self.report.wait_for(text, 0, self.deadline) {
            Some(_) => Ok(()),
            None => bail!(
                "no {text:?} in the report\n{}\nconsole:\n{}",
                self.report.text(),
                last_lines(&self.console.timed_text())
            ),
        }
    }

    /// Types on the console.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        self.input.write_all(text.as_bytes())?;
        Ok(self.input.flush()?)
    }

    /// Presses the power button.
    pub fn power_button(&self) -> Result<()> {
        self.qmp.execute("system_powerdown", Value::Null).map(drop)
    }

    /// Presses Ctrl-Alt-Delete on the keyboard.
    pub fn ctrl_alt_delete(&self) -> Result<()> {
        let keys = ["ctrl", "alt", "delete"].map(|key| json!({ "type": "qcode", "data": key }));
        self.qmp.execute("send-key", json!({ "keys": keys })).map(drop)
    }

    /// Sends a non-maskable interrupt.
    pub fn non_maskable_interrupt(&self) -> Result<()> {
        self.qmp.execute("inject-nmi", Value::Null).map(drop)
    }

    /// Ends QEMU from the host.
    pub fn quit(&self) -> Result<()> {
        self.qmp.execute("quit", Value::Null).map(drop)
    }

    /// Any other command of QEMU's.
    pub fn qmp(&self, command: &str, arguments: Value) -> Result<Value> {
        self.qmp.execute(command, arguments)
    }

    /// Whether QEMU still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        if self.exit.is_none() {
            self.exit = self.child.get().try_wait()?;
        }
        Ok(self.exit.is_none())
    }

    /// Waits for the end, whatever it is. A guest that has not ended in time, or that has halted, is killed.
    pub fn wait(&mut self) -> Result<End> {
        let mut killed = None;
        while self.is_running()? {
            if Instant::now() >= self.deadline {
                killed = Some(Ending::Deadline);
            } else if self.console.contains("reboot: System halted") {
                killed = Some(Ending::Halt);
            }
            if killed.is_some() {
                self.child.get().kill()?;
                self.child.get().wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let drained = Instant::now() + DRAIN;
        self.qmp.wait_closed(drained);
        self.console.wait_closed(drained);
        self.report.wait_closed(drained);
        let (console, report) = (self.console.text(), self.report.text());
        let ending = killed.unwrap_or_else(|| self.reason(&console));
        let exit_code = self.exit.and_then(|status| status.code());
        Ok(End { ending, exit_code, console, report })
    }

    /// Waits for the end and makes any other end than this one an error with the console in it.
    pub fn expect(&mut self, ending: Ending) -> Result<End> {
        self.wait()?.expect(ending)
    }

    fn reason(&self, console: &str) -> Ending {
        // Before its driver is loaded the panic device stays silent, and a panic is a reset to QEMU.
        if !self.qmp.events("GUEST_PANICKED").is_empty() || console.contains("Kernel panic - not syncing") {
            return Ending::Panic;
        }
        let shutdowns = self.qmp.events("SHUTDOWN");
        match shutdowns.last().and_then(|event| event["data"]["reason"].as_str()) {
            Some("guest-shutdown") => Ending::PowerOff,
            Some("guest-reset") => Ending::Reset,
            Some("guest-panic") => Ending::Panic,
            Some("host-qmp-quit" | "host-qmp-system-reset" | "host-signal") => Ending::HostQuit,
            _ => Ending::Unknown,
        }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("console of the guest:\n{}", self.console.timed_text());
        }
    }
}

/// A child that does not outlive its handle.
struct Killed(Child);

impl Killed {
    fn get(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A test that is killed takes its guest along; the kernel takes the parent to be the thread.
fn die_with_parent(command: &mut Command) {
    let set = || Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?);
    // SAFETY: the closure runs between fork and exec and makes one system call; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(set) };
}

fn join(before: &str, path: &Path, after: &str) -> OsString {
    let mut argument = OsString::from(before);
    argument.push(path);
    argument.push(after);
    argument
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(ERROR_LINES)..].join("\n")
}
