//! How fast somebody may speak: so many messages a second, and twice as many at once.
//!
//! For each person it remembers one moment: when all they said so far would have been said at the steady pace. It is a
//! memory of this process; who speaks to two may say twice as much.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tidings::{
    api::{Code, Problem},
    model::{Timestamp, UserId},
};

/// The most people who are remembered; who is over their pace is among the last to be forgotten.
const PEOPLE_MAX: usize = 50_000;

/// The pace of all people.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u32,
    /// By person, in microseconds since 1970.
    paid_until: Mutex<HashMap<UserId, i64>>,
}

impl Rate {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), paid_until: Mutex::default() }
    }

    /// Takes one message of somebody into account, or refuses it.
    pub(crate) fn take(&self, user: &UserId, now: Timestamp) -> Result<(), Problem> {
        let now = now.millis().saturating_mul(1000);
        let pace = i64::from(1_000_000 / self.per_second).max(1);
        let mut paid_until = self.paid_until.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = paid_until.get(user).copied().unwrap_or(now).max(now);
        // Twice a second's messages at once: the last of them is paid two seconds ahead.
        if paid + pace - now > 2_000_000 {
            let limit = self.per_second;
            let detail = format!("at most {limit} messages a second; wait a moment and send it again");
            return Err(Problem::new(Code::TooManyRequests, detail).retry_after(1));
        }
        if paid_until.len() >= PEOPLE_MAX && !paid_until.contains_key(user) {
            paid_until.retain(|_user, paid| *paid > now);
            if paid_until.len() >= PEOPLE_MAX {
                paid_until.clear();
            }
        }
        paid_until.insert(user.clone(), paid + pace);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn said(rate: &Rate, who: &str, times: usize, now: Timestamp) -> usize {
        let user: UserId = who.parse().unwrap();
        (0..times).filter(|_time| rate.take(&user, now).is_ok()).count()
    }

    #[test]
    fn twice_a_seconds_messages_at_once_then_the_pace_and_nobody_pays_for_another() {
        let (rate, start) = (Rate::new(20), Timestamp(1_700_000_000_000));
        assert_eq!(said(&rate, "alice", 100, start), 40);
        assert_eq!(said(&rate, "bob", 1, start), 1);
        assert_eq!(said(&rate, "alice", 100, start.plus(Duration::from_millis(500))), 10);
        let rested = start.plus(Duration::from_millis(500)).plus(Duration::from_secs(2));
        assert_eq!(said(&rate, "alice", 100, rested), 40);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (rate, now) = (Rate::new(20), Timestamp(1_700_000_000_000));
        for number in 0..PEOPLE_MAX + 10 {
            assert_eq!(said(&rate, &format!("p{number}"), 1, now), 1);
        }
        assert!(rate.paid_until.lock().unwrap().len() <= PEOPLE_MAX);
    }
}
