//! A hard life for a machine: containers by the thousand, services that crash, launchers that are stopped or killed. When it
//! is over, the machine must be as it was before.

mod counts;
mod harm;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Report;
use counts::Counts;
use harm::Random;

/// The services of the image crash as long as this file is not there.
const CALM: &str = "/run/soak/calm";

/// Everything is used once before it is counted: what is loaded or cached for the first time is no leak.
const WARM_UP: Duration = Duration::from_secs(15);

/// How long the machine may take to settle.
const PATIENCE: Duration = Duration::from_secs(60);

/// `soak.THING=BEFORE AFTER` for everything counted, `soak.done=COUNT` containers, `soak.killed=COUNT` processes,
/// `soak.failures=COUNT` commands that should have succeeded, `soak.failed=` the first of them, and `soak.lost=THING...`
/// for what is more than before.
pub(crate) fn soak(seconds: u32, seed: u32, report: &mut Report) {
    let mut random = Random::new(seed);
    let _ = trouble(WARM_UP, &mut random);
    let before = settled(None);
    let harmed = trouble(Duration::from_secs(seconds.into()), &mut random);
    let after = settled(Some(&before));
    for (name, before, after) in before.beside(&after) {
        report.say(&format!("soak.{name}"), format_args!("{before} {after}"));
    }
    report.say("soak.done", harmed.containers);
    report.say("soak.killed", harmed.killed);
    report.say("soak.failures", harmed.failures.len());
    report.say("soak.failed", harmed.failures.first().cloned().unwrap_or_default());
    report.say("soak.lost", before.lost(&after).join(" "));
}

/// Lets everything loose for a time.
fn trouble(time: Duration, random: &mut Random) -> harm::Harm {
    let _ = fs::remove_file(CALM);
    let over = AtomicBool::new(false);
    let harm = thread::scope(|scope| {
        let mut threads: Vec<_> = (0..3)
            .map(|number| {
                let (over, random) = (&over, random.split());
                scope.spawn(move || harm::containers(number, over, random))
            })
            .collect();
        let (flag, random) = (&over, random.split());
        threads.push(scope.spawn(move || harm::processes(flag, random)));
        thread::sleep(time);
        over.store(true, Ordering::SeqCst);
        threads.into_iter().filter_map(|thread| thread.join().ok()).fold(harm::Harm::default(), harm::Harm::and)
    });
    // Whoever sees it stays.
    let _ = fs::create_dir_all("/run/soak").and_then(|()| fs::write(CALM, ""));
    harm
}

/// What there is when nothing changes any more; when a count is given, once it is that again.
fn settled(expected: Option<&Counts>) -> Counts {
    let end = Instant::now() + PATIENCE;
    let mut last = Counts::now();
    loop {
        thread::sleep(Duration::from_secs(3));
        let now = Counts::now();
        let good = match expected {
            Some(expected) => expected.lost(&now).is_empty(),
            None => now.lost(&last).is_empty() && last.lost(&now).is_empty(),
        };
        if good || Instant::now() > end {
            return now;
        }
        last = now;
    }
}
