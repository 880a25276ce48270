//! Receipts: the client's own word, forward only, in three shapes.
//!
//! A *session* confirms with a cursor what the verdict says was offered to it. An *item* has a row for each person
//! who acted. A *conversation* has a row for each member. A receipt that comes after the end changes nothing:
//! counts are frozen then, and what was left out of a catch-up because it had ended is never confirmed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidings_model::{Channel, Kind, Timestamp};

use crate::{
    DeliveryRecord, Moment, NotRecovered, Person, Place,
    planted::{Bug, planted},
    session::{Opening, Session},
    verdict::Verdict,
};

/// The row of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReceipts {
    session: Session,
    /// The newest place that a cursor named since the opening.
    claimed: Option<Place>,
    /// The newest place up to which that was written into receipts.
    confirmed: Option<Place>,
}

/// What a cursor confirms that no earlier one did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Everything at or before it was confirmed earlier, or never sent: a session's first cursor also confirms what its
    /// opening sent.
    pub after: Place,
    /// The cursor's place.
    pub upto: Place,
}

impl SessionReceipts {
    /// A session that opens without a usable cursor.
    pub fn open(session: Session) -> Self {
        Self { session, claimed: None, confirmed: None }
    }

    /// A session that comes with a usable cursor: the row it has, or one that begins at the cursor if it has none.
    ///
    /// A row that does not cover the cursor, because the session has opened anew since, is not replaced: it alone
    /// knows what its opening withheld and is owed later. Such a session opens once more.
    ///
    /// `current` tells whether the cursor is of the current generation. Where it is older, the database may have been
    /// copied back, and the row may be from before the opening that the cursor was given under.
    pub fn resume(
        row: Option<&Self>,
        channels: Option<BTreeSet<Channel>>,
        cursor: Moment,
        current: bool,
    ) -> Result<Self, NotRecovered> {
        let count = match row {
            Some(row) if current && row.session.channels != channels => {
                return Err(NotRecovered::NarrowedDifferently);
            }
            Some(row) if current && cursor.place < row.session.opening.at.place => {
                return Err(NotRecovered::Reopened);
            }
            Some(row) if current => return Ok(row.clone()),
            Some(row) => row.session.opening.count + 1,
            None => 1,
        };
        let opening = Opening { count, pending: false, ..Opening::offering(cursor) };
        Ok(Self::open(Session { opening, channels }))
    }

    /// What it may be offered.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The newest confirmed place, if any.
    pub fn confirmed(&self) -> Option<Place> {
        self.confirmed
    }

    /// Takes the place of a cursor the client holds, given under an [opening](Opening::count). Forward only: `None`
    /// if it confirms nothing new.
    ///
    /// `complete` is the projection's place: a cursor may be ahead of it, and what is not projected yet cannot be
    /// found. That part is remembered and [settled](Self::settle) later. The caller looks up the person's messages
    /// in the range and asks [`confirms`](Self::confirms) of each.
    pub fn confirm(&mut self, opening: u32, place: Place, complete: Place) -> Option<Confirmed> {
        if self.session.opening.count == opening && self.session.opening.at.place <= place {
            self.claimed = self.claimed.max(Some(place));
        }
        self.settle(complete)
    }

    /// Confirms what an earlier cursor named and the projection did not know yet.
    pub fn settle(&mut self, complete: Place) -> Option<Confirmed> {
        let upto = self.claimed?.min(complete);
        if upto < self.session.opening.at.place || self.confirmed.is_some_and(|newest| upto <= newest) {
            return None;
        }
        let after = self.confirmed.replace(upto).unwrap_or_else(|| self.session.opening.begins_after());
        Some(Confirmed { after, upto })
    }

    /// Whether a range confirms this message: offered to this session, and not over when the word came in.
    ///
    /// `now` is the newest place and time the receipts know of.
    pub fn confirms(
        &self,
        confirmed: Confirmed,
        person: &Person,
        record: &DeliveryRecord,
        now: Moment,
    ) -> bool {
        let in_range = confirmed.after < record.place && record.place <= confirmed.upto;
        if record.kind != Kind::Message || !in_range || record.ended(now).is_some() {
            return false;
        }
        match self.session.verdict(person, record) {
            Verdict::Offered => true,
            Verdict::Withheld { .. } => planted(Bug::WithheldConfirmed),
            Verdict::NotAddressed { .. } => false,
        }
    }
}

/// The row of one item and person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemReceipt {
    /// When a device of theirs first confirmed it.
    pub delivered_at: Option<Timestamp>,
    /// When they first said they had read it.
    pub read_at: Option<Timestamp>,
}

/// What a client says of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word {
    /// A device has it.
    Delivered,
    /// The person has read it.
    Read,
}

/// How far the counters of an item move: each by one, or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// It was not delivered to this person before.
    pub delivered: bool,
    /// It was not read by this person before.
    pub read: bool,
}

impl Moved {
    /// Whether the row changed, so that counters move and people are told.
    pub fn any(self) -> bool {
        self.delivered || self.read
    }
}

impl ItemReceipt {
    /// Takes a word; a repeat changes nothing. `read` implies `delivered`.
    pub fn take(&mut self, word: Word, at: Timestamp) -> Moved {
        let moved = Moved {
            delivered: self.delivered_at.is_none(),
            read: word == Word::Read && self.read_at.is_none(),
        };
        self.delivered_at.get_or_insert(at);
        if word == Word::Read {
            self.read_at.get_or_insert(at);
        }
        if planted(Bug::EveryReceiptCounted) {
            return Moved { delivered: true, read: word == Word::Read };
        }
        moved
    }
}

/// The row of one conversation and member: everything up to a sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationReceipt {
    /// The newest message that a device of theirs confirmed; 0 for none.
    pub delivered_seq: u64,
    /// The newest message they said they had read; 0 for none.
    pub read_seq: u64,
}

impl ConversationReceipt {
    /// Takes a word about everything up to a message; what goes back changes nothing.
    pub fn take(&mut self, word: Word, up_to: u64) -> Moved {
        let read = word == Word::Read && up_to > self.read_seq;
        let delivered = up_to > self.delivered_seq;
        self.delivered_seq = self.delivered_seq.max(up_to);
        if read {
            self.read_seq = up_to;
        }
        Moved { delivered, read }
    }
}

#[cfg(test)]
mod tests {
    use std::{ops::RangeInclusive, sync::Arc};

    use super::*;
    use crate::{PersonChange, interval::Ranges, record::tests::said, select_pending};

    fn alice() -> Person {
        let mut alice = Person::new("alice".parse().unwrap());
        alice.apply(&PersonChange::Joined(Channel::All), Place(1));
        alice
    }

    fn opened(place: u64, withheld: Ranges) -> SessionReceipts {
        let at = Moment { place: Place(place), time: Timestamp(0) };
        SessionReceipts::open(Session {
            opening: Opening { count: 1, withheld, ..Opening::offering(at) },
            channels: None,
        })
    }

    const NOW: Moment = Moment { place: Place(99), time: Timestamp(99_000) };

    fn confirmed(row: &mut SessionReceipts, person: &Person, cursor: u64, records: u64) -> Vec<u64> {
        let opening = row.session.opening.count;
        let Some(range) = row.confirm(opening, Place(cursor), Place(99)) else { return Vec::new() };
        (1..=records).filter(|place| row.confirms(range, person, &said(*place), NOW)).collect()
    }

    #[test]
    fn the_first_cursor_confirms_what_the_opening_sent_and_later_ones_what_followed() {
        let mut withheld = Ranges::default();
        withheld.push(Place(3), Place(4));
        let mut row = opened(5, withheld);
        assert_eq!(confirmed(&mut row, &alice(), 4, 9), [0_u64; 0]);
        assert_eq!(confirmed(&mut row, &alice(), 6, 9), [1, 2, 5, 6]);
        assert_eq!(confirmed(&mut row, &alice(), 6, 9), [0_u64; 0]);
        assert_eq!(confirmed(&mut row, &alice(), 8, 9), [7, 8]);
    }

    #[test]
    fn what_lies_behind_what_the_opening_looked_at_was_not_sent() {
        let mut row = opened(5, Ranges::default());
        row.session.opening.looked = Some(Place(3));
        assert_eq!(confirmed(&mut row, &alice(), 8, 9), [1, 2, 3, 6, 7, 8]);
    }

    #[test]
    fn the_first_cursor_looks_at_nothing_before_what_the_opening_sent() {
        let opened_with = |pending: RangeInclusive<u64>| {
            let mut row = opened(9, Ranges::default());
            let selection = select_pending(pending.map(|place| Arc::new(said(place))), 2);
            row.session.opening = row.session.opening.clone().sending(&selection);
            row
        };
        assert_eq!(confirmed(&mut opened_with(4..=9), &alice(), 10, 12), [4, 5, 10]);
        let range = opened_with(RangeInclusive::new(1, 0)).confirm(1, Place(12), Place(99));
        assert_eq!(range, Some(Confirmed { after: Place(9), upto: Place(12) }));
    }

    #[test]
    fn a_cursor_does_not_confirm_what_had_ended_when_it_came() {
        let mut row = opened(0, Ranges::default());
        let range = row.confirm(1, Place(9), Place(99)).unwrap();
        let mut record = said(7);
        record.expires_at = Some(Timestamp(50_000));
        assert!(!row.confirms(range, &alice(), &record, NOW));
        assert!(row.confirms(range, &alice(), &record, Moment { time: Timestamp(49_999), ..NOW }));
    }

    #[test]
    fn what_a_cursor_names_ahead_of_the_projection_is_confirmed_once_it_is_projected() {
        let mut row = opened(2, Ranges::default());
        let range = |after, upto| Some(Confirmed { after: Place(after), upto: Place(upto) });
        assert_eq!(row.confirm(1, Place(9), Place(6)), range(0, 6));
        assert_eq!(row.settle(Place(6)), None);
        assert_eq!(row.settle(Place(20)), range(6, 9));
        assert_eq!(row.settle(Place(30)), None);
        // Given under an opening that is no more.
        assert_eq!(row.confirm(2, Place(25), Place(30)), None);
    }

    #[test]
    fn a_session_goes_on_from_its_cursor_or_begins_there() {
        let at = |place| Moment { place: Place(place), time: Timestamp(0) };
        let mut row = opened(5, Ranges::default());
        row.confirm(1, Place(7), Place(99));
        let resume = |row, cursor, current| SessionReceipts::resume(row, None, at(cursor), current);
        assert_eq!(resume(Some(&row), 6, true), Ok(row.clone()));
        assert_eq!(resume(Some(&row), 4, true), Err(NotRecovered::Reopened));
        let narrowed = SessionReceipts::resume(Some(&row), Some([Channel::All].into()), at(6), true);
        assert_eq!(narrowed, Err(NotRecovered::NarrowedDifferently));
        for mut fresh in [resume(None, 4, true).unwrap(), resume(Some(&row), 4, false).unwrap()] {
            assert!(!fresh.session.opening.pending);
            assert_eq!(confirmed(&mut fresh, &alice(), 6, 9), [5, 6]);
        }
    }

    #[test]
    fn a_receipt_that_comes_twice_is_counted_once_and_read_implies_delivered() {
        let mut row = ItemReceipt::default();
        assert_eq!(row.take(Word::Read, Timestamp(5)), Moved { delivered: true, read: true });
        assert!(!row.take(Word::Delivered, Timestamp(6)).any());
        assert!(!row.take(Word::Read, Timestamp(7)).any());
        assert_eq!(row, ItemReceipt { delivered_at: Some(Timestamp(5)), read_at: Some(Timestamp(5)) });
    }

    #[test]
    fn a_conversation_only_moves_forward() {
        let mut row = ConversationReceipt::default();
        assert_eq!(row.take(Word::Delivered, 5), Moved { delivered: true, read: false });
        assert_eq!(row.take(Word::Read, 3), Moved { delivered: false, read: true });
        assert_eq!(row.take(Word::Read, 2), Moved::default());
        assert_eq!(row, ConversationReceipt { delivered_seq: 5, read_seq: 3 });
    }
}
