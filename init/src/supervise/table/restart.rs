//! Whether a container that has ended is started again, and when.

use crate::config::policy::{ALWAYS, Key, ON_FAILURE, Wishes};

/// What follows the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is started again, so much later.
    Again {
        /// Milliseconds.
        delay_ms: u32,
    },
    /// It is over, well or not.
    Over {
        /// Whether it has failed for good. One that is always to run has, however it ended.
        failed: bool,
    },
}

/// The verdict on a run that ended well or not after `ran_us`. `tries` is how often in a row it was started again before,
/// and is brought up to date.
pub(super) fn verdict(wishes: &Wishes, tries: &mut u32, ran_us: u64, good: bool) -> Verdict {
    let mode = wishes.get(Key::Restart);
    let failed = !good || mode == ALWAYS;
    if mode < ON_FAILURE || !failed {
        return Verdict::Over { failed };
    }
    if ran_us >= wishes.us(Key::RestartReset) {
        *tries = 0;
    }
    let most = wishes.get(Key::RestartCount);
    if most != 0 && *tries >= most {
        return Verdict::Over { failed };
    }
    let doubled = u64::from(wishes.get(Key::RestartDelay)) << (*tries).min(32);
    *tries = tries.saturating_add(1);
    // Time must pass, or a machine that cannot fork would do nothing but try.
    Verdict::Again { delay_ms: doubled.min(wishes.get(Key::RestartDelayMax).into()).max(1) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(pairs: &[(&str, &str)]) -> Wishes {
        let mut wishes = Wishes::DEFAULT;
        for (name, value) in pairs {
            assert_eq!(wishes.take(name.as_bytes(), value.as_bytes()), Ok(true));
        }
        wishes
    }

    #[test]
    fn each_way_to_end_is_judged_by_the_restart_that_is_wanted() {
        let (again, over) = (Verdict::Again { delay_ms: 100 }, |failed| Verdict::Over { failed });
        for (restart, good, expected) in [
            ("no", true, over(false)),
            ("no", false, over(true)),
            ("on-failure", true, over(false)),
            ("on-failure", false, again),
            ("always", true, again),
            ("always", false, again),
        ] {
            assert_eq!(verdict(&wishes(&[("restart", restart)]), &mut 0, 1, good), expected, "{restart} {good}");
        }
    }

    #[test]
    fn delays_double_up_to_the_most_and_begin_anew_after_a_long_run() {
        let wishes = wishes(&[("restart", "always"), ("restart-delay", "1s"), ("restart-delay-max", "5s")]);
        let mut tries = 0;
        let mut next = |ran_us| match verdict(&wishes, &mut tries, ran_us, false) {
            Verdict::Again { delay_ms } => delay_ms,
            over => panic!("{over:?}"),
        };
        assert_eq!([0; 5].map(&mut next), [1000, 2000, 4000, 5000, 5000]);
        assert_eq!((next(59_999_999), next(60_000_000), next(1)), (5000, 1000, 2000));
        for _ in 0..100 {
            assert!(next(0) <= 5000);
        }
    }

    #[test]
    fn a_count_is_of_restarts_in_a_row() {
        let counted = wishes(&[("restart", "on-failure:2")]);
        let mut tries = 0;
        let mut again = |ran_us| matches!(verdict(&counted, &mut tries, ran_us, false), Verdict::Again { .. });
        assert_eq!([0, 0, 0].map(&mut again), [true, true, false]);
        assert_eq!([60_000_000, 0, 0].map(&mut again), [true, true, false]);
        let mut tries = 2;
        let always = wishes(&[("restart", "always:2")]);
        assert_eq!(verdict(&always, &mut tries, 0, true), Verdict::Over { failed: true });
    }
}
