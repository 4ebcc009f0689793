//! What containers write, and what becomes of it.

use anyhow::Result;
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{self, Observation, Shared, boot, probe};
use qemu_tests::vm::Ending;

const LINES: usize = 3000;

/// A boot in which the logger is killed again and again.
fn killed() -> &'static Observation {
    static SHARED: Shared = Shared::new();
    observation::shared(&SHARED, || {
        let killer = probe("killer", "kill-logger 60 9").pid_host().capability_all();
        let image = Image::new()?
            .service(probe("numbers", &format!("numbers {LINES} 1000")))
            .service(killer)
            .service(probe("given", "give-log given one two three , sleep 2").bind("/run:/run"));
        boot(image, "")
    })
}

#[test]
fn no_line_is_lost_or_doubled_however_often_the_logger_is_killed() {
    assert!(killed().one("killer", "killed").parse::<u32>().unwrap() >= 60);
    let lines: Vec<&str> = killed().output("numbers").lines().collect();
    let expected: Vec<String> = (0..LINES).map(|number| format!("number {number}")).collect();
    let wrong = lines.iter().zip(&expected).position(|(line, expected)| line != expected);
    let around = wrong.map(|at| &lines[at.saturating_sub(3)..(at + 5).min(lines.len())]);
    assert!(wrong.is_none() && lines.len() == LINES, "{} lines, {around:?}", lines.len());
    assert_eq!(killed().one("given", "give"), "given ok", "{}", killed().about("given"));
}

#[test]
fn output_on_the_console_has_the_name_of_its_stream_in_front() -> Result<()> {
    let speak = Container::shell("speak", "echo to-output; echo to-errors >&2; printf last");
    let end = Image::new()?.onboot(speak).run("pidone.output=console")?.expect(Ending::PowerOff)?;
    for line in ["onboot.000-speak.out: to-output", "onboot.000-speak: to-errors", "onboot.000-speak.out: last"] {
        assert!(end.console.lines().any(|other| other == line), "{line}: {}", end.console);
    }
    Ok(())
}
