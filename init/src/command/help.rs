//! `pidone help`, `pidone help COMMAND` and `pidone --version`.

use core::ffi::CStr;

use crate::runtime::options::{self, Entry};
use crate::sys::file;
use crate::text::{Line, fields, position};

/// Lines as runc has them, and the last as crun has it: callers look there for what a runtime can do.
const VERSION: &str = concat!(
    "pidone version ",
    env!("CARGO_PKG_VERSION"),
    "\nspec: 1.3.0\n+CGROUP_V2 +SECCOMP +EBPF +APPARMOR +SELINUX +CAP +SYSTEMD\n"
);

const HELP: &str = "\
pidone: a PID 1 for virtual machines with container launching built in

Started by the kernel (as /init or with init=), it sets the machine up, runs the
containers below /containers and ends the machine cleanly. Otherwise it is a
command, among them those of an OCI runtime; `pidone help COMMAND` says more:

";

const MACHINE: &str = "
poweroff, reboot, halt and modprobe also work as names of links to the file.

On the kernel command line:

  pidone.fail=continue|halt|reboot|poweroff|panic   when an onboot container fails (continue)
  pidone.idle=stay|poweroff|reboot|halt             when no service is left running (stay)
  pidone.output=log|console                         where containers write (log: files in /var/log)
  pidone.grace=SECONDS                              for services to end after SIGTERM (10)
  pidone.onshutdown=SECONDS                         for each onshutdown container (30)
  pidone.modules=NAME,NAME...                       kernel modules to load
  pidone.hostname=NAME                              if /etc/hostname has none
  pidone.run=BUNDLE, pidone.run ... -- COMMAND...   run that, then end with its exit code
  pidone.stdio=IN,OUT,ERR                           its streams: devices, virtio-serial ports (/dev/console)
  pidone.exit=HOW                                   how the host learns the code (auto)
  root=WHAT, pidone.overlay=tmpfs|DEVICE            from an initramfs: the root to move to, writable if overlaid
  pidone.watchdog=SECONDS                           reset the machine when process 1 is silent so long
  pidone.seed=FILE                                  random bytes kept from boot to boot
  pidone.log=error|warn|info|debug                  least important messages shown (info)
  pidone.timing                                     print a timeline of the boot

A bundle is a directory with a config.json (OCI runtime specification), perhaps a runtime.json (LinuxKit: mounts,
mkdir, cgroups, interfaces, bindNS) and a root file system.
";

/// Each command, in groups: its name, what follows it, what it does, and more of that.
const COMMANDS: &str = "\
run|ID|make a container from a bundle and run it|Unless detached, it stays: signals go on to the program, a terminal is shown, the \
container is deleted in the end, and the program's exit code is the command's: 128 and the number of the signal that \
killed it, 127 if there is no such program, 126 if it cannot be executed, 125 if anything else failed.
create|ID|make a container up to its program|All of it is there: namespaces, mounts, limits. The program waits for `pidone start`.
start|ID|let a created container execute its program|
exec|ID [PROGRAM ARGUMENT...]|run a further process in a container|It joins all namespaces of the container \
and its control group. Exit codes are those of `pidone run`.
state|ID|say what is known of a container, as JSON|Its status is creating, created, running, paused or stopped.
kill|ID [SIGNAL]|send a signal to a container|By number or name, with or without SIG; TERM if none is given.
delete|ID|take back what a container left|It must have stopped.
list||list all containers|
ps|ID|list the processes of a container|By their ids on the machine.
pause|ID|freeze all processes of a container|
resume|ID|let them go on|
update|ID|change a container's limits|Those that are given; all others stay.
events|ID|say what a container uses, as JSON|A line every few seconds, as long as it runs.
spec||write a config.json to begin with|In the bundle, where none may be yet.
features||say what this runtime can do, as JSON|
plan|BUNDLE|say what launching a bundle would do, a line a step|Nothing is changed.
poweroff||stop the containers and power the machine off|
reboot||... and start it again|
halt||... and leave it stopped|
modprobe|NAME...|load kernel modules with what they depend on|By name or alias.
help|[COMMAND]|say this|
";

/// Room for the text about one command.
const BYTES: usize = 8192;

/// Prints what is to be said of a command, or of all; the exit code.
pub(super) fn print(command: Option<&CStr>) -> u8 {
    let mut buffer = [0; BYTES];
    let mut line = Line::new(&mut buffer);
    let command = command.map(CStr::to_bytes);
    if command.is_none() {
        line.text(HELP);
    }
    for known in fields(COMMANDS.trim_ascii_end().as_bytes(), b'\n') {
        let mut parts = fields(known, b'|');
        let mut part = || parts.next().unwrap_or_default();
        let (name, arguments, summary, more) = (part(), part(), part(), part());
        if command.is_none() {
            line.text("  pidone ").pad(name, 10).raw(summary).byte(b'\n');
        } else if command == Some(name) {
            let place = position(options::COMMANDS, name);
            line.text("pidone ").raw(name).text(if place.is_some() { " [OPTION...] " } else { " " }).raw(arguments);
            line.text(": ").raw(summary).text(".\n");
            if !more.is_empty() {
                line.byte(b'\n');
                wrap(&mut line, more);
            }
            about_options(&mut line, place);
        }
    }
    if command.is_none() {
        line.text(MACHINE);
    }
    show(line.bytes())
}

/// Words, in lines of at most 80 characters.
fn wrap(line: &mut Line, text: &[u8]) {
    let mut column = 0;
    for word in fields(text, b' ') {
        column += word.len() + 1;
        if column > 80 {
            line.byte(b'\n');
            column = word.len() + 1;
        }
        line.raw(word).byte(b' ');
    }
    line.byte(b'\n');
}

/// The options of a command, then those of all.
fn about_options(line: &mut Line, command: Option<usize>) {
    for (heading, global) in [("\nOptions:\n", false), ("\nOptions of all commands:\n", true)] {
        line.text(if command.is_some() { heading } else { "" });
        for entry in options::table() {
            if command.is_some() && entry.is_of(command) && entry.is_global() == global && entry.help != b"-" {
                option(line, &entry);
            }
        }
    }
}

fn option(line: &mut Line, entry: &Entry) {
    let mut buffer = [0; 64];
    let mut name = Line::new(&mut buffer);
    if entry.letter.is_empty() {
        name.text("    --");
    } else {
        name.byte(b'-').raw(entry.letter).text(", --");
    }
    name.raw(entry.name);
    if !entry.is_switch() {
        name.byte(b' ').raw(entry.takes);
    }
    line.text("  ").pad(name.bytes(), 30).raw(entry.help).byte(b'\n');
}

/// Prints the version; the exit code.
pub(super) fn print_version() -> u8 {
    show(VERSION.as_bytes())
}

fn show(text: &[u8]) -> u8 {
    u8::from(file::write_all(file::standard_output(), text).is_err())
}
