//! PID 1 outlives whatever its children do, and loses none of them.

use anyhow::Result;
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::vm::Ending;

#[test]
fn ten_thousand_orphans_are_all_reaped() -> Result<()> {
    let words = "orphans 10000 , zombies";
    // How many processes there may be depends on the memory.
    let image = Image::new()?.onboot(Container::probe("orphans", words).pid_host());
    let mut vm = image.vm()?.memory_mib(2048).append("pidone.idle=poweroff").start()?;
    let end = vm.expect(Ending::PowerOff)?;
    assert_eq!(
        (end.probe("orphans.fork"), end.probe("orphans.alive")),
        (vec!["ok".into()], vec!["10000".into()]),
        "{}",
        end.report
    );
    assert_eq!(
        (end.probe("orphans.left"), end.probe("zombies")),
        (vec!["0".into()], vec!["0".into()]),
        "{}",
        end.report
    );
    Ok(())
}

#[test]
fn exit_codes_are_not_mixed_up_by_a_storm_of_orphans() -> Result<()> {
    let image = Image::new()?
        .onboot(Container::probe("storm", "orphans 500 , storm 500 , exit 41").pid_host().capabilities(&["CAP_KILL"]))
        .onboot(Container::probe("after", "say after"));
    let end = image.run("")?;
    assert_eq!((end.probe("storm.lost"), end.probe("say")), (vec!["0".into()], vec!["after".into()]));
    let reports: Vec<&str> =
        end.console.lines().filter(|line| line.contains("pidone: ") && line.contains("000-storm")).collect();
    assert!(reports.iter().any(|line| line.contains("41")), "{reports:#?}");
    Ok(())
}

#[test]
fn unknown_signals_do_nothing() -> Result<()> {
    // Neither the signals that ask for the machine's end nor those that cannot be caught.
    let harmless = [1, 3, 13, 14, 17, 18, 22, 28, 36, 50, 64];
    let words: Vec<String> = harmless.iter().map(|number| format!("signal 1 {number}")).collect();
    let words = format!("{} , sleep 1 , say alive", words.join(" , "));
    let end =
        Image::new()?.onboot(Container::probe("signals", &words).pid_host().capabilities(&["CAP_KILL"])).run("")?;
    assert_eq!(end.probe("signal").len(), harmless.len());
    assert_eq!(end.probe("say"), ["alive"], "{}", end.console);
    Ok(())
}

#[test]
fn a_container_that_kills_everything_kills_only_its_own() -> Result<()> {
    let image = Image::new()?
        .service(Container::probe("steady", "say steady , sleep forever"))
        .onboot(Container::probe("killer", "kill-all"))
        .onboot(Container::probe("after", "say after"))
        .service(Container::shell("ender", "sleep 2; kill -USR2 1").pid_host().capabilities(&["CAP_KILL"]));
    let end = image.run("")?;
    assert_eq!(end.probe("kill-all"), ["-1 ok"]);
    assert_eq!(end.probe("say"), ["after", "steady"], "{}", end.console);
    Ok(())
}

#[test]
fn a_stopped_container_does_not_stop_the_machine() -> Result<()> {
    let image = Image::new()?
        .service(Container::probe("stops", "stop-self").pid_host())
        .service(Container::shell("ender", "sleep 2; kill -USR2 1").pid_host().capabilities(&["CAP_KILL"]));
    let end = image.run("")?;
    assert_eq!(end.probe("stop-self")[0], "stopping");
    Ok(())
}
