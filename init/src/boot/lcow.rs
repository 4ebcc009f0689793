//! The init of a Linux guest on Windows (LCOW), when it is started as hcsshim starts its own: with `-e PORT`, `-w` or
//! `-d SHELL` before a program, or with nothing where there is that program and no image of ours. The machine is made
//! ready, the program runs, and its end is the end of process 1: what the host waits for is the kernel's panic.

use super::lines::{lines, words};
use super::{console, early, modules, oneshot};
use crate::apply::Applier;
use crate::arena::Arena;
use crate::config::cmdline;
use crate::limits;
use crate::log;
use crate::sys::process::{self, Fork, Pid};
use crate::sys::{AsFd, Result, file, identity, random, region, socket};
use crate::text::{Line, Phrase, Value, cut, number};
use crate::texts::CStr;
use crate::texts::last;

/// In this order; none may fail. A mount makes its mount point.
const STEPS: Phrase = t!("\
limit RLIMIT_NOFILE 1024 1048576
mount devtmpfs dev /dev nosuid,noexec
mount proc proc /proc nosuid,nodev,noexec
link /dev/fd /proc/self/fd
link /dev/stdin /proc/self/fd/0
link /dev/stdout /proc/self/fd/1
link /dev/stderr /proc/self/fd/2
mount tmpfs tmpfs /run nosuid,nodev,noexec mode=0755
mount tmpfs tmpfs /tmp nosuid,nodev,noexec
mount tmpfs shm /dev/shm nosuid,nodev,noexec
mount devpts devpts /dev/pts nosuid,noexec
mount sysfs sysfs /sys nosuid,nodev,noexec
");

/// With `-w`, for a root that cannot be written.
const OVERLAYS: Phrase = t!("\
mount tmpfs tmpfs /run/over nosuid,nodev,noexec size=40%,mode=0755
directory /run/over/etc/upper 0755
directory /run/over/etc/work 0755
mount overlay overlay /etc nosuid,nodev,noexec lowerdir=/etc,upperdir=/run/over/etc/upper,workdir=/run/over/etc/work
directory /run/over/var/upper 0755
directory /run/over/var/work 0755
mount overlay overlay /var nosuid,nodev lowerdir=/var,upperdir=/run/over/var/upper,workdir=/run/over/var/work
");

const CGROUP2: Phrase = t!("\
mount cgroup2 cgroup2 /sys/fs/cgroup nosuid,nodev,noexec
cgroup /
");

const CGROUP1: Phrase = t!("mount tmpfs cgroup_root /sys/fs/cgroup nosuid,nodev,noexec mode=0755\n");

const LOOPBACK: Phrase = t!("loopback\n");

/// Drivers that no device asks for in time.
const MODULES: &[u8] = b"hv_netvsc hv_sock bridge veth nf_conntrack br_netfilter";

const PROGRAM: &CStr = s!("/bin/gcs");
const SHELL: &CStr = s!("/bin/sh");
const ARGUMENTS: [&CStr; 4] = [PROGRAM, s!("-loglevel"), s!("debug"), s!("-logfile=/run/gcs/gcs.log")];
/// Started beside it where they are.
const COMPANIONS: [&CStr; 2] = [s!("/bin/nvidia-persistenced"), s!("/bin/nv-fabricmanager")];
const ENVIRONMENT: [&CStr; 3] = [s!("PATH=/sbin:/usr/sbin:/bin:/usr/bin"), s!("HOME=/"), s!("TERM=linux")];

/// What the arguments ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    /// The vsock port of the host that gives random bytes; 0 for none.
    entropy: u32,
    overlays: bool,
    /// Runs beside the program, and its end counts instead.
    shell: Option<&'static CStr>,
    /// How many arguments come before the program.
    options: usize,
}

/// Takes over for good if this is how process 1 was started. `arguments` are those behind its own name.
pub fn run_if_asked(arguments: &'static [&'static CStr]) {
    let asked = match arguments.first().map(|first| first.to_bytes()) {
        Some([b'-', b'd' | b'e' | b'w', ..]) => parse(arguments),
        Some(_) => return,
        None if file::exists(PROGRAM) && !file::exists(s!("/containers")) => Some(Asked::default()),
        None => return,
    };
    let (Some(asked), Some(regions)) = (asked, region::take()) else { die(t!("its arguments")) };
    let mut arena = Arena::new(&mut regions.arena);
    let program = arguments.get(asked.options..).unwrap_or_default();
    run(asked, program, &mut arena)
}

/// The options as getopt(3) takes them with `+d:e:w`; `None` if that is not what they are.
fn parse(arguments: &[&'static CStr]) -> Option<Asked> {
    let mut asked = Asked::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let [b'-', letters @ ..] = argument.to_bytes() else { break };
        asked.options += 1;
        if *letters == [b'-'] {
            break;
        }
        let mut letters = letters.iter();
        while let Some(letter) = letters.next() {
            if *letter == b'w' {
                asked.overlays = true;
                continue;
            }
            // Its value is the rest of the word, or the next one.
            let mut value = last(argument, letters.len())?;
            if value.is_empty() {
                value = arguments.next()?;
                asked.options += 1;
            }
            match letter {
                b'd' => asked.shell = Some(value),
                b'e' => asked.entropy = number(value.to_bytes(), 10).filter(|port| *port > 0)?.try_into().ok()?,
                _ => return None,
            }
            break;
        }
    }
    Some(asked)
}

fn run<'a>(asked: Asked, program: &'a [&'a CStr], arena: &mut Arena<'a>) -> ! {
    set_up(STEPS);
    // Nobody's output is lost for want of a console.
    let _ = console::open_standard_descriptors();
    if file::exists(s!("/lib/modules")) {
        modules::answer_kernel();
    }
    if asked.overlays {
        set_up(OVERLAYS);
    }
    mount_cgroups();
    set_up(LOOPBACK);
    in_child(&|| {
        if file::exists(s!("/lib/modules")) {
            modules::load(&mut words(MODULES));
        }
        // The socket's driver may be a module.
        if asked.entropy != 0
            && let Err(errno) = take_entropy(asked.entropy)
        {
            log::warning(t!("entropy from the host: {}"), &[Value::Kernel(errno)]);
        }
    });
    for companion in &COMPANIONS {
        if file::exists(companion) {
            start(core::slice::from_ref(companion), arena);
        }
    }
    let (program, shell) = if program.is_empty() { (&ARGUMENTS[..], Some(SHELL)) } else { (program, asked.shell) };
    let mut last = start(program, arena);
    if let Some(shell) = shell {
        let shell = arena.filled(1, shell);
        last = start(shell, arena);
    }
    loop {
        match process::reap_any() {
            Ok((pid, ended)) if pid == last => process::exit(ended.code()),
            Ok(_) => {}
            Err(_) => die(t!("its program: there is none")),
        }
    }
}

/// The host sees that by the panic.
fn die(what: Phrase) -> ! {
    log::error(t!("cannot go on without {}"), &[Value::Phrase(what)]);
    process::exit(1)
}

fn set_up(list: Phrase) {
    set_up_text(early::unpacked(list, &mut [0; _]));
}

fn set_up_text(list: &[u8]) {
    identity::set_umask(0);
    early::for_each(list, &mut |step, needed| {
        if let Err(errno) = Applier::new(&mut Arena::new(&mut [])).apply(step)
            && needed
        {
            log::error(t!("{}: {}"), &[Value::Print(step), Value::Kernel(errno)]);
            process::exit(1)
        }
    });
    identity::set_umask(0o022);
    // What is mounted is entered first.
    let _ = process::change_directory(s!("/"));
}

/// Version 2, unless the host asks for version 1 or the kernel has nothing else.
fn mount_cgroups() {
    let mut buffer = [0; limits::CMDLINE_BYTES_MAX];
    let options = cmdline::parse(file::read_file(s!("/proc/cmdline"), &mut buffer).unwrap_or_default());
    let (mut text, mut mounted) = ([0; 1024], false);
    let first = options.value(b"hcsshim.cgroup") == Some(b"v1")
        || file::read_file(s!("/proc/filesystems"), &mut text).is_ok_and(|known| {
            lines(known, b"").all(|line| cut(line, b'\t').is_none_or(|(_, name)| name != b"cgroup2"))
        });
    if !first {
        return set_up(CGROUP2);
    }
    set_up(CGROUP1);
    // Name, hierarchy, groups, whether it is enabled.
    for line in lines(file::read_file(s!("/proc/cgroups"), &mut text).unwrap_or_default(), b"#") {
        if let (Some(name), true) = (words(line).next(), line.ends_with(b"1")) {
            let mut step = [0; 192];
            let mut step = Line::new(&mut step);
            step.say(t!("?mount cgroup cgroup /sys/fs/cgroup/")).raw(name).say(t!(" nosuid,nodev,noexec ")).raw(name);
            set_up_text(step.bytes());
            mounted = true;
        }
    }
    if !mounted {
        die(t!("control groups"));
    }
}

/// Runs what may wait, or reads what is not trusted, in a process of its own and waits for its end.
fn in_child(work: &dyn Fn()) {
    match process::fork() {
        Ok(Fork::Child) => {
            work();
            process::exit(0)
        }
        Ok(Fork::Parent(pid)) => _ = process::reap(pid, true),
        Err(errno) => log::error(t!("make a process: {}"), &[Value::Kernel(errno)]),
    }
}

/// Everything that the host has to give goes into the kernel's pool, and counts.
fn take_entropy(port: u32) -> Result<()> {
    let host = socket::connect_vsock(socket::HOST, port)?;
    let mut bytes = [0; limits::ENTROPY_BYTES_MAX];
    let bytes = file::read_all(host.as_fd(), &mut bytes)?;
    random::credit(bytes)?;
    log::info(t!("entropy: {} bytes from the host"), &[Value::Number(bytes.len() as u64)]);
    Ok(())
}

/// Its process; 0 if there is none.
fn start<'a>(words: &'a [&'a CStr], arena: &mut Arena<'a>) -> Pid {
    match process::fork() {
        Ok(Fork::Child) => process::exit(oneshot::become_program(words, &ENVIRONMENT, arena, &mut || {})),
        Ok(Fork::Parent(pid)) => pid,
        Err(errno) => {
            log::error(t!("make a process: {}"), &[Value::Kernel(errno)]);
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&'static CStr], expected: Option<(u32, bool, Option<&'static CStr>, usize)>) {
        let found = parse(arguments);
        assert_eq!(found.map(|asked| (asked.entropy, asked.overlays, asked.shell, asked.options)), expected);
    }

    #[test]
    fn options_are_taken_as_getopt_takes_them() {
        check(&[s!("-e"), s!("1"), s!("/bin/vsockexec"), s!("-e"), s!("109")], Some((1, false, None, 2)));
        check(
            &[s!("-e1"), s!("-w"), s!("-d"), s!("/bin/sh"), s!("prog"), s!("-w")],
            Some((1, true, Some(s!("/bin/sh")), 4)),
        );
        check(&[s!("-we"), s!("7"), s!("--"), s!("-e")], Some((7, true, None, 3)));
        check(&[s!("-w")], Some((0, true, None, 1)));
        for wrong in [
            &[s!("-e"), s!("0")][..],
            &[s!("-e")],
            &[s!("-e"), s!("x")],
            &[s!("-x")],
            &[s!("-e"), s!("4294967296")],
            &[s!("-wx")],
        ] {
            check(wrong, None);
        }
    }

    #[test]
    fn every_line_is_a_step() {
        for list in [STEPS, OVERLAYS, CGROUP2, CGROUP1, LOOPBACK] {
            let mut steps = 0;
            let mut buffer = [0; _];
            let list = early::unpacked(list, &mut buffer);
            early::for_each(list, &mut |_, said| steps += usize::from(said));
            assert_eq!(steps, lines(list, b"").count());
        }
    }
}
