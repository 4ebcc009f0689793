//! `pidone spec` and `pidone features`: texts of our own.

use core::ffi::CStr;

use super::Caller;
use super::options::Name;
use crate::abi::capability;
use crate::error::{Context, Error, Result};
use crate::plan;
use crate::sys::file::{self, CWD, Open};
use crate::sys::path::PathBuffer;
use crate::sys::{AsFd, BorrowedFd, identity, map};
use crate::text::{Line, fields};

/// A config.json to begin with, as runc writes it. Between `<` and `>` stands what is only root's, between `(` and `)`
/// what is only an ordinary user's; `$` are the capabilities, `#` the user's number.
const SPEC: &str = r#"{"ociVersion":"1.3.0","process":{"terminal":true,"user":{"uid":0,"gid":0},"args":["sh"],"env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","TERM=xterm"],"cwd":"/","capabilities":{"bounding":$,"effective":$,"permitted":$},"rlimits":[{"type":"RLIMIT_NOFILE","hard":1024,"soft":1024}],"noNewPrivileges":true},"root":{"path":"rootfs","readonly":true},"hostname":"pidone","mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]},{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620"<,"gid=5">]},{"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["nosuid","noexec","nodev","mode=1777","size=65536k"]},{"destination":"/dev/mqueue","type":"mqueue","source":"mqueue","options":["nosuid","noexec","nodev"]},<{"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]}>({"destination":"/sys","type":"none","source":"/sys","options":["rbind","nosuid","noexec","nodev","ro"]}),{"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","relatime","ro"]}],"linux":{<"resources":{"devices":[{"allow":false,"access":"rwm"}]},>("uidMappings":[{"containerID":0,"hostID":#,"size":1}],"gidMappings":[{"containerID":0,"hostID":#,"size":1}],)"namespaces":[{"type":"pid"},<{"type":"network"},>{"type":"ipc"},{"type":"uts"},{"type":"mount"},{"type":"cgroup"}(,{"type":"user"})],"maskedPaths":["/proc/acpi","/proc/asound","/proc/kcore","/proc/keys","/proc/latency_stats","/proc/timer_list","/proc/timer_stats","/proc/sched_debug","/sys/firmware","/proc/scsi"],"readonlyPaths":["/proc/bus","/proc/fs","/proc/irq","/proc/sys","/proc/sysrq-trigger"]}}"#;

const CAPABILITIES: &[u8] = br#"["CAP_AUDIT_WRITE","CAP_KILL","CAP_NET_BIND_SERVICE"]"#;

/// What this runtime can do: runtime-spec `features.md`. `$` are all capabilities, `#` all mount options.
const FEATURES: &str = r##"{"ociVersionMin":"1.0.0","ociVersionMax":"1.3.0","hooks":["prestart","createRuntime","createContainer","startContainer","poststart","poststop"],"mountOptions":#,"linux":{"namespaces":["cgroup","ipc","mount","network","pid","time","user","uts"],"capabilities":$,"cgroup":{"v1":false,"v2":true,"systemd":true,"systemdUser":false,"rdma":true},"seccomp":{"enabled":true,"actions":["SCMP_ACT_ALLOW","SCMP_ACT_ERRNO","SCMP_ACT_KILL","SCMP_ACT_KILL_PROCESS","SCMP_ACT_KILL_THREAD","SCMP_ACT_LOG","SCMP_ACT_NOTIFY","SCMP_ACT_TRACE","SCMP_ACT_TRAP"],"operators":["SCMP_CMP_EQ","SCMP_CMP_GE","SCMP_CMP_GT","SCMP_CMP_LE","SCMP_CMP_LT","SCMP_CMP_MASKED_EQ","SCMP_CMP_NE"],"archs":["SCMP_ARCH_X86","SCMP_ARCH_X32","SCMP_ARCH_X86_64"],"knownFlags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW","SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],"supportedFlags":["SECCOMP_FILTER_FLAG_TSYNC","SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_SPEC_ALLOW","SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]},"apparmor":{"enabled":true},"selinux":{"enabled":true},"intelRdt":{"enabled":true},"memoryPolicy":{},"mountExtensions":{"idmap":{"enabled":true}},"netDevices":{"enabled":true}}}"##;

const WRITE: &CStr = c"write the text";

/// Room for any of them.
const BYTES: usize = 32 * 1024;

/// `pidone spec`.
pub(super) fn spec(caller: &Caller) -> Result<u8> {
    let mut path = PathBuffer::empty();
    let path = path.below(caller.options.get(Name::Bundle).unwrap_or(c"."), c"config.json").doing(WRITE)?;
    let file = match file::open(CWD, path, Open::New) {
        Err(crate::abi::Errno::EXIST) => return Err(Error::wrong(c"spec", c"config.json exists already")),
        file => file.doing(WRITE)?,
    };
    let is_user = caller.options.has(Name::Rootless);
    let mut mine = Line::new(map::zeroed(BYTES).doing(WRITE)?);
    // Whose part is being read: everybody's, ours, somebody else's.
    let mut is_left_out = false;
    for byte in SPEC.bytes() {
        match byte {
            b'<' => is_left_out = is_user,
            b'(' => is_left_out = !is_user,
            b'>' | b')' => is_left_out = false,
            _ if is_left_out => {}
            b'$' => _ = mine.raw(CAPABILITIES),
            b'#' => _ = mine.number(identity::user().into()),
            byte => _ = mine.byte(byte),
        }
    }
    write(file.as_fd(), mine.bytes())
}

/// `pidone features`.
pub(super) fn features(_: &Caller) -> Result<u8> {
    let mut line = Line::new(map::zeroed(BYTES).doing(WRITE)?);
    for byte in FEATURES.bytes() {
        match byte {
            b'$' => names(&mut line, "CAP_", capability::NAMES, 0),
            b'#' => names(&mut line, "", plan::MOUNT_OPTIONS, plan::RECURSIVE_OPTIONS),
            byte => _ = line.byte(byte),
        }
    }
    write(file::standard_output(), line.bytes())
}

/// Names as a list of strings; so many of them also with an `r` before.
fn names(line: &mut Line, prefix: &str, names: &[u8], recursive: usize) {
    let mut separator = "[\"";
    for (index, name) in fields(names, b' ').enumerate() {
        line.text(separator).text(prefix).raw(name);
        separator = "\",\"";
        if index < recursive {
            line.text(separator).byte(b'r').raw(name);
        }
    }
    line.text("\"]");
}

/// Writes JSON that has no spaces as people like to read it.
fn write(file: BorrowedFd, text: &[u8]) -> Result<u8> {
    let mut line = Line::new(map::zeroed(2 * BYTES).doing(WRITE)?);
    let (mut depth, mut is_string) = (0_usize, false);
    let mut before = 0;
    for &byte in text {
        is_string ^= byte == b'"';
        let is_end = !is_string && matches!(byte, b']' | b'}');
        depth = depth.saturating_sub(usize::from(is_end));
        // A list or object that holds nothing stays in its line.
        if !is_string && (is_end && !matches!(before, b'[' | b'{')) || matches!(before, b',' | b'[' | b'{') && !is_end {
            line.byte(b'\n');
            for _ in 0..depth {
                line.byte(b'\t');
            }
        }
        line.byte(byte);
        before = if is_string { b'"' } else { byte };
        if !is_string && byte == b':' {
            line.byte(b' ');
        }
        depth += usize::from(!is_string && matches!(byte, b'[' | b'{'));
    }
    line.byte(b'\n');
    file::write_all(file, line.bytes()).map(|()| 0).doing(WRITE)
}
