//! A whole world in one thread, driven by a seed: who is in it, and how one step follows another.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tidings_delivery_core::{Place, receipts::ItemReceipt, window::WindowLimits};
use tidings_model::Timestamp;

use crate::{
    adversaries::{Adversaries, Adversary, Reached},
    client::Device,
    invariants::Broken,
    log::{Log, Relays},
    node::Node,
    store::{DeviceId, PEOPLE, Store},
    truth::Truth,
};

/// A copy of the database and its log, and what the driver knew then.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) store: Store,
    pub(crate) log: Log,
    pub(crate) lives: Vec<(u64, Place)>,
}

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) rng: fastrand::Rng,
    pub(crate) on: Adversaries,
    pub(crate) now: Timestamp,
    pub(crate) store: Store,
    pub(crate) log: Log,
    pub(crate) relays: Relays,
    pub(crate) nodes: Vec<Node>,
    pub(crate) devices: Vec<Device>,
    pub(crate) truth: Truth,
    pub(crate) reached: Reached,
    /// Receipts on their way: device, opening, place.
    pub(crate) acks: Vec<(DeviceId, u32, Place)>,
    pub(crate) copy: Option<Copy>,
    /// The lives of the log: the driver's own list, and how many there were.
    pub(crate) lives: Vec<(u64, Place)>,
    pub(crate) lives_begun: u64,
    /// Why a device that connects cannot be recovered, as the driver knows it.
    pub(crate) came_with: BTreeMap<DeviceId, Option<&'static str>>,
    /// Events that lay behind a dead letter.
    pub(crate) redriven: BTreeSet<String>,
    /// Devices whose person's receipts were lost with a database that was copied back.
    pub(crate) unsettled: BTreeSet<DeviceId>,
    pub(crate) receipts_before: BTreeMap<(String, usize), ItemReceipt>,
    pub(crate) words_before: u64,
    pub(crate) catch_up_max: u32,
    pub(crate) window_limits: WindowLimits,
    pub(crate) events: u64,
    pub(crate) trace: Option<Vec<String>>,
}

/// How many steps a world has before it comes to rest.
const STEPS: std::ops::Range<u32> = 60..260;

impl World {
    pub(crate) fn new(seed: u64, on: impl FnOnce(&mut fastrand::Rng) -> Adversaries, traced: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let on = on(&mut rng);
        let catch_up_max = if on.has(Adversary::Digest) { 2 } else { 200 };
        let hard_bytes = if on.has(Adversary::ColdWindow) { 4 } else { 1_000 };
        let window_limits = WindowLimits { age: Duration::from_mins(5), bytes: rng.usize(1..8), hard_bytes };
        let store = Store::new();
        let nodes = (0..2).map(|_| Node::start(&store, catch_up_max, window_limits)).collect();
        Self {
            rng,
            on,
            // A Monday at 20:00 UTC, shortly before most quiet hours.
            now: Timestamp(1_767_643_200_000),
            store,
            log: Log::default(),
            relays: Relays::default(),
            nodes,
            devices: vec![Device::default(); PEOPLE * 2],
            truth: Truth::default(),
            reached: Reached::default(),
            acks: Vec::new(),
            copy: None,
            lives: vec![(1, Place(1))],
            lives_begun: 1,
            came_with: BTreeMap::new(),
            redriven: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            receipts_before: BTreeMap::new(),
            words_before: 0,
            catch_up_max,
            window_limits,
            events: 0,
            trace: traced.then(Vec::new),
        }
    }

    /// Notes what happens, for a person who replays the seed.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }

    /// Lives from beginning to rest.
    pub(crate) fn live(&mut self) -> Result<(), Broken> {
        self.populate();
        for _step in 0..self.rng.u32(STEPS) {
            self.step()?;
        }
        self.come_to_rest()
    }

    fn step(&mut self) -> Result<(), Broken> {
        self.now = self.now.plus(Duration::from_millis(1));
        match self.rng.u8(..100) {
            0..14 => self.say(),
            14..26 => self.relays_step(),
            26..33 => self.project(),
            33..45 => self.poll()?,
            45..60 => self.answer()?,
            60..68 => self.connect_somebody(),
            68..82 => self.receive_some()?,
            82..86 => self.cut_somebody(),
            86..91 => self.acknowledge()?,
            91..94 => self.beat_or_tick()?,
            94..97 => self.pass_time(),
            _rare => self.copy_or_restart(),
        }
        if !self.on.has(Adversary::ProjectionLag) {
            // The embedded keeper: the append itself writes the projection.
            self.project_all();
        }
        self.check_counts()
    }

    fn relays_step(&mut self) {
        self.relays.step(&mut self.rng, self.on, &mut self.store, &mut self.log, &mut self.reached);
        self.truth.scan(&self.log);
        let (head, marked) = (self.log.entries.len(), self.store.marked);
        self.note(|| format!("relay: log has {head}, {marked} marked"));
    }

    fn project(&mut self) {
        let many = self.rng.usize(1..6);
        let owed = self.store.project(&self.log, many, self.now, &mut self.reached);
        for fact in owed {
            self.commit(fact, None);
        }
        let place = self.store.accepted.place;
        self.note(|| format!("projection at {place}"));
    }

    fn project_all(&mut self) {
        let owed = self.store.project(&self.log, usize::MAX, self.now, &mut self.reached);
        for fact in owed {
            self.commit(fact, None);
        }
    }

    fn poll(&mut self) -> Result<(), Broken> {
        let (node, many) = (self.rng.usize(..2), self.rng.usize(1..8));
        let written = self.written();
        self.nodes[node].poll(&self.store, &self.log, many, self.now);
        if self.rng.bool() {
            self.nodes[node].trim(&self.store, self.now);
        }
        let tail = self.nodes[node].tail();
        self.note(|| format!("node {node} at {tail}"));
        self.check_all_written(&written)
    }

    fn pass_time(&mut self) {
        let seconds = match self.rng.u8(..4) {
            0 | 1 => self.rng.u64(1..60),
            2 => self.rng.u64(60..3_600),
            _long => self.rng.u64(3_600..30_000),
        };
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.sweep();
        let now = self.now;
        self.note(|| format!("it is {now}"));
    }

    /// The timer that looks for quiet hours that are over.
    fn sweep(&mut self) {
        for who in 0..PEOPLE {
            for fact in self.store.late_for(who, self.now, &mut self.reached) {
                self.commit(fact, None);
            }
        }
    }

    fn copy_or_restart(&mut self) {
        if self.rng.u8(..3) == 0 {
            let node = self.rng.usize(..2);
            self.restart(node);
        } else if self.on.has(Adversary::DatabaseCopiedBack) {
            if let Some(copy) = self.copy.take() {
                self.put_back(copy);
            } else {
                let (store, log, lives) = (self.store.clone(), self.log.clone(), self.lives.clone());
                self.copy = Some(Copy { store, log, lives });
                self.note(|| "the database is copied".to_owned());
            }
        }
    }

    fn restart(&mut self, node: usize) {
        self.nodes[node] = Node::start(&self.store, self.catch_up_max, self.window_limits);
        for device in &mut self.devices {
            if device.node == Some(node) {
                device.node = None;
            }
        }
        self.note(|| format!("node {node} restarts"));
    }

    /// The operator puts an old copy back, with the command that begins a generation.
    fn put_back(&mut self, copy: Copy) {
        let first = Place(copy.log.entries.len() as u64).next();
        (self.store, self.log, self.lives) = (copy.store, copy.log, copy.lives);
        self.lives_begun += 1;
        self.lives.retain(|(_, begun)| *begun < first);
        self.lives.push((self.lives_begun, first));
        let id = tidings_delivery_core::GenerationId(self.lives_begun);
        self.store.generations.regenerate(id, first);
        self.relays = Relays::default();
        self.store.lease = 0;
        // Numbers that were given are in the log or in the outbox of the copy; both are back.
        self.truth.go_back(self.store.outbox.len());
        self.truth.scan(&self.log);
        self.acks.clear();
        self.receipts_before = self.store.items.clone();
        self.words_before = self.store.words;
        self.unsettled = (0..self.devices.len()).collect();
        for device in &mut self.devices {
            // What was cancelled in the life that is lost, and was left out of a catch-up, is not cancelled now.
            let cursor = device.cursor_at.as_ref().map_or(Place::ORIGIN, |(place, _, _)| *place);
            device.newest = device.newest.min(first.previous()).min(cursor);
        }
        for node in 0..self.nodes.len() {
            // A tail that was further than the copy is sees that the log went back.
            assert_eq!(self.nodes[node].went_back(&self.log), self.nodes[node].tail() >= first);
            self.restart(node);
        }
        self.note(|| format!("the copy is put back, places from {first} on are new"));
    }

    /// Faults stop, every device comes back, and everything moves until nothing does.
    fn come_to_rest(&mut self) -> Result<(), Broken> {
        self.note(|| "faults stop".to_owned());
        for _round in 0..30 {
            let before = (self.store.outbox.len(), self.store.accepted, self.devices.clone());
            self.relays.drain(&mut self.store, &mut self.log, &mut self.reached);
            self.truth.scan(&self.log);
            self.project_all();
            self.sweep();
            let written = self.written();
            for node in &mut self.nodes {
                node.poll(&self.store, &self.log, usize::MAX, self.now);
                node.trim(&self.store, self.now);
                node.tick(&self.store, self.now);
            }
            self.check_all_written(&written)?;
            for device in 0..self.devices.len() {
                self.bring_back(device)?;
            }
            self.take_acks(usize::MAX)?;
            self.now = self.now.plus(Duration::from_millis(1));
            let after = (self.store.outbox.len(), self.store.accepted, &self.devices);
            if (before.0, before.1, &before.2) == after {
                self.check_counts()?;
                return self.check_rest();
            }
        }
        Err("the world does not come to rest".to_owned())
    }
}
