//! An ordinary Debian machine in a guest, for what drives pidone from outside: engines that call it as their runtime.
//!
//! The packages lie on a disk that is made once and only read. A small initramfs brings everything of our own, puts a
//! tmpfs over the disk and runs a script there, as the machine's init or as a service of systemd.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Result;

use crate::artifacts::{busybox, pidone_binary};
use crate::kernel::Kernel;
use crate::root::add_busybox;
use crate::tree::Tree;
use crate::vm::{Builder, End, Ending, Vm};
use crate::{cache, debian, disk, modules};

/// What such a machine needs beside the usual modules: the engines' networks.
const MODULES: &[&str] = &[
    "nfnetlink",
    "nf_tables",
    "nft_chain_nat",
    "nft_compat",
    "nf_nat",
    "nf_conntrack",
    "ip_tables",
    "iptable_nat",
    "iptable_filter",
    "xt_MASQUERADE",
    "xt_addrtype",
    "xt_comment",
    "xt_conntrack",
    "xt_mark",
    "xt_multiport",
    "xt_nat",
    "xt_tcpudp",
];

/// A machine to be.
pub struct Host {
    packages: Vec<String>,
    /// What comes on top of the packages.
    own: Tree,
    /// Whether systemd is its init.
    systemd: bool,
}

impl Host {
    /// A machine with these packages, pidone as `/usr/bin/pidone`, and busybox for every command that they do not bring.
    pub fn new(packages: &[&str]) -> Result<Host> {
        let mut own = Tree::new();
        own.host_file("usr/bin/pidone", 0o755, pidone_binary()?);
        own.file("etc/passwd", 0o644, PASSWD).file("etc/group", 0o644, GROUP);
        own.file("etc/subuid", 0o644, "user:100000:65536\n").file("etc/subgid", 0o644, "user:100000:65536\n");
        own.file("etc/hostname", 0o644, "debian\n").file("etc/hosts", 0o644, "127.0.0.1 localhost debian\n");
        // What maintainer scripts would have linked.
        for name in
            ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"]
        {
            own.symlink(&format!("usr/sbin/{name}"), "xtables-nft-multi");
        }
        // Whom the kernel asks for modules.
        own.symlink("usr/sbin/modprobe", "../bin/busybox");
        own.directory("home/user", 0o755).owner("home/user", 1000, 1000);
        Ok(Host { packages: packages.iter().map(|name| name.to_string()).collect(), own, systemd: false })
    }

    /// Has podman keep images in memory, and take any.
    pub fn with_store(mut self) -> Host {
        self.own.file("etc/containers/storage.conf", 0o644, STORAGE).file(
            "etc/containers/policy.json",
            0o644,
            "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}\n",
        );
        self
    }

    /// Something more on it.
    pub fn own(&mut self) -> &mut Tree {
        &mut self.own
    }

    /// Has systemd, which must be among the packages, run the script.
    pub fn with_systemd(mut self) -> Host {
        self.own.file("etc/systemd/system/tests.service", 0o644, SERVICE);
        self.own.file("etc/machine-id", 0o444, "0123456789abcdef0123456789abcdef\n");
        self.systemd = true;
        self
    }

    /// The machine, whose init is this script, or runs it. It ends with the script.
    pub fn machine(mut self, script: &str) -> Result<Builder> {
        let kernel = Kernel::from_environment()?;
        let (init, arguments, setup) = match self.systemd {
            false => ("/usr/sbin/tests", "quiet", SETUP),
            true => ("/usr/lib/systemd/systemd", "quiet systemd.unit=tests.service", SETUP_BESIDE_SYSTEMD),
        };
        let script = format!("{SCRIPT_HEAD}{setup}{SCRIPT_REST}{script}\npoweroff -f\n");
        self.own.file("usr/sbin/tests", 0o755, script);
        let mut first = Tree::new();
        first.host_file("bin/busybox", 0o755, busybox()?);
        first.file("init", 0o755, format!("{FIRST}exec switch_root /new {init}\n"));
        first.tree("own", &self.own);
        modules::add(&mut first, &kernel, &[modules::USUAL, MODULES].concat())?;
        let drive = format!("file={},format=raw,if=none,readonly=on,id=packages", self.disk()?.display());
        let devices = ["-drive", &drive, "-device", "virtio-blk-pci,drive=packages"];
        Ok(Vm::new(&kernel)
            .initramfs(&first)
            .arguments(devices)
            .memory_mib(2048)
            .processors(2)
            .deadline(DEADLINE)
            .append(arguments))
    }

    /// The packages' disk, from the cache.
    fn disk(&self) -> Result<PathBuf> {
        let packages: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        let mut tree = debian::tree(&packages)?;
        add_busybox(&mut tree)?;
        let mut hasher = DefaultHasher::new();
        tree.iter().for_each(|(path, node)| format!("{path} {node:?}").hash(&mut hasher));
        let name = format!("{:016x}", hasher.finish());
        Ok(cache::entry("disk", &name, |directory| disk::write(&tree, &directory.join("ext4"), 1024))?.join("ext4"))
    }
}

/// A machine that is booted when somebody first looks at what its script saw: for promises, one a test.
pub struct Guest {
    machine: fn() -> Result<Builder>,
    end: OnceLock<Result<End, String>>,
}

impl Guest {
    /// The machine that this makes.
    pub const fn new(machine: fn() -> Result<Builder>) -> Guest {
        Guest { machine, end: OnceLock::new() }
    }

    /// What the script said under this key is the pattern, in which `...` stands for anything.
    #[track_caller]
    pub fn expect(&self, key: &str, pattern: &str) {
        let end = self.end.get_or_init(|| self.run().map_err(|error| format!("{error:#}"))).as_ref().unwrap();
        let found = end.probe(key).join("");
        assert!(matches(&found, pattern), "{key}:\n found {found}\n  not {pattern}\n{}\n{}", end.report, end.console);
    }

    fn run(&self) -> Result<End> {
        let end = (self.machine)()?.start()?.expect(Ending::PowerOff)?;
        println!("{}", end.report);
        Ok(end)
    }
}

/// Promises about a [`debian_host::Guest`](crate::debian_host::Guest): a name, the key of what the script saw, and what that
/// must be. `...` stands for anything.
#[macro_export]
macro_rules! promises {
    ($guest:expr; $($name:ident: $key:literal => $pattern:literal,)*) => {
        $(#[test] fn $name() { $guest.expect($key, $pattern); })*
    };
}

fn matches(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    let mut parts = pattern.split("...").peekable();
    if let Some(first) = parts.next() {
        let Some(behind) = rest.strip_prefix(first) else { return false };
        rest = behind;
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// Engines are slow when they are emulated.
const DEADLINE: Duration = Duration::from_secs(900);

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n\
    nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n";

const STORAGE: &str = "[storage]\ndriver=\"overlay\"\nrunroot=\"/run/containers\"\ngraphroot=\"/tmp/store\"\n";

/// The initramfs's: a tmpfs over the disk, with what is ours in it, becomes the root.
const FIRST: &str = "#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /disk /top /new
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in virtio_pci virtio_blk ext4 overlay; do modprobe $module 2>/dev/null; done
mount -t ext4 -o ro,noload /dev/vda /disk
mount -t tmpfs top /top
mkdir /top/upper /top/work
mount -t overlay -o lowerdir=/disk,upperdir=/top/upper,workdir=/top/work root /new
cp -a /own/. /new/
mkdir -p /new/usr/lib/modules
cp -a /lib/modules/. /new/usr/lib/modules/
for directory in proc sys dev; do mkdir -p /new/$directory; mount --move /$directory /new/$directory; done
";

/// Nothing but the script is started, and it waits for nothing.
const SERVICE: &str = "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\n\
    ExecStart=/usr/sbin/tests\nStandardInput=null\nStandardOutput=null\nStandardError=null\n";

/// What every script begins with.
const SCRIPT_HEAD: &str = r#"#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux
exec < /dev/null > /dev/console 2>&1
"#;

/// The machine as systemd would set it up.
const SETUP: &str = r#"
mkdir -p /dev/pts /dev/shm /run /tmp /var/tmp /var/log
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=1777 tmp /var/tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo +$controller > /sys/fs/cgroup/cgroup.subtree_control; done
mount --make-rshared /
"#;

/// What systemd leaves to units that are not started.
const SETUP_BESIDE_SYSTEMD: &str = r#"
mkdir -p /tmp /var/tmp /var/log
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t tmpfs -o mode=1777 tmp /var/tmp
"#;

/// How a script says what it sees.
const SCRIPT_REST: &str = r#"
hostname debian
ip link set lo up
# say KEY VALUE: one line of the report.
say() { echo "PROBE $1=$2" > /dev/ttyS1; }
# check KEY COMMAND...: the exit code, and all the output in one line.
check() {
    key=$1; shift
    output=$("$@" 2>&1); code=$?
    say "$key" "$code: $(echo "$output" | tr '\n' '|')"
}
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_all_of_a_text_but_for_what_dots_stand_for() {
        for (pattern, is_one) in [
            ("0: a|b|", true),
            ("0: ...", true),
            ("...b|", true),
            ("0:...|b|", true),
            ("0: a|", false),
            ("1: ...", false),
        ] {
            assert_eq!(matches("0: a|b|", pattern), is_one, "{pattern}");
        }
        assert!(!matches("", "0: ...") && !matches("0: ab", "0: ab...b"));
    }
}
