//! How long a listener waits before it comes back.

use std::time::Duration;

/// Full jitter: a random share of a bound that doubles from `first` to `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The bound after the first failure.
    pub first: Duration,
    /// The largest bound. What the server asks for is cut to it too.
    pub max: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), max: Duration::from_secs(30) }
    }
}

impl Waits {
    /// The bound before try `attempt`, counted from 0.
    pub fn bound(&self, attempt: u32) -> Duration {
        self.first.saturating_mul(2_u32.saturating_pow(attempt)).min(self.max)
    }

    /// The wait before try `attempt`: what the server asked for, or a random share of the bound.
    pub fn before(&self, attempt: u32, asked: Option<Duration>, random: &mut fastrand::Rng) -> Duration {
        match asked {
            Some(asked) => asked.min(self.max),
            None => self.bound(attempt).mul_f64(random.f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_from_half_a_second_to_thirty() {
        let waits = Waits::default();
        let bounds: Vec<u128> = (0..8).map(|attempt| waits.bound(attempt).as_millis()).collect();
        assert_eq!(bounds, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(waits.bound(u32::MAX), waits.max);
    }

    #[test]
    fn a_wait_is_a_share_of_its_bound_or_what_the_server_asked_for() {
        let (waits, mut random) = (Waits::default(), fastrand::Rng::with_seed(1));
        assert!((0..100).all(|_| waits.before(3, None, &mut random) <= waits.bound(3)));
        assert_eq!(waits.before(3, Some(Duration::from_secs(3)), &mut random), Duration::from_secs(3));
        assert_eq!(waits.before(0, Some(Duration::from_hours(1)), &mut random), waits.max);
    }
}
