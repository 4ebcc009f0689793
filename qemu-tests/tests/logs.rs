//! What containers write, and what becomes of it.

use anyhow::Result;
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{self, Observation, Shared, boot, probe};
use qemu_tests::vm::Ending;
use serde_json::{Value, json};

const LINES: usize = 3000;

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("number {number}")).collect()
}

/// A container that has pidone's own commands, and its logger's sockets.
fn with_commands(container: Container) -> Container {
    container.bind("/init:/pidone").bind("/run:/run")
}

/// A boot in which the logger is killed again and again.
fn killed() -> &'static Observation {
    static SHARED: Shared = Shared::new();
    observation::shared(&SHARED, || {
        let killer = probe("killer", "kill-logger 60 9").pid_host().capability_all();
        let image = Image::new()?
            .service(probe("numbers", &format!("numbers {LINES} 1000")))
            .service(killer)
            .service(with_commands(probe("given", "sleep 1 , give-log gift one two three , sleep 2")));
        boot(image, "")
    })
}

#[test]
fn no_line_is_lost_or_doubled_however_often_the_logger_is_killed() {
    assert!(killed().one("killer", "killed").parse::<u32>().unwrap() >= 60);
    let (lines, expected): (Vec<&str>, _) = (killed().output("numbers").lines().collect(), numbered(LINES));
    let wrong = lines.iter().zip(&expected).position(|(line, expected)| line != expected);
    let around = wrong.map(|at| &lines[at.saturating_sub(3)..(at + 5).min(lines.len())]);
    assert!(wrong.is_none() && lines.len() == LINES, "{} lines, {around:?}", lines.len());
}

#[test]
fn a_descriptor_that_others_send_is_logged_even_if_the_logger_is_killed_meanwhile() {
    assert_eq!(killed().one("given", "give"), "gift ok");
    assert_eq!(killed().errors("gift"), "one\ntwo\nthree\n", "{}", killed().about("given"));
}

/// A boot in which some ask what others write.
fn asked() -> &'static Observation {
    static SHARED: Shared = Shared::new();
    observation::shared(&SHARED, || {
        let talk = r#"printf 'par'; sleep 1; printf 'tial\nwith "quotes" \\ and \001\377\n'; head -c 2500 /dev/zero | tr '\0' x; echo;
            echo to-errors >&2; printf 'zero\0byte\n'; sleep 12; echo later; sleep 1; printf last"#;
        let ask = |name: &str, words: &str| with_commands(probe(name, words));
        let commands = "sleep 6; /pidone logs talk; echo code $?; /pidone logs talk.out | grep -c errors; /pidone logs nobody; echo code $?;
            /pidone logs -f talk > /tmp/followed & sleep 12; kill $!; cat /tmp/followed | sed s/^/followed:/; echo size $(wc -c < /log/talk.out.log)";
        let image = Image::new()?
            .onboot(Container::shell("first", "echo of-first"))
            .service(Container::shell("talk", talk))
            .service(ask("dump", "sleep 6 , ask-log 0 5"))
            .service(ask("follow", "sleep 6 , ask-log 1 12"))
            .service(ask("both", "sleep 6 , ask-log 2 12"))
            .service(with_commands(Container::shell("commands", commands).bind("/var/log:/log")))
            .service(
                Container::shell("user", "sleep 6; /pidone logs; echo code $?")
                    .user(1000, 1000)
                    .bind("/init:/pidone")
                    .bind("/run:/run"),
            );
        boot(image, "")
    })
}

/// Source and message of each line of JSON.
fn messages(name: &str) -> Vec<(String, String)> {
    let parse = |line: String| -> (String, String) {
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let text = |field: &str| value[field].as_str().unwrap().to_owned();
        assert!(text("time").starts_with("20") && text("time").ends_with('Z'), "{line}");
        (text("source"), text("msg"))
    };
    asked().all(name, "json").into_iter().map(parse).collect()
}

fn of_talk(name: &str) -> Vec<String> {
    messages(name).into_iter().filter(|(source, _)| source == "talk.out").map(|(_, message)| message).collect()
}

#[test]
fn linuxkits_reader_gets_all_there_is_and_all_that_comes() {
    let before = [
        "partial".into(),
        "with \"quotes\" \\ and \u{1}\u{fffd}".into(),
        "x".repeat(1024),
        "x".repeat(1024),
        "x".repeat(452),
        "zero\0byte".into(),
    ];
    let later = ["later".to_owned(), "last".into()];
    assert_eq!(of_talk("dump"), before, "{}", asked().about("dump"));
    assert_eq!(asked().one("dump", "end"), "0");
    assert_eq!(of_talk("follow"), later);
    assert_eq!(of_talk("both"), [&before[..], &later[..]].concat());
    for known in [("onboot.000-first.out", "of-first"), ("talk", "to-errors")] {
        assert!(messages("dump").contains(&(known.0.into(), known.1.into())), "{known:?}");
    }
    let long: Vec<String> =
        asked().all("dump", "json").into_iter().filter(|line| line.contains(r#""talk.out","msg":"xxx"#)).collect();
    let goes_on: Vec<bool> = long.iter().map(|line| line.contains(r#""more":true"#)).collect();
    assert_eq!(goes_on, [true, true, false]);
}

#[test]
fn the_command_shows_what_a_container_wrote_with_times_and_streams() {
    let lines: Vec<&str> = asked().output("commands").lines().collect();
    let shown = |line: &str| lines.iter().any(|other| other.starts_with("20") && other.ends_with(line));
    assert!(shown("Z talk.out: partial") && shown("Z talk: to-errors"), "{lines:#?}");
    let codes: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("code ")).collect();
    assert_eq!(codes, ["0", "1"]);
    assert!(lines.contains(&"0"), "standard output alone has no errors: {lines:#?}");
    assert!(asked().errors("commands").contains("nothing is known of `nobody`"));
    let followed: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("followed:")).collect();
    assert!(followed.iter().any(|line| line.ends_with("talk.out: partial")), "{followed:#?}");
    assert!(followed.iter().any(|line| line.ends_with("talk.out: later")), "{followed:#?}");
    assert_eq!(asked().output("user"), "code 1\n", "{}", asked().about("user"));
}

#[test]
fn files_have_every_byte_and_a_last_line_without_an_end_has_one() {
    let expected =
        format!("partial\nwith \"quotes\" \\ and \u{1}\u{fffd}\n{}\nzero\0byte\nlater\nlast\n", "x".repeat(2500));
    // On its way to us through a serial line it loses its zeros.
    assert_eq!(asked().output("talk"), expected.replace('\0', ""));
    let bytes = expected.len() - "\u{fffd}".len() + 1;
    assert!(asked().output("commands").contains(&format!("\nsize {bytes}\n")), "{}", asked().about("commands"));
    assert_eq!(asked().errors("talk"), "to-errors\n");
}

#[test]
fn who_writes_too_fast_is_cut_down_and_the_machine_stays_usable() -> Result<()> {
    let other = "for i in $(seq 20); do echo tick $i; sleep 0.3; done; sleep 6; ls -l /log | sed s/^/file:/; grep -h dropped /log/flood.out.log*";
    let image = Image::new()?
        .service(probe("flood", "--to /dev/stderr flood 5"))
        .service(Container::shell("other", other).bind("/var/log:/log"));
    let seen = boot(image, "pidone.log-size=256K")?;
    let written: u64 = seen.errors("flood").trim().rsplit_once('=').unwrap().1.parse()?;
    println!("{} MB/s were written", written / 5_000_000);
    assert!(written > 50_000_000, "{written} bytes are no flood");
    let lines: Vec<&str> = seen.output("other").lines().collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("tick ")).count(), 20);
    // So much, twice, and a batch more.
    for line in lines.iter().filter(|line| line.starts_with("file:-") && line.contains("flood")) {
        let size: u64 = line.split_whitespace().nth(4).unwrap().parse()?;
        assert!(size <= 256 * 1024, "{line}");
    }
    assert!(lines.iter().any(|line| line.ends_with(" flood.out.log.1")), "{lines:#?}");
    let dropped =
        lines.iter().filter_map(|line| line.strip_prefix("pidone: ")?.strip_suffix(" bytes dropped: too fast"));
    let dropped: Vec<u64> = dropped.map(|number| number.parse().unwrap()).collect();
    assert!(dropped.iter().sum::<u64>() <= written && !dropped.is_empty(), "{dropped:?}");
    assert!(seen.output("flood").ends_with("\nlast of the flood\n"), "the last words are not dropped");
    Ok(())
}

#[test]
fn a_full_disk_stops_nobody_and_is_told_once() -> Result<()> {
    let full = json!({ "mounts": [{ "destination": "/var/log", "type": "tmpfs", "source": "tmpfs", "options": ["size=256k"] }] });
    let writes = "seq 100000; sleep 3; echo after";
    let fills = "dd if=/dev/zero of=/run/big bs=1M; echo PROBE filled=$(df /run | awk 'END { print $4 }') > /dev/ttyS1";
    let asks = "sleep 8; for name in writes onboot.000-one; do /pidone logs $name | tail -n 1 | sed 's/^/PROBE shown=/' > /dev/ttyS1; done";
    let device = |container: Container| with_commands(container.device("/dev/ttyS1", "c", 4, 65, 0o600));
    let image = Image::new()?
        .onboot(Container::shell("one", "echo one"))
        .onboot(device(Container::shell("fills", fills)))
        .service(Container::shell("writes", writes).runtime(full))
        .service(device(Container::shell("asks", asks)));
    let end = image.run("pidone.log-size=8M")?;
    assert_eq!(end.probe("filled"), ["0"], "{}", end.report);
    let shown = end.probe("shown");
    assert!(shown[0].ends_with("writes.out: after") && shown[1].ends_with("onboot.000-one.out: one"), "{shown:?}");
    let told: Vec<&str> = end.console.lines().filter(|line| line.contains("log of ")).collect();
    assert!(told.len() == 1 && told[0].contains("ENOSPC"), "{told:#?}");
    Ok(())
}

#[test]
fn a_logger_that_is_stopped_stops_neither_the_machine_nor_its_end_and_nothing_is_lost() -> Result<()> {
    let speak = Container::shell("speak", "echo to-output; echo to-errors >&2; printf last");
    let image = Image::new()?
        .onboot(speak)
        .service(Container::probe("stopper", "kill-logger 1 19").pid_host().capability_all())
        .service(probe("late", "sleep 3 , numbers 500 0"));
    let end = image.run("pidone.output=console")?.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("killed"), ["1"]);
    for line in ["onboot.000-speak.out: to-output", "onboot.000-speak: to-errors", "onboot.000-speak.out: last"] {
        assert!(end.console.lines().any(|other| other == line), "{line}: {}", end.console);
    }
    let late: Vec<&str> = end.console.lines().filter_map(|line| line.strip_prefix("late.out: ")).collect();
    assert_eq!(late, numbered(500));
    Ok(())
}

#[test]
fn what_is_shown_on_the_console_goes_on_where_a_killed_logger_was() -> Result<()> {
    let image = Image::new()?
        .service(probe("numbers", "numbers 1500 1000"))
        .service(Container::probe("killer", "kill-logger 20 9").pid_host().capability_all());
    let end = image.run("pidone.output=console")?.expect(Ending::PowerOff)?;
    assert_eq!(end.probe("killed"), ["20"]);
    // A line that was begun, or has just been shown, may be shown once more.
    let mut lines: Vec<&str> =
        end.console.lines().filter_map(|line| line.rsplit_once("numbers.out: ")).map(|(_, text)| text).collect();
    lines.dedup();
    assert_eq!(lines, numbered(1500), "{}", end.console);
    Ok(())
}
