//! The routes of broadcasts.

mod audiences;
mod cancel;
mod create;
mod deliveries;
mod edit;
mod get;
mod list;
mod proof;
mod stats;
mod target;

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::value::RawValue;
use tidings::{
    Deps, OpenApiRouter,
    model::{BroadcastId, Priority, Timestamp, UserId},
    proof::Signer,
    routes,
};
use utoipa::ToSchema;

use crate::model::{Broadcast, Status};

/// How long a broadcast without `expires_at` lives: 30 days.
pub(crate) const DEFAULT_LIFE: Duration = Duration::from_hours(30 * 24);

pub(crate) fn routes(deps: Deps, signer: Option<Arc<Signer>>) -> OpenApiRouter {
    let proofs = proof::Proofs { deps: deps.clone(), signer };
    let proofs = OpenApiRouter::new()
        .routes(routes!(proof::get_proof))
        .routes(routes!(proof::get_proof_keys))
        .with_state(proofs);
    OpenApiRouter::new()
        .routes(routes!(create::create_broadcast, list::list_broadcasts))
        .routes(routes!(get::get_broadcast, edit::edit_broadcast))
        .routes(routes!(cancel::cancel_broadcast))
        .routes(routes!(stats::get_broadcast_stats))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(audiences::preview_audience))
        .routes(routes!(audiences::list_audiences))
        .routes(routes!(audiences::put_audience, audiences::delete_audience))
        .with_state(deps)
        .merge(proofs)
}

/// A broadcast as callers see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Broadcast)]
pub(crate) struct BroadcastBody {
    #[schema(value_type = String, example = "brd_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    id: BroadcastId,
    status: Status,
    #[schema(value_type = String)]
    sender_id: UserId,
    title: Option<String>,
    content: String,
    #[schema(value_type = serde_json::Value)]
    data: Option<Box<RawValue>>,
    action_url: Option<String>,
    category: Option<String>,
    target: target::TargetBody,
    #[schema(value_type = String)]
    priority: Priority,
    /// Whether those who join the audience later are meant too.
    late_joiners: bool,
    /// Whether it is only for those who are online at its moment.
    fire_and_forget: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// What the sender should know: people whom the directory does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl From<Broadcast> for BroadcastBody {
    fn from(broadcast: Broadcast) -> Self {
        Self {
            id: broadcast.id,
            status: broadcast.status,
            sender_id: broadcast.sender_id,
            title: broadcast.said.title,
            content: broadcast.said.content,
            data: broadcast.said.data,
            action_url: broadcast.said.action_url,
            category: broadcast.said.category,
            target: (&broadcast.target).into(),
            priority: broadcast.priority,
            late_joiners: broadcast.late_joiners,
            fire_and_forget: broadcast.fire_and_forget,
            created_at: broadcast.created_at,
            scheduled_at: broadcast.scheduled_at,
            expires_at: broadcast.expires_at,
            ended_at: broadcast.ended_at,
            warnings: Vec::new(),
        }
    }
}
