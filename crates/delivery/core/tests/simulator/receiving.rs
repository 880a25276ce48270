//! Devices receive frames, keep cursors, and say what they have.

use tidings_delivery_core::{Place, receipts::Word};
use tidings_model::Kind;

use crate::{
    adversaries::Adversary,
    invariants::Broken,
    node::Wire,
    store::{DeviceId, owner},
    world::World,
};

impl World {
    pub(crate) fn receive_some(&mut self) -> Result<(), Broken> {
        let device = self.some_device();
        let many = self.rng.usize(1..8);
        self.receive(device, many)
    }

    /// A client reads frames from its connection.
    pub(crate) fn receive(&mut self, device: DeviceId, many: usize) -> Result<(), Broken> {
        for _frame in 0..many {
            let Some(node) = self.devices[device].node else { return Ok(()) };
            let open = self.nodes[node].connections.get_mut(&device);
            let Some(wire) = open.and_then(|open| open.wire.pop_front()) else { return Ok(()) };
            self.note(|| format!("device {device} receives {}", short(&wire)));
            self.apply(device, wire)?;
        }
        Ok(())
    }

    fn apply(&mut self, device: DeviceId, wire: Wire) -> Result<(), Broken> {
        match wire {
            Wire::Ready { not_recovered, cursor } => {
                self.check_ready(device, not_recovered)?;
                let opening = self.devices[device].opening.take();
                if let Some(opened) = opening {
                    let state = &mut self.devices[device];
                    state.epoch += 1;
                    state.told = true;
                    state.checked = opened.number;
                    state.opened = opened;
                    state.newest = Place::ORIGIN;
                    (state.cursor, state.cursor_at) = (None, None);
                    self.unsettled.remove(&device);
                }
                cursor.map_or(Ok(()), |cursor| self.keep_cursor(device, cursor))
            }
            Wire::Event { frame, cursor } => {
                self.check_order(device, &frame)?;
                if self.redriven.contains(frame.event_id.as_str()) {
                    self.reached.count(Adversary::Redrive);
                }
                let state = &mut self.devices[device];
                state.seen.entry(frame.event_id.to_string()).or_insert(state.epoch);
                if frame.kind == Kind::Message {
                    state.subjects.insert(frame.subject.clone());
                }
                cursor.map_or(Ok(()), |cursor| self.keep_cursor(device, cursor))
            }
            Wire::Digest(count) => {
                self.reached.count(Adversary::Digest);
                let known = self.devices[device].opened.counted.len() as u64;
                if known == count {
                    Ok(())
                } else {
                    Err(format!("the digest of {device} says {count}, not {known}"))
                }
            }
            Wire::Cursor(cursor) => self.keep_cursor(device, cursor),
            Wire::Closed(_unavailable) => {
                self.cut(device);
                Ok(())
            }
        }
    }

    fn keep_cursor(&mut self, device: DeviceId, text: String) -> Result<(), Broken> {
        // The driver reads its place as the log's keeper would; the client keeps it as it is.
        let place = text.parse::<tidings_delivery_core::Cursor>().map_err(|error| error.to_string())?.place;
        self.check_cursor(device, place)?;
        let life = self.lives_begun;
        let state = &mut self.devices[device];
        state.cursor_at = Some((place, life, state.channels.clone()));
        state.cursor = Some(text);
        Ok(())
    }

    /// A client confirms its cursor, reads something, or asks for what its digest counted; or receipts arrive.
    pub(crate) fn acknowledge(&mut self) -> Result<(), Broken> {
        let device = self.some_device();
        match self.rng.u8(..4) {
            0 => {
                let subjects: Vec<&String> = self.devices[device].subjects.iter().collect();
                if !subjects.is_empty() {
                    let subject = subjects[self.rng.usize(..subjects.len())].clone();
                    self.read(device, &subject);
                }
                Ok(())
            }
            1 => {
                self.ask_beyond_digest(device);
                Ok(())
            }
            2 => {
                self.confirm_cursor(device);
                Ok(())
            }
            _arrive => {
                self.confirm_cursor(device);
                let many = self.rng.usize(1..4);
                self.take_acks(many)
            }
        }
    }

    fn read(&mut self, device: DeviceId, subject: &str) {
        let row = self.truth.rows.iter().find(|row| row.record.subject == subject && !row.record.removes);
        if row.is_some_and(|row| !self.truth.is_over(&row.record, self.now)) {
            self.store.receive(subject, owner(device), Word::Read, self.now);
        }
    }

    fn ask_beyond_digest(&mut self, device: DeviceId) {
        if self.devices[device].opened.counted.is_empty() {
            return;
        }
        for fact in self.store.beyond_digest(device, self.now) {
            self.commit(fact, None);
        }
    }

    pub(crate) fn confirm_cursor(&mut self, device: DeviceId) {
        let state = &self.devices[device];
        let (Some(node), Some(cursor)) = (state.node, &state.cursor) else { return };
        let Some(open) = self.nodes[node].connections.get(&device) else { return };
        let cursor = cursor.parse().unwrap();
        let Some(place) = self.store.generations.receipt(&cursor, open.session.narrowing()) else { return };
        // A session that has not opened yet has no opening that a receipt could name.
        if open.resume.may_confirm(place) {
            self.acks.push((device, open.session.opening.count, place));
        }
    }

    /// Receipts arrive at the database.
    pub(crate) fn take_acks(&mut self, many: usize) -> Result<(), Broken> {
        let many = many.min(self.acks.len());
        let mut confirmed = Vec::new();
        for (device, opening, place) in self.acks.drain(..many) {
            confirmed.push((device, self.store.confirm(device, Some((opening, place)), self.now)));
        }
        for device in 0..self.devices.len() {
            confirmed.push((device, self.store.confirm(device, None, self.now)));
        }
        for (device, subjects) in confirmed {
            for (subject, news) in subjects {
                if news {
                    self.check_confirmed(device, &subject)?;
                } else if self.devices[device].subjects.contains(&subject) {
                    self.reached.count(Adversary::TwoDevices);
                }
            }
        }
        Ok(())
    }
}

fn short(wire: &Wire) -> String {
    match wire {
        Wire::Event { frame, cursor } => {
            let cursor = if cursor.is_some() { " with cursor" } else { "" };
            format!("{} at {}{cursor}", frame.event_id, frame.place)
        }
        Wire::Ready { .. } | Wire::Digest(_) | Wire::Cursor(_) | Wire::Closed(_) => format!("{wire:?}"),
    }
}
