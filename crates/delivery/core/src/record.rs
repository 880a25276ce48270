//! A delivery record, as far as the verdict needs it: an event and its audience, at a place.

use serde::{Deserialize, Serialize};
use tidings_model::{Audience, EventId, Kind, Priority, Timestamp};

use crate::{Moment, Place};

/// Why something is over for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Its sender took it back.
    Cancelled,
    /// Its time is over.
    Expired,
}

/// A subject was taken from the screens by a record of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The place of the record that removed it.
    pub place: Place,
    /// Why.
    pub end: End,
}

/// One event, said once, to an audience; or said again, late, to one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Where it stands in the delivery log.
    pub place: Place,
    /// The place of the event's first record: [`place`](Self::place) itself, unless this one is late.
    /// What a session's opening left out is noted by this place, so that all records of an event share its fate.
    pub first: Place,
    /// The event; a late record has the same one, so that clients drop what they have.
    pub event_id: EventId,
    /// How long it is promised.
    pub kind: Kind,
    /// The thing it is about, by which receipts and removals name it.
    pub subject: String,
    /// Who is meant.
    pub audience: Audience,
    /// Who was meant when it was first said, if this record is late and for one person: a session that narrowed
    /// its channels looks at these.
    pub said_to: Option<Audience>,
    /// Urgent passes mutes and quiet hours.
    pub priority: Priority,
    /// What people may mute.
    pub category: Option<String>,
    /// When it was said; quiet hours look at it.
    pub time: Timestamp,
    /// Nothing is offered from this moment on.
    pub expires_at: Option<Timestamp>,
    /// Said again, after its place.
    pub late: bool,
    /// Whether those who join the audience afterwards are meant too.
    pub late_joiners: bool,
    /// Whether this record takes its subject from the screens.
    pub removes: bool,
    /// What took its subject from the screens, once that is known.
    pub removal: Option<Removal>,
}

impl DeliveryRecord {
    /// The moment at which push, catch-up and receipts judge it: its own.
    pub fn moment(&self) -> Moment {
        Moment { place: self.place, time: self.time }
    }

    /// Why it is over at a moment, if it is.
    pub fn ended(&self, at: Moment) -> Option<End> {
        match self.removal {
            Some(removal) if removal.place <= at.place => Some(removal.end),
            _lasts if self.expired(at.time) => Some(End::Expired),
            _lasts => None,
        }
    }

    /// Whether its time is over.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Who was meant when the event was first said.
    pub fn first_audience(&self) -> &Audience {
        self.said_to.as_ref().unwrap_or(&self.audience)
    }
}

impl AsRef<Self> for DeliveryRecord {
    fn as_ref(&self) -> &Self {
        self
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use tidings_model::Channel;

    use super::*;

    /// A message to everybody, said at a place, one second for each.
    pub(crate) fn said(place: u64) -> DeliveryRecord {
        DeliveryRecord {
            place: Place(place),
            first: Place(place),
            event_id: format!("evt_{place}").parse().unwrap(),
            kind: Kind::Message,
            subject: format!("brd_{place}"),
            audience: Audience::of(Channel::All),
            said_to: None,
            priority: Priority::Normal,
            category: None,
            time: Timestamp(i64::try_from(place * 1_000).unwrap()),
            expires_at: None,
            late: false,
            late_joiners: true,
            removes: false,
            removal: None,
        }
    }

    /// The record that takes the message of `place` from the screens.
    pub(crate) fn removed(place: u64, of: u64) -> DeliveryRecord {
        DeliveryRecord { subject: format!("brd_{of}"), kind: Kind::Change, removes: true, ..said(place) }
    }
}
