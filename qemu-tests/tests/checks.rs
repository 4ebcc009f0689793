//! Checks that do not end: they are killed with all that they have started, and never pile up.

use anyhow::{Context, Result, ensure};
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::{self, Observation, Shared, shared};
use qemu_tests::tree::Tree;
use qemu_tests::vm::Ending;

static BOOT: Shared = Shared::new();

fn boot() -> &'static Observation {
    shared(&BOOT, || {
        // Each check leaves a line, and what it is.
        let stubborn = "sh -c \"echo >>/begun; trap '' TERM; sleep 777 & sleep 777\"";
        let leaving = "sh -c \"echo >>/begun; setsid sleep 888 & sleep 0\"";
        let stuck = "sh -c \"test -e /frozen || exit 0; echo >>/begun; dd if=/dev/null of=/tmp/m/x\"";
        let freeze = "mknod /tmp/vda b $(tr : ' ' </sys/block/vda/dev); mkdir /tmp/m; mount -t ext4 /tmp/vda /tmp/m && \
            fsfreeze --freeze /tmp/m && touch /frozen; sleep 1000";
        // Its end takes a while, for which it waits for all the others: the check has gone long before.
        let brief = "while ! test -e /begun; do sleep 0.1; done; for i in $(seq 100); do sleep 99 & done; sleep 1; echo checked";
        let brief = checked("brief", brief, "sh -c \"echo >/begun; sleep 99\"", "1");
        let brief = brief.annotation("pidone.health-timeout", "99s");
        // Where the one that is stuck still is when its container is long gone.
        let thaw = "sleep 30; echo stuck=$(ps | grep -c '[d]d if=/dev/null'); for process in $(pidof dd); do \
            echo begun=$(wc -l </proc/$process/root/begun); fsfreeze --unfreeze /proc/$process/root/tmp/m; done; \
            sleep 2; echo left=$(ps | grep -c '[d]d if=/dev/null')";
        let count = |seconds: u32| {
            format!("sleep 15; echo now=$(ps | grep -c '[s]leep {seconds}'); echo begun=$(wc -l </begun)")
        };
        let image = Image::new()?
            .service(checked("stubborn", &count(777), stubborn, "100"))
            .service(checked("leaving", &count(888), leaving, "100"))
            .service(checked("stuck", freeze, stuck, "3").capability_all().device_all("b"))
            .service(brief)
            .service(Container::shell("thaw", thaw).capability_all().pid_host());
        observation::boot_vm(image, |vm| vm.disk(&Tree::new(), 16), Ending::PowerOff)
    })
}

fn checked(name: &str, script: &str, check: &str, retries: &str) -> Container {
    let container = Container::shell(name, script).annotation("pidone.health", check);
    let container = container.annotation("pidone.health-interval", "300ms").annotation("pidone.health-timeout", "1s");
    container.annotation("pidone.health-retries", retries)
}

/// A number that a container has said.
fn number(container: &str, key: &str) -> Result<usize> {
    let text = boot().output(container);
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    Ok(value.with_context(|| format!("{key}\n{text}\n{}", boot().end.console))?.parse()?)
}

#[test]
fn a_check_that_ignores_sigterm_is_killed_with_all_that_it_has_started() -> Result<()> {
    let (now, begun) = (number("stubborn", "now")?, number("stubborn", "begun")?);
    // The one that may be at work.
    ensure!(begun >= 2 && now <= 2, "{now} after {begun} checks");
    Ok(())
}

#[test]
fn what_a_check_leaves_behind_is_killed() -> Result<()> {
    let (now, begun) = (number("leaving", "now")?, number("leaving", "begun")?);
    ensure!(begun >= 4 && now <= 1, "{now} after {begun} checks");
    Ok(())
}

#[test]
fn beside_a_check_that_is_stuck_in_the_kernel_no_other_is_begun_and_they_count_as_failed() -> Result<()> {
    ensure!(number("thaw", "stuck")? == 1 && number("thaw", "begun")? == 1);
    ensure!(number("thaw", "left")? == 0);
    let console = &boot().end.console;
    ensure!(console.contains("service stuck: unhealthy, killing it"), "{console}");
    Ok(())
}

#[test]
fn a_service_that_ends_in_the_midst_of_a_check_is_not_called_unhealthy() -> Result<()> {
    let console = &boot().end.console;
    ensure!(boot().output("brief") == "checked\n", "{}", boot().about("brief"));
    ensure!(console.contains("service brief: ended with code 0"), "{console}");
    ensure!(!console.contains("service brief: unhealthy"), "{console}");
    Ok(())
}
