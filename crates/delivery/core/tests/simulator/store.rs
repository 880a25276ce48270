//! The database: outbox, projection, sessions, receipts, counters, generations. A copy of it can be put back.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use tidings_delivery_core::{
    DeliveryRecord, End, GenerationId, Generations, Moment, Person, Place, Removal, Selection,
    accept::{Acceptance, Accepted, Acceptor},
    counts::Counters,
    late::{self, Cause, Said},
    receipts::{ItemReceipt, SessionReceipts, Word},
    select_pending,
    session::{Opening, Session},
};
use tidings_model::{Kind, Timestamp};

use crate::{
    adversaries::{Adversary, Reached},
    log::Log,
    truth::{Fact, name},
};

/// How many people there are.
pub(crate) const PEOPLE: usize = 4;

/// A device: one session.
pub(crate) type DeviceId = usize;

/// The owner of a device.
pub(crate) const fn owner(device: DeviceId) -> usize {
    device / 2
}

/// Everything that a transaction can see.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) outbox: Vec<Rc<Fact>>,
    /// How many rows, from the front, are marked as sent.
    pub(crate) marked: usize,
    /// The token of the newest lease.
    pub(crate) lease: u64,
    pub(crate) generations: Generations,
    pub(crate) accepted: Accepted,
    /// The projection: every resumable record, in order.
    pub(crate) rows: Vec<Arc<DeliveryRecord>>,
    pub(crate) people: Vec<Person>,
    pub(crate) sessions: BTreeMap<DeviceId, SessionReceipts>,
    pub(crate) items: BTreeMap<(String, usize), ItemReceipt>,
    pub(crate) counters: BTreeMap<String, Counters>,
    /// Subjects that are cancelled or expired: hidden from lists at once.
    pub(crate) ended: BTreeSet<String>,
    /// Events that lie behind a dead letter.
    pub(crate) dead: Vec<DeliveryRecord>,
    /// How many words about items came in.
    pub(crate) words: u64,
    /// Late records that are on their way to the log.
    on_their_way: BTreeSet<(String, usize)>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            outbox: Vec::new(),
            marked: 0,
            lease: 0,
            generations: Generations::new(GenerationId(1)),
            accepted: Accepted::beginning(),
            rows: Vec::new(),
            people: (0..PEOPLE).map(|who| Person::new(name(who).parse().unwrap())).collect(),
            sessions: BTreeMap::new(),
            items: BTreeMap::new(),
            counters: BTreeMap::new(),
            ended: BTreeSet::new(),
            dead: Vec::new(),
            words: 0,
            on_their_way: BTreeSet::new(),
        }
    }

    /// The moment that the projection is complete to.
    pub(crate) fn moment(&self, now: Timestamp) -> Moment {
        Moment { place: self.accepted.place, time: now }
    }

    /// Projects what the log brings, up to so many records. Returns the late records that this makes owed.
    pub(crate) fn project(
        &mut self,
        log: &Log,
        many: usize,
        now: Timestamp,
        reached: &mut Reached,
    ) -> Vec<Fact> {
        let mut acceptor = Acceptor::from_stored(self.accepted);
        // From the stored place on, which proves that the log is still the same.
        let mut at = usize::try_from(self.accepted.place.previous().0).unwrap();
        let (mut taken, mut owed) = (0, Vec::new());
        while taken < many
            && let Some(entry) = log.entries.get(at)
        {
            at += 1;
            let place = Place(at as u64);
            let number = tidings_delivery_core::Number(entry.number);
            match acceptor.offer(place, Some(number), now) {
                Acceptance::Accept => {}
                Acceptance::Drop | Acceptance::Hold => continue,
                Acceptance::Reread(from) => {
                    at = usize::try_from(from.previous().0).unwrap();
                    continue;
                }
                Acceptance::NewGeneration => {
                    unreachable!("the projection is copied back together with its log")
                }
            }
            taken += 1;
            self.accepted = acceptor.accepted();
            self.take(&entry.fact, place);
            if let Some((who, _)) = &entry.fact.change {
                owed.extend(self.late_for(*who, now, reached));
            }
        }
        owed
    }

    fn take(&mut self, fact: &Fact, place: Place) {
        let mut record = fact.at(place);
        if let Some((who, change)) = &fact.change {
            self.people[*who].apply(change, place);
        }
        if record.late {
            for who in 0..PEOPLE {
                self.on_their_way.remove(&(record.event_id.to_string(), who));
            }
        }
        if record.removes {
            let removal = Removal { place, end: End::Cancelled };
            for row in self.rows.iter_mut().filter(|row| row.subject == record.subject) {
                Arc::make_mut(row).removal = Some(removal);
            }
            record.removal = None;
        }
        if record.kind != Kind::Signal {
            self.rows.push(Arc::new(record));
        }
    }

    /// The late records that a person is owed now: asked after each of their changes, and from time to time.
    pub(crate) fn late_for(&mut self, who: usize, now: Timestamp, reached: &mut Reached) -> Vec<Fact> {
        let sessions: Vec<Session> = self.sessions_of(who).map(|(_, row)| row.session().clone()).collect();
        let at = self.moment(now);
        let mut facts = Vec::new();
        for original in self.originals() {
            let cause = if self.ended.contains(&original.subject) {
                None
            } else {
                late::owed(&self.people[who], &sessions, self.said(original, who), at)
            };
            let Some(cause) = cause else { continue };
            match cause {
                Cause::Unmuted => reached.count(Adversary::Mute),
                Cause::QuietHoursOver => reached.count(Adversary::QuietHours),
                Cause::JoinedLate => reached.count(Adversary::LateJoin),
                Cause::BeyondDigest | Cause::Redriven => {}
            }
            facts.push(late_fact(&self.people[who], original, now));
        }
        self.send_late(who, facts)
    }

    /// The late records for what a session's digest only counted.
    pub(crate) fn beyond_digest(&mut self, device: DeviceId, now: Timestamp) -> Vec<Fact> {
        let Some(row) = self.sessions.get(&device) else { return Vec::new() };
        let (who, at) = (owner(device), self.moment(now));
        let person = &self.people[who];
        let owed = self.originals().filter(|original| {
            !self.ended.contains(&original.subject)
                && late::owed_beyond_digest(person, row.session(), self.said(original, who), at).is_some()
        });
        let facts = owed.map(|original| late_fact(person, original, now)).collect();
        self.send_late(who, facts)
    }

    fn send_late(&mut self, who: usize, facts: Vec<Fact>) -> Vec<Fact> {
        let events = facts.iter().map(|fact| (fact.record.event_id.to_string(), who));
        self.on_their_way.extend(events);
        facts
    }

    fn originals(&self) -> impl Iterator<Item = &Arc<DeliveryRecord>> {
        self.rows.iter().filter(|row| row.kind == Kind::Message && row.said_to.is_none())
    }

    fn said<'a>(&'a self, original: &'a DeliveryRecord, who: usize) -> Said<'a> {
        let late = self.rows.iter().rev().find(|row| {
            row.event_id == original.event_id
                && row.said_to.is_some()
                && row.audience.any.iter().any(|channel| channel.name() == name(who))
        });
        Said {
            original,
            newest_late: late.map(|row| &**row),
            on_its_way: self.on_their_way.contains(&(original.event_id.to_string(), who)),
        }
    }

    fn sessions_of(&self, who: usize) -> impl Iterator<Item = (&DeviceId, &SessionReceipts)> {
        self.sessions.iter().filter(move |(device, _)| owner(**device) == who)
    }

    /// Opens a session: reads what is pending and writes its row, in one transaction.
    pub(crate) fn open(
        &mut self,
        device: DeviceId,
        channels: Option<BTreeSet<tidings_model::Channel>>,
        limit: u32,
        now: Timestamp,
    ) -> (Selection<Arc<DeliveryRecord>>, Session) {
        let (who, at) = (owner(device), self.moment(now));
        let count = self.sessions.get(&device).map_or(0, |row| row.session().opening.count) + 1;
        let opening = Opening { count, ..Opening::offering(at) };
        let mut session = Session { opening, channels };
        let pending = self.originals().filter(|row| {
            !self.ended.contains(&row.subject)
                && !self.items.contains_key(&(row.subject.clone(), who))
                && session.verdict(&self.people[who], row).is_offered()
        });
        let selection = select_pending(pending.cloned(), limit as usize);
        session.opening = session.opening.sending(&selection);
        self.sessions.insert(device, SessionReceipts::open(session.clone()));
        (selection, session)
    }

    /// Takes a cursor's place from a device, or settles what an earlier one named. Returns the subjects that this
    /// confirms, and whether that was news.
    pub(crate) fn confirm(
        &mut self,
        device: DeviceId,
        cursor: Option<(u32, Place)>,
        now: Timestamp,
    ) -> Vec<(String, bool)> {
        let (complete, at, who) = (self.accepted.place, self.moment(now), owner(device));
        let Some(row) = self.sessions.get_mut(&device) else { return Vec::new() };
        let confirmed = match cursor {
            Some((opening, place)) => row.confirm(opening, place, complete),
            None => row.settle(complete),
        };
        let Some(confirmed) = confirmed else { return Vec::new() };
        let row = row.clone();
        let person = &self.people[who];
        let offered = self.rows.iter().filter(|record| {
            !self.ended.contains(&record.subject) && row.confirms(confirmed, person, record, at)
        });
        let subjects: BTreeSet<String> = offered.map(|record| record.subject.clone()).collect();
        let news = |subject: String| {
            let news = !self.items.contains_key(&(subject.clone(), who));
            self.receive(&subject, who, Word::Delivered, now);
            (subject, news)
        };
        subjects.into_iter().map(news).collect()
    }

    /// Takes a word about an item; returns whether it was new.
    pub(crate) fn receive(&mut self, subject: &str, who: usize, word: Word, now: Timestamp) -> bool {
        self.words += 1;
        let moved = self.items.entry((subject.to_owned(), who)).or_default().take(word, now);
        self.counters.entry(subject.to_owned()).or_default().apply(moved);
        moved.any()
    }
}

fn late_fact(person: &Person, original: &DeliveryRecord, now: Timestamp) -> Fact {
    let record = DeliveryRecord { removal: None, ..late::record_for(person, original, now) };
    Fact { record, change: None, first: Some(original.first) }
}
