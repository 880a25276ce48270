//! `POST /broadcasts/{id}/cancel`.

use axum::{Json, extract::State};
use tidings::{
    Deps,
    api::{Caller, Code, Problem, Scope, Segment, TraceParent},
    model::BroadcastId,
};

use super::BroadcastBody;
use crate::{events::Cause, model::Status, store};

/// Take a broadcast back: it leaves lists at once and screens within a second.
#[utoipa::path(
    post, path = "/api/v1/broadcasts/{id}/cancel", tag = "broadcasts", security(("token" = ["broadcast:write"])), params(("id" = String, Path)),
    responses((status = 200, body = BroadcastBody, description = "cancelled, now or before"),
        (status = 409, description = "it has expired already"))
)]
pub(super) async fn cancel_broadcast(
    State(deps): State<Deps>,
    caller: Caller,
    Segment(id): Segment<BroadcastId>,
    trace: TraceParent,
) -> Result<Json<BroadcastBody>, Problem> {
    caller.require(Scope::BroadcastWrite)?;
    let now = deps.clock.now();
    let cause = Cause { id: deps.ids.event(), trace_parent: Some(trace.to_string()), late: false };
    let cancelled = deps
        .store
        .transact(move |tx| async move {
            store::hold(&tx, id).await?;
            let broadcast = store::find(&tx, id).await?.ok_or_else(|| Problem::not_found("broadcast"))?;
            match broadcast.status {
                Status::Cancelled => return Ok(broadcast),
                Status::Expired => {
                    return Err(Problem::new(Code::Conflict, format!("broadcast {id} has expired already")));
                }
                Status::Scheduled | Status::Active | Status::Failed => {}
            }
            store::end(&tx, &broadcast, Status::Cancelled, cause, now).await?;
            store::find(&tx, id).await?.ok_or_else(|| Problem::not_found("broadcast"))
        })
        .await?;
    Ok(Json(cancelled.into()))
}
