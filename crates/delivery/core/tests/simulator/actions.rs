//! What people say, take back, and change.

use std::{rc::Rc, time::Duration};

use tidings_delivery_core::{DeliveryRecord, Moment, PersonChange, Place, QuietHours, late};
use tidings_model::{Audience, Channel, Kind, Priority};

use crate::{
    adversaries::Adversary,
    store::PEOPLE,
    truth::{Fact, Quiet, name},
    world::World,
};

/// Quiet hours, as people write them and in the driver's terms.
const QUIET: [(&str, &str, &str, Quiet); 3] = [
    ("22:00", "06:00", "UTC", (1_320, 360, 0)),
    ("23:30", "07:15", "Etc/GMT-2", (1_410, 435, 120)),
    ("12:00", "14:00", "Etc/GMT+5", (720, 840, -300)),
];

fn channel(text: &str) -> Channel {
    text.parse().unwrap()
}

impl World {
    /// A transaction puts an event into the outbox.
    pub(crate) fn commit(&mut self, fact: Fact, quiet: Option<Quiet>) {
        let fact = Rc::new(fact);
        self.store.outbox.push(Rc::clone(&fact));
        let record = fact.record.clone();
        self.truth.commit(fact, quiet);
        let number = self.store.outbox.len();
        self.note(|| {
            let late = if record.late { " late" } else { "" };
            let change = self_change(&record);
            format!(
                "{number}: {} {}{late}{change} to {:?}",
                record.event_id, record.subject, record.audience.any
            )
        });
    }

    /// The people that are there from the beginning.
    pub(crate) fn populate(&mut self) {
        for who in 0..PEOPLE {
            self.change(who, PersonChange::Joined(Channel::All), None);
            for group in ["group:a", "conversation:c"] {
                if self.rng.bool() {
                    self.change(who, PersonChange::Joined(channel(group)), None);
                }
            }
        }
    }

    fn change(&mut self, who: usize, change: PersonChange, quiet: Option<Quiet>) {
        let mut record = self.record(Audience::of(Channel::User(name(who).parse().unwrap())));
        record.kind = Kind::Change;
        self.commit(Fact { record, change: Some((who, change)), first: None }, quiet);
    }

    fn record(&mut self, audience: Audience) -> DeliveryRecord {
        self.events += 1;
        DeliveryRecord {
            place: Place::ORIGIN,
            first: Place::ORIGIN,
            event_id: format!("evt_{}", self.events).parse().unwrap(),
            kind: Kind::Message,
            subject: format!("brd_{}", self.events),
            audience,
            said_to: None,
            priority: Priority::Normal,
            category: None,
            time: self.now,
            expires_at: None,
            late: false,
            late_joiners: true,
            removes: false,
            removal: None,
        }
    }

    /// Somebody says something, takes it back, or changes what they listen to.
    pub(crate) fn say(&mut self) {
        let who = self.rng.usize(..PEOPLE);
        let on = |world: &Self, adversary| world.on.has(adversary);
        match self.rng.u8(..14) {
            0 | 1 if on(self, Adversary::LateJoin) => {
                let channel = channel(["group:a", "group:b", "conversation:c", "all"][self.rng.usize(..4)]);
                let member = self.truth.is_member(who, &channel, self.truth.rows.len() as u64);
                let change = if member { PersonChange::Left(channel) } else { PersonChange::Joined(channel) };
                self.change(who, change, None);
            }
            2 | 3 if on(self, Adversary::Mute) => {
                let mutes = self.truth.mutes(who, self.truth.rows.len() as u64);
                let news = "news".to_owned();
                let change = if mutes { PersonChange::Unmuted(news) } else { PersonChange::Muted(news) };
                self.change(who, change, None);
            }
            4 if on(self, Adversary::QuietHours) => {
                let (start, end, zone, quiet) = QUIET[self.rng.usize(..3)];
                let set = !self.truth.has_quiet_hours(who, self.truth.rows.len() as u64);
                let hours = set.then(|| QuietHours::new(start, end, zone).unwrap());
                self.change(who, PersonChange::QuietHours(hours), set.then_some(quiet));
            }
            5 | 6 if on(self, Adversary::CancelDuringCatchUp) => self.cancel(),
            7 if on(self, Adversary::Redrive) => self.redrive(),
            8 => {
                let mut record = self.record(Audience::of(Channel::All));
                record.kind = Kind::Signal;
                self.commit(Fact { record, change: None, first: None }, None);
            }
            _mostly => self.say_message(),
        }
    }

    fn say_message(&mut self) {
        let who = self.rng.usize(..PEOPLE);
        let to = match self.rng.u8(..8) {
            0..4 => Channel::All,
            4 => channel("group:b"),
            5 => channel("group:a"),
            6 => channel("conversation:c"),
            _person => Channel::User(name(who).parse().unwrap()),
        };
        let mut audience = Audience::of(to);
        if self.rng.u8(..8) == 0 {
            audience.any.push(channel("group:a"));
            audience.none.push(channel("group:b"));
        }
        let mut record = self.record(audience);
        record.category = self.rng.bool().then(|| "news".to_owned());
        record.priority = if self.rng.u8(..6) == 0 { Priority::Urgent } else { Priority::Normal };
        record.late_joiners = self.rng.u8(..5) != 0;
        if self.rng.u8(..6) == 0 {
            record.expires_at = Some(self.now.plus(Duration::from_secs(self.rng.u64(1..600))));
        }
        if self.on.has(Adversary::Redrive) && self.rng.u8(..5) == 0 {
            self.store.counters.entry(record.subject.clone()).or_default().fail(1);
            self.store.dead.push(record);
        } else {
            self.commit(Fact { record, change: None, first: None }, None);
        }
    }

    fn cancel(&mut self) {
        let ended = &self.store.ended;
        let lasting = self.truth.rows.iter().rev().filter(|row| {
            row.record.kind == Kind::Message
                && row.record.said_to.is_none()
                && !ended.contains(&row.record.subject)
        });
        let lasting: Vec<DeliveryRecord> = lasting.take(4).map(|row| row.record.clone()).collect();
        if lasting.is_empty() {
            return;
        }
        let message = &lasting[self.rng.usize(..lasting.len())];
        let fresh = self.record(message.audience.clone());
        let record =
            DeliveryRecord { kind: Kind::Change, removes: true, subject: message.subject.clone(), ..fresh };
        self.store.ended.insert(record.subject.clone());
        self.commit(Fact { record, change: None, first: None }, None);
    }

    fn redrive(&mut self) {
        let Some(dead) = self.store.dead.pop() else { return };
        let now = Moment { place: self.store.accepted.place, time: self.now };
        if let Some(record) = late::redriven(&dead, now) {
            self.store.counters.entry(dead.subject.clone()).or_default().redrive(1);
            self.redriven.insert(record.event_id.to_string());
            self.commit(Fact { record, change: None, first: None }, None);
        }
    }
}

fn self_change(record: &DeliveryRecord) -> &'static str {
    match record.kind {
        Kind::Message => "",
        Kind::Change if record.removes => " removed",
        Kind::Change => " change",
        Kind::Signal => " signal",
    }
}
