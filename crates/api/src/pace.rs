//! How fast each of many may go: so many at once, which come back one after the other at a steady pace.
//!
//! For each it remembers one moment, from which on all is free again; whatever is taken moves it on by its share. Who is
//! past that moment is forgotten. It is a memory of this process: who speaks to two has twice as much.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tidings_model::Timestamp;

/// The most who are remembered. Where all of them are in use, whoever is not among them waits.
const MOST: usize = 100_000;
/// The pause between two looks for those who may be forgotten, in microseconds.
const SWEEP: i64 = 1_000_000;

/// The pace of all who are told apart by a `Who`.
#[derive(Debug)]
pub struct Pace<Who> {
    // In microseconds: what one takes, and how far ahead may be taken.
    each: i64,
    ahead: i64,
    entries: Mutex<Entries<Who>>,
}

/// What is left after one was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// How many more at once.
    pub count: u32,
    /// When all are free again.
    pub whole_in: Duration,
}

/// In microseconds since 1970.
#[derive(Debug)]
struct Entries<Who> {
    free_at: HashMap<Who, i64>,
    swept_at: i64,
}

impl<Who: Eq + Hash> Pace<Who> {
    /// `burst` at once, of which one comes back after each `each`.
    pub fn new(burst: u32, each: Duration) -> Self {
        let each = i64::try_from(each.as_micros()).unwrap_or(i64::MAX).max(1);
        let entries = Entries { free_at: HashMap::new(), swept_at: 0 };
        Self { each, ahead: each.saturating_mul(i64::from(burst.max(1))), entries: Mutex::new(entries) }
    }

    /// Takes one and says what is left, or how long to wait for it.
    pub fn take(&self, who: Who, now: Timestamp) -> Result<Left, Duration> {
        let now = now.millis().saturating_mul(1000);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        // A crowd does not make it look through all of them each time.
        if entries.free_at.len() >= MOST && now >= entries.swept_at.saturating_add(SWEEP) {
            entries.free_at.retain(|_who, at| *at > now);
            entries.swept_at = now;
        }
        let known = entries.free_at.get(&who).copied();
        if known.is_none() && entries.free_at.len() >= MOST {
            return Err(micros(self.ahead));
        }
        let at = known.map_or(now, |at| at.max(now)).saturating_add(self.each);
        if at - now > self.ahead {
            return Err(micros(at - now - self.ahead));
        }
        entries.free_at.insert(who, at);
        let count = u32::try_from((self.ahead - (at - now)) / self.each).unwrap_or(0);
        Ok(Left { count, whole_in: micros(at - now) })
    }
}

/// Seconds that are not less than a wait.
pub(crate) fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
}

fn micros(wait: i64) -> Duration {
    Duration::from_micros(u64::try_from(wait).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    fn taken<Who: Eq + Hash + Copy>(pace: &Pace<Who>, who: Who, times: usize, now: Timestamp) -> usize {
        (0..times).filter(|_time| pace.take(who, now).is_ok()).count()
    }

    #[test]
    fn so_many_at_once_then_the_pace_and_nobody_pays_for_another() {
        let pace = Pace::new(40, Duration::from_millis(50));
        let left = Left { count: 39, whole_in: Duration::from_millis(50) };
        assert_eq!(pace.take("carol", START), Ok(left));
        assert_eq!(taken(&pace, "alice", 100, START), 40);
        assert_eq!(pace.take("alice", START), Err(Duration::from_millis(50)));
        assert_eq!(taken(&pace, "bob", 1, START), 1);
        let later = START.plus(Duration::from_millis(500));
        assert_eq!(taken(&pace, "alice", 100, later), 10);
        assert_eq!(taken(&pace, "alice", 100, later.plus(Duration::from_secs(2))), 40);
    }

    #[test]
    fn those_who_are_remembered_are_bounded_and_forgotten_in_time() {
        let pace = Pace::new(1, Duration::from_mins(1));
        let known = (0..MOST + 10).filter(|who| pace.take(*who, START).is_ok()).count();
        assert_eq!(known, MOST);
        assert_eq!(pace.take(MOST, START), Err(Duration::from_mins(1)));
        assert!(pace.take(MOST, START.plus(Duration::from_mins(1))).is_ok());
        assert_eq!(pace.entries.lock().unwrap().free_at.len(), 1);
    }
}
