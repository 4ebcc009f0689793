//! The gate before the guests: two run at a time, over all processes and threads. `PIDONE_GUESTS` says another number.

use std::fs::File;
use std::time::Duration;

use anyhow::Result;

use crate::cache;

/// On two cores a third guest only slows the other two (measured).
const GUESTS: usize = 2;

/// The right to run one guest; given back when dropped.
pub struct Place {
    _lock: File,
}

/// Waits for a place.
pub fn enter() -> Result<Place> {
    let places = std::env::var("PIDONE_GUESTS").ok().and_then(|text| text.parse().ok()).unwrap_or(GUESTS).max(1);
    loop {
        for place in 0..places {
            if let Some(lock) = cache::try_lock(&format!("guest-{place}"))? {
                return Ok(Place { _lock: lock });
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
