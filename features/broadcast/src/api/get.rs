//! `GET /broadcasts/{id}`.

use axum::{Json, extract::State};
use tidings::{
    Deps,
    api::{Caller, Problem, Scope, Segment},
    model::BroadcastId,
};

use super::BroadcastBody;
use crate::store;

/// One broadcast.
#[utoipa::path(
    get, path = "/api/v1/broadcasts/{id}", tag = "broadcasts", security(("token" = ["broadcast:read"])), params(("id" = String, Path)),
    responses((status = 200, body = BroadcastBody))
)]
pub(super) async fn get_broadcast(
    State(deps): State<Deps>,
    caller: Caller,
    Segment(id): Segment<BroadcastId>,
) -> Result<Json<BroadcastBody>, Problem> {
    caller.require(Scope::BroadcastRead)?;
    let found = deps.store.read(move |tx| async move { store::find(&tx, id).await }).await?;
    found.map(|broadcast| Json(broadcast.into())).ok_or_else(|| Problem::not_found("broadcast"))
}
