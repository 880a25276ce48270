//! One open stream: who listens, how far the stream is, and what waits for it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tidings_delivery::{
    Delivery, MEMBERSHIP_EVENT, SignalFrame,
    core::{
        Generations, Narrowing, NotRecovered, Person, Place,
        resume::{Effect, Input, Resume, Unavailable},
        session::Session,
    },
    sessions::Ack,
};
use tidings_model::{Channel, Kind, SessionId, Timestamp, UserId, planted};

use crate::{
    Close, Outlet, Reason,
    line::Line,
    wire::{Ready, Wire},
};

/// Deliveries that wait while a connection's person is read.
const WAITING_MAX: usize = 1000;

/// One open stream.
#[derive(Debug)]
pub struct Connection {
    /// Unique in the process.
    pub id: u64,
    /// Whose it is.
    pub user: UserId,
    /// Which device.
    pub session_id: SessionId,
    /// What it is narrowed to.
    pub narrowing: Narrowing,
    /// Its bytes.
    pub wire: Wire,
    /// When it opened.
    pub since: Timestamp,
    /// Its way out.
    pub outlet: Arc<dyn Outlet>,
    /// Pause between two heartbeats, as `ready` tells it.
    pub heartbeat_secs: u64,
    pub(crate) stream: Mutex<Stream>,
    pub(crate) line: Line,
}

/// What decides what the connection is sent.
///
/// It joins the hub before its person is read, so that no change of their channels passes it by: what the feed
/// brings until then waits.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    begun: Option<Begun>,
    waiting: Vec<Delivery>,
    // Changes of the person's channels that came while catching up: an opening is read beside them.
    changes: Vec<Delivery>,
}

/// A stream whose person and session are known.
#[derive(Debug)]
struct Begun {
    person: Person,
    session: Session,
    resume: Resume<Delivery>,
}

/// A question to the store that a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A page of the projection.
    Projection {
        /// Behind this place.
        after: Place,
        /// Up to this one.
        upto: Place,
        /// How many at most.
        limit: u32,
    },
    /// What is pending.
    Pending {
        /// How many at most.
        limit: u32,
    },
    /// What the window holds; it is answered at once.
    Window {
        /// Behind this place.
        after: Place,
        /// Up to this one.
        upto: Place,
    },
}

impl Connection {
    pub(crate) fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a delivery that the feed brought, in the order of the log. True once the stream is live.
    pub(crate) fn tailed(&self, delivery: &Delivery, generations: &Generations, now: Timestamp) -> bool {
        let mut stream = self.stream();
        if stream.begun.is_none() {
            if stream.waiting.len() >= WAITING_MAX {
                self.refuse(Unavailable::TooMuchHeld);
            } else {
                stream.waiting.push(delivery.clone());
            }
            return false;
        }
        let was_live = stream.is_live();
        let effects = stream.tailed(&self.user, delivery, now);
        self.carry_out(effects, !was_live, generations);
        stream.is_live()
    }

    /// Sends what the stream decided, in order. Called while the stream is locked, so that nothing overtakes it.
    /// Answers what it waits for, if it does.
    pub(crate) fn carry_out(
        &self,
        effects: Vec<Effect<Delivery>>,
        catching_up: bool,
        generations: &Generations,
    ) -> Option<Wanted> {
        let mut wanted = None;
        for effect in effects {
            if matches!(effect, Effect::Send { .. }) && planted::one_in("drop_1_in_1000", 1000) {
                continue;
            }
            let mut signal = false;
            let frame = match effect {
                Effect::Send { frame, with_cursor } => {
                    signal = frame.facts().kind == Kind::Signal;
                    self.wire.event(&frame, self.narrowing, with_cursor)
                }
                Effect::SendReady { not_recovered, cursor } => self
                    .wire
                    .ready(&self.ready(not_recovered, cursor, generations), fastrand::u32(2000..=5000)),
                Effect::SendDigest { count } => self.wire.digest(count),
                Effect::SendCursor { place } => {
                    self.wire.cursor(&generations.cursor(place, self.narrowing).encode())
                }
                Effect::Refuse(reason) => {
                    self.refuse(reason);
                    continue;
                }
                Effect::ReadProjection { after, upto, limit } => {
                    wanted = Some(Wanted::Projection { after, upto, limit });
                    continue;
                }
                Effect::ReadPending { limit } => {
                    wanted = Some(Wanted::Pending { limit });
                    continue;
                }
                Effect::ReadWindow { after, upto } => {
                    wanted = Some(Wanted::Window { after, upto });
                    continue;
                }
            };
            let reason = match (signal, catching_up) {
                (true, _) => Reason::Signal,
                (false, true) => Reason::CatchUp,
                (false, false) => Reason::Live,
            };
            // An outlet that is full has closed the connection; its client resumes.
            if self.outlet.offer(frame, reason).is_err() {
                break;
            }
        }
        wanted
    }

    /// Shows a signal, if the stream is up to the present and listens to a channel of it.
    pub(crate) fn signal(&self, signal: &SignalFrame) {
        let stream = self.stream();
        if stream.hears(signal.channels()) {
            // An outlet that is full drops it.
            let _closed = self.outlet.offer(self.wire.signal(signal), Reason::Signal);
        }
    }

    fn ready(
        &self,
        not_recovered: Option<NotRecovered>,
        cursor: Option<Place>,
        generations: &Generations,
    ) -> Ready {
        Ready {
            session_id: self.session_id.to_string(),
            user_id: self.user.to_string(),
            recovered: not_recovered.is_none(),
            reason: not_recovered.map(NotRecovered::as_str),
            cursor: cursor.map(|place| generations.cursor(place, self.narrowing).encode()),
            heartbeat_secs: self.heartbeat_secs,
        }
    }

    /// The client's newest word that is not yet forwarded: it speaks of the opening that this stream began with.
    pub(crate) fn take_ack(&self) -> Option<Ack> {
        let place = self.line.take_ack()?;
        let opening = self.stream().begun.as_ref().map(|begun| begun.session.opening.count);
        Some(Ack { place, narrowing: self.narrowing, opening })
    }

    /// Tells a quiet session its place, so that it stays in the window.
    pub(crate) fn cursor_beat(&self, shown: Place, generations: &Generations) {
        let mut stream = self.stream();
        let effects = stream.beat(shown);
        self.carry_out(effects, false, generations);
    }

    fn refuse(&self, reason: Unavailable) {
        tracing::debug!(
            connection = self.id,
            reason = reason.as_str(),
            "could not bring a client up to the present"
        );
        self.outlet.close(Close::Unavailable);
    }
}

impl Stream {
    /// Whether it is up to the present.
    pub(crate) fn is_live(&self) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.resume.is_live())
    }

    /// The channels of its person, as they are now.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        self.begun.as_ref().map_or_else(Vec::new, |begun| begun.person.channels_at(Place::MAX).collect())
    }

    /// Begins with a person and a session that were read after joining the hub; then what waited is taken.
    pub(crate) fn begin(
        &mut self,
        user: &UserId,
        person: Person,
        session: Session,
        (resume, mut effects): (Resume<Delivery>, Vec<Effect<Delivery>>),
        now: Timestamp,
    ) -> Vec<Effect<Delivery>> {
        self.begun = Some(Begun { person, session, resume });
        for delivery in std::mem::take(&mut self.waiting) {
            effects.extend(self.tailed(user, &delivery, now));
        }
        effects
    }

    /// Takes the person and session of an opening that was read just now.
    pub(crate) fn open(&mut self, person: Person, session: Session) {
        let Some(begun) = &mut self.begun else { return };
        begun.person = person;
        begun.session = session;
        for change in &self.changes {
            apply(&mut begun.person, change);
        }
    }

    /// Whether what its person is shown on one of these channels is for it now.
    fn hears(&self, said_to: &[Channel]) -> bool {
        let Some(Begun { person, session, resume }) = &self.begun else { return false };
        let narrowed = session.channels.as_ref();
        let hears = |channel: &Channel| {
            narrowed.is_none_or(|channels| channels.contains(channel)) && person.listens(channel, Place::MAX)
        };
        resume.is_live() && said_to.iter().any(hears)
    }

    /// The channels that its session is narrowed to.
    pub(crate) fn narrowed_to(&self) -> Option<BTreeSet<Channel>> {
        self.begun.as_ref().and_then(|begun| begun.session.channels.clone())
    }

    /// The place that a quiet session is told, given how far the hub is; nothing if a frame told it already.
    fn beat(&mut self, shown: Place) -> Vec<Effect<Delivery>> {
        let quiet = self.begun.as_mut().filter(|begun| !begun.resume.may_confirm(shown));
        quiet.and_then(|begun| begun.resume.beat(shown)).into_iter().collect()
    }

    /// Whether the client was given the cursor of this place here.
    pub(crate) fn may_confirm(&self, place: Place) -> bool {
        self.begun.as_ref().is_some_and(|begun| begun.resume.may_confirm(place))
    }

    fn tailed(&mut self, user: &UserId, delivery: &Delivery, now: Timestamp) -> Vec<Effect<Delivery>> {
        let Some(begun) = &mut self.begun else { return Vec::new() };
        if delivery.change_of(user).is_some() {
            apply(&mut begun.person, delivery);
            if !begun.resume.is_live() {
                self.changes.push(delivery.clone());
            }
        }
        self.handle(Input::Tailed(delivery.clone()), now)
    }

    /// Hands an input to the stream; the session's verdict decides what is offered.
    pub(crate) fn handle(&mut self, input: Input<Delivery>, now: Timestamp) -> Vec<Effect<Delivery>> {
        let Some(Begun { person, session, resume }) = &mut self.begun else { return Vec::new() };
        resume.handle(input, now, &mut |record| {
            // A change of channels is for gateways, never for clients.
            !record.event_id.as_str().starts_with(MEMBERSHIP_EVENT)
                && session.verdict(person, record).is_offered()
        })
    }
}

/// Applies a change of a person's channels and preferences at its place; a repeat changes nothing.
fn apply(person: &mut Person, delivery: &Delivery) {
    let Some(change) = delivery.change_of(person.id()) else { return };
    for change in change.person_changes() {
        person.apply(&change, delivery.place());
    }
}
