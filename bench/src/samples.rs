//! Durations, and how they are spread.

use std::time::Duration;

/// Durations in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

impl FromIterator<Duration> for Samples {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut durations: Vec<_> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }
}

impl Samples {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The duration that so many of a thousand do not exceed, in milliseconds; 0 where there are none.
    pub(crate) fn millis(&self, per_mille: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let index = (self.0.len() * per_mille / 1000).min(last);
        self.0.get(index).map_or(0.0, |duration| duration.as_secs_f64() * 1e3)
    }

    /// The median, in milliseconds.
    pub(crate) fn p50(&self) -> f64 {
        self.millis(500)
    }

    /// What one in a hundred exceeds, in milliseconds.
    pub(crate) fn p99(&self) -> f64 {
        self.millis(990)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_exceeds_p99() {
        let samples: Samples = (1..=1000).rev().map(Duration::from_millis).collect();
        assert!((samples.p50() - 501.0).abs() < 1e-9);
        assert!((samples.p99() - 991.0).abs() < 1e-9);
        assert!(Samples::default().p99().abs() < 1e-9);
    }
}
