//! What the gateway needs from the rest of the server: people, their backlog, their receipts.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc, time::Duration};

use async_trait::async_trait;
use tidings_api::{Caller, Problem};
use tidings_delivery::{
    Feed, Opened,
    backlog::Backlog,
    core::{Cursor, NotRecovered, Person, Place, session::Session},
    sessions::Ack,
};
use tidings_model::{Channel, Clock, Ids, SessionId, UserId};
use tokio_util::task::TaskTracker;

use crate::{Admission, Budget, Commands, Connection, Hub, Origins, line::Pauses};

/// Where people, sessions and what they missed come from. The gateway itself keeps nothing that must last.
#[async_trait]
pub trait Source: Send + Sync + std::fmt::Debug {
    /// Enters the caller in the directory, if they are new or their token brings other channels.
    async fn enter(&self, caller: &Caller) -> Result<(), Problem>;

    /// Enters a connection among those of all nodes, if its person has at most `limit`: `here` of them on this node,
    /// it among them. Answers whether it may stay.
    async fn arrive(&self, connection: &Connection, here: usize, limit: usize) -> Result<bool, Problem>;

    /// A person with all they were member of.
    async fn person(&self, user: &UserId) -> Result<Person, Problem>;

    /// Opens a session without a usable cursor: what is pending, and the row that says what was left out.
    async fn open(
        &self,
        user: &UserId,
        session: &SessionId,
        channels: Option<BTreeSet<Channel>>,
        limit: usize,
    ) -> Result<Opened, Problem>;

    /// Goes on with a session that came back with a cursor, which confirms what it covers; or says why not.
    async fn resume(
        &self,
        user: &UserId,
        session: &SessionId,
        channels: Option<BTreeSet<Channel>>,
        cursor: Cursor,
    ) -> Result<Result<(Person, Session), NotRecovered>, Problem>;

    /// All of a person's records after one place and up to another, at most `limit`, in order.
    async fn after(&self, user: &UserId, after: Place, upto: Place, limit: usize)
    -> Result<Backlog, Problem>;

    /// Confirms what was offered to a session.
    async fn confirm(&self, user: &UserId, session: &SessionId, ack: Ack) -> Result<(), Problem>;

    /// Notes that a connection was ended because its client did not take its frames.
    async fn cut(&self, connection: &Connection) -> Result<(), Problem>;

    /// Notes that a person read these; what is not theirs is passed over.
    async fn read(&self, user: &UserId, ids: Vec<String>) -> Result<(), Problem>;
}

/// The gateway's limits.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// Frames that may wait for one client.
    pub queue_frames: usize,
    /// Bytes that may wait for one client.
    pub queue_bytes: usize,
    /// Pause between two heartbeats.
    pub heartbeat: Duration,
    /// Open connections of one person.
    pub connections_per_user: usize,
    /// Pending messages that a new device is given; the rest comes by paging.
    pub catch_up_max: usize,
    /// Pause between two pings of a WebSocket.
    pub ping: Duration,
    /// How long the answer to a ping may take.
    pub pong: Duration,
    /// How long a client may take to say `hello`.
    pub first_frame: Duration,
    /// The most bytes of a client's message.
    pub message_bytes: usize,
    /// When clients are asked to come back after a drain, in milliseconds.
    pub reconnect_ms: RangeInclusive<u32>,
}

impl GatewayOptions {
    pub(crate) fn pauses(&self) -> Pauses {
        Pauses { heartbeat: self.heartbeat, ping: self.ping, pong: self.pong }
    }
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            queue_frames: 1000,
            queue_bytes: 1 << 20,
            heartbeat: Duration::from_secs(15),
            connections_per_user: 10,
            catch_up_max: 200,
            ping: Duration::from_secs(25),
            pong: Duration::from_secs(10),
            first_frame: Duration::from_secs(10),
            message_bytes: 64 << 10,
            reconnect_ms: 500..=5000,
        }
    }
}

/// The gateway of a process. Clones share it.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Who is connected.
    pub hub: Arc<Hub>,
    /// What is new.
    pub feed: Arc<Feed>,
    /// People and their backlog.
    pub source: Arc<dyn Source>,
    /// What features understand.
    pub commands: Commands,
    /// Limits.
    pub options: GatewayOptions,
    /// Which pages may come in.
    pub origins: Arc<Origins>,
    /// How many clients may catch up at once.
    pub admission: Arc<Admission>,
    /// The memory of all queues.
    pub budget: Arc<Budget>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes session ids.
    pub ids: Arc<Ids>,
    /// The tasks of its connections.
    pub tasks: TaskTracker,
}
