//! The one verdict: is this record offered to this person, and if not, why and until when?
//!
//! Push, catch-up, receipts, counts and the journey call it; nothing else decides.

use tidings_model::{Audience, Channel, Kind, Priority, Timestamp};

use crate::{DeliveryRecord, End, Moment, Person, Place};

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
    judge(person, record, at, record.place < at.place)
}

/// `later`: the event as such is judged after it was said, not this record at its place. Then a late record, which
/// is on `user:<id>`, reaches nobody whom the event does not reach: they may have left since.
pub(crate) fn judge(person: &Person, record: &DeliveryRecord, at: Moment, later: bool) -> Verdict {
    if let Some(reason) = not_addressed(person, record, at, later) {
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

/// Whether a message is offered to everybody who listens to its channel when it is judged later, as long as it lasts, in
/// quiet hours or not: nobody is excepted, joining late is no reason, and there is no category to mute.
pub fn is_for_whoever_listens(record: &DeliveryRecord) -> bool {
    let audience = record.first_audience();
    record.kind == Kind::Message
        && matches!(audience.any.as_slice(), [channel] if brings_active(channel))
        && audience.none.is_empty()
        && record.late_joiners
        && record.category.is_none()
        && record.removal.is_none()
}

fn not_addressed(person: &Person, record: &DeliveryRecord, at: Moment, later: bool) -> Option<NotAddressed> {
    if record.kind == Kind::Signal && at.place != record.place {
        return Some(NotAddressed::Offline);
    }
    let (audience, said) =
        if later { (record.first_audience(), record.first) } else { (&record.audience, record.place) };
    left_out(person, audience, (said, record.late_joiners), at.place)
}

/// Why a message that is said to an audience at a place is not for a person: of one that was not delivered yet.
pub fn not_meant(person: &Person, audience: &Audience, at: Place) -> Option<NotAddressed> {
    left_out(person, audience, (at, true), at)
}

fn left_out(
    person: &Person,
    audience: &Audience,
    (said, late_joiners): (Place, bool),
    at: Place,
) -> Option<NotAddressed> {
    if audience.none.iter().any(|channel| person.listens(channel, at)) {
        return Some(NotAddressed::Excluded);
    }
    // Whoever joined after it was said is reached only if it is for late joiners, and the channel brings them.
    let reaches = |channel: &Channel| {
        person.listened_since(channel, at).is_some_and(|member| {
            member.from <= said || at <= said || (late_joiners && brings_active(channel))
        })
    };
    if audience.any.iter().any(reaches) {
        return None;
    }
    // Only now is the reason worth more lookups.
    let memberships = || audience.any.iter().filter_map(|channel| person.memberships(channel));
    Some(if memberships().any(|member| member.contains(at) || member.begins_after(at)) {
        NotAddressed::JoinedLate
    } else if memberships().any(|member| member.ended_by(at)) {
        NotAddressed::Left
    } else {
        NotAddressed::Stranger
    })
}

/// Whether joining a channel brings what is active on it; conversations and authors bring only what follows.
fn brings_active(channel: &Channel) -> bool {
    match channel {
        Channel::All | Channel::Role(_) | Channel::Group(_) | Channel::User(_) | Channel::App(_) => true,
        Channel::Conversation(_) | Channel::Author(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use tidings_model::Audience;

    use super::*;
    use crate::{PersonChange, Place, QuietHours, record::tests::said};

    fn ann(changes: &[(u64, PersonChange)]) -> Person {
        let mut ann = Person::new("ann".parse().unwrap());
        for (place, change) in changes {
            ann.apply(change, Place(*place));
        }
        ann
    }

    fn to(channel: &str, place: u64) -> DeliveryRecord {
        let audience = Audience::of(channel.parse().unwrap());
        DeliveryRecord { audience, category: Some("news".to_owned()), ..said(place) }
    }

    fn joined(channel: &str) -> PersonChange {
        PersonChange::Joined(channel.parse().unwrap())
    }

    fn left(channel: &str) -> PersonChange {
        PersonChange::Left(channel.parse().unwrap())
    }

    fn reason(person: &Person, record: &DeliveryRecord) -> &'static str {
        verdict(person, record, record.moment()).reason().unwrap_or("offered")
    }

    #[test]
    fn membership_is_what_it_was_at_the_records_place() {
        let ann = ann(&[(3, joined("group:a")), (6, left("group:a")), (9, joined("group:a"))]);
        let reasons = [2, 3, 5, 6, 9].map(|place| reason(&ann, &to("group:a", place)));
        assert_eq!(reasons, ["joined_late", "offered", "offered", "joined_late", "offered"]);
        assert_eq!(reason(&ann, &to("group:b", 5)), "stranger");
        let mut not_b = to("all", 4);
        not_b.audience.none.push("group:a".parse().unwrap());
        assert_eq!(reason(&ann, &not_b), "excluded");
    }

    #[test]
    fn who_left_for_good_is_told_apart_from_who_never_was_there() {
        let ann = ann(&[(3, joined("group:a")), (6, left("group:a"))]);
        assert_eq!(reason(&ann, &to("group:a", 7)), "left");
    }

    #[test]
    fn judged_later_a_late_record_reaches_nobody_whom_its_event_does_not() {
        let ann = ann(&[(3, joined("group:a")), (6, left("group:a"))]);
        let late = DeliveryRecord {
            said_to: Some(Audience::of("group:a".parse().unwrap())),
            first: Place(2),
            ..to("user:ann", 5)
        };
        assert_eq!(reason(&ann, &late), "offered");
        let later = Moment { place: Place(8), ..late.moment() };
        assert_eq!(verdict(&ann, &late, later).reason(), Some("left"));
    }

    #[test]
    fn a_mute_holds_by_place_and_quiet_hours_by_the_records_time_and_urgent_passes_both() {
        let quiet = QuietHours::new("00:00", "00:10", "UTC").unwrap();
        let muted = PersonChange::Muted("news".to_owned());
        let ann = ann(&[(1, joined("all")), (5, muted), (5, PersonChange::QuietHours(Some(quiet)))]);
        assert_eq!(reason(&ann, &to("all", 4)), "offered");
        assert_eq!(reason(&ann, &to("all", 5)), "muted");
        let mut other = DeliveryRecord { category: None, ..to("all", 6) };
        let until = Until::At(Timestamp(600_000));
        assert_eq!(verdict(&ann, &other, other.moment()), withheld(Withheld::QuietHours, until));
        other.priority = Priority::Urgent;
        assert_eq!(reason(&ann, &other), "offered");
        assert_eq!(reason(&ann, &DeliveryRecord { priority: Priority::Urgent, ..to("all", 6) }), "offered");
        assert_eq!(reason(&ann, &DeliveryRecord { kind: Kind::Change, ..to("all", 6) }), "offered");
    }

    #[test]
    fn what_is_for_whoever_listens_is_withheld_from_none_of_them_but_by_its_end_and_quiet_hours() {
        let quiet = QuietHours::new("00:00", "00:10", "UTC").unwrap();
        let muted = PersonChange::Muted("news".to_owned());
        let ann = ann(&[
            (1, joined("all")),
            (3, joined("group:a")),
            (6, left("group:a")),
            (9, joined("group:a")),
            (9, joined("author:bob")),
            (9, muted),
            (9, PersonChange::QuietHours(Some(quiet))),
        ]);
        let mut several = to("group:a", 4);
        several.audience.any.push(Channel::All);
        let mut excepting = to("all", 4);
        excepting.audience.none.push("group:a".parse().unwrap());
        let plain = |channel, place| DeliveryRecord { category: None, ..to(channel, place) };
        let (own, all, group) = (plain("user:ann", 2), plain("all", 2), plain("group:a", 7));
        let punctual = DeliveryRecord { late_joiners: false, ..plain("group:a", 7) };
        let repeated = DeliveryRecord {
            said_to: Some(several.audience.clone()),
            first: Place(1),
            ..plain("user:ann", 4)
        };
        let author = plain("author:bob", 4);
        let named = to("all", 4);
        let change = DeliveryRecord { kind: Kind::Change, ..plain("all", 4) };
        for record in [several, excepting, punctual, repeated, author, named, change] {
            assert!(!is_for_whoever_listens(&record), "{record:?}");
        }
        let later = |time| Moment { place: Place(10), time: Timestamp(time) };
        for record in [own, all, group] {
            assert!(is_for_whoever_listens(&record), "{record:?}");
            assert_eq!(verdict(&ann, &record, later(660_000)), Verdict::Offered);
            let until = Until::At(Timestamp(600_000));
            assert_eq!(verdict(&ann, &record, later(0)), withheld(Withheld::QuietHours, until));
            let over = DeliveryRecord { expires_at: Some(Timestamp(660_000)), ..record };
            assert_eq!(verdict(&ann, &over, later(660_000)).reason(), Some("expired"));
        }
    }

    #[test]
    fn what_has_ended_is_withheld_for_good() {
        let ann = ann(&[(1, joined("all"))]);
        let record = DeliveryRecord { expires_at: Some(Timestamp(2_000)), ..to("all", 2) };
        assert_eq!(reason(&ann, &record), "expired");
        let mut record = to("all", 2);
        record.removal = Some(crate::Removal { place: Place(4), end: End::Cancelled });
        assert_eq!(reason(&ann, &record), "offered");
        let later = Moment { place: Place(4), ..record.moment() };
        assert_eq!(verdict(&ann, &record, later), withheld(Withheld::Cancelled, Until::Ever));
    }

    #[test]
    fn a_signal_is_for_those_who_are_online_at_its_place() {
        let ann = ann(&[(1, joined("all"))]);
        let signal = DeliveryRecord { kind: Kind::Signal, ..to("all", 2) };
        assert_eq!(reason(&ann, &signal), "offered");
        let later = Moment { place: Place(3), ..signal.moment() };
        assert_eq!(verdict(&ann, &signal, later).reason(), Some("offline"));
    }
}
