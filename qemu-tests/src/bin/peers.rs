//! `peers [SUITE [FILES...]]`: another runtime's own tests against pidone, in a guest. Prints what passed, failed and was skipped, by
//! file, and fails when one fails that `qemu-tests/data/peers/SUITE` does not list.
//!
//! The suite is that of Debian's source package, or of the source tree in `PIDONE_PEERS_SOURCE`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use qemu_tests::debian_host::Host;
use qemu_tests::vm::{End, Ending};
use qemu_tests::{cache, command};

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let suite = words.next().unwrap_or("crun".into());
    match suite.as_str() {
        "crun" => crun(&words.collect::<Vec<_>>()),
        _ => bail!("{suite}: no suite known; there is crun"),
    }
}

/// crun's: a Python program a file, which says TAP.
fn crun(files: &[String]) -> Result<()> {
    let source = source("crun")?;
    let tests = source.join("tests");
    let mut host = Host::new(&["python3", "coreutils", "util-linux", "iproute2", "procps"])?;
    let init = crun_init(&tests)?;
    host.own().host_file("suite/tests/init", 0o755, init.path().join("init"));
    host.own().file("suite/tests/libmount.py", 0o644, LIBMOUNT);
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(&tests)? {
        let name = entry?.file_name().into_string().ok().context("a test's name")?;
        if name.ends_with(".py") {
            host.own().host_file(&format!("suite/tests/{name}"), 0o644, tests.join(&name));
        }
        let wanted = files.is_empty() || files.iter().any(|file| name == format!("test_{file}.py"));
        if name.starts_with("test_") && name.ends_with(".py") && wanted {
            names.push(name);
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "{}: no such tests", tests.display());
    let script = CRUN.replace("FILES", &names.join(" "));
    let end = host.machine(&script)?.deadline(DEADLINE).start()?.expect(Ending::PowerOff)?;
    let log = cache::directory()?.join("peers-crun.log");
    fs::write(&log, &end.console)?;
    println!("what the tests said: {}", log.display());
    verdict(&end, &names, &fs::read_to_string(cache::repository().join("qemu-tests/data/peers/crun"))?)
}

/// crun's program that runs in the containers. What configure would have found out is said here.
fn crun_init(tests: &Path) -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    for header in ["config.h", "seccomp.h"] {
        fs::write(directory.path().join(header), "")?;
    }
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-O1", "-w", "-DHAVE_ERROR_H", "-DHAVE_LINUX_IOPRIO_H", "-DHAVE_SECCOMP", "-I"]);
    compiler.arg(directory.path()).arg("-o").arg(directory.path().join("init")).arg(tests.join("init.c"));
    command::output(&mut compiler).context("cannot compile the suite's init (package libc6-dev?)")?;
    Ok(directory)
}

/// The source of a Debian package, unpacked.
fn source(package: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("PIDONE_PEERS_SOURCE") {
        return Ok(std::path::absolute(path)?);
    }
    let parent = cache::entry("source", package, |directory| {
        // A list of sources of our own: most machines have binaries' only.
        let apt = directory.join("apt");
        fs::create_dir_all(apt.join("lists/partial"))?;
        let release = command::text(Command::new("sh").args(["-c", ". /etc/os-release; echo $VERSION_CODENAME"]))?;
        let list = apt.join("sources.list");
        fs::write(&list, format!("deb-src http://deb.debian.org/debian {} main\n", release.trim()))?;
        let run = |words: &[&str]| {
            let mut apt_get = Command::new("apt-get");
            apt_get.arg("-q").arg("-o").arg(format!("Dir::Etc::sourcelist={}", list.display()));
            apt_get.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "APT::Sandbox::User=root", "-o"]);
            apt_get.arg(format!("Dir::State::lists={}", apt.join("lists").display()));
            command::output(apt_get.args(words).current_dir(directory))
        };
        run(&["update"])?;
        run(&["source", "--download-only", package])?;
        let unpack = "mkdir tree && tar -x -C tree --strip-components=1 -f *.orig.tar.[gx]z && rm -rf apt";
        command::output(Command::new("sh").args(["-c", unpack]).current_dir(directory)).map(drop)
    })?;
    Ok(parent.join("tree"))
}

/// Counts by file; a failure that is not expected is one here.
fn verdict(end: &End, files: &[String], expected: &str) -> Result<()> {
    let mut expected: BTreeMap<&str, &str> =
        expected.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": ")).collect();
    let mut wrong = Vec::new();
    let mut sums = [0; 4];
    println!("{:28} {:>6} {:>8} {:>6} {:>8}", "", "passed", "differs", "failed", "skipped");
    for file in files {
        let mut counts = [0; 4];
        let mut lines = end.probe(file);
        if !lines.iter().any(|line| line == "end") {
            lines.push("not ok 0 - whole file # did not end in time".into());
        }
        for line in &lines {
            let Some((result, rest)) = line.split_once(" - ") else { continue };
            let name = rest.split(" #").next().unwrap_or(rest).trim();
            let known = expected.remove(name);
            let passed = result.starts_with("ok");
            let skipped = passed && rest.contains("#SKIP");
            counts[match (passed, known) {
                (true, _) if skipped => 3,
                (true, None) => 0,
                (false, Some(reason)) => {
                    println!("    {name}: {reason}");
                    1
                }
                (true, Some(_)) => {
                    println!("    {name}: passes in this version of the suite, though it is listed");
                    0
                }
                (false, None) => {
                    wrong.push(format!("{file}: {name}"));
                    2
                }
            }] += 1;
        }
        println!("{file:28} {:>6} {:>8} {:>6} {:>8}", counts[0], counts[1], counts[2], counts[3]);
        (0..4).for_each(|at| sums[at] += counts[at]);
    }
    println!("{:28} {:>6} {:>8} {:>6} {:>8}", "all", sums[0], sums[1], sums[2], sums[3]);
    ensure!(wrong.is_empty(), "not as expected:\n{}", wrong.join("\n"));
    Ok(())
}

/// The guest is emulated, and a Python program takes a second to start there.
const DEADLINE: Duration = Duration::from_secs(60 * 60);

/// On a tmpfs: the root is an overlay, and cannot be the upper directory of one.
const CRUN: &str = r#"
cp -a /suite /tmp/suite && cd /tmp/suite
echo > /etc/localtime
export INIT=/tmp/suite/tests/init OCI_RUNTIME=/usr/bin/pidone PYTHONPATH=tests
for file in FILES; do
    echo "==== $file"
    # It waits for ever for a listener that no filter has.
    unset RUN_TESTS
    if [ $file = test_seccomp.py ]; then
        export RUN_TESTS="$(python3 -c 'import test_seccomp as tests; print(*[name for name in tests.all_tests if name != "seccomp-listener"])')"
    fi
    timeout 600 python3 tests/$file > /tmp/said 2> /tmp/complaints < /dev/null && echo end >> /tmp/said
    sed "s/^/PROBE $file=/" /tmp/said > /dev/ttyS1
    cat /tmp/said /tmp/complaints
done
"#;

/// What the tests use of the library that Debian has no Python module for.
const LIBMOUNT: &str = r#"
class Mount:
    def __init__(self, line):
        fields = line.split()
        self.target, self.vfs_options = fields[4], fields[5]
        self.fs_options = fields[fields.index("-") + 3]

class Table:
    def __init__(self, path):
        with open(path) as lines:
            self.mounts = [Mount(line) for line in lines if " - " in line]

    def find_target(self, target):
        return next((mount for mount in reversed(self.mounts) if mount.target == target), None)
"#;
