//! What the driver knows: the state and the reason of a message for somebody, from what both did.

use super::{
    messages::{Fate, Message, To},
    people::{Habit, Somebody},
};

/// A state and its reason, in the journey's words.
pub(super) type Known = (String, Option<String>);

fn known(state: &str, reason: &str) -> Known {
    (state.to_owned(), Some(reason.to_owned()))
}

/// What there is to know. `caught_up` tells whether a device that came last was sent it.
pub(super) fn of(somebody: &Somebody, message: &Message, caught_up: bool) -> Known {
    if let Some(why) = not_meant(somebody, message) {
        return known("not_addressed", why);
    }
    match message.fate {
        Fate::IsForgotten => return known("not_kept", "fire_and_forget"),
        Fate::IsDeadLettered => return known("failed", "dead_letter"),
        Fate::Lasts | Fate::IsCancelled | Fate::Expires => {}
    }
    if somebody.habit == Habit::Mutes && message.is_news && !message.urgent {
        return known("withheld", "muted");
    }
    if somebody.habit == Habit::Sleeps && !message.urgent {
        return known("withheld", "quiet_hours");
    }
    match message.fate {
        Fate::IsCancelled => return known("ended", "cancelled"),
        Fate::Expires => return known("ended", "expired"),
        Fate::Lasts | Fate::IsDeadLettered | Fate::IsForgotten => {}
    }
    let to_group = matches!(message.to, To::GroupA | To::GroupAButNotNight);
    match somebody.habit {
        Habit::Reads => ("read".to_owned(), None),
        Habit::Confirms | Habit::Mutes | Habit::Sleeps | Habit::JoinsLate => ("delivered".to_owned(), None),
        Habit::StaysAway | Habit::LeavesUnseen | Habit::IsUnknown => known("pending", "not_connected"),
        Habit::Narrows if !to_group => known("pending", "narrowed"),
        Habit::ComesLast if !caught_up => known("pending", "digest"),
        Habit::BringsCursor if message.phase == 1 => known("pending", "before_session"),
        Habit::IsSlow => known("pending", "slow"),
        Habit::KeepsSilent
        | Habit::Narrows
        | Habit::ComesLast
        | Habit::LeavesConnected
        | Habit::BringsCursor => known("pending", "unconfirmed"),
    }
}

/// Why somebody is not meant, if they are not.
pub(super) fn not_meant(somebody: &Somebody, message: &Message) -> Option<&'static str> {
    match &message.to {
        To::These(ids) => (!ids.contains(&somebody.id)).then_some("stranger"),
        To::Everybody => (!somebody.is_known()).then_some("stranger"),
        To::GroupAButNotNight if somebody.in_night => Some("excluded"),
        To::GroupA | To::GroupAButNotNight => not_in_a(somebody, message),
    }
}

fn not_in_a(somebody: &Somebody, message: &Message) -> Option<&'static str> {
    let delivered = !matches!(message.fate, Fate::IsForgotten | Fate::IsDeadLettered);
    // Of what was fired and forgotten nobody knows who was there, and of a dead letter who will be.
    if somebody.habit == Habit::JoinsLate {
        let missed = !message.late_joiners || message.fate != Fate::Lasts;
        return (delivered && message.phase == 1 && missed).then_some("joined_late");
    }
    if somebody.leaves() {
        let gone = message.fate == Fate::IsDeadLettered || (delivered && message.phase == 2);
        // Before any device of theirs was offered it.
        let unseen = somebody.habit == Habit::LeavesUnseen && message.fate == Fate::Lasts;
        return (gone || unseen).then_some("left");
    }
    (!somebody.in_a).then_some("stranger")
}
