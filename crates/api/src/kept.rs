//! What the database says of callers, believed for a moment: whoever loses something is without it soon after, on every
//! node, and a caller of many requests does not make as many reads.

use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tidings_model::Timestamp;

/// How long something is believed. Streams end within 5 seconds of what ended them, so this is less.
const KEPT: Duration = Duration::from_secs(2);
/// The most that is kept.
const MAX_KEPT: usize = 10_000;

/// Answers of the database, by what was asked.
#[derive(Debug)]
pub struct Kept<Asked, Said>(Mutex<HashMap<Asked, (Said, Timestamp)>>);

impl<Asked, Said> Default for Kept<Asked, Said> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Asked: Eq + Hash, Said: Clone> Kept<Asked, Said> {
    /// What was said a moment ago.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, asked: &Q, now: Timestamp) -> Option<Said>
    where
        Asked: Borrow<Q>,
    {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (said, until) = kept.get(asked)?;
        // A clock that was put back must not keep it for longer.
        (now < *until && *until <= now.plus(KEPT)).then(|| said.clone())
    }

    /// Keeps what was said now, where there is room.
    pub fn put(&self, asked: Asked, said: Said, now: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (_, until)| now < *until);
        }
        if kept.len() < MAX_KEPT {
            kept.insert(asked, (said, now.plus(KEPT)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn what_was_said_is_believed_for_a_moment_whatever_the_clock_does() {
        let kept = Kept::default();
        kept.put("alice", 1, START);
        let almost = Duration::from_millis(1999);
        assert_eq!(kept.get("alice", START.plus(almost)), Some(1));
        assert_eq!(kept.get("alice", START.plus(KEPT)), None);
        assert_eq!(kept.get("alice", START.minus(KEPT)), None, "the clock was put back");
        assert_eq!(kept.get("bob", START), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_makes_room_in_time() {
        let kept = Kept::default();
        for asked in 0..=MAX_KEPT {
            kept.put(asked, (), START);
        }
        assert_eq!(kept.get(&MAX_KEPT, START), None);
        kept.put(MAX_KEPT, (), START.plus(KEPT));
        assert_eq!(kept.get(&MAX_KEPT, START.plus(KEPT)), Some(()));
        assert_eq!(kept.0.lock().unwrap().len(), 1);
    }
}
