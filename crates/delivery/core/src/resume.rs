//! Resume: how a connection comes from its cursor, or from nothing, to the live stream.
//!
//! The connection joins the hub first, so that from then on no record passes it by; what the tail brings is held.
//! Then the past is read: from the window where that reaches back to the cursor, otherwise from the projection up
//! to the place to which it is complete, and from there from the window. Then what was held is released, each
//! place once, and a `cursor` frame ends the catch-up: until then no frame carries a cursor, so that a cut in the
//! middle confirms nothing that was not sent. If the past cannot be read to the end, the connection is refused:
//! never is a part of it called recovered.

mod effect;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use tidings_model::{Kind, Timestamp};

use crate::{
    DeliveryRecord, NotRecovered, Place,
    planted::{Bug, planted},
};

pub use effect::{Effect, Input, Joined, ResumeLimits, Start, Unavailable};

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The node's tail is behind the cursor.
    Behind { since: Timestamp },
    /// A page of the projection.
    Projection,
    /// The window; `tried` tells whether the projection was read before.
    Window { tried: u8 },
    /// What is pending.
    Pending,
    /// Nothing: it is live.
    Live,
    /// It was refused.
    Refused,
}

/// How often the projection is asked again because the window was trimmed in between.
const TRIES: u8 = 3;

/// One connection's way into the stream. `F` is the node's frame: encoded once, shared by all connections.
///
/// Records are given raw, in the order of their places; `offered` is the session's verdict on each.
#[derive(Debug)]
pub struct Resume<F> {
    state: State,
    limits: ResumeLimits,
    not_recovered: Option<NotRecovered>,
    /// Everything at or before it was sent, or withheld by the verdict.
    done: Place,
    /// The newest place that the hub showed.
    tail: Place,
    /// How often the projection was read to its end.
    tried: u8,
    ready: bool,
    /// The newest place whose cursor the client was given or came with.
    granted: Option<Place>,
    held: VecDeque<F>,
    /// Subjects that the hub or the window showed to be removed.
    removed: BTreeSet<String>,
}

impl<F: AsRef<DeliveryRecord>> Resume<F> {
    /// A connection that has just joined the hub.
    pub fn new(
        start: Start,
        joined: &Joined<'_>,
        limits: ResumeLimits,
        now: Timestamp,
    ) -> (Self, Vec<Effect<F>>) {
        let (done, not_recovered) = match start {
            Start::After(place) => (place, None),
            Start::Pending(reason) => (Place::ORIGIN, Some(reason)),
        };
        let mut resume = Self {
            state: State::Behind { since: now },
            limits,
            not_recovered,
            done,
            tail: joined.tail,
            tried: 0,
            ready: false,
            granted: not_recovered.is_none().then_some(done),
            held: VecDeque::new(),
            removed: joined.removed.iter().map(|subject| (*subject).to_owned()).collect(),
        };
        let effects = if not_recovered.is_some() {
            resume.state = State::Pending;
            vec![Effect::ReadPending { limit: limits.catch_up_max }]
        } else {
            resume.read_on(joined.window_after)
        };
        (resume, effects)
    }

    /// Takes what happened. `offered` is called once for each record that may be sent.
    pub fn handle(
        &mut self,
        input: Input<F>,
        now: Timestamp,
        offered: &mut dyn FnMut(&DeliveryRecord) -> bool,
    ) -> Vec<Effect<F>> {
        match (input, self.state) {
            (_, State::Refused) => Vec::new(),
            (Input::Tailed(frame), state) => self.tailed(frame, state, now, offered),
            (Input::Tick { window_after }, State::Behind { since }) => {
                if self.tail >= self.done {
                    self.read_on(window_after)
                } else if now.since(since) >= self.limits.wait {
                    self.refuse(Unavailable::TailBehind)
                } else {
                    Vec::new()
                }
            }
            (Input::Projection { records, complete, more }, State::Projection) => {
                self.projected(records, complete, more, now, offered)
            }
            (Input::ProjectionAway, State::Projection | State::Pending) => {
                self.refuse(Unavailable::ProjectionAway)
            }
            (Input::Window { records, upto }, State::Window { tried }) => {
                self.windowed(records, upto, tried, now, offered)
            }
            (Input::Pending { send, left_out, complete }, State::Pending) => {
                self.pending(send, left_out, complete, now, offered)
            }
            // An answer that nobody waits for any more.
            (
                Input::Tick { .. }
                | Input::Projection { .. }
                | Input::ProjectionAway
                | Input::Window { .. }
                | Input::Pending { .. },
                _,
            ) => Vec::new(),
        }
    }

    /// Whether the stream is live.
    pub fn is_live(&self) -> bool {
        self.state == State::Live
    }

    /// The place that a *cursor beat* tells a quiet session, given the tail of the hub it listens to.
    pub fn beat(&mut self, tail: Place) -> Option<Effect<F>> {
        if !self.is_live() || tail < self.done {
            return None;
        }
        self.done = tail;
        self.granted = Some(tail);
        Some(Effect::SendCursor { place: tail })
    }

    /// Whether the client may confirm this place here, which its [cursor](crate::Generations::receipt) names: one
    /// that it was not given yet covers what was not sent.
    pub fn may_confirm(&self, place: Place) -> bool {
        self.granted.is_some_and(|newest| place <= newest)
    }

    fn tailed(
        &mut self,
        frame: F,
        state: State,
        now: Timestamp,
        offered: &mut dyn FnMut(&DeliveryRecord) -> bool,
    ) -> Vec<Effect<F>> {
        let record = frame.as_ref();
        let place = record.place;
        self.tail = self.tail.max(place);
        if place <= self.done {
            // The projection or the cursor was ahead of this node's tail.
            return Vec::new();
        }
        if state == State::Live {
            self.done = place;
            if record.expired(now) || !offered(record) {
                return Vec::new();
            }
            let with_cursor = record.kind != Kind::Signal;
            if with_cursor {
                self.granted = Some(place);
            }
            return vec![Effect::Send { frame, with_cursor }];
        }
        if record.removes {
            self.removed.insert(record.subject.clone());
        }
        if offered(record) {
            self.held.push_back(frame);
        }
        if self.held.len() > self.limits.held {
            return self.refuse(Unavailable::TooMuchHeld);
        }
        Vec::new()
    }

    /// Asks for what lies between `done` and the tail.
    fn read_on(&mut self, window_after: Place) -> Vec<Effect<F>> {
        if self.tail < self.done {
            return Vec::new();
        }
        if window_after <= self.done { self.ask_window() } else { self.ask_projection() }
    }

    fn ask_window(&mut self) -> Vec<Effect<F>> {
        self.state = State::Window { tried: self.tried };
        vec![Effect::ReadWindow { after: self.done, upto: self.tail }]
    }

    fn ask_projection(&mut self) -> Vec<Effect<F>> {
        self.state = State::Projection;
        vec![Effect::ReadProjection { after: self.done, upto: self.tail, limit: self.limits.page }]
    }

    fn projected(
        &mut self,
        records: Vec<F>,
        complete: Place,
        more: bool,
        now: Timestamp,
        offered: &mut dyn FnMut(&DeliveryRecord) -> bool,
    ) -> Vec<Effect<F>> {
        let mut sends = self.choose(records, now, offered);
        self.done = self.done.max(complete);
        if more {
            let mut effects = self.ready(None);
            effects.append(&mut sends);
            effects.extend(self.ask_projection());
            return effects;
        }
        self.tried += 1;
        if self.done < self.tail && !planted(Bug::ProjectionTakenForComplete) {
            // Not yet ready: the window may prove to be cold, and then nothing of this is called recovered.
            let mut effects = if sends.is_empty() { Vec::new() } else { self.ready(None) };
            effects.append(&mut sends);
            effects.extend(self.ask_window());
            return effects;
        }
        self.release(sends, now)
    }

    fn windowed(
        &mut self,
        records: Option<Vec<F>>,
        upto: Place,
        tried: u8,
        now: Timestamp,
        offered: &mut dyn FnMut(&DeliveryRecord) -> bool,
    ) -> Vec<Effect<F>> {
        let records = match records {
            Some(records) => records,
            None if planted(Bug::ColdWindowTakenForEmpty) => Vec::new(),
            // Trimmed meanwhile: the projection has what it let go.
            None if tried < TRIES && self.not_recovered.is_none() => return self.ask_projection(),
            None => return self.refuse(Unavailable::WindowCold),
        };
        self.removed.extend(
            records
                .iter()
                .map(F::as_ref)
                .filter(|record| record.removes)
                .map(|record| record.subject.clone()),
        );
        let sends = self.choose(records, now, offered);
        self.done = self.done.max(upto);
        self.release(sends, now)
    }

    fn pending(
        &mut self,
        send: Vec<F>,
        left_out: u64,
        complete: Place,
        now: Timestamp,
        offered: &mut dyn FnMut(&DeliveryRecord) -> bool,
    ) -> Vec<Effect<F>> {
        let mut sends = self.choose(send, now, offered);
        self.done = complete;
        if left_out > 0 {
            sends.push(Effect::SendDigest { count: left_out });
        }
        if self.done < self.tail {
            let mut effects = if sends.is_empty() { Vec::new() } else { self.ready(None) };
            effects.append(&mut sends);
            effects.extend(self.ask_window());
            return effects;
        }
        self.release(sends, now)
    }

    /// Ends the catch-up: what was read, then what was held, then the cursor, in `ready` if nothing was sent.
    fn release(&mut self, mut sends: Vec<Effect<F>>, now: Timestamp) -> Vec<Effect<F>> {
        for frame in std::mem::take(&mut self.held) {
            if self.done < frame.as_ref().place && self.lasts(frame.as_ref(), now) {
                sends.push(Effect::Send { frame, with_cursor: false });
            }
        }
        self.done = self.done.max(self.tail);
        self.state = State::Live;
        self.granted = Some(self.done);
        self.removed.clear();
        if sends.is_empty() && !self.ready {
            return self.ready(Some(self.done));
        }
        let mut effects = self.ready(None);
        effects.append(&mut sends);
        effects.push(Effect::SendCursor { place: self.done });
        effects
    }

    fn ready(&mut self, cursor: Option<Place>) -> Vec<Effect<F>> {
        if std::mem::replace(&mut self.ready, true) {
            return Vec::new();
        }
        vec![Effect::SendReady { not_recovered: self.not_recovered, cursor }]
    }

    fn choose(
        &self,
        records: Vec<F>,
        now: Timestamp,
        offered: &mut dyn FnMut(&DeliveryRecord) -> bool,
    ) -> Vec<Effect<F>> {
        let past = records.into_iter().filter(|frame| {
            let record = frame.as_ref();
            record.kind != Kind::Signal && self.lasts(record, now) && offered(record)
        });
        past.map(|frame| Effect::Send { frame, with_cursor: false }).collect()
    }

    /// Whether a record of the past is still worth sending: not cancelled or expired meanwhile.
    fn lasts(&self, record: &DeliveryRecord, now: Timestamp) -> bool {
        let removed = self.removed.contains(&record.subject) && !planted(Bug::CancelledSentFromMemory);
        record.removes || record.removal.is_none() && !removed && !record.expired(now)
    }

    fn refuse(&mut self, unavailable: Unavailable) -> Vec<Effect<F>> {
        self.state = State::Refused;
        self.held.clear();
        vec![Effect::Refuse(unavailable)]
    }
}
