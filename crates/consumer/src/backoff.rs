//! The wait after a failed attempt.

use std::time::Duration;

/// Waits between attempts; when they are used up, the record is given up.
#[derive(Clone, Debug)]
pub struct Backoff {
    /// The wait after the first failed attempt, after the second, …
    pub waits: Vec<Duration>,
    /// Up to this share of a wait is added by chance, so that many do not return at once.
    pub jitter: f64,
}

impl Default for Backoff {
    /// 0.2, 1, 5, 10, 15 s: six attempts in all, about half a minute.
    fn default() -> Self {
        Self { waits: [200, 1_000, 5_000, 10_000, 15_000].map(Duration::from_millis).to_vec(), jitter: 0.2 }
    }
}

impl Backoff {
    /// How long to wait after `attempts` failed ones; none when they are used up. `chance` lies in 0..1.
    pub fn after(&self, attempts: u32, chance: f64) -> Option<Duration> {
        let wait = self.waits.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
        Some(wait.mul_f64(1.0 + self.jitter * chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_attempts_are_made_in_all() {
        let backoff = Backoff::default();
        assert_eq!(backoff.after(1, 0.0), Some(Duration::from_millis(200)));
        assert_eq!(backoff.after(5, 1.0), Some(Duration::from_secs(18)));
        assert_eq!(backoff.after(6, 0.0), None);
    }
}
