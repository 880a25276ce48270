//! The one verdict: is this record offered to this person, and if not, why and until when?
//!
//! Push, catch-up, receipts, counts and the journey call it; nothing else decides.

use tidings_model::{Channel, Kind, Priority, Timestamp};

use crate::{DeliveryRecord, End, Moment, Person};

/// What becomes of a record for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They get it.
    Offered,
    /// They are meant, and do not get it now.
    Withheld {
        /// Why.
        reason: Withheld,
        /// How long.
        until: Until,
    },
    /// They are not meant.
    NotAddressed {
        /// Why.
        reason: NotAddressed,
    },
}

/// Why somebody who is meant does not get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Withheld {
    /// They muted its category.
    Muted,
    /// It was said in their quiet hours.
    QuietHours,
    /// It was taken back.
    Cancelled,
    /// Its time was over.
    Expired,
    /// The session listens to other channels (`?channels=`).
    Narrowed,
    /// More was pending than a catch-up brings.
    Digest,
    /// The session began after it, with a cursor from elsewhere.
    BeforeSession,
}

/// How long something is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// For good.
    Ever,
    /// Until they want the category again.
    Unmuted,
    /// Until a moment.
    At(Timestamp),
    /// Until the session asks for it: by paging, or with another list of channels.
    Asked,
}

/// Why somebody is not meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotAddressed {
    /// They never listened to one of its channels.
    Stranger,
    /// They listen to a channel that it was not to reach.
    Excluded,
    /// They had left.
    Left,
    /// They joined after it.
    JoinedLate,
    /// It was for those who were online.
    Offline,
}

impl Verdict {
    /// Whether they get it.
    pub fn is_offered(self) -> bool {
        self == Self::Offered
    }

    /// The reason's word on the wire and in the journey.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Offered => None,
            Self::Withheld { reason, .. } => Some(reason.as_str()),
            Self::NotAddressed { reason } => Some(reason.as_str()),
        }
    }
}

impl Withheld {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Muted => "muted",
            Self::QuietHours => "quiet_hours",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Narrowed => "narrowed",
            Self::Digest => "digest",
            Self::BeforeSession => "before_session",
        }
    }
}

impl NotAddressed {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Excluded => "excluded",
            Self::Left => "left",
            Self::JoinedLate => "joined_late",
            Self::Offline => "offline",
        }
    }
}

/// Judges a record for a person, whatever their devices.
///
/// `at` is the record's own [`moment`](DeliveryRecord::moment), except where a session opens: what is pending
/// then is judged at the opening. Asking costs a lookup for each channel of the audience, and allocates nothing.
pub fn verdict(person: &Person, record: &DeliveryRecord, at: Moment) -> Verdict {
    if let Some(reason) = not_addressed(person, record, at) {
        return Verdict::NotAddressed { reason };
    }
    match record.ended(at) {
        Some(End::Cancelled) => return withheld(Withheld::Cancelled, Until::Ever),
        Some(End::Expired) => return withheld(Withheld::Expired, Until::Ever),
        None => {}
    }
    if record.kind != Kind::Message || record.priority == Priority::Urgent {
        return Verdict::Offered;
    }
    if record.category.as_deref().is_some_and(|category| person.mutes(category, at.place)) {
        return withheld(Withheld::Muted, Until::Unmuted);
    }
    match person.quiet_hours(at.place).and_then(|quiet_hours| quiet_hours.until(at.time)) {
        Some(until) => withheld(Withheld::QuietHours, Until::At(until)),
        None => Verdict::Offered,
    }
}

pub(crate) const fn withheld(reason: Withheld, until: Until) -> Verdict {
    Verdict::Withheld { reason, until }
}

fn not_addressed(person: &Person, record: &DeliveryRecord, at: Moment) -> Option<NotAddressed> {
    if record.kind == Kind::Signal && at.place != record.place {
        return Some(NotAddressed::Offline);
    }
    if record.audience.none.iter().any(|channel| person.listens(channel, at.place)) {
        return Some(NotAddressed::Excluded);
    }
    if record.audience.any.iter().any(|channel| reaches(person, channel, record, at)) {
        return None;
    }
    // Only now is the reason worth more lookups.
    let memberships = || record.audience.any.iter().filter_map(|channel| person.memberships(channel));
    Some(if memberships().any(|member| member.contains(at.place) || member.begins_after(at.place)) {
        NotAddressed::JoinedLate
    } else if memberships().any(|member| member.ended_by(at.place)) {
        NotAddressed::Left
    } else {
        NotAddressed::Stranger
    })
}

/// Whether a record reaches, by one of its channels, somebody who is judged at or after its place.
fn reaches(person: &Person, channel: &Channel, record: &DeliveryRecord, at: Moment) -> bool {
    person.listened_since(channel, at.place).is_some_and(|member| {
        member.from <= record.place
            || at.place <= record.place
            || (record.late_joiners && brings_active(channel))
    })
}

/// Whether joining a channel brings what is active on it; conversations and authors bring only what follows.
fn brings_active(channel: &Channel) -> bool {
    match channel {
        Channel::All | Channel::Role(_) | Channel::Group(_) | Channel::User(_) | Channel::App(_) => true,
        Channel::Conversation(_) | Channel::Author(_) => false,
    }
}
