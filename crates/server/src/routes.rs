//! The operators' routes: what runs, what lies in the log, and who got what. They are on the admin listener alone.

mod connections;
mod find;
mod groups;
pub(crate) mod health;
mod journey;
pub(crate) mod metrics;
mod topics;

use std::sync::Arc;

use tidings_delivery::Feed;
use tidings_gateway::Gateway;
use tidings_log::Log;
use tidings_store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

/// What the operators' routes need.
#[derive(Clone, Debug)]
pub(crate) struct Operators {
    /// Deliveries, sessions, receipts.
    pub(crate) store: Store,
    /// The generations that places belong to.
    pub(crate) feed: Arc<Feed>,
    /// Who is connected.
    pub(crate) gateway: Gateway,
    /// Topics, records, groups.
    pub(crate) log: Arc<dyn Log>,
    /// Names in the log of the topics that features write, in the order in which a message meets them.
    pub(crate) feature_topics: Arc<[String]>,
}

/// The routes.
pub(crate) fn operators(operators: Operators) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(topics::list_topics))
        .routes(routes!(topics::list_records))
        .routes(routes!(groups::list_groups))
        .routes(routes!(groups::get_group))
        .routes(routes!(connections::list_connections))
        .routes(routes!(journey::get_journey))
        .with_state(operators)
}
