//! What a feature is built on. A feature depends on this crate and on nothing else of Tidings.
//!
//! [`Feature`] lists everything that one adds to the server; the server holds the only list of features.

use std::sync::Arc;

use tidings_model::{Clock, Ids};

pub use tidings_api as api;
pub use tidings_delivery as delivery;
pub use tidings_model as model;
pub use tidings_proof as proof;
pub use tidings_store as store;
/// Handlers of records.
pub mod consumer {
    pub use tidings_consumer::{Backoff, Handler, HandlerError, Limits, Options, faults, headers};
}
/// Topics that a feature asks for, and records that its ingest port takes.
pub mod log {
    pub use tidings_log::{Acks, Durability, Produce, TopicSpec, Written};
}
/// Settings that a feature reads.
pub mod config {
    pub use tidings_config::{IngestSettings, LimitsConfig, RouteSettings, WebhookConfig};
}
pub use utoipa_axum::{router::OpenApiRouter, routes};

mod account;
mod answers;
mod derived;
mod following;
mod ingest;
mod online;
mod presence;
mod schedule;
mod signal;

pub use account::{Account, Telling};
pub use derived::derived;
pub use following::following;
pub use ingest::{Ingest, NotIngested};
pub use online::{Lines, Online};
pub use presence::Watcher;
pub use schedule::{Due, Schedule};
pub use signal::{Signal, Signals};

/// Everything one feature adds to the server. An empty list means "none".
pub struct Feature {
    /// Its name: no two features share one.
    pub name: &'static str,
    /// Its HTTP routes.
    pub routes: OpenApiRouter,
    /// The topics it asks for.
    pub topics: Vec<log::TopicSpec>,
    /// What it does with records.
    pub handlers: Vec<Arc<dyn consumer::Handler>>,
    /// The topics it brings to screens, as `[[routes]]` says it; their types may be Tidings' own.
    pub shows: Vec<config::RouteSettings>,
    /// What clients may say to it on a WebSocket.
    pub commands: Vec<Arc<dyn api::Command>>,
    /// The topics of signals that it shows.
    pub signals: Vec<Arc<dyn Signal>>,
    /// Who of it is told who comes and who is gone.
    pub watchers: Vec<Arc<dyn Watcher>>,
    /// What it does when its time comes.
    pub schedules: Vec<Arc<dyn Schedule>>,
    /// What it says of messages of its own when somebody asks why.
    pub accounts: Vec<Arc<dyn Account>>,
    /// Who of it is told what people confirm.
    pub witnesses: Vec<Arc<dyn delivery::Witness>>,
    /// The frames that it shows, for the reference.
    pub frames: Vec<api::SpokenFrame>,
    /// The records of its topics, for the reference.
    pub records: Vec<api::SpokenRecord>,
}

/// What every feature is given.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Transactions, and the events that leave with them. There is no producer but for `ingest` and `signals`.
    pub store: store::Store,
    /// Records whose writer is told their place in the log.
    pub ingest: Ingest,
    /// What is shown now, or never.
    pub signals: Signals,
    /// Who has an open stream.
    pub online: Online,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<Ids>,
    /// Whether callers may ask for faults (`testing.faults`).
    pub faults: bool,
}
