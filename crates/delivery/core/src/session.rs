//! A session, one person on one device: where it began, what it listens to, and what its opening left out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidings_model::{Channel, Kind};

use crate::{
    DeliveryRecord, Moment, Narrowing, Person, Place, Selection,
    interval::Ranges,
    verdict::{NotAddressed, Until, Verdict, Withheld, judge, withheld},
};

/// How a session began; written before `ready`, and again whenever it cannot go on from its cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Which opening of the session it is, from 1. A receipt names the opening it was given under: one that is still
    /// on its way when the session opens again must not confirm what the new opening has not sent yet.
    pub count: u32,
    /// What stands at or before this place was judged here, once; what follows is judged at its own place.
    ///
    /// The place is the projection's, read in the transaction that writes the session's row and reads what is
    /// pending. A later change of membership or preference then finds the row and writes late records for it;
    /// an earlier one is already part of the judgement. Any other place leaves a gap between the two.
    pub at: Moment,
    /// Whether what was pending was offered; `false` for a session that came with a cursor from elsewhere.
    pub pending: bool,
    /// First places of the events that were pending and were not sent: the digest told their number.
    pub withheld: Ranges,
    /// The place up to which was looked for what is pending, where there was more than one look finds: what stands
    /// behind it, up to the opening, was not sent either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked: Option<Place>,
    /// The place before the first message that was sent, where that is known: a receipt need not look at or before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_after: Option<Place>,
}

impl Opening {
    /// One that offers all that is pending. Its number is given when it is written.
    pub fn offering(at: Moment) -> Self {
        Self { count: 0, at, pending: true, withheld: Ranges::default(), looked: None, sent_after: None }
    }

    /// Notes what of the pending messages it sends, and what it leaves out.
    #[must_use]
    pub fn sending<F: AsRef<DeliveryRecord>>(self, selection: &Selection<F>) -> Self {
        let first = selection.send.iter().map(|frame| frame.as_ref().place).min();
        let sent_after = Some(first.map_or(self.at.place, Place::previous));
        Self { withheld: selection.withheld.clone(), sent_after, ..self }
    }

    /// Nothing at or before it was sent.
    pub(crate) fn begins_after(&self) -> Place {
        if self.pending { self.sent_after.unwrap_or(Place::ORIGIN) } else { self.at.place }
    }

    /// Whether it left out a message that was pending.
    fn left_out(&self, record: &DeliveryRecord) -> bool {
        self.withheld.contains(record.first) || self.looked.is_some_and(|looked| looked < record.place)
    }
}

/// What a session may be offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Where it began.
    pub opening: Opening,
    /// The channels of `?channels=`; none for all that the person has.
    pub channels: Option<BTreeSet<Channel>>,
}

impl Session {
    /// The narrowing that its cursors carry.
    pub fn narrowing(&self) -> Narrowing {
        self.channels.as_ref().map_or(Narrowing::NONE, Narrowing::to)
    }

    /// The moment at which a record is judged for it.
    pub fn moment_of(&self, record: &DeliveryRecord) -> Moment {
        if record.place <= self.opening.at.place { self.opening.at } else { record.moment() }
    }

    /// Judges a record for this session of a person: the person's verdict, then what only the session knows.
    pub fn verdict(&self, person: &Person, record: &DeliveryRecord) -> Verdict {
        let at = self.moment_of(record);
        let opened_after = record.place <= self.opening.at.place;
        if opened_after && record.kind == Kind::Signal {
            return Verdict::NotAddressed { reason: NotAddressed::Offline };
        }
        let verdict = judge(person, record, at, opened_after);
        if !verdict.is_offered() {
            return verdict;
        }
        if !self.listens_to(person, record, at.place) {
            return withheld(Withheld::Narrowed, Until::Asked);
        }
        if opened_after && !self.opening.pending {
            return withheld(Withheld::BeforeSession, Until::Asked);
        }
        if opened_after && self.opening.left_out(record) {
            return withheld(Withheld::Digest, Until::Asked);
        }
        Verdict::Offered
    }

    fn listens_to(&self, person: &Person, record: &DeliveryRecord, at: Place) -> bool {
        let Some(channels) = &self.channels else { return true };
        let mut said_to = record.first_audience().any.iter();
        said_to.any(|channel| channels.contains(channel) && person.listens(channel, at))
    }
}
