//! What services want of process 1 beside being started: restarts, order, readiness, health, their own ways to end.

use anyhow::Result;
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::modules;
use qemu_tests::observation::{self, Observation, Shared};
use qemu_tests::vm::Ending;

static BOOT: Shared = Shared::new();

fn shell(name: &str, script: &str, wishes: &[(&str, &str)]) -> Container {
    wish(Container::shell(name, script), wishes)
}

fn wish(container: Container, wishes: &[(&str, &str)]) -> Container {
    wishes.iter().fold(container, |container, (name, value)| container.annotation(&format!("pidone.{name}"), value))
}

/// One boot with all that does not end the machine.
fn boot() -> &'static Observation {
    observation::shared(&BOOT, || {
        let modules: Vec<_> = modules::USUAL.iter().copied().chain(["vsock_loopback"]).collect();
        let mut image = Image::new()?.modules(&modules).onboot(shell("slow", "sleep 100", &[("timeout", "5s")]));
        for container in restarts().into_iter().chain(readiness()).chain(order()).chain(refused()).chain(health()) {
            image = image.service(container);
        }
        observation::boot(image, "pidone.timing")
    })
}

fn restarts() -> Vec<Container> {
    let crash = [("restart", "on-failure:3"), ("restart-delay", "100ms"), ("restart-delay-max", "300ms")];
    vec![
        shell("crash", "exit 3", &crash),
        shell("always", "true", &[("restart", "always:2"), ("restart-delay", "50ms")]),
        shell("well", "true", &[("restart", "on-failure")]),
        shell("gone", "exit 5", &[("restart", "no")]),
    ]
}

fn readiness() -> Vec<Container> {
    let client = |of: &str| shell(&format!("{of}-client"), "true", &[("requires", of)]);
    vec![
        wish(observation::probe("notify", "sleep 1 , notify , sleep 1"), &[("ready", "notify")]),
        client("notify"),
        wish(observation::probe("fd", "fds , sleep 1"), &[("ready", "fd:5")]).args([
            "/bin/sh",
            "-c",
            "/bin/probe fds; sleep 1; echo >&5; sleep 1",
        ]),
        client("fd"),
        shell("tcp", "sleep 1; /bin/probe tcp-serve 8080 & sleep 3; kill $!", &[("ready", "tcp:8080")]).net_new(),
        client("tcp"),
        shell("command", "sleep 1; touch /done; sleep 2", &[("ready", "command: sh -c \"test -e /done\"")]),
        client("command"),
        wish(
            observation::probe("vsock", "sleep 1 , vsock-serve 5000 3"),
            &[("ready", "vsock:5000"), ("ready-timeout", "10s")],
        ),
        client("vsock"),
        shell("late", "sleep 100", &[("ready", "notify"), ("ready-timeout", "1s")]),
        client("late"),
        shell("late-after", "true", &[("after", "late")]),
        shell("mute", "exec 5>&-; sleep 100", &[("ready", "fd:5")]),
        shell("brief", "true", &[("ready", "notify")]),
        client("brief"),
    ]
}

fn order() -> Vec<Container> {
    vec![
        shell("broken", "sleep 1; exit 1", &[("ready", "notify")]),
        shell("needs", "true", &[("requires", "well broken")]),
        shell("needs-needs", "true", &[("requires", "needs")]),
        shell("follows", "true", &[("after", "broken needs")]),
    ]
}

fn refused() -> Vec<Container> {
    vec![
        shell("ring-a", "true", &[("after", "ring-b")]),
        shell("ring-b", "true", &[("after", "well ring-c")]),
        shell("ring-c", "true", &[("requires", "ring-a")]),
        shell("self", "true", &[("after", "self")]),
        shell("behind-ring", "true", &[("after", "ring-a")]),
        shell("unknown", "true", &[("after", "well nobody")]),
        shell("maybe", "true", &[("restart", "maybe")]),
        shell("odd", "true", &[("nonsense", "1")]),
    ]
}

fn health() -> Vec<Container> {
    let check = [
        ("health", "test -e /well"),
        ("health-interval", "300ms"),
        ("health-timeout", "10s"),
        ("health-retries", "2"),
        ("restart", "on-failure:1"),
    ];
    vec![shell("sick", "touch /well; sleep 3; rm /well; sleep 100", &check)]
}

/// What process 1 said of a service, without times.
fn said(name: &str) -> Vec<String> {
    let about = format!("service {name}: ");
    let lines = boot().end.console.lines().filter_map(|line| line.split_once("pidone: ")?.1.strip_prefix(&about));
    let is_time = |word: &str| word.parse::<u32>().is_ok();
    lines.map(|line| line.split(" after ").next().unwrap().to_owned() + &rest(line, is_time)).collect()
}

/// What follows `after N ms`.
fn rest(line: &str, is_time: impl Fn(&str) -> bool) -> String {
    let Some((_, behind)) = line.split_once(" after ") else { return String::new() };
    match behind.split_once(" ms") {
        Some((time, rest)) if is_time(time) => rest.to_owned(),
        _ => format!(" after {behind}"),
    }
}

/// When a service's launcher was forked, in milliseconds, and how long after that it was executed, ready and ended.
#[derive(Debug)]
struct Times {
    start: f64,
    ready: Option<f64>,
}

fn times(console: &str, name: &str) -> Times {
    let marker = format!(" service {name}: executed after ");
    let line = console.lines().rev().find(|line| line.contains("timing: ") && line.contains(&marker));
    let line = line.unwrap_or_else(|| panic!("no times of {name}\n{console}"));
    let start = line.split_once("timing: ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    let ready =
        line.split_once("ready after ").map(|(_, rest)| rest.split(' ').next().unwrap().parse::<f64>().unwrap());
    Times { start, ready: ready.map(|ready| start + ready) }
}

#[test]
fn a_service_that_crashes_is_started_again_with_growing_delays_and_given_up_after_its_count() {
    assert_eq!(
        said("crash"),
        [
            "ended with code 3, starting it again in 100 ms (1)",
            "ended with code 3, starting it again in 200 ms (2)",
            "ended with code 3, starting it again in 300 ms (3)",
            "ended with code 3, given up after 3 restarts",
        ]
    );
    assert_eq!(
        said("always"),
        [
            "ended with code 0, starting it again in 50 ms (1)",
            "ended with code 0, starting it again in 100 ms (2)",
            "ended with code 0, given up after 2 restarts",
        ]
    );
    assert_eq!(said("well"), ["ended with code 0"]);
    assert_eq!(said("gone"), ["ended with code 5"]);
}

#[test]
fn a_service_that_requires_another_one_is_started_when_that_is_ready_in_each_way_to_be_so() {
    let has_vsock = !boot().all("vsock", "vsock-serve").is_empty() && said("vsock")[0].starts_with("ended");
    if !has_vsock {
        eprintln!("SKIPPED: this kernel has no vsock to itself: {:?}", said("vsock"));
    }
    for name in ["notify", "fd", "tcp", "command", "vsock"].into_iter().take(if has_vsock { 5 } else { 4 }) {
        let (server, client) =
            (times(&boot().end.console, name), times(&boot().end.console, &format!("{name}-client")));
        let ready = server.ready.unwrap_or_else(|| panic!("{name} was never ready\n{}", boot().about(name)));
        assert!(ready >= server.start + 1000.0, "{name}: {server:?}");
        assert!(client.start >= ready - 1.0 && client.start < ready + 900.0, "{name}: {server:?} {client:?}");
        assert_eq!(said(&format!("{name}-client")), ["ended with code 0"]);
    }
    assert_eq!(boot().one("notify", "notify"), "/run/notify/notify ok");
    // It has the one descriptor that it was given, and none of the machine's.
    assert_eq!(boot().all("fd", "fd").len(), 4, "{}", boot().about("fd"));
}

#[test]
fn a_service_that_is_not_ready_in_time_is_killed_and_has_failed() {
    assert_eq!(said("late"), ["not ready in time, killing it", "killed by signal 9"]);
    assert_eq!(said("late-client"), ["not started: requires late, which failed"]);
    assert_eq!(said("late-after"), ["ended with code 0"]);
    assert_eq!(said("mute"), ["not ready in time, killing it", "killed by signal 9"]);
    // One that ends well before it is ready has done what it was there for.
    assert_eq!(
        (said("brief"), said("brief-client")),
        (vec!["ended with code 0".into()], vec!["ended with code 0".into()])
    );
}

#[test]
fn what_requires_a_failed_service_is_not_started_and_what_only_follows_it_is() {
    assert_eq!(said("needs"), ["not started: requires broken, which failed"]);
    assert_eq!(said("needs-needs"), ["not started: requires needs, which failed"]);
    assert_eq!(said("follows"), ["ended with code 0"]);
}

#[test]
fn circles_unknown_names_and_unknown_words_are_refused_and_the_rest_of_the_boot_goes_on() {
    let console = &boot().end.console;
    for line in [
        "pidone: not started, since each waits for the next: ring-a -> ring-b -> ring-c -> ring-a",
        "pidone: not started, since each waits for the next: self -> self",
    ] {
        assert_eq!(console.matches(line).count(), 1, "{line}\n{console}");
    }
    let refusal = |name: &str, annotation: &str, problem: &str| {
        let all = said(name);
        let [line] = &all[..] else { panic!("{name}: {all:?}") };
        assert!(line.starts_with("not started: config.json: line "), "{line}");
        assert!(line.ends_with(&format!(": annotations[\"pidone.{annotation}\"]: {problem}")), "{line}");
    };
    refusal("unknown", "after", "nobody: no such service");
    refusal("maybe", "restart", "maybe: expected no, on-failure[:COUNT] or always[:COUNT], COUNT from 1 to 1000000");
    refusal("odd", "nonsense", "1: unknown annotation");
    assert_eq!(said("behind-ring"), ["ended with code 0"]);
    for name in ["ring-a", "ring-b", "ring-c", "self"] {
        assert_eq!(said(name), [""; 0]);
    }
}

#[test]
fn a_service_whose_checks_fail_is_killed_and_started_again_by_its_policy() {
    assert_eq!(
        said("sick"),
        [
            "unhealthy, killing it",
            "killed by signal 9, starting it again in 100 ms (1)",
            "unhealthy, killing it",
            "killed by signal 9, given up after 1 restarts",
        ]
    );
}

#[test]
fn a_service_is_asked_to_end_by_its_own_signal_and_has_its_own_grace() -> Result<()> {
    let polite = "trap 'sleep 1; exit 0' USR1; trap '' TERM; while true; do sleep 0.1; done";
    let mut vm = Image::new()?
        .service(shell("polite", polite, &[("stop-signal", "USR1"), ("grace", "1m")]))
        .service(wish(Container::probe("deaf", "on-term-sleep 1000"), &[("grace", "2s"), ("restart", "always")]))
        .vm()?
        .append("pidone.timing pidone.grace=1h")
        .start()?;
    vm.wait_for_report("on-term-sleep=ready")?;
    vm.wait_for("pidone: up")?;
    vm.power_button()?;
    let console = vm.expect(Ending::PowerOff)?.console;
    assert!(console.contains("service polite: ended with code 0"), "{console}");
    assert!(console.contains("service deaf: not ended in time, killing it"), "{console}");
    assert!(console.contains("service deaf: killed by signal 9"), "{console}");
    // As long as the slowest, and nothing is started again.
    let took = moment(&console, "onshutdown") - moment(&console, "stopping");
    assert!((2000.0..15_000.0).contains(&took), "{took}\n{console}");
    assert!(!console.contains("starting it again"), "{console}");
    Ok(())
}

/// When a phase began, in milliseconds.
fn moment(console: &str, phase: &str) -> f64 {
    let mut lines = console.lines().filter_map(|line| line.split_once("timing: ")?.1.split_once(' '));
    let (time, _) = lines.rfind(|(_, name)| *name == phase).unwrap_or_else(|| panic!("no {phase}\n{console}"));
    time.parse().unwrap()
}

#[test]
fn a_critical_service_that_fails_for_good_ends_the_machine_with_its_code() -> Result<()> {
    let end = Image::new()?
        .service(shell("vital", "sleep 1; exit 7", &[("critical", "yes"), ("restart", "on-failure:1")]))
        .service(Container::shell("other", "sleep 1000"))
        .vm()?
        .start()?
        .expect(Ending::PowerOff)?;
    assert!(end.console.contains("service vital: ended with code 7"), "{}", end.console);
    assert!(end.console.contains("going down (power off): service vital failed"), "{}", end.console);
    assert!(end.console.contains("pidone: exit code 7"), "{}", end.console);
    Ok(())
}

#[test]
fn what_follows_the_last_try_is_what_the_service_says_or_the_command_line() -> Result<()> {
    let image = Image::new()?.service(shell("none", "exit 9", &[("restart-last", "continue")])).service(shell(
        "some",
        "sleep 3; exit 9",
        &[("restart", "on-failure:1")],
    ));
    let mut vm = image.vm()?.append("pidone.restart-last=reboot pidone.restart=no pidone.restart-delay=2s").start()?;
    let console = vm.expect(Ending::Reset)?.console;
    assert!(console.contains("service some: ended with code 9"), "{console}");
    assert!(console.contains("starting it again in 2000 ms (1)"), "{console}");
    assert!(console.contains("going down (reboot): service some failed"), "{console}");
    Ok(())
}

#[test]
fn a_machine_with_a_critical_service_that_is_not_well_is_reset_by_its_watchdog() -> Result<()> {
    let wishes =
        [("critical", "yes"), ("health", "test -e /well"), ("health-interval", "500ms"), ("health-retries", "100")];
    let script = "touch /well; sleep 15; echo well > /dev/ttyS1; rm /well; sleep 1000";
    let mut vm = Image::new()?
        .service(shell("vital", script, &wishes).with_report())
        .vm()?
        .append("pidone.modules=softdog pidone.watchdog=10")
        .start()?;
    let end = vm.wait()?;
    assert!(end.report.contains("well"), "it was not petted while all was well\n{}", end.console);
    assert_eq!(end.ending, Ending::Reset, "{}", end.console);
    assert!(!end.console.contains("going down"), "{}", end.console);
    Ok(())
}

#[test]
fn fifty_services_come_up_in_the_order_asked_for_and_as_parallel_as_it_allows() -> Result<()> {
    const LAYERS: usize = 5;
    const WIDTH: usize = 10;
    const SECONDS: usize = 3;
    let mut image = Image::new()?;
    let name = |layer: usize, place: usize| format!("s{layer}{place}");
    for layer in 0..LAYERS {
        let below: Vec<_> = (0..WIDTH).filter(|_| layer > 0).map(|place| name(layer - 1, place)).collect();
        for place in 0..WIDTH {
            let script = format!("sleep {SECONDS}; echo >&3; sleep 1");
            let mut service = shell(&name(layer, place), &script, &[("ready", "fd:3")]);
            if layer > 0 {
                service = wish(service, &[(if place % 2 == 0 { "after" } else { "requires" }, &below.join(" "))]);
            }
            image = image.service(service);
        }
    }
    let console = image.run("pidone.timing")?.console;
    let mut before = 0.0;
    for layer in 0..LAYERS {
        let all: Vec<_> = (0..WIDTH).map(|place| times(&console, &name(layer, place))).collect();
        let starts = all.iter().map(|times| times.start);
        let readies = all.iter().map(|times| times.ready.expect("not ready"));
        let (first, last) = (starts.clone().fold(f64::MAX, f64::min), starts.fold(0.0, f64::max));
        assert!(first >= before - 1.0, "layer {layer} began before the one below was ready\n{console}");
        // Those of a layer do not wait for each other: one after the other they would take ten times as long.
        assert!(last < first + (SECONDS * 1000) as f64, "layer {layer}: {all:?}");
        before = readies.fold(0.0, f64::max);
    }
    let took = before - moment(&console, "services");
    assert!(took < (LAYERS * WIDTH * SECONDS * 1000 / 2) as f64, "{took}");
    Ok(())
}

#[test]
fn an_onboot_container_has_as_long_as_it_says() {
    let console = &boot().end.console;
    assert!(console.contains("onboot 000-slow: not ended in time, killing it"), "{console}");
    assert!(console.contains("onboot 000-slow: killed by signal 9"), "{console}");
}
