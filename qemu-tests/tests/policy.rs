//! What the operator decides with kernel options.

use anyhow::Result;
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::vm::Ending;

#[test]
fn the_policy_decides_what_follows_a_failure() -> Result<()> {
    for (policy, ending, second_runs) in [
        ("continue", Ending::PowerOff, true),
        ("poweroff", Ending::PowerOff, false),
        ("reboot", Ending::Reset, false),
        ("halt", Ending::Halt, false),
        ("panic", Ending::Panic, false),
    ] {
        let image =
            Image::new()?.onboot(Container::probe("fails", "exit 1")).onboot(Container::probe("second", "say second"));
        let options = format!("pidone.idle=poweroff pidone.fail={policy}");
        let end = image.vm()?.append(&options).start()?.expect(ending)?;
        assert_eq!(!end.probe("say").is_empty(), second_runs, "{policy}: {}", end.console);
    }
    Ok(())
}

#[test]
fn output_goes_to_the_log_files_unless_the_console_is_asked_for() -> Result<()> {
    let speak = || Container::shell("speak", "echo to-output; echo to-errors >&2");
    let look = "cat /log/onboot/onboot.000-speak.out.log , cat /log/onboot/onboot.000-speak.log";
    let look = || Container::probe("look", look).bind("/run/log:/log");
    let end = Image::new()?.onboot(speak()).onboot(look()).run("")?;
    assert_eq!(end.probe("cat"), ["to-output", "to-errors"], "{}", end.console);
    let end = Image::new()?.onboot(speak()).run("pidone.output=console")?;
    assert!(end.console.contains("to-output") && end.console.contains("to-errors"), "{}", end.console);
    Ok(())
}
