//! What held from which place to which: memberships and mutes, settings, and the ranges withheld from a session.

use serde::{Deserialize, Serialize};

use crate::Place;

/// Something holds from a place on, up to but not including the place that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The place of the change that began it.
    pub from: Place,
    /// The place of the change that ended it; none while it lasts.
    pub until: Option<Place>,
}

impl Interval {
    /// Whether it held at a place.
    pub fn contains(&self, place: Place) -> bool {
        self.from <= place && self.until.is_none_or(|until| place < until)
    }
}

/// The times something held, oldest first, never overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    /// Begins at a place; what lasts already goes on unchanged. Places come in order; one that goes back
    /// is a repeat of a change that is known.
    pub fn open(&mut self, at: Place) {
        let known = self.0.last().is_some_and(|last| last.until.is_none_or(|until| at < until));
        if !known {
            self.0.push(Interval { from: at, until: None });
        }
    }

    /// Ends at a place; what does not last is left as it is.
    pub fn close(&mut self, at: Place) {
        if let Some(last) = self.0.last_mut()
            && last.until.is_none()
            && last.from <= at
        {
            last.until = Some(at);
            if last.from == at {
                self.0.pop();
            }
        }
    }

    /// The interval that held at a place.
    pub fn containing(&self, place: Place) -> Option<Interval> {
        // Most questions are about the newest places, most lists have one entry.
        self.0.iter().rev().copied().find(|interval| interval.contains(place))
    }

    /// Whether it held at a place.
    pub fn contains(&self, place: Place) -> bool {
        self.containing(place).is_some()
    }

    /// Whether it had held, and ended, at or before a place.
    pub fn ended_by(&self, place: Place) -> bool {
        self.0.iter().any(|interval| interval.until.is_some_and(|until| until <= place))
    }

    /// Whether it began again after a place.
    pub fn begins_after(&self, place: Place) -> bool {
        self.0.last().is_some_and(|last| place < last.from)
    }

    /// Forgets what ended before any place that will still be asked for.
    ///
    /// `needed` is the place of the oldest message that has not ended: intervals are kept until the last message
    /// that needs them ends.
    pub fn prune(&mut self, needed: Place) {
        self.0.retain(|interval| interval.until.is_none_or(|until| needed < until));
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Interval> + '_ {
        self.0.iter().copied()
    }
}

/// A setting that is replaced from time to time, by the place of the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByPlace<T>(Vec<(Place, T)>);

impl<T> Default for ByPlace<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByPlace<T> {
    /// Sets the value from a place on. A place that goes back is a repeat of a change that is known.
    pub fn set(&mut self, at: Place, value: T) {
        if self.0.last().is_none_or(|(last, _)| *last < at) {
            self.0.push((at, value));
        }
    }

    /// The value that held at a place.
    pub fn at(&self, place: Place) -> Option<&T> {
        self.0.iter().rev().find(|(from, _)| *from <= place).map(|(_, value)| value)
    }

    /// Forgets what was replaced before any place that will still be asked for.
    pub fn prune(&mut self, needed: Place) {
        let replaced = self.0.iter().skip(1).take_while(|(from, _)| *from <= needed).count();
        self.0.drain(..replaced);
    }
}

/// Places from first to last, both included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ranges(Vec<(Place, Place)>);

impl Ranges {
    /// Adds a range after all that are there.
    pub fn push(&mut self, first: Place, last: Place) {
        if first <= last {
            self.0.push((first, last));
        }
    }

    /// Whether a place is in one of them.
    pub fn contains(&self, place: Place) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= place);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| place <= *last)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = (Place, Place)> + '_ {
        self.0.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_interval_holds_from_its_change_up_to_the_next() {
        let mut member = Intervals::default();
        member.open(Place(5));
        member.close(Place(9));
        member.open(Place(12));
        let held: Vec<u64> = (1..15).filter(|place| member.contains(Place(*place))).collect();
        assert_eq!(held, [5, 6, 7, 8, 12, 13, 14]);
        assert!(member.ended_by(Place(9)) && !member.ended_by(Place(8)));
        assert!(member.begins_after(Place(11)) && !member.begins_after(Place(12)));
    }

    #[test]
    fn a_setting_holds_until_it_is_replaced() {
        let mut zone = ByPlace::default();
        zone.set(Place(3), "a");
        zone.set(Place(7), "b");
        zone.set(Place(7), "repeat");
        assert_eq!(
            [2, 3, 6, 7].map(|place| zone.at(Place(place)).copied()),
            [None, Some("a"), Some("a"), Some("b")]
        );
        zone.prune(Place(7));
        assert_eq!(zone.at(Place(6)), None);
        assert_eq!(zone.at(Place(7)), Some(&"b"));
    }

    #[test]
    fn a_range_includes_both_ends() {
        let mut ranges = Ranges::default();
        ranges.push(Place(2), Place(3));
        ranges.push(Place(6), Place(6));
        ranges.push(Place(9), Place(8));
        let inside: Vec<u64> = (1..10).filter(|place| ranges.contains(Place(*place))).collect();
        assert_eq!(inside, [2, 3, 6]);
    }

    proptest! {
        #[test]
        fn intervals_say_what_a_list_of_switches_says_also_after_pruning(
            switches in prop::collection::vec((1_u64..4, any::<bool>()), 0..30), needed in 0_u64..60
        ) {
            let (mut intervals, mut plain, mut at) = (Intervals::default(), vec![false; 100], 0);
            for (step, on) in switches {
                at += step;
                if on { intervals.open(Place(at)) } else { intervals.close(Place(at)) }
                plain[usize::try_from(at).unwrap()..].fill(on);
            }
            for place in 0..100 {
                prop_assert_eq!(intervals.contains(Place(place)), plain[usize::try_from(place).unwrap()]);
            }
            intervals.prune(Place(needed));
            for place in needed..100 {
                prop_assert_eq!(intervals.contains(Place(place)), plain[usize::try_from(place).unwrap()]);
            }
        }

        #[test]
        fn a_repeated_change_changes_nothing(switches in prop::collection::vec((1_u64..4, any::<bool>()), 1..20)) {
            let (mut once, mut twice, mut at) = (Intervals::default(), Intervals::default(), 0);
            for (step, on) in switches {
                at += step;
                if on { once.open(Place(at)) } else { once.close(Place(at)) }
                for _repeat in 0..2 {
                    if on { twice.open(Place(at)) } else { twice.close(Place(at)) }
                }
            }
            prop_assert_eq!(once, twice);
        }
    }
}
