//! Network namespaces to test in: each test's thread makes its own, and the commands it starts inherit it.

use std::fs::File;
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// Puts the calling thread into a new network namespace. If that cannot be: says so, and the test does nothing.
pub(crate) fn fresh() -> bool {
    // SAFETY: the call takes no pointer, and only this thread changes its namespace.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0 && Command::new("ip").arg("-V").output().is_ok() {
        return true;
    }
    let reason = std::io::Error::last_os_error();
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    // Not `eprintln!`, which the test harness keeps to itself when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: needs root and `ip`: {reason}");
    false
}

/// What `ip` prints in the calling thread's namespace.
pub(crate) fn ip(arguments: &str) -> String {
    output(Command::new("ip").args(arguments.split(' ')))
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("ip runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("ip prints text")
}

/// A process in a network namespace of its own.
pub(crate) struct Other(Child);

impl Other {
    pub(crate) fn start() -> Self {
        // It says when it is there, then waits for the end of its input.
        let mut child = Command::new("unshare")
            .args(["-n", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut [0]).expect("it is there");
        Self(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn file(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.pid())).expect("it runs")
    }

    /// What `ip` prints in its namespace.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let target = self.pid().to_string();
        output(Command::new("nsenter").args(["-t", &target, "-n", "ip"]).args(arguments.split(' ')))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Holds that all of these are in what `ip -j` printed.
pub(crate) fn assert_holds(json: &str, expected: &[&str]) {
    for part in expected {
        assert!(json.contains(part), "{part} is not in {json}");
    }
}
