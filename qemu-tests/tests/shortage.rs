//! Memory runs out on the whole machine: who looks after it, and what is logged, outlive that.

use anyhow::{Context, Result, ensure};
use qemu_tests::container::Container;
use qemu_tests::image::Image;
use qemu_tests::observation::boot;

#[test]
fn the_logger_and_pid_1_outlive_a_container_that_takes_all_memory_and_no_line_of_others_is_lost() -> Result<()> {
    // A line without an end is kept whole until there is no more room for it.
    let eats = "sleep 4; for round in 1 2 3; do tail /dev/zero; echo eaten $?; done";
    let talks = "for n in $(seq 200); do echo line $n; sleep 0.1; done";
    let looks = "look() { logger=$(ps -o pid,comm | awk '$2 == \"pidone-logger\" { print $1 }'); \
            echo $1 $logger $(awk '/RssAnon/ { print $2 }' /proc/1/status /proc/$logger/status) \
            $(awk '/^oom_kill / { print $2 }' /proc/vmstat); }; \
        sleep 3; look before; while test $(awk '/^oom_kill / { print $2 }' /proc/vmstat) -lt 3; do sleep 1; done; \
        sleep 2; look after";
    let image = Image::new()?
        .service(Container::shell("eats", eats))
        .service(Container::shell("talks", talks))
        .service(Container::shell("looks", looks).pid_host());
    let seen = boot(image, "")?;

    ensure!(seen.output("eats") == "eaten 137\n".repeat(3), "{}", seen.about("eats"));
    let lines: Vec<String> = (1..=200).map(|number| format!("line {number}")).collect();
    ensure!(seen.output("talks").lines().eq(&lines), "{}", seen.about("talks"));
    let figures = |when: &str| -> Result<Vec<u64>> {
        let line = seen.output("looks").lines().find_map(|line| line.strip_prefix(when));
        let line = line.with_context(|| seen.about("looks"))?;
        line.split_whitespace().map(|number| Ok(number.parse()?)).collect()
    };
    let (before, after) = (figures("before ")?, figures("after ")?);
    println!("logger, KiB of PID 1, of the logger, kills: {before:?}, {after:?}");
    let ([logger, init, _, 0], [logger_after, init_after, used_after, kills]) = (&before[..], &after[..]) else {
        anyhow::bail!("{before:?} {after:?}")
    };
    ensure!(logger == logger_after && *kills >= 3, "another logger: {before:?} {after:?}");
    ensure!(init_after <= init && *used_after <= 1024, "{before:?} {after:?}");
    Ok(())
}
