//! A pace: moments at equal distances, kept whatever the work between them took.

use std::time::{Duration, Instant};

/// Moments at a rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    begun: Instant,
    pause: Duration,
}

impl Pace {
    /// So many moments a second, from now on.
    pub(super) fn per_second(rate: u32) -> Self {
        Self { begun: Instant::now(), pause: Duration::from_secs(1) / rate }
    }

    /// So many moments a second, which may be a part of one, from now on.
    pub(super) fn at(rate: f64) -> Self {
        Self { begun: Instant::now(), pause: Duration::from_secs_f64(1.0 / rate) }
    }

    /// Waits for a moment; does not wait for one that has passed.
    pub(super) fn wait(self, moment: usize) {
        let due = self.begun + self.pause.mul_f64(f64::from(u32::try_from(moment).unwrap_or(u32::MAX)));
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}
