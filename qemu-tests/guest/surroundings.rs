//! What a process finds around itself.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

use crate::Report;

/// `mount=TARGET type=.. source=.. root=.. options=.. super=.. propagation=..`, one line a mount.
pub(crate) fn mounts(report: &mut Report) {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for line in text.lines() {
        // id parent major:minor root target options [optional fields] - type source super-options
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let before: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        let ([_, _, _, root, target, options, optional @ ..], [kind, source, superblock, ..]) =
            (&before[..], &after[..])
        else {
            continue;
        };
        let propagation = if optional.is_empty() { "private".to_owned() } else { optional.join(",") };
        report.say(
            "mount",
            format_args!(
                "{target} type={kind} source={source} root={root} options={options} super={superblock} propagation={propagation}"
            ),
        );
    }
}

pub(crate) fn namespaces(report: &mut Report) {
    for name in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        if let Ok(target) = fs::read_link(format!("/proc/self/ns/{name}")) {
            report.say(&format!("ns.{name}"), target.display());
        }
    }
}

/// The five sets as hexadecimal numbers.
pub(crate) fn capabilities(report: &mut Report) {
    for (field, name) in [
        ("CapBnd", "bounding"),
        ("CapEff", "effective"),
        ("CapInh", "inheritable"),
        ("CapPrm", "permitted"),
        ("CapAmb", "ambient"),
    ] {
        report.say(&format!("caps.{name}"), status_field(field));
    }
}

/// `limit.NAME=SOFT:HARD`
pub(crate) fn limits(report: &mut Report) {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let names = [
        ("Max cpu time", "cpu"),
        ("Max file size", "fsize"),
        ("Max data size", "data"),
        ("Max stack size", "stack"),
        ("Max core file size", "core"),
        ("Max resident set", "rss"),
        ("Max processes", "nproc"),
        ("Max open files", "nofile"),
        ("Max locked memory", "memlock"),
        ("Max address space", "as"),
        ("Max file locks", "locks"),
        ("Max pending signals", "sigpending"),
        ("Max msgqueue size", "msgqueue"),
        ("Max nice priority", "nice"),
        ("Max realtime priority", "rtprio"),
        ("Max realtime timeout", "rttime"),
    ];
    for (label, name) in names {
        let line = text.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_default();
        let mut words = line.split_whitespace();
        let (soft, hard) = (words.next().unwrap_or("?"), words.next().unwrap_or("?"));
        report.say(&format!("limit.{name}"), format_args!("{soft}:{hard}"));
    }
}

pub(crate) fn ids(report: &mut Report) {
    for (field, name) in [("Uid", "uid"), ("Gid", "gid"), ("Groups", "groups"), ("Umask", "umask")] {
        let words: Vec<String> = status_field(field).split_whitespace().map(str::to_owned).collect();
        // Uid and Gid are four numbers: real, effective, saved, file system.
        report.say(name, if name == "groups" { words.join(",") } else { words.first().cloned().unwrap_or_default() });
        if let Some(effective) = words.get(1).filter(|_| name.ends_with("id")) {
            report.say(&format!("e{name}"), effective);
        }
    }
    report.say("no_new_privs", status_field("NoNewPrivs"));
    report.say("pid", std::process::id());
    report.say("ppid", std::os::unix::process::parent_id());
    report.say("oom_score_adj", fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default().trim());
}

pub(crate) fn status(field: &str, report: &mut Report) {
    report.say(&format!("status.{field}"), status_field(field));
}

fn status_field(field: &str) -> String {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or("?").trim().to_owned()
}

pub(crate) fn cgroup(report: &mut Report) {
    for line in fs::read_to_string("/proc/self/cgroup").unwrap_or_default().lines() {
        report.say("cgroup", line.splitn(3, ':').nth(2).unwrap_or_default());
    }
}

pub(crate) fn environment(report: &mut Report) {
    for (name, value) in std::env::vars_os() {
        report.say(&format!("env.{}", name.to_string_lossy()), value.to_string_lossy());
    }
}

pub(crate) fn working_directory(report: &mut Report) {
    match std::env::current_dir() {
        Ok(path) => report.say("cwd", path.display()),
        Err(error) => report.say("cwd", crate::error_name(&error)),
    }
}

pub(crate) fn arguments(report: &mut Report) {
    for argument in std::env::args() {
        report.say("arg", argument);
    }
}

pub(crate) fn hostname(report: &mut Report) {
    report.say("hostname", fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim());
}

/// `fd=NUMBER TARGET`; the descriptor of the list itself is left out.
pub(crate) fn descriptors(report: &mut Report) {
    let own = format!("/proc/{}/fd", std::process::id());
    for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        if !target.starts_with(&own) {
            report.say("fd", format_args!("{} {}", entry.file_name().to_string_lossy(), target.display()));
        }
    }
}

/// `cat=LINE` for each line.
pub(crate) fn cat(path: &str, report: &mut Report) {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).lines().for_each(|line| report.say("cat", line)),
        Err(error) => report.say("cat.error", crate::error_name(&error)),
    }
}

pub(crate) fn sysctl(key: &str, report: &mut Report) {
    let path = format!("/proc/sys/{}", key.replace('.', "/"));
    match fs::read_to_string(path) {
        Ok(value) => report.say(&format!("sysctl.{key}"), value.trim()),
        Err(error) => report.say(&format!("sysctl.{key}"), crate::error_name(&error)),
    }
}

/// `device=PATH OUTCOME` of opening each for reading and writing.
pub(crate) fn devices(paths: &[&str], report: &mut Report) {
    for path in paths {
        let opened =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
        report.outcome("device", path, opened);
    }
}

/// `stat=PATH type=.. mode=.. uid=.. gid=.. size=.. device=MAJOR:MINOR`
pub(crate) fn stat(path: &str, report: &mut Report) {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return report.say("stat", format_args!("{path} {}", crate::error_name(&error))),
    };
    let kind = metadata.file_type();
    let kinds = [
        (kind.is_file(), "file"),
        (kind.is_dir(), "directory"),
        (kind.is_symlink(), "symlink"),
        (kind.is_char_device(), "character"),
        (kind.is_block_device(), "block"),
        (kind.is_fifo(), "fifo"),
        (kind.is_socket(), "socket"),
    ];
    let kind = kinds.iter().find(|(is, _)| *is).map_or("?", |(_, name)| name);
    let (mode, uid, gid, size) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid(), metadata.size());
    let (major, minor) = (libc::major(metadata.rdev()), libc::minor(metadata.rdev()));
    let target = fs::read_link(path).map(|target| format!(" target={}", target.display())).unwrap_or_default();
    let text =
        format!("{path} type={kind} mode={mode:04o} uid={uid} gid={gid} size={size} device={major}:{minor}{target}");
    report.say("stat", text);
}

pub(crate) fn write(path: &str, text: &str, report: &mut Report) {
    let written = File::create(path).and_then(|mut file| file.write_all(text.as_bytes()));
    report.outcome("write", path, written);
}

/// `list=NAME`, sorted.
pub(crate) fn list(path: &str, report: &mut Report) {
    match fs::read_dir(path) {
        Ok(entries) => {
            let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            names.iter().for_each(|name| report.say("list", name.to_string_lossy()));
        }
        Err(error) => report.say("list.error", crate::error_name(&error)),
    }
}
