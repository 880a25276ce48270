//! A gateway node: a tail with its acceptor, the window, and a hub of connections.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tidings_delivery_core::{
    Cursor, DeliveryRecord, Generations, LogBounds, Moment, Narrowing, NotRecovered, Number, Person, Place,
    accept::{Acceptance, Acceptor},
    receipts::SessionReceipts,
    resume::{Effect, Input, Joined, Resume, ResumeLimits, Start, Unavailable},
    session::{Opening, Session},
    window::{Window, WindowLimits},
};
use tidings_model::{Channel, Timestamp};

use crate::{
    log::Log,
    store::{DeviceId, Store, owner},
};

pub(crate) type Frame = Arc<DeliveryRecord>;

/// What goes over the wire.
#[derive(Clone, Debug)]
pub(crate) enum Wire {
    Ready { not_recovered: Option<NotRecovered>, cursor: Option<String> },
    Event { frame: Frame, cursor: Option<String> },
    Digest(u64),
    Cursor(String),
    Closed(Unavailable),
}

/// One open stream.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) resume: Resume<Frame>,
    pub(crate) session: Session,
    /// The place it opened at, if it opened without a usable cursor.
    pub(crate) opened: Option<Moment>,
    /// The read that it waits for.
    pub(crate) ask: Option<Effect<Frame>>,
    /// What was written and not yet read by the client.
    pub(crate) wire: VecDeque<Wire>,
    /// The place of the tail when it joined.
    pub(crate) joined: Place,
}

/// A node.
#[derive(Debug)]
pub(crate) struct Node {
    acceptor: Acceptor,
    /// The offset that is read next.
    pub(crate) position: usize,
    pub(crate) window: Window<Frame>,
    people: Vec<Person>,
    pub(crate) connections: BTreeMap<DeviceId, Connection>,
    pub(crate) limits: ResumeLimits,
    pub(crate) window_limits: WindowLimits,
}

impl Node {
    /// A node that starts: its tail begins at the projection's place, which makes the window warm.
    pub(crate) fn start(store: &Store, catch_up_max: u32, window_limits: WindowLimits) -> Self {
        Self {
            acceptor: Acceptor::from_stored(store.accepted),
            position: usize::try_from(store.accepted.place.previous().0).unwrap(),
            window: Window::new(store.accepted.place),
            people: store.people.clone(),
            connections: BTreeMap::new(),
            limits: ResumeLimits { page: 3, catch_up_max, held: 40, wait: Duration::from_mins(10) },
            window_limits,
        }
    }

    pub(crate) fn tail(&self) -> Place {
        self.acceptor.accepted().place
    }

    /// Whether the log was replaced under this node's feet.
    pub(crate) fn went_back(&self, log: &Log) -> bool {
        self.acceptor.went_back(Place(log.entries.len() as u64))
    }

    /// Reads up to so many records of the log.
    pub(crate) fn poll(&mut self, store: &Store, log: &Log, many: usize, now: Timestamp) {
        for _record in 0..many {
            let Some(entry) = log.entries.get(self.position) else { return };
            self.position += 1;
            let place = Place(self.position as u64);
            match self.acceptor.offer(place, Some(Number(entry.number)), now) {
                Acceptance::Accept => {}
                Acceptance::Drop | Acceptance::Hold => continue,
                Acceptance::Reread(from) => {
                    self.position = usize::try_from(from.previous().0).unwrap();
                    continue;
                }
                Acceptance::NewGeneration => unreachable!("nodes restart when the log is replaced"),
            }
            if let Some((who, change)) = &entry.fact.change {
                self.people[*who].apply(change, place);
            }
            let frame = Arc::new(entry.fact.at(place));
            self.window.push(Arc::clone(&frame), 1, now);
            let devices: Vec<DeviceId> = self.connections.keys().copied().collect();
            for device in devices {
                self.feed(device, Input::Tailed(Arc::clone(&frame)), now, &store.generations);
            }
        }
    }

    /// Lets go what the window need not keep.
    pub(crate) fn trim(&mut self, store: &Store, now: Timestamp) {
        self.window.trim(store.accepted.place, &self.window_limits, now);
    }

    /// Time passes: connections that wait for the tail look again.
    pub(crate) fn tick(&mut self, store: &Store, now: Timestamp) {
        let devices: Vec<DeviceId> = self.connections.keys().copied().collect();
        for device in devices {
            let window_after = self.window.after();
            self.feed(device, Input::Tick { window_after }, now, &store.generations);
        }
    }

    /// A client connects. Returns what its cursor resolved to.
    pub(crate) fn connect(
        &mut self,
        device: DeviceId,
        channels: Option<std::collections::BTreeSet<Channel>>,
        cursor: Option<&str>,
        store: &mut Store,
        log: &Log,
        now: Timestamp,
    ) -> Result<Place, NotRecovered> {
        let narrowing = channels.as_ref().map_or(Narrowing::NONE, Narrowing::to);
        let bounds = LogBounds { kept_after: Place::ORIGIN, head: Place(log.entries.len() as u64) };
        let cursor = cursor.map(str::parse::<Cursor>);
        let current =
            matches!(cursor, Some(Ok(cursor)) if cursor.generation == store.generations.current().id);
        let resolved = match cursor {
            None => Err(NotRecovered::NoCursor),
            Some(Err(_invalid)) => Err(NotRecovered::UnknownCursor),
            Some(Ok(cursor)) => store.generations.resolve(&cursor, narrowing, bounds),
        };
        let row = resolved.and_then(|place| {
            let at = Moment { place, time: now };
            SessionReceipts::resume(store.sessions.get(&device), channels.clone(), at, current)
        });
        let resolved = row.as_ref().map_err(|reason| *reason).and(resolved);
        let (start, session) = match row {
            Ok(row) => {
                let session = row.session().clone();
                store.sessions.insert(device, row);
                (resolved.map_or_else(Start::Pending, Start::After), session)
            }
            Err(reason) => {
                // Only what comes after the opening is judged before the opening is known.
                let at = Moment { place: Place::ORIGIN, time: now };
                let opening = Opening::offering(at);
                (Start::Pending(reason), Session { opening, channels })
            }
        };
        let joined = Joined {
            tail: self.tail(),
            window_after: self.window.after(),
            removed: self.window.removed().collect(),
        };
        let (resume, effects) = Resume::new(start, &joined, self.limits, now);
        let joined = self.tail();
        let (ask, wire) = (None, VecDeque::new());
        let connection = Connection { resume, session, opened: None, ask, wire, joined };
        self.connections.insert(device, connection);
        self.act(device, effects, &store.generations);
        resolved
    }

    /// Answers the read that a connection waits for.
    pub(crate) fn answer(&mut self, device: DeviceId, store: &mut Store, away: bool, now: Timestamp) {
        let Some(connection) = self.connections.get_mut(&device) else { return };
        let Some(ask) = connection.ask.take() else { return };
        let who = owner(device);
        let input = match ask {
            Effect::ReadProjection { .. } | Effect::ReadPending { .. } if away => Input::ProjectionAway,
            Effect::ReadProjection { after, upto, limit } => {
                let complete = store.accepted.place.min(upto).max(after);
                let rows = store.rows.iter().filter(|row| after < row.place && row.place <= complete);
                // A real store reads the person's channels only; the verdict decides all the same.
                let page: Vec<Frame> = rows.take(limit as usize).cloned().collect();
                self.people[who] = newer(&self.people[who], store, who, self.acceptor.accepted().place);
                match page.last() {
                    Some(last) if page.len() == limit as usize => {
                        Input::Projection { complete: last.place, records: page, more: true }
                    }
                    _short => Input::Projection { records: page, complete, more: false },
                }
            }
            Effect::ReadPending { limit } => {
                let channels = connection.session.channels.clone();
                let (selection, session) = store.open(device, channels, limit, now);
                connection.opened = Some(session.opening.at);
                let complete = session.opening.at.place;
                connection.session = session;
                self.people[who] = newer(&self.people[who], store, who, self.acceptor.accepted().place);
                Input::Pending { send: selection.send, left_out: selection.left_out, complete }
            }
            Effect::ReadWindow { after, upto } => {
                let records = self.window.read(after, upto).map(|frames| frames.cloned().collect());
                Input::Window { records, upto }
            }
            Effect::SendReady { .. }
            | Effect::Send { .. }
            | Effect::SendDigest { .. }
            | Effect::SendCursor { .. }
            | Effect::Refuse(_) => unreachable!("only reads are waited for"),
        };
        self.feed(device, input, now, &store.generations);
    }

    /// A quiet session is told how far it is.
    pub(crate) fn beat(&mut self, device: DeviceId, generations: &Generations) {
        let tail = self.tail();
        let Some(connection) = self.connections.get_mut(&device) else { return };
        let effects = connection.resume.beat(tail).into_iter().collect();
        self.act(device, effects, generations);
    }

    fn feed(&mut self, device: DeviceId, input: Input<Frame>, now: Timestamp, generations: &Generations) {
        let Some(connection) = self.connections.get_mut(&device) else { return };
        let (session, person) = (&connection.session, &self.people[owner(device)]);
        let effects =
            connection.resume.handle(input, now, &mut |record| session.verdict(person, record).is_offered());
        self.act(device, effects, generations);
    }

    fn act(&mut self, device: DeviceId, effects: Vec<Effect<Frame>>, generations: &Generations) {
        let Some(connection) = self.connections.get_mut(&device) else { return };
        let narrowing = connection.session.narrowing();
        let cursor = |place| generations.cursor(place, narrowing).encode();
        for effect in effects {
            let wire = match effect {
                Effect::ReadProjection { .. } | Effect::ReadWindow { .. } | Effect::ReadPending { .. } => {
                    connection.ask = Some(effect);
                    continue;
                }
                Effect::SendReady { not_recovered, cursor: at } => {
                    Wire::Ready { not_recovered, cursor: at.map(cursor) }
                }
                Effect::Send { frame, with_cursor } => {
                    let cursor = with_cursor.then(|| cursor(frame.place));
                    Wire::Event { frame, cursor }
                }
                Effect::SendDigest { count } => Wire::Digest(count),
                Effect::SendCursor { place } => Wire::Cursor(cursor(place)),
                Effect::Refuse(unavailable) => Wire::Closed(unavailable),
            };
            connection.wire.push_back(wire);
        }
    }
}

/// A person as the database knows them, where that is ahead of the tail; the tail's repeats change nothing then.
fn newer(person: &Person, store: &Store, who: usize, tail: Place) -> Person {
    if store.accepted.place > tail { store.people[who].clone() } else { person.clone() }
}
