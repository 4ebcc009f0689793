//! `pidone help` and `pidone --version`.

use crate::sys::file;

const VERSION: &str = concat!("pidone ", env!("CARGO_PKG_VERSION"), "\n");

const HELP: &str = "\
pidone: a PID 1 for virtual machines with container launching built in

Started by the kernel (as /init or with init=), it sets the machine up, runs the
containers below /containers and ends the machine cleanly. Otherwise:

  pidone plan BUNDLE        what launching the bundle would do, a line a step; nothing is changed
  pidone poweroff           stop the containers and power the machine off
  pidone reboot             ... and start it again
  pidone halt               ... and leave it stopped
  pidone modprobe NAME...   load kernel modules with what they depend on, by name or alias
  pidone help               this text
  pidone --version          the version

poweroff, reboot, halt and modprobe also work as names of links to the file.

On the kernel command line:

  pidone.fail=continue|halt|reboot|poweroff|panic   when an onboot container fails (continue)
  pidone.idle=stay|poweroff|reboot|halt             when no service is left running (stay)
  pidone.output=log|console                         where containers write (log: files in /var/log)
  pidone.grace=SECONDS                              for services to end after SIGTERM (10)
  pidone.onshutdown=SECONDS                         for each onshutdown container (30)
  pidone.modules=NAME,NAME...                       kernel modules to load
  pidone.hostname=NAME                              if /etc/hostname has none
  pidone.run=BUNDLE                                 run the bundle, then end with its exit code
  pidone.run ... -- COMMAND...                      run the command, then end with its exit code
  pidone.stdio=IN,OUT,ERR                           its streams: devices, names of virtio-serial ports (/dev/console)
  pidone.exit=auto|console|pvpanic|isa-debug-exit[:PORT]|port:NAME|vsock:PORT
                                                    how the host learns the exit code (auto)
  root= rootfstype= rootflags= rootwait rootdelay= ro rw
                                                    from an initramfs: the root to move to (/dev/..., UUID=, LABEL=,
                                                    PARTUUID=, PARTLABEL=, or the name of what a monitor shares)
  pidone.overlay=tmpfs|DEVICE                       where what is written to that root goes
  pidone.log=error|warn|info|debug                  least important messages shown (info)
  pidone.timing                                     print a timeline of the boot

A bundle is a directory with a config.json (OCI runtime specification), perhaps a runtime.json (LinuxKit: mounts,
mkdir, cgroups, interfaces, bindNS) and a root file system.
";

/// Prints the help text; the exit code.
pub(super) fn print() -> u8 {
    show(HELP)
}

/// Prints the version; the exit code.
pub(super) fn print_version() -> u8 {
    show(VERSION)
}

fn show(text: &str) -> u8 {
    u8::from(file::write_all(file::standard_output(), text.as_bytes()).is_err())
}
