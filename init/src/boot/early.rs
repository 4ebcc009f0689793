//! The base system: a list of steps, one a line. What is mounted already is kept, and nothing here is fatal: a machine
//! that lacks a file system of this list can still run most containers.
//!
//! The list is LinuxKit's (`pkg/init`, `rc.init`), so that images find what they were written for. It is text because a
//! table of [`Step`]s takes four times as much space.

use crate::abi::mount::{MOUNT_ATTR_RDONLY, MS_SHARED};
use crate::abi::rlimit;
use crate::config::spec::Rlimit;
use crate::plan::mount_flags;
use crate::plan::step::{Attributes, Controllers, DeviceKind, DeviceNode, Existing, NewMount, Place, Step};
use crate::text::{Line, Phrase, fields, number, position};
use crate::texts::CStr;
use crate::texts::until_nul;

/// What comes before the operator's options can be read.
pub const PROC: Phrase = t!("\
?directory /proc 0755
mount proc proc /proc nosuid,nodev,noexec,relatime
");

/// What it takes to find another root.
pub const DEVICES: Phrase = t!("\
?directory /sys 0755
?directory /dev 0755
directory /.root 0755
directory /.lower 0755
directory /.upper 0755
mount devtmpfs dev /dev nosuid,noexec,relatime
mount sysfs sysfs /sys nosuid,nodev,noexec
");

/// The rest, in order. A `?` before one: many kernels and images do without, and nothing is said when it fails.
///
/// - First mount points, while the root can still be written.
/// - From `readonly` on the root is as the image has it; what changes is in /run, /tmp and /var.
/// - `share` last: containers may ask for mounts that travel both ways; those that do not ask get slaves.
pub const STEPS: Phrase = t!("\
?directory /sys 0755
?directory /dev 0755
?directory /run 0755
?directory /tmp 1777
?directory /var 0755
mount devtmpfs dev /dev nosuid,noexec,relatime size=10m,nr_inodes=248418,mode=755
readonly /
mount tmpfs tmpfs /run nosuid,nodev,noexec,relatime size=10%,mode=755
mount tmpfs tmpfs /tmp nosuid,nodev,noexec,relatime size=10%,mode=1777
mount tmpfs tmpfs /var nosuid,nodev,noexec,relatime size=50%,mode=755
directory /var/cache 0755
directory /var/empty 0555
directory /var/lib 0755
directory /var/local 0755
directory /var/lock 0755
directory /var/log 0755
directory /var/opt 0755
directory /var/spool 0755
directory /var/tmp 1777
link /var/run /run
character /dev/console 0600 5 1
character /dev/tty1 0620 4 1
character /dev/tty 0666 5 0
character /dev/null 0666 1 3
character /dev/kmsg 0660 1 11
link /dev/fd /proc/self/fd
link /dev/stdin /proc/self/fd/0
link /dev/stdout /proc/self/fd/1
link /dev/stderr /proc/self/fd/2
link /dev/kcore /proc/kcore
mount mqueue mqueue /dev/mqueue nosuid,nodev,noexec
mount tmpfs shm /dev/shm nosuid,nodev,noexec mode=1777
mount devpts devpts /dev/pts nosuid,noexec gid=5,mode=0620
mount sysfs sysfs /sys nosuid,nodev,noexec
?mount securityfs securityfs /sys/kernel/security nosuid,nodev,noexec
?mount debugfs debugfs /sys/kernel/debug nosuid,nodev,noexec
?mount configfs configfs /sys/kernel/config nosuid,nodev,noexec
?mount fusectl fusectl /sys/fs/fuse/connections nosuid,nodev,noexec
?mount selinuxfs selinuxfs /sys/fs/selinux nosuid,noexec
?mount pstore pstore /sys/fs/pstore nosuid,nodev,noexec
?mount bpf bpffs /sys/fs/bpf nodev
?mount efivarfs efivarfs /sys/firmware/efi/efivars nosuid,nodev,noexec
?mount binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc nosuid,nodev,noexec
mount cgroup2 cgroup2 /sys/fs/cgroup nosuid,nodev,noexec
cgroup /
share /
loopback
limit RLIMIT_NOFILE 1048576
limit RLIMIT_NPROC unlimited
");

/// No line of a list is longer.
const LINE_BYTES: usize = 128;

/// No list is longer.
const LIST_BYTES: usize = 2048;

/// A list as text.
pub fn unpacked(list: Phrase, buffer: &mut [u8; LIST_BYTES]) -> &[u8] {
    let mut line = Line::new(buffer);
    line.say(list);
    line.written()
}

/// Calls `apply` with every step of a list in order, and with whether it is worth a word when it fails.
pub fn for_each_of(list: Phrase, apply: &mut dyn FnMut(&Step, bool)) {
    for_each(unpacked(list, &mut [0; _]), apply);
}

/// As above, of a list as text.
pub fn for_each(list: &[u8], apply: &mut dyn FnMut(&Step, bool)) {
    for line in fields(list, b'\n') {
        let (said, line) = match line.strip_prefix(b"?") {
            Some(line) => (false, line),
            None => (true, line),
        };
        // Every word of the copy ends in a NUL.
        let mut words = [0; LINE_BYTES];
        for (to, from) in words.iter_mut().zip(line) {
            *to = if *from == b' ' { 0 } else { *from };
        }
        if let Some(step) = step(Words { rest: &words }) {
            apply(&step, said);
        }
    }
}

/// What a line begins with, in the order of the arms of [`step`].
const VERBS: &[u8] = b"mount directory link character readonly share cgroup loopback limit";

fn step<'w>(mut words: Words<'w>) -> Option<Step<'w>> {
    let verb = position(VERBS, words.next().to_bytes())?;
    Some(match verb {
        0 => {
            let (kind, source, target) = (words.next(), words.next(), words.place());
            let (flags, data) = (mount_flags(words.next().to_bytes()), words.next());
            let attributes = Attributes::default();
            Step::Mount(NewMount {
                kind,
                source,
                target,
                flags,
                data,
                existing: Existing::Keep,
                attributes,
                copy_up: false,
                no_link: false,
            })
        }
        1 => Step::MakeDirectory { at: words.place(), mode: words.number(8) },
        2 => Step::MakeSymlink { at: words.place(), to: words.next() },
        3 => Step::MakeDevice(DeviceNode {
            at: words.place(),
            kind: DeviceKind::Character,
            mode: words.number(8),
            major: words.number(10),
            minor: words.number(10),
            uid: 0,
            gid: 0,
        }),
        4 | 5 => {
            let (set, propagation) = if verb == 4 { (MOUNT_ATTR_RDONLY, 0) } else { (0, MS_SHARED) };
            let attributes = Attributes { set, propagation, propagation_recursive: verb == 5, ..Attributes::default() };
            Step::SetAttributes { at: words.place(), attributes }
        }
        6 => Step::MakeCgroup { path: words.next(), controllers: Controllers::default() },
        7 => Step::LoopbackUp,
        _ => {
            let resource = rlimit::number(words.next().to_bytes())?;
            // One number for both, or the soft and the hard one.
            let soft = number(words.next().to_bytes(), 10).unwrap_or(u64::MAX);
            Step::SetRlimit(Rlimit { resource, soft, hard: number(words.next().to_bytes(), 10).unwrap_or(soft) })
        }
    })
}

/// The words of a line, each with its final NUL.
struct Words<'w> {
    rest: &'w [u8],
}

impl<'w> Words<'w> {
    /// The next word; the empty one behind the last.
    #[inline(never)]
    fn next(&mut self) -> &'w CStr {
        let word = until_nul(self.rest).unwrap_or_default();
        self.rest = self.rest.get(word.count_bytes() + 1..).unwrap_or_default();
        word
    }

    #[inline(never)]
    fn place(&mut self) -> Place<'w> {
        Place::machine(self.next())
    }

    #[inline(never)]
    fn number(&mut self, base: u8) -> u32 {
        number(self.next().to_bytes(), base).unwrap_or_default() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed() -> Vec<String> {
        let mut lines = Vec::new();
        let mut print = |step: &Step, said| {
            let mut buffer = [0; 256];
            let mut line = Line::new(&mut buffer);
            let text = String::from_utf8(line.print(step).bytes().to_vec()).unwrap();
            lines.push(if said { text } else { format!("?{text}") });
        };
        for_each_of(PROC, &mut print);
        for_each_of(STEPS, &mut print);
        lines
    }

    #[test]
    fn every_line_is_a_step() {
        let (mut first, mut second) = ([0; _], [0; _]);
        let lists = [unpacked(PROC, &mut first), unpacked(STEPS, &mut second)];
        let lines = || lists.into_iter().flat_map(|list| list.split(|byte| *byte == b'\n'));
        assert_eq!(printed().len(), lines().filter(|line| !line.is_empty()).count());
        assert!(lines().all(|line| line.len() < LINE_BYTES));
    }

    #[test]
    fn lines_mean_what_they_say() {
        let printed = printed();
        for expected in [
            "?make directory /tmp (01777)",
            "mount devtmpfs dev on /dev (nosuid,noexec,relatime,size=10m,nr_inodes=248418,mode=755) unless something is \
             mounted there",
            "set ro on /",
            "link /var/run to /run",
            "make character device /dev/kmsg 1:11 (0660)",
            "?mount bpf bpffs on /sys/fs/bpf (nodev) unless something is mounted there",
            "make control group /",
            "set rshared on /",
            "set the loopback interface up",
            "limit NOFILE to 1048576, at most 1048576",
            "limit NPROC to unlimited, at most unlimited",
        ] {
            assert!(printed.iter().any(|line| line == expected), "{expected}");
        }
    }
}
