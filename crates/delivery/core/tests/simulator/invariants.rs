//! What must hold, along the way and at the end, judged by the driver's own knowledge.

use tidings_delivery_core::{DeliveryRecord, NotRecovered, Place};
use tidings_model::{Kind, Priority};

use crate::{
    client::Opened,
    node::Frame,
    store::{DeviceId, owner},
    truth::{At, Expected},
    world::World,
};

/// A promise that was broken.
pub(crate) type Broken = String;

impl World {
    fn narrowed(&self, device: DeviceId) -> Option<Vec<tidings_model::Channel>> {
        self.devices[device].channels.as_ref().map(|channels| channels.iter().cloned().collect())
    }

    /// What a device must be sent of what is pending when it opens, computed before it is.
    pub(crate) fn expect_opening(&self, device: DeviceId, limit: usize) -> Opened {
        let (who, place) = (owner(device), self.store.accepted.place);
        let at = At { number: self.truth.number_at(place), time: self.now };
        let mut opened = Opened { number: at.number, time: at.time, ..Opened::default() };
        let narrowed = self.narrowed(device);
        let mut taken = 0;
        for number in 1..=at.number {
            let record = &self.truth.row(number).record;
            let pending = record.kind == Kind::Message
                && record.said_to.is_none()
                && !self.truth.is_over(record, self.now)
                && !self.store.items.contains_key(&(record.subject.clone(), who))
                && self.truth.expected(who, number, at) == Expected::Offered
                && self.truth.listens(who, narrowed.as_deref(), number, at.number);
            if !pending {
                continue;
            }
            taken += 1;
            let sent = taken <= limit || record.priority == Priority::Urgent;
            let list = if sent { &mut opened.owed } else { &mut opened.counted };
            list.insert(record.event_id.to_string());
        }
        opened
    }

    /// A frame is about to be written to a device: it must be theirs, at its true place, and not over.
    pub(crate) fn check_sent(
        &self,
        device: DeviceId,
        frame: &Frame,
        past: bool,
        joined: Place,
    ) -> Result<(), Broken> {
        let who = owner(device);
        let record: &DeliveryRecord = frame;
        let say =
            |what: &str| Err(format!("device {device}: {what}: {} at {}", record.event_id, record.place));
        let Some(number) = self.truth.number_of(record.place) else {
            return say("a record was sent at a place that is a repeat");
        };
        let fact = self.truth.row(number);
        if fact.record.event_id != record.event_id {
            return say("another record stands at this place");
        }
        let late = fact.record.said_to.is_some() || self.redriven.contains(record.event_id.as_str());
        if late != record.late {
            return say("a late record does not say so");
        }
        if record.kind == Kind::Signal && record.place <= joined {
            return say("a signal was resumed");
        }
        let opening = self.devices[device].opening.as_ref().unwrap_or(&self.devices[device].opened);
        let at = if number <= opening.number {
            At { number: opening.number, time: opening.time }
        } else {
            At { number, time: record.time }
        };
        let expected = self.truth.expected(who, number, at);
        if expected != Expected::Offered {
            return say(&format!("was sent and must not be ({expected:?})"));
        }
        if !self.truth.listens(who, self.narrowed(device).as_deref(), number, at.number) {
            return say("was sent to a session that does not listen to it");
        }
        if record.kind == Kind::Message && record.expired(self.now) {
            return say("was sent though its time was over");
        }
        if past && record.kind == Kind::Message {
            let removed =
                self.truth.removed.get(&record.subject).and_then(|number| self.truth.place_of(*number));
            let knew = self.devices[device].node.is_some_and(|node| {
                let (window, tail) = (&self.nodes[node].window, self.nodes[node].tail());
                // Read from the database, or from memory; a cold window may have let go what neither has now.
                let projected = |at: Place| record.place <= window.after() && at <= self.store.accepted.place;
                removed.is_some_and(|at| at <= tail && (window.after() < at || projected(at)))
            });
            if knew {
                return say("was sent from the past though this node knew it was cancelled");
            }
        }
        Ok(())
    }

    /// A frame reaches a client: each place once on a connection, and what is new to the view comes in order.
    pub(crate) fn check_order(&mut self, device: DeviceId, frame: &Frame) -> Result<(), Broken> {
        let over = self.truth.is_over(frame, self.now);
        let state = &mut self.devices[device];
        let (place, event) = (frame.place, &frame.event_id);
        if place <= state.sent {
            return Err(format!("device {device} got {event} at {place}, behind {}", state.sent));
        }
        state.sent = place;
        // After a cut, a node that is behind may show an older signal, which promises nothing; or a message that the
        // other node had left out because it knew it to be cancelled, and that goes again in a moment.
        let ordered = !frame.late && frame.kind != Kind::Signal && !over;
        if ordered && !state.seen.contains_key(event.as_str()) {
            if place <= state.newest {
                return Err(format!("device {device} first saw {event} at {place}, after {}", state.newest));
            }
            state.newest = place;
        }
        Ok(())
    }

    /// A device got a cursor: all that was offered up to it must be in its view, unless it is over by now.
    pub(crate) fn check_cursor(&mut self, device: DeviceId, place: Place) -> Result<(), Broken> {
        let who = owner(device);
        let upto = self.truth.number_at(place);
        let narrowed = self.narrowed(device);
        let state = &self.devices[device];
        for number in state.checked + 1..=upto {
            let record = &self.truth.row(number).record;
            let expected = self.truth.expected(who, number, At { number, time: record.time });
            let owed = record.kind != Kind::Signal
                && expected == Expected::Offered
                && self.truth.listens(who, narrowed.as_deref(), number, number)
                && (record.removes || !self.truth.is_over(record, self.now));
            if owed && !state.seen.contains_key(record.event_id.as_str()) {
                return Err(format!(
                    "device {device} has a cursor at {place} and not {} (number {number})",
                    record.event_id
                ));
            }
        }
        for event in &state.opened.owed {
            let over = self.truth.rows.iter().find(|row| row.record.event_id.as_str() == event);
            let over = over.is_none_or(|row| self.truth.is_over(&row.record, self.now));
            if !over && !state.seen.contains_key(event) {
                return Err(format!(
                    "device {device} opened at {} and was not sent {event}",
                    state.opened.number
                ));
            }
        }
        let state = &mut self.devices[device];
        state.checked = upto.max(state.checked);
        state.opened.owed.clear();
        Ok(())
    }

    /// A client says it was recovered: then it came with a cursor of this life of the log, and of this narrowing.
    pub(crate) fn check_ready(
        &self,
        device: DeviceId,
        not_recovered: Option<NotRecovered>,
    ) -> Result<(), Broken> {
        let came = self.came_with.get(&device);
        let must = came.copied().flatten();
        if not_recovered.map(NotRecovered::as_str) != must {
            return Err(format!("device {device} was told {not_recovered:?}, the driver knows {must:?}"));
        }
        Ok(())
    }

    /// A cursor of a device was the first to confirm an item: the device must have it. (What another device had
    /// confirmed before was not pending, so it was not sent, and its receipt does not move.)
    pub(crate) fn check_confirmed(&self, device: DeviceId, subject: &str) -> Result<(), Broken> {
        if self.devices[device].subjects.contains(subject) {
            return Ok(());
        }
        Err(format!("device {device} confirmed {subject}, which it was never sent"))
    }

    /// Counts equal receipts, and nothing went back since the last look.
    pub(crate) fn check_counts(&mut self) -> Result<(), Broken> {
        if self.words_before == self.store.words {
            return Ok(());
        }
        self.words_before = self.store.words;
        for (subject, counters) in &self.store.counters {
            let rows =
                || self.store.items.iter().filter(|((item, _), _)| item == subject).map(|(_, row)| row);
            let delivered = rows().filter(|row| row.delivered_at.is_some()).count() as u64;
            let read = rows().filter(|row| row.read_at.is_some()).count() as u64;
            if (delivered, read) != (counters.delivered, counters.read) {
                return Err(format!(
                    "{subject}: {counters:?}, but {delivered} delivered rows and {read} read"
                ));
            }
        }
        for (key, before) in &self.receipts_before {
            let now = self.store.items.get(key).copied().unwrap_or_default();
            let kept = now.delivered_at == before.delivered_at
                && (before.read_at.is_none() || now.read_at == before.read_at);
            if !kept {
                return Err(format!("the receipt of {key:?} went from {before:?} to {now:?}"));
            }
        }
        self.receipts_before = self.store.items.clone();
        Ok(())
    }

    /// Nothing moves any more: whatever can be offered to a person is in the view of each of their devices.
    pub(crate) fn check_rest(&self) -> Result<(), Broken> {
        let newest = self.truth.rows.len() as u64;
        let at = At { number: newest, time: self.now };
        for device in 0..self.devices.len() {
            let (who, state) = (owner(device), &self.devices[device]);
            if !state.told {
                continue;
            }
            let narrowed = self.narrowed(device);
            for number in 1..=newest {
                let record = &self.truth.row(number).record;
                let owed = record.kind == Kind::Message
                    && record.said_to.is_none()
                    && !self.truth.is_over(record, self.now)
                    && self.truth.expected(who, number, at) == Expected::Offered
                    && self.truth.listens(who, narrowed.as_deref(), number, newest);
                let event = record.event_id.as_str();
                let excused = state.opened.counted.contains(event)
                    || self.delivered_before_opening(device, &record.subject)
                    || self.unsettled.contains(&device)
                    || self.was_narrowed(device, number);
                if owed && !excused && !state.seen.contains_key(event) {
                    return Err(format!("at rest device {device} has not {event} (number {number})"));
                }
            }
        }
        self.check_journeys()
    }

    /// Whether a fact was offered to the person, and not to this device because of its list of channels.
    fn was_narrowed(&self, device: DeviceId, number: u64) -> bool {
        let (who, opened, narrowed) = (owner(device), &self.devices[device].opened, self.narrowed(device));
        let own = At { number, time: self.truth.row(number).record.time };
        let opening = At { number: opened.number, time: opened.time };
        [own, opening].into_iter().any(|at| {
            number <= at.number
                && self.truth.expected(who, number, at) == Expected::Offered
                && !self.truth.listens(who, narrowed.as_deref(), number, at.number)
        })
    }

    /// Whether a person had confirmed an item before this device opened: it was not pending then.
    fn delivered_before_opening(&self, device: DeviceId, subject: &str) -> bool {
        let row = self.store.items.get(&(subject.to_owned(), owner(device)));
        row.and_then(|row| row.delivered_at).is_some_and(|at| at <= self.devices[device].opened.time)
    }

    /// The reason that the journey would show equals what the driver knows.
    fn check_journeys(&self) -> Result<(), Broken> {
        for (device, row) in &self.store.sessions {
            let who = owner(*device);
            let channels: Option<Vec<_>> =
                row.session().channels.as_ref().map(|channels| channels.iter().cloned().collect());
            for record in &self.store.rows {
                let Some(number) = self.truth.number_of(record.place) else { continue };
                if record.place <= row.session().opening.at.place {
                    continue;
                }
                let told = row.session().verdict(&self.store.people[who], record);
                if told.reason() == Some("expired") {
                    continue;
                }
                let known = match self.truth.expected(who, number, At { number, time: record.time }) {
                    Expected::Withheld(reason) | Expected::NotAddressed(reason) => Some(reason),
                    Expected::Offered if self.truth.listens(who, channels.as_deref(), number, number) => None,
                    Expected::Offered => Some("narrowed"),
                };
                if told.reason() != known {
                    return Err(format!(
                        "{} for device {device}: {told:?}, known {known:?}",
                        record.event_id
                    ));
                }
            }
        }
        Ok(())
    }
}
