//! A sample of `just faults`: see `qemu_tests::faults`.

use std::process::Command;

/// Every so manieth call of each command: some hundred faults, in some ten seconds.
const EVERY: &str = "23";

#[test]
fn a_call_that_fails_leaves_nothing_behind() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: faults: only root makes namespaces and control groups");
        return;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_faults")).args(["--every", EVERY]).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("{said}{errors}");
    assert!(output.status.success(), "{said}{errors}");
}
