//! Acceptance: which records of the log are new, in spite of relays that repeat, pause, or write late.
//!
//! A relay in doubt sends again, from the first row that it has not marked, in order. So a reader accepts a
//! numbered record only if its number is the last accepted one plus one, and drops all others. What people see is
//! then neither repeated nor reordered by a second relay, a paused one, or a write that lands late.
//!
//! Start reading *at* the stored place, not after it: the first record then proves that the log is still the one
//! that the pair was stored for.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_model::Timestamp;

use crate::{
    Number, Place,
    planted::{Bug, planted},
};

/// How far a reader is: stored as one value, in one transaction with what the records did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The place of the newest accepted record.
    pub place: Place,
    /// The newest accepted number; none until a numbered record was met.
    pub number: Option<Number>,
    /// The last number of a hole that was passed and that nothing was accepted after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed: Option<Number>,
    /// Up to this number a jump upwards is no hole: what it jumps over stands before the reader's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_within: Option<Number>,
}

impl Accepted {
    /// A reader of a log from its very first record: it waits for number 1, even if number 2 lands before it.
    ///
    /// The default state, which takes the first number it meets, is for a reader that joins a log whose beginning
    /// is gone or does not concern it.
    pub const fn beginning() -> Self {
        Self { place: Place::ORIGIN, number: Some(Number(0)), passed: None, began_within: None }
    }

    /// A reader without a place that begins with the oldest record there is, told the last number that was given
    /// before it began.
    ///
    /// The first record it meets may be a late repeat, with numbers missing behind it. Before any copy of a
    /// number stands a copy of the one before, so these stand before the reader's start.
    pub fn joining(last_given: Number) -> Self {
        Self { began_within: (last_given > Number(0)).then_some(last_given), ..Self::default() }
    }
}

/// What to do with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// New: handle it; [`Acceptor::accepted`] has moved.
    Accept,
    /// Known: skip it.
    Drop,
    /// Before it a number is missing: handle nothing yet, read on for the missing one.
    Hold,
    /// What was missing stands later, and records of others were held before it: read again from here.
    Reread(Place),
    /// The log is not the one that was read before: begin a new generation.
    NewGeneration,
}

/// Numbers that were marked as sent and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The first missing number.
    pub first: Number,
    /// The last missing number.
    pub last: Number,
    /// When it was met.
    pub since: Timestamp,
    /// The place of the first record that was held because of it.
    pub held_from: Place,
}

/// One reader's acceptance of one partition.
#[derive(Clone, Debug)]
pub struct Acceptor {
    accepted: Accepted,
    hole: Option<Hole>,
    /// Whether a record of somebody else is held behind the hole.
    holds_unnumbered: bool,
    /// Numbers too high are known to come again until this place.
    comes_again_until: Place,
}

impl Acceptor {
    /// How long a missing number is waited for before it is recorded, alarmed and passed.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// A reader that goes on where it stopped; the default state begins with the first number it meets.
    pub fn from_stored(accepted: Accepted) -> Self {
        Self { accepted, hole: None, holds_unnumbered: false, comes_again_until: Place::ORIGIN }
    }

    /// How far it is; to be stored together with what was handled.
    pub fn accepted(&self) -> Accepted {
        self.accepted
    }

    /// Judges the next record. Records come in the order of their places, save after [`Acceptance::Reread`].
    pub fn offer(&mut self, place: Place, number: Option<Number>, now: Timestamp) -> Acceptance {
        if place < self.accepted.place {
            return Acceptance::NewGeneration;
        }
        if place == self.accepted.place {
            let agrees = number.is_none() || number == self.accepted.number;
            return if agrees { Acceptance::Drop } else { Acceptance::NewGeneration };
        }
        let Some(number) = number else { return self.unnumbered(place) };
        let Some(last) = self.accepted.passed.or(self.accepted.number) else {
            return self.accept(place, number);
        };
        if number == last && planted(Bug::RepeatAccepted) {
            return self.accept(place, number);
        }
        if number < last && planted(Bug::ZombieAccepted) {
            return self.accept(place, number);
        }
        if number <= last {
            return Acceptance::Drop;
        }
        if number == last.next() {
            return self.expected(place, number);
        }
        if planted(Bug::HoleIgnored) {
            return self.accept(place, number);
        }
        if self.hole.is_none() && self.accepted.began_within.is_some_and(|within| number <= within) {
            return self.accept(place, number);
        }
        if place < self.comes_again_until {
            return Acceptance::Drop;
        }
        let missing = Number(number.0.saturating_sub(1));
        let hole =
            self.hole.get_or_insert(Hole { first: last.next(), last: missing, since: now, held_from: place });
        hole.last = hole.last.min(missing);
        Acceptance::Hold
    }

    /// Whether the log, which now ends at `end`, has gone back behind what was accepted.
    pub fn went_back(&self, end: Place) -> bool {
        end < self.accepted.place
    }

    /// The hole that was waited for long enough: record it, alarm, and [`pass`](Self::pass) it, if its numbers are
    /// marked as sent. Those that are not will still be sent, however long the relay is away.
    ///
    /// Only one reader (the projection) passes by time; all others pass what it recorded. Otherwise a write that
    /// lands near the limit is accepted by one node and dropped by another.
    pub fn overdue(&self, now: Timestamp) -> Option<Hole> {
        self.hole.filter(|hole| now.since(hole.since) >= Self::PATIENCE)
    }

    /// The hole that is waited for.
    pub fn hole(&self) -> Option<Hole> {
        self.hole
    }

    /// Gives the missing numbers up. Returns the place to read from again, if records are held behind them.
    pub fn pass(&mut self, hole: &Hole) -> Option<Place> {
        let last = self.accepted.passed.or(self.accepted.number)?;
        if last.next() != hole.first {
            return None;
        }
        self.accepted.passed = Some(hole.last);
        self.holds_unnumbered = false;
        self.hole.take().map(|own| own.held_from)
    }

    fn unnumbered(&mut self, place: Place) -> Acceptance {
        if self.hole.is_some() {
            self.holds_unnumbered = true;
            return Acceptance::Hold;
        }
        self.accepted.place = place;
        Acceptance::Accept
    }

    fn expected(&mut self, place: Place, number: Number) -> Acceptance {
        if let Some(hole) = self.hole.take()
            && std::mem::take(&mut self.holds_unnumbered)
        {
            // The relay sends what follows the missing one again, the others do not send theirs again.
            self.comes_again_until = place;
            return Acceptance::Reread(hole.held_from);
        }
        self.accept(place, number)
    }

    fn accept(&mut self, place: Place, number: Number) -> Acceptance {
        let began_within = self.accepted.began_within.filter(|within| number < *within);
        self.accepted = Accepted { place, number: Some(number), passed: None, began_within };
        self.hole = None;
        Acceptance::Accept
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn reader() -> Acceptor {
        Acceptor::from_stored(Accepted::default())
    }

    /// Reads a log as a tail does, re-reading where told, and returns the accepted (place, number).
    fn read(acceptor: &mut Acceptor, log: &[Option<u64>]) -> Vec<(u64, Option<u64>)> {
        let mut accepted = Vec::new();
        let mut at = 0;
        while let Some(number) = log.get(at) {
            let place = Place::of_offset(at as u64);
            match acceptor.offer(place, number.map(Number), NOW) {
                Acceptance::Accept => accepted.push((place.0, *number)),
                Acceptance::Drop | Acceptance::Hold => {}
                Acceptance::Reread(from) => {
                    at = usize::try_from(from.offset().unwrap()).unwrap();
                    continue;
                }
                Acceptance::NewGeneration => panic!("no new generation here"),
            }
            at += 1;
        }
        accepted
    }

    #[test]
    fn a_repeat_is_dropped_and_the_next_number_is_accepted() {
        let numbers = [Some(1), Some(2), Some(1), Some(2), Some(3)];
        assert_eq!(read(&mut reader(), &numbers), [(1, Some(1)), (2, Some(2)), (5, Some(3))]);
    }

    #[test]
    fn a_write_that_lands_late_does_not_reorder_because_the_relay_repeats_what_followed() {
        let numbers = [Some(1), Some(3), Some(2), Some(3), Some(4)];
        assert_eq!(read(&mut reader(), &numbers), [(1, Some(1)), (3, Some(2)), (4, Some(3)), (5, Some(4))]);
    }

    #[test]
    fn a_reader_from_the_beginning_waits_for_the_first_number() {
        let numbers = [Some(2), Some(1), Some(2)];
        let mut reader = Acceptor::from_stored(Accepted::beginning());
        assert_eq!(read(&mut reader, &numbers), [(2, Some(1)), (3, Some(2))]);
    }

    #[test]
    fn a_reader_that_begins_on_a_late_repeat_goes_on_with_what_follows() {
        let numbers = [Some(50), Some(101), Some(102), Some(51), Some(103), Some(105), Some(104), Some(105)];
        let mut joining = Acceptor::from_stored(Accepted::joining(Number(102)));
        let numbers = read(&mut joining, &numbers);
        assert_eq!(
            numbers,
            [(1, Some(50)), (2, Some(101)), (3, Some(102)), (5, Some(103)), (7, Some(104)), (8, Some(105))]
        );
        assert_eq!(joining.accepted().began_within, None, "behind its start a jump is a hole");
    }

    #[test]
    fn records_of_others_behind_a_hole_are_neither_lost_nor_reordered() {
        let numbers = [Some(1), Some(3), None, Some(2), Some(3), None];
        assert_eq!(
            read(&mut reader(), &numbers),
            [(1, Some(1)), (3, None), (4, Some(2)), (5, Some(3)), (6, None)]
        );
    }

    #[test]
    fn a_hole_is_held_for_thirty_seconds_and_then_passed_from_the_record_behind_it() {
        let mut reader = reader();
        reader.offer(Place(1), Some(Number(1)), NOW);
        assert_eq!(reader.offer(Place(2), Some(Number(4)), NOW), Acceptance::Hold);
        assert_eq!(reader.offer(Place(3), Some(Number(5)), NOW), Acceptance::Hold);
        assert_eq!(reader.overdue(NOW.plus(Duration::from_millis(29_999))), None);
        let hole = reader.overdue(NOW.plus(Acceptor::PATIENCE)).unwrap();
        assert_eq!((hole.first, hole.last), (Number(2), Number(3)));
        assert_eq!(reader.pass(&hole), Some(Place(2)));
        // Stored here and read again, the pair still agrees with the log.
        let mut again = Acceptor::from_stored(reader.accepted());
        assert_eq!(again.offer(Place(1), Some(Number(1)), NOW), Acceptance::Drop);
        assert_eq!(again.offer(Place(2), Some(Number(4)), NOW), Acceptance::Accept);
        assert_eq!(again.offer(Place(3), Some(Number(5)), NOW), Acceptance::Accept);
    }

    #[test]
    fn a_reader_that_had_not_met_the_hole_passes_what_another_recorded() {
        let hole = Hole { first: Number(2), last: Number(3), since: NOW, held_from: Place(2) };
        let mut reader = reader();
        assert_eq!(reader.pass(&hole), None);
        reader.offer(Place(1), Some(Number(1)), NOW);
        assert_eq!(reader.pass(&hole), None);
        assert_eq!(reader.offer(Place(2), Some(Number(4)), NOW), Acceptance::Accept);
    }

    #[test]
    fn a_stored_pair_that_no_longer_agrees_or_a_log_that_went_back_is_a_new_generation() {
        let stored = Accepted { place: Place(5), number: Some(Number(5)), ..Accepted::default() };
        let offer = |place, number| Acceptor::from_stored(stored).offer(place, number, NOW);
        assert_eq!(offer(Place(5), Some(Number(5))), Acceptance::Drop);
        assert_eq!(offer(Place(5), Some(Number(2))), Acceptance::NewGeneration);
        assert_eq!(offer(Place(4), Some(Number(4))), Acceptance::NewGeneration);
        assert!(Acceptor::from_stored(stored).went_back(Place(4)));
        assert!(!Acceptor::from_stored(stored).went_back(Place(5)));
    }

    proptest! {
        /// A relay sends 1..=n; each time it doubts it goes back to any row that was sent, and goes on from there.
        #[test]
        fn whatever_a_relay_repeats_each_number_is_accepted_once_in_order(
            turns in prop::collection::vec((1_u64..6, 0_u64..6), 1..20),
            restart in 0_usize..60,
        ) {
            let (mut log, mut next) = (Vec::new(), 1);
            for (sent, back) in turns {
                log.extend((next..next + sent).map(Some));
                next = (next + sent).saturating_sub(back).max(1);
            }
            let newest = log.iter().flatten().max().copied().unwrap();
            let mut first = reader();
            let cut = restart.min(log.len());
            let mut accepted: Vec<u64> = read(&mut first, &log[..cut]).iter().filter_map(|(_, n)| *n).collect();
            // A second reader goes on from the stored pair, reading the stored place itself again.
            let mut second = Acceptor::from_stored(first.accepted());
            let from = usize::try_from(first.accepted().place.0.saturating_sub(1)).unwrap();
            for (at, number) in log.iter().enumerate().skip(from) {
                if second.offer(Place::of_offset(at as u64), number.map(Number), NOW) == Acceptance::Accept {
                    accepted.extend(number);
                }
            }
            prop_assert_eq!(accepted, (1..=newest).collect::<Vec<u64>>());
        }
    }
}
