//! Generations: the lives of the delivery log. A place means something only within one.
//!
//! One more begins whenever the log was created again, restored, or seen to go back. The list is kept with the
//! database, so a copy of the database from before a generation began does not know it, and says so.
//!
//! Places never go back. A log that was made anew counts its offsets from 0; what people joined, muted and confirmed is
//! known by place, so a generation also says how far its places are ahead of its log's offsets.

use serde::{Deserialize, Serialize};

use crate::{
    Cursor, Narrowing, Place,
    planted::{Bug, planted},
};

/// The random name of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GenerationId(pub u64);

/// One life of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Random, so that two lives that began at the same place are told apart.
    pub id: GenerationId,
    /// The place of its first record.
    pub first: Place,
    /// Places that lie before the log's offset 0: none in the first log.
    #[serde(default)]
    pub base: u64,
}

/// The places of a log that was made anew begin at a multiple of this: readers may have been ahead of the projection, by
/// which the last place is known, and no place is given twice.
const STRIDE: u64 = 1_000_000_000;

impl Generation {
    /// The place of the record at an offset of this generation's log.
    pub const fn place(self, offset: u64) -> Place {
        Place(offset.saturating_add(1).saturating_add(self.base))
    }

    /// The offset of the record at a place; none before the first record.
    pub const fn offset(self, place: Place) -> Option<u64> {
        match place.0.checked_sub(self.base) {
            Some(behind) => behind.checked_sub(1),
            None => None,
        }
    }
}

/// What the log and the projection still hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// All records after this place can still be read; older ones were trimmed.
    pub kept_after: Place,
    /// The newest record of the log, not of a node's tail: a node that is behind must ask.
    pub head: Place,
}

/// Why a client that came with a cursor cannot go on from it; told as `reason` beside `recovered: false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotRecovered {
    /// It brought none: a new device.
    NoCursor,
    /// The text is no cursor.
    UnknownCursor,
    /// The cursor's generation is unknown here, or ended before the cursor's place.
    OtherGeneration,
    /// The session listened to other channels when it got the cursor.
    NarrowedDifferently,
    /// The session has opened anew since it got the cursor.
    Reopened,
    /// What follows the cursor is no longer kept.
    TooOld,
    /// No record stands at the cursor's place yet.
    AheadOfLog,
}

impl NotRecovered {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCursor => "no_cursor",
            Self::UnknownCursor => "unknown_cursor",
            Self::OtherGeneration => "other_generation",
            Self::NarrowedDifferently => "narrowed_differently",
            Self::Reopened => "reopened",
            Self::TooOld => "too_old",
            Self::AheadOfLog => "ahead_of_log",
        }
    }
}

/// Every generation, oldest first; there is always one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generations {
    current: Generation,
    earlier: Vec<Generation>,
}

impl Generations {
    /// The generations of a new log.
    pub fn new(id: GenerationId) -> Self {
        Self { current: Generation { id, first: Place::ORIGIN.next(), base: 0 }, earlier: Vec::new() }
    }

    /// The list as it was stored, in order; `None` for an empty list or one whose places go back.
    pub fn from_stored(list: impl IntoIterator<Item = Generation>) -> Option<Self> {
        let mut earlier: Vec<Generation> = list.into_iter().collect();
        if !earlier.is_sorted_by_key(|generation| generation.first) {
            return None;
        }
        Some(Self { current: earlier.pop()?, earlier })
    }

    /// The generation in which records are written now.
    pub fn current(&self) -> Generation {
        self.current
    }

    /// All of them, oldest first, as they are to be stored.
    pub fn iter(&self) -> impl Iterator<Item = Generation> + '_ {
        self.earlier.iter().copied().chain([self.current])
    }

    /// Begins a generation whose first record stands at `first`: nothing at or after it is what it was before.
    ///
    /// Generations that began there or later are forgotten: none of their places holds any more.
    pub fn regenerate(&mut self, id: GenerationId, first: Place) {
        let base = self.current.base;
        self.begin(Generation { id, first, base });
    }

    /// Begins the generation of another log, whose offsets begin at 0 again. `head` is the newest known place.
    pub fn another_log(&mut self, id: GenerationId, head: Place) {
        let base = (head.0 / STRIDE + 1) * STRIDE;
        self.begin(Generation { id, first: Place(base).next(), base });
    }

    fn begin(&mut self, generation: Generation) {
        self.earlier.push(self.current);
        self.earlier.retain(|earlier| earlier.first < generation.first);
        self.current = generation;
    }

    /// The cursor of a place, for sessions of this narrowing.
    pub fn cursor(&self, place: Place, narrowing: Narrowing) -> Cursor {
        Cursor { generation: self.current.id, place, narrowing }
    }

    /// The place that a receipt names with a cursor; `None` for a cursor of an earlier generation or of another list
    /// of channels, which says nothing about what the session was sent since.
    pub fn receipt(&self, cursor: &Cursor, narrowing: Narrowing) -> Option<Place> {
        let own = cursor.generation == self.current.id && cursor.narrowing == narrowing;
        own.then_some(cursor.place)
    }

    /// A cursor, if the log that gave it is the one that is read now.
    pub fn of_this_log(&self, cursor: Cursor) -> Result<Cursor, NotRecovered> {
        let own = self.iter().find(|generation| generation.id == cursor.generation);
        let is_ours = own.is_some_and(|own| own.base == self.current.base);
        if is_ours { Ok(cursor) } else { Err(NotRecovered::OtherGeneration) }
    }

    /// The place from which a session of this narrowing may go on with nothing missing and nothing twice.
    ///
    /// A cursor of an older generation holds only for places before the next one's first, and for none where the log is
    /// another one since: what was lost with the former nobody knows.
    pub fn resolve(
        &self,
        cursor: &Cursor,
        narrowing: Narrowing,
        log: LogBounds,
    ) -> Result<Place, NotRecovered> {
        let mut later = self.iter().skip_while(|generation| generation.id != cursor.generation).skip(1);
        if !planted(Bug::GenerationForgotten) {
            self.of_this_log(*cursor)?;
            if later.next().is_some_and(|next| next.first <= cursor.place) {
                return Err(NotRecovered::OtherGeneration);
            }
        }
        if cursor.narrowing != narrowing && !planted(Bug::NarrowingForgotten) {
            return Err(NotRecovered::NarrowedDifferently);
        }
        if cursor.place < log.kept_after {
            return Err(NotRecovered::TooOld);
        }
        if cursor.place > log.head {
            return Err(NotRecovered::AheadOfLog);
        }
        Ok(cursor.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogBounds = LogBounds { kept_after: Place(10), head: Place(100) };

    fn at(generation: u64, place: u64) -> Cursor {
        Cursor { generation: GenerationId(generation), place: Place(place), narrowing: Narrowing::NONE }
    }

    #[test]
    fn a_cursor_of_an_older_generation_holds_before_the_next_ones_first_place() {
        let mut generations = Generations::new(GenerationId(1));
        generations.regenerate(GenerationId(2), Place(51));
        let resolve = |cursor| generations.resolve(&cursor, Narrowing::NONE, LOG);
        assert_eq!(resolve(at(1, 50)), Ok(Place(50)));
        assert_eq!(resolve(at(1, 51)), Err(NotRecovered::OtherGeneration));
        assert_eq!(resolve(at(2, 51)), Ok(Place(51)));
        assert_eq!(resolve(at(3, 20)), Err(NotRecovered::OtherGeneration));
        assert_eq!(generations.receipt(&at(1, 50), Narrowing::NONE), None);
        assert_eq!(generations.receipt(&at(2, 51), Narrowing::NONE), Some(Place(51)));
    }

    #[test]
    fn a_generation_that_began_in_the_replaced_part_is_forgotten() {
        let mut generations = Generations::new(GenerationId(1));
        generations.regenerate(GenerationId(2), Place(51));
        generations.regenerate(GenerationId(3), Place(30));
        let resolve = |cursor| generations.resolve(&cursor, Narrowing::NONE, LOG);
        assert_eq!(resolve(at(1, 29)), Ok(Place(29)));
        assert_eq!(resolve(at(1, 30)), Err(NotRecovered::OtherGeneration));
        assert_eq!(resolve(at(2, 29)), Err(NotRecovered::OtherGeneration));
        let stored: Vec<Generation> = generations.iter().collect();
        assert_eq!(Generations::from_stored(stored), Some(generations));
    }

    #[test]
    fn another_log_counts_from_the_start_and_its_places_go_on_behind_all_that_were_given() {
        let mut generations = Generations::new(GenerationId(1));
        assert_eq!(generations.current().place(99), Place(100));
        assert_eq!(generations.current().offset(Place(100)), Some(99));
        assert_eq!(generations.current().offset(Place::ORIGIN), None);
        generations.another_log(GenerationId(2), Place(100));
        let second = generations.current();
        assert_eq!((second.place(0), second.offset(second.first)), (second.first, Some(0)));
        assert_eq!(second.offset(Place(100)), None, "the other log had it");
        generations.another_log(GenerationId(3), second.first);
        let third = generations.current();
        assert!(third.first > second.place(1_000_000) && third.offset(third.first) == Some(0));
        let log = LogBounds { kept_after: Place::ORIGIN, head: third.first };
        let resolve = |cursor| generations.resolve(&cursor, Narrowing::NONE, log);
        assert_eq!(resolve(at(2, second.first.0)), Err(NotRecovered::OtherGeneration));
        assert_eq!(resolve(at(3, third.first.0)), Ok(third.first));
    }

    #[test]
    fn a_cursor_outside_the_kept_log_or_of_another_narrowing_is_refused_by_name() {
        let generations = Generations::new(GenerationId(1));
        let resolve = |cursor, narrowing| generations.resolve(&cursor, narrowing, LOG);
        let narrowed = Narrowing::to(&[tidings_model::Channel::All].into());
        assert_eq!(resolve(at(1, 9), Narrowing::NONE), Err(NotRecovered::TooOld));
        assert_eq!(resolve(at(1, 10), Narrowing::NONE), Ok(Place(10)));
        assert_eq!(resolve(at(1, 101), Narrowing::NONE), Err(NotRecovered::AheadOfLog));
        assert_eq!(resolve(at(1, 50), narrowed), Err(NotRecovered::NarrowedDifferently));
    }
}
