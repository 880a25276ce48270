//! Why: where a message stands for a person, and what stands in its way.
//!
//! Nothing is written for it while messages travel. What was delivered, who the person was at each place, what their
//! devices were offered and what they confirmed lie in rows anyhow ([`Trace`]); the one verdict says the rest. What no
//! delivery record tells (it lies in a dead letter, it waits for its time) the message's feature adds ([`Told`]).
//!
//! The first of these that holds is the answer: confirmed; not meant; muted or in quiet hours; over; what a device
//! lacks; nothing but the person's word.

use std::time::Duration;

use tidings_delivery_core::{
    Moment, Person,
    verdict::{NotAddressed, Verdict, Withheld, not_meant, verdict},
};
use tidings_model::{Audience, Timestamp, UserId, planted};

use crate::{Delivery, End, end_word, sessions::Device, trace::Trace};

/// Where a message stands for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They read it.
    Read,
    /// A device of theirs confirmed it.
    Delivered,
    /// They are meant, nothing withholds it, and no device confirmed it yet.
    Pending,
    /// They are meant, and did not want it then.
    Withheld,
    /// They are not meant.
    NotAddressed,
    /// It was over before they confirmed it.
    Ended,
    /// It lies in a dead letter.
    Failed,
    /// It is saved, and not yet delivered.
    OnItsWay,
    /// It was for the moment: nobody is known to have it or not.
    NotKept,
}

impl State {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Delivered => "delivered",
            Self::Pending => "pending",
            Self::Withheld => "withheld",
            Self::NotAddressed => "not_addressed",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::OnItsWay => "on_its_way",
            Self::NotKept => "not_kept",
        }
    }
}

/// Where a message stands for a person, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub state: State,
    /// Why, as a word; none where nothing stands in the way.
    pub reason: Option<&'static str>,
    /// The same as a sentence.
    pub summary: String,
}

/// Whom a message is for, as its feature knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// Whoever listens to these channels.
    Channels(Audience),
    /// People who are named one by one; whether the person is one of them.
    Named(bool),
}

/// What a feature knows of a message that no delivery record tells.
#[derive(Clone, Debug)]
pub struct Told {
    /// Whom it is for.
    pub meant: Meant,
    /// Whether what would reach the person lies in a dead letter.
    pub failed: bool,
    /// Only for those who are online at its moment.
    pub fire_and_forget: bool,
    /// When it begins, if that is still to come.
    pub scheduled_at: Option<Timestamp>,
    /// How and when it ended.
    pub ended: Option<(End, Timestamp)>,
}

/// The delivery that decides for the person, and its verdict.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Which.
    pub delivery: &'a Delivery,
    /// What became of it.
    pub verdict: Verdict,
    /// Devices that it was offered to.
    pub devices: usize,
}

/// What decides for the person: a record that a device was offered, or would be if one opened now; or else the last
/// one, for its reason. What has ended is judged at its last moment.
pub fn judged(trace: &Trace, now: Moment) -> Option<Judged<'_>> {
    let offered = |device: &Device, record: &Delivery| {
        device.row.session().verdict(&trace.person, record.facts()).is_offered()
    };
    for delivery in &trace.records {
        let devices = trace.devices.iter().filter(|device| offered(device, delivery)).count();
        if devices > 0 {
            return Some(Judged { delivery, verdict: Verdict::Offered, devices });
        }
    }
    let all = || {
        trace.records.iter().map(|delivery| Judged {
            delivery,
            verdict: verdict(&trace.person, delivery.facts(), last_moment(delivery, trace, now)),
            devices: 0,
        })
    };
    all().find(|judged| judged.verdict.is_offered()).or_else(|| all().next_back())
}

/// Now; of what is over, the moment before.
fn last_moment(delivery: &Delivery, trace: &Trace, now: Moment) -> Moment {
    let facts = delivery.facts();
    let place = facts.removal.map_or(now.place, |removal| removal.place.previous().min(now.place));
    let ended_at =
        trace.item.as_ref().and_then(|item| item.ended_at).into_iter().chain(facts.expires_at).min();
    let before = ended_at.map(|ended_at| ended_at.minus(Duration::from_millis(1)));
    Moment { place, time: before.map_or(now.time, |before| before.min(now.time)) }
}

/// Where a message stands for the person of a trace. `given_up` is what the dead letter of its first step says.
pub fn standing(trace: &Trace, told: Option<&Told>, given_up: Option<&str>, now: Moment) -> Standing {
    let mut standing = honest(trace, told, given_up, now);
    // So that the comparison with what a driver knows is seen to find one wrong word in a hundred.
    if planted::one_in("wrong_reason", 100) {
        standing.reason = Some(if standing.reason == Some("muted") { "left" } else { "muted" });
    }
    standing
}

fn honest(trace: &Trace, told: Option<&Told>, given_up: Option<&str>, now: Moment) -> Standing {
    let user = trace.person.id();
    if let Some(at) = trace.receipt.read_at {
        return says(State::Read, None, format!("{user} read it at {at}"));
    }
    if let Some(at) = trace.receipt.delivered_at {
        let summary = format!("{user} has it since {at}, and has not said that they read it");
        return says(State::Delivered, None, summary);
    }
    let own = judged(trace, now).filter(|judged| !is_for_others(judged, told));
    let Some(judged) = own else { return undelivered(trace, told, given_up, now) };
    match judged.verdict {
        Verdict::NotAddressed { reason } => not_addressed(trace, reason),
        Verdict::Withheld { reason: reason @ (Withheld::Muted | Withheld::QuietHours), .. } => {
            let summary = format!("{user} is meant and did not get it: {}", withheld(reason));
            says(State::Withheld, Some(reason.as_str()), summary)
        }
        Verdict::Offered | Verdict::Withheld { .. } => {
            over(trace, judged.delivery, now).unwrap_or_else(|| pending(trace, judged))
        }
    }
}

/// Whether all that was delivered is for other people, while the person's own delivery is still to come.
fn is_for_others(judged: &Judged<'_>, told: Option<&Told>) -> bool {
    let stranger = Verdict::NotAddressed { reason: NotAddressed::Stranger };
    judged.verdict == stranger && told.is_some_and(|told| told.meant == Meant::Named(true))
}

/// What there is to say of a message of which nothing was delivered that concerns the person.
fn undelivered(trace: &Trace, told: Option<&Told>, given_up: Option<&str>, now: Moment) -> Standing {
    let user = trace.person.id();
    let failed = |why: &str| says(State::Failed, Some("dead_letter"), format!("a handler gave it up: {why}"));
    let Some(told) = told else {
        return given_up.map_or_else(on_its_way, failed);
    };
    if let Some(reason) = told.leaves_out(&trace.person, now) {
        return not_addressed(trace, reason);
    }
    if told.fire_and_forget && told.scheduled_at.is_none() && !told.failed {
        let summary =
            "it was for those who were online at its moment; nobody confirms it, and nothing of it is kept";
        return says(State::NotKept, Some("fire_and_forget"), summary.to_owned());
    }
    if told.failed {
        return failed(given_up.unwrap_or("its dead letter says why"));
    }
    if let Some((end, at)) = told.ended {
        return has_ended(user, end, at);
    }
    match told.scheduled_at {
        Some(at) => says(State::OnItsWay, Some("scheduled"), format!("it begins at {at}")),
        None => on_its_way(),
    }
}

fn on_its_way() -> Standing {
    says(State::OnItsWay, None, "it is saved, and not yet delivered to them".to_owned())
}

impl Told {
    /// Why the person is not meant, as far as that can be said without a delivery's place.
    fn leaves_out(&self, person: &Person, now: Moment) -> Option<NotAddressed> {
        let audience = match &self.meant {
            Meant::Named(true) => return None,
            Meant::Named(false) => return Some(NotAddressed::Stranger),
            Meant::Channels(audience) => audience,
        };
        match not_meant(person, audience, now.place) {
            // Who was there once may have been there at its moment.
            Some(NotAddressed::Left | NotAddressed::JoinedLate) if self.fire_and_forget => None,
            reason => reason,
        }
    }
}

fn not_addressed(trace: &Trace, reason: NotAddressed) -> Standing {
    let known = if trace.known { "" } else { " (the directory does not know them)" };
    let sentence = match reason {
        NotAddressed::Stranger => "they were never in its audience",
        NotAddressed::Excluded => "they are in a channel that it was not to reach",
        NotAddressed::Left => "they left its audience before they got it",
        NotAddressed::JoinedLate => "they joined its audience after it",
        NotAddressed::Offline => "it was for those who were online",
    };
    let summary = format!("it is not for {}{known}: {sentence}", trace.person.id());
    says(State::NotAddressed, Some(reason.as_str()), summary)
}

const fn withheld(reason: Withheld) -> &'static str {
    match reason {
        Withheld::Muted => "they muted its category",
        Withheld::QuietHours => "it came in their quiet hours",
        Withheld::Cancelled => "it was taken back before",
        Withheld::Expired => "it had expired",
        Withheld::Narrowed => "the device listens to other channels",
        Withheld::Digest => "more was pending than a catch-up brings",
        Withheld::BeforeSession => "the device came with a cursor from behind it",
    }
}

/// How it ended, if it did.
fn over(trace: &Trace, delivery: &Delivery, now: Moment) -> Option<Standing> {
    let facts = delivery.facts();
    let ran_out = || facts.expires_at.filter(|at| *at <= now.time).map(|at| (End::Expired, at));
    let ended = trace.item.as_ref().and_then(|item| item.ended_at).map(|at| {
        let end = facts.removal.map_or(End::Expired, |removal| removal.end);
        (end, at)
    });
    ended.or_else(ran_out).map(|(end, at)| has_ended(trace.person.id(), end, at))
}

fn has_ended(user: &UserId, end: End, at: Timestamp) -> Standing {
    let word = match end {
        End::Cancelled => "was taken back",
        End::Expired => "expired",
    };
    says(State::Ended, Some(end_word(end)), format!("it {word} at {at}, before {user} confirmed it"))
}

/// Nothing is between the message and the person but their devices.
fn pending(trace: &Trace, judged: Judged<'_>) -> Standing {
    let user = trace.person.id();
    let (reason, rest) = match (trace.devices.len(), judged.devices) {
        (0, _) => ("not_connected", format!("{user} has not connected yet")),
        (_, 0) => lacking(trace, judged.delivery),
        (_, devices) => match trace.devices.iter().filter_map(|device| device.cut_at).max() {
            Some(at) => (
                "slow",
                format!("a device of {user} did not take its frames, was cut at {at} and has not come back"),
            ),
            None if devices == 1 => {
                ("unconfirmed", format!("it is offered to a device of {user}, which has not confirmed it"))
            }
            None => (
                "unconfirmed",
                format!("it is offered to {devices} devices of {user}, none has confirmed it"),
            ),
        },
    };
    says(State::Pending, Some(reason), format!("it is pending: {rest}"))
}

/// What keeps it from the devices there are: what only a device knows comes before what will come by itself.
fn lacking(trace: &Trace, delivery: &Delivery) -> (&'static str, String) {
    let verdicts =
        || trace.devices.iter().map(|device| device.row.session().verdict(&trace.person, delivery.facts()));
    let own = verdicts().find_map(|verdict| match verdict {
        Verdict::Withheld {
            reason: reason @ (Withheld::Narrowed | Withheld::Digest | Withheld::BeforeSession),
            ..
        } => Some(reason),
        Verdict::Withheld { .. } | Verdict::NotAddressed { .. } | Verdict::Offered => None,
    });
    let user = trace.person.id();
    match own {
        Some(reason) => {
            (reason.as_str(), format!("no device of {user} was offered it: {}", withheld(reason)))
        }
        None => {
            ("late", format!("no device of {user} was offered it when it was said; it comes to them late"))
        }
    }
}

const fn says(state: State, reason: Option<&'static str>, summary: String) -> Standing {
    Standing { state, reason, summary }
}
