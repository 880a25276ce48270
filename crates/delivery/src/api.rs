//! The routes of delivery: receipts now; inbox and directory beside them.

mod receipts;

use std::sync::Arc;

use tidings_model::{Clock, Ids};
use tidings_store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::Feed;

/// What the routes need.
#[derive(Clone, Debug)]
pub struct DeliveryApi {
    /// Receipts, sessions, people.
    pub store: Store,
    /// The generations that cursors belong to, and the log's head.
    pub feed: Arc<Feed>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Makes event ids.
    pub ids: Arc<Ids>,
}

/// The routes.
pub fn routes(api: DeliveryApi) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(receipts::post_receipts)).with_state(api)
}
