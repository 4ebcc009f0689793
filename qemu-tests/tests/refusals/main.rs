//! What cannot be done is refused in one line that says what and where; it leaves nothing behind, and the boot goes on.

mod files;
mod runtime;
mod steps;
mod texts;
mod values;

use std::collections::BTreeSet;

use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{Observation, Shared, boot, probe, shared};
use qemu_tests::vm::Ending;
use serde_json::Value;

use files::{links, sizes, without_files};
use runtime::runtimes;
use steps::steps;
use texts::texts;
use values::{unsupported, values};

/// A bundle that is not to run, and what its one error line must say.
struct Refusal {
    name: &'static str,
    container: Container,
    line: &'static str,
}

/// One boot with all of them, between two looks at the machine.
fn seen() -> &'static Observation {
    static SEEN: Shared = Shared::new();
    shared(&SEEN, || {
        let mut image = Image::new()?.onboot(survey("before"));
        for refusal in refusals() {
            image = image.onboot(refusal.container);
        }
        let image = links(sizes(image)).onboot(survey("after"));
        let image = without_files(image)
            .service(probe("service", "say runs"))
            .service(must_not_run("service-refused").hostname("x"));
        // The module makes a link of its own when it is loaded, which is not to be taken for left behind.
        boot(image, "pidone.modules=dummy")
    })
}

fn must_not_run(name: &str) -> Container {
    probe(name, "say must-not-run")
}

/// A bundle with another value at a place of its config.json: `/process/cwd`.
fn with(name: &'static str, place: &'static str, value: Value, line: &'static str) -> Refusal {
    let container = must_not_run(name).edit_config(move |config| {
        let (parent, field) = place.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[field] = value.clone();
    });
    Refusal { name, container, line }
}

/// A bundle with other bytes for config.json, from those that would be right.
fn raw(name: &'static str, change: impl FnOnce(String) -> String, line: &'static str) -> Refusal {
    let good = String::from_utf8(must_not_run(name).config_json()).unwrap();
    Refusal { name, container: Container::new(name).raw_config(change(good)), line }
}

fn runtime(name: &'static str, fields: Value, line: &'static str) -> Refusal {
    Refusal { name, container: must_not_run(name).net_new().runtime(fields), line }
}

fn raw_runtime(name: &'static str, text: impl Into<Vec<u8>>, line: &'static str) -> Refusal {
    Refusal { name, container: must_not_run(name).raw_runtime(text), line }
}

fn mount(name: &'static str, mount: Value, line: &'static str) -> Refusal {
    let container = must_not_run(name).edit_config(move |config| {
        config["mounts"].as_array_mut().unwrap().push(mount.clone());
    });
    Refusal { name, container, line }
}

fn refusals() -> Vec<Refusal> {
    [texts(), values(), unsupported(), runtimes(), steps()].into_iter().flatten().collect()
}

/// pidone's messages about `NNN-name` and no other.
fn messages_about(name: &str) -> Vec<String> {
    let (ending, mut messages) = (format!("-{name}:"), seen().messages(name));
    let is_number = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    messages.retain(|message| message.split(' ').any(|word| word.strip_suffix(&ending).is_some_and(is_number)));
    messages
}

#[test]
fn a_refusal_is_one_line_that_says_what_is_wrong_and_where() {
    for refusal in refusals() {
        let messages = messages_about(refusal.name);
        let [reason, not_started] = &messages[..] else { panic!("{}: {messages:#?}", refusal.name) };
        assert!(reason.contains(refusal.line), "{}: {reason}\nwanted: {}", refusal.name, refusal.line);
        let is_placed =
            reason.contains("config.json: ") || reason.contains("runtime.json: ") || reason.contains(": step ");
        assert!(is_placed, "{reason}");
        assert!(not_started.ends_with(": not started"), "{not_started}");
    }
}

#[test]
fn what_is_refused_does_not_run() {
    for refusal in refusals() {
        assert!(!seen().spoke(refusal.name), "{}", seen().about(refusal.name));
    }
}

#[test]
fn a_service_is_refused_as_any_other_container() {
    let messages = seen().messages("service-refused");
    let expected = [
        "container service-refused: config.json: hostname: the container has no uts namespace of its own",
        "service service-refused: not started",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn the_rest_of_the_boot_goes_on_after_refusals() {
    assert_eq!(seen().one("service", "say"), "runs");
}

/// Looks at the machine from beside it.
fn survey(name: &str) -> Container {
    let script = "sed 's/^[0-9]* [0-9]* [0-9:]* //; s/\\(shared\\|master\\):[0-9]*/\\1/g; s/^/PROBE left=mount /' /proc/1/mountinfo; \
        (cd /groups; find . -type d | sed 's/^/PROBE left=group /'); \
        ls /sys/class/net | sed 's/^/PROBE left=link /'; \
        (cd /machine; find run var tmp etc dev containers/onboot/*/tmp containers/onboot/*/rootfs | sed 's/^/PROBE left=file /'); \
        for id in /proc/[0-9]*; do echo PROBE left=process $(tr '\\0' ' ' < $id/cmdline); done 2>/dev/null";
    Container::shell(name, script).pid_host().capability_all().bind("/:/machine").bind("/sys/fs/cgroup:/groups")
}

#[test]
fn nothing_is_left_of_what_was_refused() {
    let survey = |name: &str| -> BTreeSet<String> {
        let is_own =
            |line: &String| ["-before", "-after", "file run/log", "process "].iter().any(|own| line.contains(own));
        seen().all(name, "left").into_iter().filter(|line| !is_own(line)).collect()
    };
    let (before, after) = (survey("before"), survey("after"));
    for kind in ["mount", "group", "link", "file"] {
        assert!(before.iter().any(|line| line.starts_with(kind)), "no {kind}: {}", seen().about("before"));
    }
    // Empty folders that something was to be mounted or made in.
    let is_folder = |line: &&String| ["file run/refused", "file var/half", "file var/busy"].contains(&line.as_str());
    let more: Vec<_> = after.difference(&before).filter(|line| !is_folder(line)).collect();
    assert!(more.is_empty(), "left behind: {more:#?}");
    let fewer: Vec<_> = before.difference(&after).collect();
    assert!(fewer.is_empty(), "taken along: {fewer:#?}");
}

#[test]
fn a_container_that_cannot_be_started_has_failed_too() {
    let image = Image::new().unwrap().onboot(Container::new("fails").raw_config("{"));
    let builder = image.onboot(Container::shell("second", "true")).vm().unwrap().append("pidone.fail=poweroff");
    let console = builder.start().unwrap().expect(Ending::PowerOff).unwrap().console;
    assert!(console.contains("000-fails: not started") && console.contains("000-fails failed"), "{console}");
    assert!(!console.contains("001-second"), "{console}");
}
