//! `GET /connections`: who is connected to this process.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Page, PageQuery, Params, Problem, Scope, encode_page};
use tidings_gateway::Wire;
use tidings_model::{SessionId, UserId};
use utoipa::{IntoParams, ToSchema};

use super::Operators;

/// The list's name in its cursors.
const LIST: &str = "connections";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ConnectionsQuery {
    /// Only those of this person.
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
}

/// One open stream.
#[derive(Serialize, ToSchema)]
#[schema(as = Connection)]
pub(super) struct ConnectionBody {
    /// Unique in this process, and growing.
    id: u64,
    #[schema(value_type = String)]
    user_id: UserId,
    #[schema(value_type = String)]
    session_id: SessionId,
    /// sse or websocket
    transport: &'static str,
    /// Bytes that wait for it.
    queued_bytes: usize,
}

/// The open streams of this process, the oldest first.
#[utoipa::path(
    get, path = "/api/v1/connections", tag = "operators", security(("token" = ["ops:read"])), params(ConnectionsQuery, PageQuery),
    responses((status = 200, body = Page<ConnectionBody>, description = "a page of them"))
)]
pub(super) async fn list_connections(
    State(operators): State<Operators>,
    caller: Caller,
    Params(query): Params<ConnectionsQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<ConnectionBody>>, Problem> {
    caller.require(Scope::OpsRead)?;
    let limit = page.limit()?;
    let after: u64 = page.after(LIST)?.unwrap_or(0);
    let hub = &operators.gateway.hub;
    let mut all = query.user_id.map_or_else(|| hub.connections(), |user| hub.of(&user));
    all.retain(|connection| connection.id > after);
    all.sort_unstable_by_key(|connection| connection.id);
    let more = all.len() > limit;
    let items: Vec<ConnectionBody> = all
        .into_iter()
        .take(limit)
        .map(|connection| ConnectionBody {
            id: connection.id,
            user_id: connection.user.clone(),
            session_id: connection.session_id.clone(),
            transport: transport(connection.wire),
            queued_bytes: connection.queue.bytes(),
        })
        .collect();
    let next_cursor = items.last().filter(|_| more).map(|last| encode_page(LIST, &last.id));
    Ok(Json(Page { items, next_cursor }))
}

/// The word for a transport.
pub(super) const fn transport(wire: Wire) -> &'static str {
    match wire {
        Wire::Sse => "sse",
        Wire::WebSocket => "websocket",
    }
}
