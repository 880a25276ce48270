//! The routes of delivery: receipts, inbox, preferences, and the directory beside them.

mod directory;
mod import;
mod inbox;
mod preferences;
mod receipts;

use std::sync::Arc;

use tidings_api::{Caller, Problem};
use tidings_model::{Clock, Ids, UserId};
use tidings_store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Feed, Witnesses};

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
    /// Who is told what people confirm.
    pub witnesses: Witnesses,
}

/// The routes by which clients confirm; they belong beside their streams too.
pub fn receipt_routes(api: DeliveryApi) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(receipts::post_receipts)).with_state(api)
}

/// The routes of inbox and directory.
pub fn routes(api: DeliveryApi) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(inbox::list_inbox))
        .routes(routes!(inbox::count_unread))
        .routes(routes!(inbox::read_all))
        .routes(routes!(inbox::read_item))
        .routes(routes!(inbox::delete_item))
        .routes(routes!(inbox::list_notifications))
        .routes(routes!(inbox::count_unread_notifications))
        .routes(routes!(inbox::read_all_notifications))
        .routes(routes!(inbox::read_notification))
        .routes(routes!(inbox::delete_notification))
        .routes(routes!(preferences::get_preferences, preferences::put_preferences))
        .routes(routes!(directory::list_users, import::import_users))
        .routes(routes!(directory::get_user, directory::put_user, directory::delete_user))
        .routes(routes!(directory::put_member, directory::delete_member))
        .with_state(api)
}

impl DeliveryApi {
    /// Enters a caller whom the directory does not know yet, or whose newer token brings other channels.
    async fn entered(&self, caller: &Caller) -> Result<UserId, Problem> {
        crate::change::enter(&self.store, caller, self.clock.now()).await?;
        Ok(caller.user_id.clone())
    }
}
