//! Bringing a client up to the present: the driver of the pure state machine, which asks and is answered.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use tidings_api::{Caller, Code, Problem};
use tidings_delivery::{
    Delivery,
    core::{
        Cursor, LogBounds, Moment, Narrowing, NotRecovered, Place,
        resume::{Effect, Input, Joined, Resume, ResumeLimits, Start},
        session::{Opening, Session},
    },
};
use tidings_model::{Channel, SessionId};
use tokio::time::Instant;

use crate::{
    Gateway, Outlet, Queue,
    connection::{Connection, Stream, Wanted},
    line::Line,
    wire::Wire,
};

/// The longest pause between two looks at a tail that is behind a client's cursor.
const BEHIND_LOOK: Duration = Duration::from_millis(250);

/// What a client asks for when it connects.
#[derive(Clone, Debug)]
pub(crate) struct Hello {
    /// Which device; none for a new one.
    pub(crate) session: Option<SessionId>,
    /// After which cursor to go on.
    pub(crate) cursor: Option<String>,
    /// To what it narrows its channels.
    pub(crate) channels: Option<BTreeSet<Channel>>,
}

impl Gateway {
    /// A queue for one more connection of this node.
    pub(crate) fn queue(&self) -> Arc<Queue> {
        let (frames, bytes) = (self.options.queue_frames, self.options.queue_bytes);
        Arc::new(Queue::new(frames, bytes, Arc::clone(&self.budget)))
    }

    /// Lets a caller in: their session is written, their connection is in the hub, their stream begins.
    pub(crate) async fn connect(
        &self,
        caller: &Caller,
        hello: Hello,
        (wire, outlet): (Wire, Arc<dyn Outlet>),
    ) -> Result<Arc<Connection>, Problem> {
        caller.require_person()?;
        let user = caller.user_id.clone();
        let narrowing = hello.channels.as_ref().map_or(Narrowing::NONE, Narrowing::to);
        let cursor = self.cursor(hello.cursor.as_deref(), narrowing).await?;
        let from_memory = cursor.is_ok_and(|cursor| cursor.place >= self.feed.window_after());
        let pass = self.admission.enter(from_memory, Instant::now())?;
        self.source.enter(caller).await?;
        let session_id = hello.session.unwrap_or_else(|| self.ids.session());
        let limit = self.options.connections_per_user;
        // First the hub, then the person: whatever changes from here on is shown to the connection.
        let mut shown = Place::ORIGIN;
        let connection = self.hub.join(&user, limit, |place| {
            shown = place;
            Connection {
                id: self.hub.next_id(),
                user: user.clone(),
                session_id,
                narrowing,
                wire,
                since: self.clock.now(),
                outlet,
                heartbeat_secs: self.options.heartbeat.as_secs(),
                stream: Mutex::default(),
                line: Line::new(
                    wire,
                    self.options.pauses(),
                    fastrand::f64(),
                    Instant::now(),
                    self.end_of(caller),
                ),
            }
        });
        let connection = connection.ok_or_else(|| too_many(limit))?;
        // A drain ends those it finds in the hub; who joined behind its back must see that it has begun.
        if let Err(problem) = self.admission.still_open() {
            self.hub.leave(&connection);
            return Err(problem);
        }
        match self.enter(&connection, cursor, hello.channels, shown).await {
            Ok(wanted) => {
                let (gateway, driven) = (self.clone(), Arc::clone(&connection));
                self.tasks.spawn(async move {
                    gateway.drive(&driven, wanted).await;
                    drop(pass);
                });
                Ok(connection)
            }
            Err(problem) => {
                self.hub.leave(&connection);
                Err(problem)
            }
        }
    }

    /// Counts the connection among those of all nodes, then begins its stream.
    async fn enter(
        &self,
        connection: &Connection,
        cursor: Result<Cursor, NotRecovered>,
        channels: Option<BTreeSet<Channel>>,
        shown: Place,
    ) -> Result<Option<Wanted>, Problem> {
        let limit = self.options.connections_per_user;
        // Of those that open at once on this node, the later ones count the earlier.
        let here = self.hub.of(&connection.user).iter().filter(|other| other.id <= connection.id).count();
        if !self.source.arrive(connection, here, limit).await? {
            return Err(too_many(limit));
        }
        self.begin(connection, cursor, channels, shown).await
    }

    /// Writes or finds the session, reads the person, and begins the stream.
    async fn begin(
        &self,
        connection: &Connection,
        cursor: Result<Cursor, NotRecovered>,
        channels: Option<BTreeSet<Channel>>,
        shown: Place,
    ) -> Result<Option<Wanted>, Problem> {
        let (user, session_id, now) = (&connection.user, &connection.session_id, self.clock.now());
        // Whoever joined the hub before another log was read is sent away; who joined behind its back is told here.
        let generations = self.feed.generations();
        let cursor = cursor.and_then(|cursor| generations.of_this_log(cursor));
        let resumed = match cursor {
            Ok(cursor) => {
                let resumed = self.source.resume(user, session_id, channels.clone(), cursor).await?;
                resumed.map(|resumed| (cursor.place, resumed))
            }
            Err(reason) => Err(reason),
        };
        let (start, (person, session)) = match resumed {
            Ok((place, resumed)) => (Start::After(place), resumed),
            Err(reason) => {
                // The opening is written when what is pending is read; until then all is judged at its own place.
                let at = Moment { place: Place::ORIGIN, time: now };
                let opening = Opening::offering(at);
                let session = Session { opening, channels };
                (Start::Pending(reason), (self.source.person(user).await?, session))
            }
        };
        let limits = ResumeLimits {
            catch_up_max: u32::try_from(self.options.catch_up_max).unwrap_or(u32::MAX),
            ..ResumeLimits::default()
        };
        let removed = self.feed.removed();
        let joined = Joined {
            tail: shown,
            window_after: self.feed.window_after(),
            removed: removed.iter().map(String::as_str).collect(),
        };
        let mut stream = connection.stream();
        let resume = Resume::new(start, &joined, limits, now);
        let effects = stream.begin(user, person, session, resume, now);
        Ok(self.carry_out(connection, &mut stream, effects))
    }

    /// The cursor that a client came with, if it holds.
    async fn cursor(
        &self,
        text: Option<&str>,
        narrowing: Narrowing,
    ) -> Result<Result<Cursor, NotRecovered>, Problem> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Err(NotRecovered::NoCursor)) };
        let Ok(cursor) = text.parse::<Cursor>() else { return Ok(Err(NotRecovered::UnknownCursor)) };
        let head = self.feed.reaches(cursor.place).await.map_err(|cause| {
            tracing::warn!(%cause, "the end of the delivery log could not be asked for");
            Problem::new(
                Code::Unavailable,
                "the log is away, and this cursor is newer than what was read of it",
            )
            .retry_after(5)
        })?;
        let bounds = LogBounds { kept_after: self.feed.kept_after().await?, head };
        Ok(self.feed.generations().resolve(&cursor, narrowing, bounds).map(|_place| cursor))
    }

    /// Answers what a stream asks until it is live or closed.
    async fn drive(&self, connection: &Arc<Connection>, mut wanted: Option<Wanted>) {
        loop {
            let input = match wanted {
                None if connection.stream().is_live() || connection.outlet.closed().is_some() => break,
                // This node has not read as far as the client has seen: another node, or a moment ago, had.
                None => {
                    self.hub.shown_moves(BEHIND_LOOK).await;
                    Input::Tick { window_after: self.feed.window_after() }
                }
                Some(asked) => match asked {
                    // A page at a time, and the next only when the client has taken this one.
                    Wanted::Projection { .. } if connection.outlet.drained().await.is_err() => return,
                    Wanted::Projection { after, upto, limit } => {
                        match self.source.after(&connection.user, after, upto, limit as usize).await {
                            Ok(page) => Input::Projection {
                                records: page.records,
                                complete: page.complete,
                                more: page.more,
                            },
                            Err(_away) => Input::ProjectionAway,
                        }
                    }
                    Wanted::Pending { limit } => self.open(connection, limit as usize).await,
                    Wanted::Window { after, upto } => {
                        Input::Window { records: self.feed.between(after, upto), upto }
                    }
                },
            };
            let mut stream = connection.stream();
            let effects = stream.handle(input, self.clock.now());
            wanted = self.carry_out(connection, &mut stream, effects);
        }
        self.hub.settle(connection);
    }

    async fn open(&self, connection: &Connection, limit: usize) -> Input<Delivery> {
        let channels = connection.stream().narrowed_to();
        let opened = self.source.open(&connection.user, &connection.session_id, channels, limit).await;
        let Ok(opened) = opened else { return Input::ProjectionAway };
        connection.stream().open(opened.person, opened.session);
        Input::Pending { send: opened.send, left_out: opened.left_out, complete: opened.complete }
    }

    /// Carries effects out while the stream is locked; the window is read at once, from memory.
    fn carry_out(
        &self,
        connection: &Connection,
        stream: &mut Stream,
        mut effects: Vec<Effect<Delivery>>,
    ) -> Option<Wanted> {
        loop {
            let wanted = connection.carry_out(effects, true, &self.feed.generations());
            let Some(Wanted::Window { after, upto }) = wanted else { return wanted };
            let records = self.feed.between(after, upto);
            effects = stream.handle(Input::Window { records, upto }, self.clock.now());
        }
    }
}

fn too_many(limit: usize) -> Problem {
    Problem::new(Code::ConnectionLimit, format!("you have {limit} streams open; close one")).retry_after(5)
}
