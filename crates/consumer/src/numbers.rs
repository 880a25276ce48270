//! Numbers: which records of a relay are new, although it repeats them, and others write late.
//!
//! A relay gives each record of a partition the next number, and sends again, in order, what it is in doubt about. So
//! a numbered record is new if its number is the last accepted one plus one. A lower one is a repeat. A higher one is
//! *early*: what is missing comes, and then it comes again. If it does not, the log has lost records; after half a
//! minute that is told, and they are given up.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

/// How long a missing number is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// New, or without a number.
    New,
    /// Known: it has no effect.
    Repeat,
    /// A number before it is missing: it comes again.
    Early,
}

/// The numbers of one partition, as far as they were read.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    // Offset → number of what was accepted since the high-water place, and of the last one before it.
    accepted: BTreeMap<u64, u64>,
    // Up to this number a jump upwards is no hole: what it jumps over stands before this reader's start.
    within: u64,
    // Since when a number is missing, and the offsets of what came early.
    hole: Option<(Instant, Vec<u64>)>,
    // What is missing next was waited for, and is given up: the last number that the relay has given by then.
    gives_up: Option<u64>,
}

impl Numbers {
    /// A reader from `next` on, told the number that was accepted last before it, and the last one that was given
    /// before the group began.
    pub(crate) fn from(next: u64, last: Option<u64>, within: u64) -> Self {
        let accepted = last.map(|last| (next.saturating_sub(1), last)).into_iter().collect();
        Self { accepted, within, ..Self::default() }
    }

    /// A reader that does not wait for what is missing next. The relay has given numbers up to `given`: a higher one is
    /// no number of ours, whoever wrote it, and a jump to it would make a repeat of all that follows.
    pub(crate) fn giving_up(self, given: u64) -> Self {
        Self { gives_up: Some(given), ..self }
    }

    /// Judges the next record.
    pub(crate) fn judge(&mut self, offset: u64, number: Option<u64>, now: Instant) -> Verdict {
        let Some(number) = number else { return Verdict::New };
        let Some(last) = self.accepted.last_key_value().map(|(_, last)| *last) else {
            self.accepted.insert(offset, number);
            return Verdict::New;
        };
        if number <= last {
            return Verdict::Repeat;
        }
        let stands_before = last < self.within && number <= self.within && self.hole.is_none();
        if self.gives_up.is_some_and(|given| number > given) {
            return Verdict::New;
        }
        if last.checked_add(1) == Some(number) || stands_before || self.gives_up.is_some() {
            self.gives_up = None;
            self.accepted.insert(offset, number);
            return Verdict::New;
        }
        let (_, early) = self.hole.get_or_insert((now, Vec::new()));
        early.push(offset);
        Verdict::Early
    }

    /// What came early and comes again, once nothing is missing any more.
    pub(crate) fn take_early(&mut self) -> Vec<u64> {
        self.hole.take().map(|(_, early)| early).unwrap_or_default()
    }

    /// When a missing number is given up.
    pub(crate) fn overdue_at(&self) -> Option<Instant> {
        self.hole.as_ref().map(|(since, _)| *since + PATIENCE)
    }

    /// How many came early.
    pub(crate) fn early(&self) -> usize {
        self.hole.as_ref().map_or(0, |(_, early)| early.len())
    }

    /// The number that was accepted last before an offset.
    pub(crate) fn before(&self, offset: u64) -> Option<u64> {
        self.accepted.range(..offset).next_back().map(|(_, number)| *number)
    }

    /// Forgets what lies before the high-water place, but for the last.
    pub(crate) fn forget_before(&mut self, next: u64) {
        if let Some(last) = self.accepted.range(..next).next_back().map(|(offset, _)| *offset) {
            self.accepted = self.accepted.split_off(&last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(numbers: &mut Numbers, of: &[u64]) -> Vec<Verdict> {
        let now = Instant::now();
        (0..).zip(of).map(|(offset, number)| numbers.judge(offset, Some(*number), now)).collect()
    }

    #[tokio::test]
    async fn a_repeat_has_no_effect_and_what_came_early_comes_again() {
        use Verdict::{Early, New, Repeat};
        let mut numbers = Numbers::default();
        assert_eq!(verdicts(&mut numbers, &[1, 2, 1, 2, 3]), [New, New, Repeat, Repeat, New]);
        let mut numbers = Numbers::from(0, Some(1), 0);
        assert_eq!(verdicts(&mut numbers, &[3, 4, 2]), [Early, Early, New]);
        assert_eq!(numbers.take_early(), [0, 1]);
        assert_eq!(numbers.judge(3, Some(3), Instant::now()), New);
        assert_eq!(numbers.judge(4, None, Instant::now()), New);
    }

    #[tokio::test]
    async fn a_reader_that_begins_on_a_late_repeat_goes_on_with_what_follows() {
        use Verdict::{Early, New, Repeat};
        let mut numbers = Numbers::from(0, None, 102);
        let found = verdicts(&mut numbers, &[50, 101, 102, 51, 103, 105]);
        assert_eq!(found, [New, New, New, Repeat, New, Early]);
    }

    #[tokio::test]
    async fn who_gives_up_a_missing_number_never_jumps_to_one_that_was_not_given() {
        use Verdict::{Early, New, Repeat};
        let mut numbers = Numbers::from(0, Some(1), 0).giving_up(6);
        assert_eq!(verdicts(&mut numbers, &[4_000_000_000, 5, 6, 5, 8]), [New, New, New, Repeat, Early]);
    }

    #[tokio::test]
    async fn the_number_before_a_place_is_known_as_long_as_it_is_needed() {
        let mut numbers = Numbers::from(5, Some(7), 0);
        let now = Instant::now();
        for (offset, number) in [(5, 8), (6, 9), (9, 10)] {
            assert_eq!(numbers.judge(offset, Some(number), now), Verdict::New);
        }
        let before = |numbers: &Numbers| [5, 6, 7, 8, 10].map(|offset| numbers.before(offset));
        assert_eq!(before(&numbers), [Some(7), Some(8), Some(9), Some(9), Some(10)]);
        numbers.forget_before(8);
        assert_eq!(before(&numbers)[2..], [Some(9), Some(9), Some(10)]);
    }
}
