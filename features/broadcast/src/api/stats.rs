//! `GET /broadcasts/{id}/stats`.

use axum::{Json, extract::State};
use tidings::{
    Deps,
    api::{Caller, Problem, Scope, Segment},
    model::BroadcastId,
};

use crate::{model::Stats, store};

/// What a broadcast adds up to: how many people it is for, has reached, was read by.
#[utoipa::path(
    get, path = "/api/v1/broadcasts/{id}/stats", tag = "broadcasts", security(("token" = ["broadcast:read"])), params(("id" = String, Path)),
    responses((status = 200, body = Stats))
)]
pub(super) async fn get_broadcast_stats(
    State(deps): State<Deps>,
    caller: Caller,
    Segment(id): Segment<BroadcastId>,
) -> Result<Json<Stats>, Problem> {
    caller.require(Scope::BroadcastRead)?;
    let stats = deps
        .store
        .read(move |tx| async move {
            let broadcast = store::find(&tx, id).await?.ok_or_else(|| Problem::not_found("broadcast"))?;
            Ok::<_, Problem>(store::stats(&tx, &broadcast).await?)
        })
        .await?;
    Ok(Json(stats))
}
