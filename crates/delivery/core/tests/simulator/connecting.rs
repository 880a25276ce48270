//! Devices connect, are answered by the database, and are cut.

use tidings_delivery_core::{Place, receipts::SessionReceipts, resume::Effect};
use tidings_model::Channel;

use crate::{
    adversaries::Adversary,
    invariants::Broken,
    node::{Node, Wire},
    store::{DeviceId, PEOPLE},
    world::World,
};

impl World {
    pub(crate) fn some_device(&mut self) -> DeviceId {
        let device = self.rng.usize(..PEOPLE) * 2;
        device + usize::from(self.on.has(Adversary::TwoDevices) && self.rng.bool())
    }

    pub(crate) fn connect_somebody(&mut self) {
        let device = self.some_device();
        if self.on.has(Adversary::Narrowing) && self.rng.u8(..4) == 0 {
            let lists: [&[&str]; 3] =
                [&["group:a"], &["all", "conversation:c"], &["group:a", "conversation:c"]];
            let list: std::collections::BTreeSet<Channel> =
                lists[self.rng.usize(..3)].iter().map(|text| text.parse().unwrap()).collect();
            self.devices[device].channels = self.rng.bool().then_some(list);
        }
        let node = self.rng.usize(..2);
        self.connect(device, node);
    }

    /// What the driver expects to be told about the cursor that a device comes with.
    fn why_not_recovered(&self, device: DeviceId) -> Option<&'static str> {
        let state = &self.devices[device];
        let Some((place, life, channels)) = &state.cursor_at else { return Some("no_cursor") };
        let known = self.lives.iter().position(|(id, _)| id == life);
        let holds = known.is_some_and(|at| self.lives.get(at + 1).is_none_or(|(_, first)| *place < *first));
        if !holds {
            return Some("other_generation");
        }
        let row = self
            .store
            .sessions
            .get(&device)
            .map(SessionReceipts::session)
            .filter(|_| *life == self.lives_begun);
        if *channels != state.channels || row.is_some_and(|session| session.channels != state.channels) {
            return Some("narrowed_differently");
        }
        row.is_some_and(|session| *place < session.opening.at.place).then_some("reopened")
    }

    fn connect(&mut self, device: DeviceId, node: usize) {
        self.cut(device);
        let reason = self.why_not_recovered(device);
        match reason {
            Some("other_generation") => self.reached.count(Adversary::DatabaseCopiedBack),
            Some("narrowed_differently") => self.reached.count(Adversary::Narrowing),
            _other => {}
        }
        self.came_with.insert(device, reason);
        let state = &mut self.devices[device];
        state.node = Some(node);
        state.opening = None;
        state.sent = state.cursor_at.as_ref().map_or(Place::ORIGIN, |(place, _, _)| *place);
        let (channels, cursor) = (state.channels.clone(), state.cursor.clone());
        let before = self.nodes[node].tail();
        let resolved = self.nodes[node].connect(
            device,
            channels,
            cursor.as_deref(),
            &mut self.store,
            &self.log,
            self.now,
        );
        self.note(|| format!("device {device} connects to node {node} at {before}: {resolved:?}"));
        if let Ok(place) = resolved {
            let opening = self.store.sessions[&device].session().opening.count;
            self.acks.push((device, opening, place));
        } else {
            self.devices[device].sent = Place::ORIGIN;
        }
    }

    pub(crate) fn cut_somebody(&mut self) {
        let device = self.some_device();
        self.cut(device);
    }

    pub(crate) fn cut(&mut self, device: DeviceId) {
        if let Some(node) = self.devices[device].node.take() {
            self.nodes[node].connections.remove(&device);
            self.note(|| format!("device {device} is cut"));
        }
    }

    /// The database answers one of the reads that connections wait for.
    pub(crate) fn answer(&mut self) -> Result<(), Broken> {
        let waiting: Vec<(usize, DeviceId)> = (0..2)
            .flat_map(|node| {
                let connections = self.nodes[node].connections.iter();
                connections.filter(|(_, open)| open.ask.is_some()).map(move |(device, _)| (node, *device))
            })
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let (node, device) = waiting[self.rng.usize(..waiting.len())];
        let away = self.rng.u8(..12) == 0;
        self.answer_one(node, device, away)
    }

    fn answer_one(&mut self, node: usize, device: DeviceId, away: bool) -> Result<(), Broken> {
        let ask = self.nodes[node].connections.get(&device).and_then(|open| open.ask.clone());
        self.note(|| format!("device {device}: {ask:?}{}", if away { ", the database is away" } else { "" }));
        match ask {
            Some(Effect::ReadProjection { upto, .. }) if self.store.accepted.place < upto => {
                self.reached.count(Adversary::ProjectionLag);
            }
            Some(Effect::ReadWindow { after, upto }) => {
                if !self.nodes[node].window.reaches(after) {
                    self.reached.count(Adversary::ColdWindow);
                }
                let tail = self.nodes[node].tail();
                let overtaken = self.truth.removed.iter().any(|(subject, number)| {
                    let removed =
                        self.truth.place_of(*number).is_some_and(|place| after < place && place <= tail);
                    removed
                        && self.truth.rows.iter().zip(1..).any(|(row, number)| {
                            let place = self.truth.place_of(number);
                            row.record.subject == *subject
                                && !row.record.removes
                                && place.is_some_and(|place| after < place && place <= upto)
                        })
                });
                if overtaken {
                    self.reached.count(Adversary::CancelDuringCatchUp);
                }
            }
            Some(Effect::ReadPending { limit }) if !away => {
                self.devices[device].opening = Some(self.expect_opening(device, limit as usize));
            }
            _other => {}
        }
        let before = self.nodes[node].connections[&device].wire.len();
        self.nodes[node].answer(device, &mut self.store, away, self.now);
        self.check_written(node, device, before)
    }

    /// Checks what was written to a connection since.
    fn check_written(&mut self, node: usize, device: DeviceId, before: usize) -> Result<(), Broken> {
        let Some(open) = self.nodes[node].connections.get(&device) else { return Ok(()) };
        for wire in open.wire.iter().skip(before) {
            if let Wire::Event { frame, cursor } = wire {
                self.check_sent(device, frame, cursor.is_none(), open.joined)?;
            }
        }
        Ok(())
    }

    /// Everything that was written to any connection is judged, right after the act that wrote it.
    pub(crate) fn check_all_written(&mut self, written: &[Vec<(DeviceId, usize)>]) -> Result<(), Broken> {
        for (node, connections) in written.iter().enumerate() {
            for (device, before) in connections {
                self.check_written(node, *device, *before)?;
            }
        }
        Ok(())
    }

    pub(crate) fn written(&self) -> Vec<Vec<(DeviceId, usize)>> {
        let lengths =
            |node: &Node| node.connections.iter().map(|(device, open)| (*device, open.wire.len())).collect();
        self.nodes.iter().map(lengths).collect()
    }

    pub(crate) fn beat_or_tick(&mut self) -> Result<(), Broken> {
        let node = self.rng.usize(..2);
        let written = self.written();
        self.nodes[node].tick(&self.store, self.now);
        self.check_all_written(&written)?;
        let devices: Vec<DeviceId> = self.nodes[node].connections.keys().copied().collect();
        for device in devices {
            self.nodes[node].beat(device, &self.store.generations);
        }
        Ok(())
    }

    /// A device that ever was there comes back, and takes all there is.
    pub(crate) fn bring_back(&mut self, device: DeviceId) -> Result<(), Broken> {
        if !self.devices[device].told && self.devices[device].node.is_none() {
            return Ok(());
        }
        if self.devices[device].node.is_none() {
            let node = self.rng.usize(..2);
            self.connect(device, node);
        }
        for _answer in 0..200 {
            let Some(node) = self.devices[device].node else { break };
            if self.nodes[node].connections[&device].ask.is_none() {
                break;
            }
            self.answer_one(node, device, false)?;
        }
        if let Some(node) = self.devices[device].node {
            self.nodes[node].beat(device, &self.store.generations);
        }
        self.receive(device, usize::MAX)?;
        self.confirm_cursor(device);
        Ok(())
    }
}
