//! The wait after a failed attempt.

use std::time::Duration;

use tidings_model::Record;

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

/// A share of the jitter, in 0..1: other records and other attempts have other ones.
pub(crate) fn chance(group: &str, record: &Record, attempts: u32) -> f64 {
    let bytes = group.bytes().map(u64::from);
    let place = [u64::from(record.partition), record.offset];
    let mix = |seed: u64, part: u64| fastrand::Rng::with_seed(seed ^ part).u64(..);
    fastrand::Rng::with_seed(bytes.chain(place).chain([u64::from(attempts)]).fold(0, mix)).f64()
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

    #[test]
    fn records_that_fail_together_come_back_apart_and_the_same_record_always_alike() {
        let record = |offset| Record {
            topic: "orders".to_owned(),
            partition: 0,
            offset,
            time: tidings_model::Timestamp(0),
            key: None,
            headers: Vec::new(),
            value: None,
        };
        let chances: Vec<f64> = (0..100).map(|offset| chance("group", &record(offset), 1)).collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
        let spread = chances
            .iter()
            .fold((1.0_f64, 0.0_f64), |(low, high), chance| (low.min(*chance), high.max(*chance)));
        assert!(spread.0 < 0.1 && spread.1 > 0.9, "{spread:?}");
        assert!((chance("group", &record(7), 1) - chances[7]).abs() < f64::EPSILON);
    }
}
