//! Late delivery records: who must be offered something once more, at a new place.
//!
//! Nothing is ever delivered at an old place. What reaches somebody after its place is a new record with the same
//! event id and `late: true`. One for each (person, event) on `user:<id>`, for people who have a session, connected
//! or not: who has none finds it pending on connecting. Asked whenever a person's memberships or preferences
//! changed, in the transaction that projects the change; and when quiet hours are over.

use tidings_model::{Audience, Channel, Kind, Timestamp};

use crate::{
    DeliveryRecord, Moment, Person,
    planted::{Bug, planted},
    session::Session,
    verdict::{NotAddressed, Verdict, Withheld, verdict},
};

/// Why somebody is offered something late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// They want its category again.
    Unmuted,
    /// Their quiet hours are over.
    QuietHoursOver,
    /// They listen to one of its channels now.
    JoinedLate,
    /// They asked for what the digest only counted.
    BeyondDigest,
    /// It lay behind a dead letter.
    Redriven,
}

/// What was said of an event so far, as far as it concerns one person.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Its first record.
    pub original: &'a DeliveryRecord,
    /// The newest late record for this person, if one was read from the log.
    pub newest_late: Option<&'a DeliveryRecord>,
    /// Whether a late record for this person is on its way to the log.
    pub on_its_way: bool,
}

/// Why a person must be offered an event again now; `None` if they must not.
///
/// Whether they confirmed it already is not asked: another of their devices may have been the one.
pub fn owed(person: &Person, sessions: &[Session], said: Said<'_>, now: Moment) -> Option<Cause> {
    if said.original.kind != Kind::Message || said.on_its_way || sessions.is_empty() {
        return None;
    }
    if !verdict(person, said.original, now).is_offered() {
        return None;
    }
    let newest = said.newest_late.unwrap_or(said.original);
    let at_its_place = cause(verdict(person, newest, newest.moment()));
    let at_an_opening = || {
        let opened_after = sessions.iter().map(|session| &session.opening);
        opened_after
            .filter(|opening| opening.pending && newest.place <= opening.at.place)
            .find_map(|opening| cause(verdict(person, said.original, opening.at)))
    };
    at_its_place.or_else(at_an_opening)
}

/// Whether a session asked for an event that its digest only counted.
pub fn owed_beyond_digest(person: &Person, session: &Session, said: Said<'_>, now: Moment) -> Option<Cause> {
    let counted = session.opening.withheld.contains(said.original.first);
    let owed = counted
        && !said.on_its_way
        && said.newest_late.is_none_or(|late| late.place <= session.opening.at.place);
    (owed && verdict(person, said.original, now).is_offered()).then_some(Cause::BeyondDigest)
}

fn cause(verdict: Verdict) -> Option<Cause> {
    match verdict {
        Verdict::Offered => None,
        Verdict::Withheld { reason, .. } => match reason {
            Withheld::Muted => Some(Cause::Unmuted),
            Withheld::QuietHours => Some(Cause::QuietHoursOver),
            Withheld::Digest => Some(Cause::BeyondDigest),
            Withheld::Cancelled | Withheld::Expired | Withheld::Narrowed | Withheld::BeforeSession => None,
        },
        Verdict::NotAddressed { reason } => match reason {
            // Pruned intervals turn `left` and `joined late` into `stranger`; they are offered it now all the same.
            NotAddressed::JoinedLate
            | NotAddressed::Left
            | NotAddressed::Stranger
            | NotAddressed::Excluded => Some(Cause::JoinedLate),
            NotAddressed::Offline => None,
        },
    }
}

/// The late record of an event for one person, said at `now`; its place is given when it is read.
pub fn record_for(person: &Person, original: &DeliveryRecord, now: Timestamp) -> DeliveryRecord {
    DeliveryRecord {
        audience: Audience::of(Channel::User(person.id().clone())),
        said_to: Some(original.first_audience().clone()),
        time: now,
        late: true,
        ..original.clone()
    }
}

/// The record of a redriven event: for its whole audience, which had none yet. `None` once it has ended, since
/// a redrive never brings anything back to life.
pub fn redriven(never_written: &DeliveryRecord, now: Moment) -> Option<DeliveryRecord> {
    let late = !planted(Bug::RedriveNotLate);
    never_written.ended(now).is_none().then(|| DeliveryRecord {
        late,
        time: now.time,
        ..never_written.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PersonChange, Place, record::tests::said, session::Opening};

    fn at(place: u64) -> Moment {
        Moment { place: Place(place), time: Timestamp(0) }
    }

    fn opened(place: u64) -> Session {
        let opening = Opening { count: 1, ..Opening::offering(at(place)) };
        Session { opening, channels: None }
    }

    fn to(channel: &str, place: u64) -> DeliveryRecord {
        DeliveryRecord {
            audience: Audience::of(channel.parse().unwrap()),
            category: Some("news".to_owned()),
            ..said(place)
        }
    }

    fn once(original: &DeliveryRecord) -> Said<'_> {
        Said { original, newest_late: None, on_its_way: false }
    }

    fn alice(changes: &[(u64, PersonChange)]) -> Person {
        let mut alice = Person::new("alice".parse().unwrap());
        for (place, change) in changes {
            alice.apply(change, Place(*place));
        }
        alice
    }

    fn joined(channel: &str) -> PersonChange {
        PersonChange::Joined(channel.parse().unwrap())
    }

    #[test]
    fn who_unmutes_is_owed_what_was_withheld_once() {
        let muted = PersonChange::Muted("news".to_owned());
        let unmuted = PersonChange::Unmuted("news".to_owned());
        let alice = alice(&[(1, joined("all")), (3, muted), (6, unmuted)]);
        let (before, during) = (to("all", 2), to("all", 4));
        assert_eq!(owed(&alice, &[opened(0)], once(&before), at(6)), None);
        assert_eq!(owed(&alice, &[opened(0)], once(&during), at(5)), None);
        assert_eq!(owed(&alice, &[opened(0)], once(&during), at(6)), Some(Cause::Unmuted));
        assert_eq!(owed(&alice, &[], once(&during), at(6)), None);
        // A device that opened while the category was muted was not sent what was pending.
        assert_eq!(owed(&alice, &[opened(5)], once(&before), at(6)), Some(Cause::Unmuted));
        let late = DeliveryRecord { place: Place(7), ..record_for(&alice, &during, Timestamp(7_000)) };
        let again = Said { newest_late: Some(&late), ..once(&during) };
        assert_eq!(owed(&alice, &[opened(0)], again, at(7)), None);
    }

    #[test]
    fn who_joins_a_group_is_owed_what_is_active_and_who_joins_a_conversation_is_not() {
        let alice = alice(&[(5, joined("group:a")), (5, joined("conversation:c"))]);
        let cause = |record: &DeliveryRecord| owed(&alice, &[opened(0)], once(record), at(5));
        assert_eq!(cause(&to("group:a", 2)), Some(Cause::JoinedLate));
        assert_eq!(cause(&to("conversation:c", 2)), None);
        assert_eq!(cause(&DeliveryRecord { late_joiners: false, ..to("group:a", 2) }), None);
        assert_eq!(cause(&DeliveryRecord { expires_at: Some(Timestamp(0)), ..to("group:a", 2) }), None);
    }

    #[test]
    fn what_the_digest_counted_is_owed_when_its_session_asks() {
        let alice = alice(&[(1, joined("all"))]);
        let mut session = opened(9);
        session.opening.withheld.push(Place(4), Place(8));
        assert_eq!(owed_beyond_digest(&alice, &session, once(&said(3)), at(9)), None);
        assert_eq!(owed_beyond_digest(&alice, &session, once(&said(4)), at(9)), Some(Cause::BeyondDigest));
    }

    #[test]
    fn a_redriven_event_comes_late_to_its_whole_audience_unless_it_has_ended() {
        let record = DeliveryRecord { expires_at: Some(Timestamp(10)), ..said(3) };
        let redriven_record = redriven(&record, at(9)).unwrap();
        assert!(redriven_record.late && redriven_record.audience == record.audience);
        assert_eq!(redriven(&record, Moment { time: Timestamp(10), ..at(9) }), None);
    }
}
