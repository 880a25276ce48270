//! What the gateway needs from the rest of the server: people, their backlog, their receipts.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tidings_api::{Caller, Problem};
use tidings_delivery::{Delivery, Feed, Person, core::Place};
use tidings_model::{Clock, Ids, SessionId};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::Hub;

/// Where people, sessions and what they missed come from. The gateway itself keeps nothing that must last.
#[async_trait]
pub trait Source: Send + Sync + std::fmt::Debug {
    /// The caller with their channels; whoever is new is entered in the directory.
    async fn person(&self, caller: &Caller) -> Result<Person, Problem>;

    /// Notes that a session begins; confirms the cursor it came back with.
    async fn begin(&self, person: &Person, session: &SessionId, confirmed: Option<Place>) -> Result<(), Problem>;

    /// What was delivered to somebody after one place and up to another, at most `limit`, in order.
    async fn after(&self, person: &Person, after: Place, upto: Place, limit: usize)
    -> Result<Vec<Arc<Delivery>>, Problem>;

    /// What is pending for somebody up to a place: oldest first, at most `limit`, and how many in all.
    async fn pending(&self, person: &Person, upto: Place, limit: usize)
    -> Result<(Vec<Arc<Delivery>>, u64), Problem>;
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
}

impl Default for GatewayOptions {
    fn default() -> Self {
        Self {
            queue_frames: 1000,
            queue_bytes: 1 << 20,
            heartbeat: Duration::from_secs(15),
            connections_per_user: 10,
            catch_up_max: 200,
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
    /// Limits.
    pub options: GatewayOptions,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes session ids.
    pub ids: Arc<Ids>,
    /// The tasks of its connections.
    pub tasks: TaskTracker,
    /// Ends them.
    pub stop: CancellationToken,
}
