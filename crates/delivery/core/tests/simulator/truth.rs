//! What the driver knows, by its own plain book-keeping: never by asking the code under test.
//!
//! Its axis is the *number* of a fact: its row in the outbox, from 1. What is in force at a number, who is meant
//! and what is withheld follows from lists of switches that are read from the front.

use std::{collections::BTreeMap, rc::Rc};

use tidings_delivery_core::{DeliveryRecord, PersonChange, Place};
use tidings_model::{Channel, Kind, Priority, Timestamp};

use crate::{log::Log, store::PEOPLE};

/// One event as it was committed: what becomes a delivery record once it has a place.
#[derive(Debug)]
pub(crate) struct Fact {
    /// The record, without a place.
    pub(crate) record: DeliveryRecord,
    /// The change of a person that it tells.
    pub(crate) change: Option<(usize, PersonChange)>,
    /// The place of the event's first record, if this one is late and for one person.
    pub(crate) first: Option<Place>,
}

impl Fact {
    /// The record at a place.
    pub(crate) fn at(&self, place: Place) -> DeliveryRecord {
        DeliveryRecord { place, first: self.first.unwrap_or(place), ..self.record.clone() }
    }
}

/// Quiet hours in minutes of the day, in a zone that is so many minutes ahead of UTC.
pub(crate) type Quiet = (i64, i64, i64);

/// What the driver expects to become of a fact for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Offered,
    Withheld(&'static str),
    NotAddressed(&'static str),
}

/// Where a fact is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
}

/// Every committed fact and switch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    pub(crate) rows: Vec<Rc<Fact>>,
    /// When a subject was cancelled, by the number of the fact that says so.
    pub(crate) removed: BTreeMap<String, u64>,
    member: BTreeMap<Channel, [Vec<(u64, bool)>; PEOPLE]>,
    muted: BTreeMap<usize, Vec<(u64, bool)>>,
    quiet: BTreeMap<usize, Vec<(u64, Option<Quiet>)>>,
    places: Vec<Place>,
    scanned: usize,
}

fn last_at<T: Copy>(switches: Option<&Vec<(u64, T)>>, number: u64) -> Option<T> {
    switches?.iter().rfind(|(from, _)| *from <= number).map(|(_, value)| *value)
}

impl Truth {
    /// Notes a committed fact; `quiet` tells the same quiet hours as its change, in the driver's own terms.
    pub(crate) fn commit(&mut self, fact: Rc<Fact>, quiet: Option<Quiet>) {
        let number = self.rows.len() as u64 + 1;
        match &fact.change {
            Some((who, PersonChange::Joined(channel))) => {
                self.member.entry(channel.clone()).or_default()[*who].push((number, true));
            }
            Some((who, PersonChange::Left(channel))) => {
                self.member.entry(channel.clone()).or_default()[*who].push((number, false));
            }
            Some((who, PersonChange::Muted(_))) => self.muted.entry(*who).or_default().push((number, true)),
            Some((who, PersonChange::Unmuted(_))) => {
                self.muted.entry(*who).or_default().push((number, false));
            }
            Some((who, PersonChange::QuietHours(_))) => {
                self.quiet.entry(*who).or_default().push((number, quiet));
            }
            None => {}
        }
        if fact.record.removes {
            self.removed.insert(fact.record.subject.clone(), number);
        }
        self.rows.push(fact);
    }

    /// Forgets what a database that was copied back does not know.
    pub(crate) fn go_back(&mut self, rows: usize) {
        let known = rows as u64;
        self.rows.truncate(rows);
        self.removed.retain(|_, number| *number <= known);
        for switches in self.member.values_mut().flatten().chain(self.muted.values_mut()) {
            switches.retain(|(number, _)| *number <= known);
        }
        for switches in self.quiet.values_mut() {
            switches.retain(|(number, _)| *number <= known);
        }
        self.places.clear();
        self.scanned = 0;
    }

    /// Finds the one true place of each number: the first at which all before it have theirs.
    pub(crate) fn scan(&mut self, log: &Log) {
        for (offset, entry) in log.entries.iter().enumerate().skip(self.scanned) {
            if entry.number == self.places.len() as u64 + 1 {
                self.places.push(Place(offset as u64 + 1));
            }
        }
        self.scanned = log.entries.len();
    }

    /// How many facts stand at or before a place.
    pub(crate) fn number_at(&self, place: Place) -> u64 {
        self.places.partition_point(|at| *at <= place) as u64
    }

    /// The number whose true place this is.
    pub(crate) fn number_of(&self, place: Place) -> Option<u64> {
        self.places.binary_search(&place).ok().map(|at| at as u64 + 1)
    }

    /// The true place of a number, once it has one.
    pub(crate) fn place_of(&self, number: u64) -> Option<Place> {
        self.places.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }

    pub(crate) fn row(&self, number: u64) -> &Rc<Fact> {
        &self.rows[usize::try_from(number).unwrap() - 1]
    }

    /// Whether a fact is over, as the database knows it: cancelled at once, or its time is over.
    pub(crate) fn is_over(&self, record: &DeliveryRecord, now: Timestamp) -> bool {
        record.expires_at.is_some_and(|at| at <= now) || self.removed.contains_key(&record.subject)
    }

    pub(crate) fn is_member(&self, who: usize, channel: &Channel, number: u64) -> bool {
        if let Channel::User(id) = channel {
            return id.as_str() == name(who);
        }
        last_at(self.member.get(channel).map(|people| &people[who]), number).unwrap_or(false)
    }

    fn was_member_throughout(&self, who: usize, channel: &Channel, from: u64, to: u64) -> bool {
        let switches = self.member.get(channel).into_iter().flat_map(|people| &people[who]);
        let left = |(number, on): &(u64, bool)| from < *number && *number <= to && !on;
        self.is_member(who, channel, from) && !switches.clone().any(left)
    }

    pub(crate) fn mutes(&self, who: usize, number: u64) -> bool {
        last_at(self.muted.get(&who), number).unwrap_or(false)
    }

    pub(crate) fn has_quiet_hours(&self, who: usize, number: u64) -> bool {
        last_at(self.quiet.get(&who), number).flatten().is_some()
    }

    fn is_quiet(&self, who: usize, at: At) -> bool {
        let Some((start, end, ahead)) = last_at(self.quiet.get(&who), at.number).flatten() else {
            return false;
        };
        let minute = (at.time.millis() / 60_000 + ahead).rem_euclid(1_440);
        // Minutes since the start, on a clock that goes round.
        (minute - start).rem_euclid(1_440) < (end - start).rem_euclid(1_440)
    }

    /// What becomes of the fact of a number for a person who is judged at its own number or later.
    pub(crate) fn expected(&self, who: usize, number: u64, at: At) -> Expected {
        let record = &self.row(number).record;
        if record.audience.none.iter().any(|channel| self.is_member(who, channel, at.number)) {
            return Expected::NotAddressed("excluded");
        }
        let reached = record.audience.any.iter().any(|channel| {
            let follows_only = matches!(channel, Channel::Conversation(_) | Channel::Author(_));
            self.is_member(who, channel, at.number)
                && (at.number == number
                    || (record.late_joiners && !follows_only)
                    || self.was_member_throughout(who, channel, number, at.number))
        });
        if !reached {
            return self.why_not(who, record.audience.any.as_slice(), at.number);
        }
        if record.kind != Kind::Message || record.priority == Priority::Urgent {
            return Expected::Offered;
        }
        if record.category.is_some() && self.mutes(who, at.number) {
            return Expected::Withheld("muted");
        }
        if self.is_quiet(who, at) { Expected::Withheld("quiet_hours") } else { Expected::Offered }
    }

    fn why_not(&self, who: usize, channels: &[Channel], number: u64) -> Expected {
        let newest = self.rows.len() as u64;
        let joined = |channel: &Channel, from: u64, to: u64| {
            let mut switches = self.member.get(channel).into_iter().flat_map(|people| &people[who]);
            switches.any(|(number, on)| *on && from < *number && *number <= to)
        };
        let ever = |from: u64, to: u64| {
            let mut channels = channels.iter();
            channels.any(|channel| self.is_member(who, channel, from) || joined(channel, from, to))
        };
        Expected::NotAddressed(if ever(number, newest) {
            "joined_late"
        } else if ever(1, number) {
            "left"
        } else {
            "stranger"
        })
    }

    /// Whether a session that narrowed its channels listens to what was said to these.
    pub(crate) fn listens(&self, who: usize, narrowed: Option<&[Channel]>, number: u64, at: u64) -> bool {
        let record = &self.row(number).record;
        let said_to = record.said_to.as_ref().unwrap_or(&record.audience);
        narrowed.is_none_or(|channels| {
            said_to.any.iter().any(|channel| channels.contains(channel) && self.is_member(who, channel, at))
        })
    }
}

/// A person's id.
pub(crate) fn name(who: usize) -> &'static str {
    ["ann", "ben", "cem", "dan"][who]
}
