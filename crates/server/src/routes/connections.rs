//! `GET /connections`: who is connected, to which node, since when; and how many connections each person has.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Page, PageQuery, Params, Problem, Scope, encode_page};
use tidings_delivery::presence::After;
use tidings_model::{SessionId, Timestamp, UserId};
use utoipa::{IntoParams, ToSchema};

use super::Operators;

/// The lists' names in their cursors.
const LIST: &str = "connections";
const PEOPLE: &str = "connected-people";

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
    /// The process that holds it: its host and address.
    node: String,
    /// Unique in its node while that lives, and growing.
    id: u64,
    #[schema(value_type = String)]
    user_id: UserId,
    #[schema(value_type = String)]
    session_id: SessionId,
    /// sse or websocket
    transport: String,
    /// When it opened.
    #[schema(value_type = String)]
    since: Timestamp,
}

/// The open streams of all nodes. One that opened or closed within the last seconds may be missing or still there.
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
    let after: After = page.after(LIST)?.unwrap_or_default();
    let mut found = operators.whereabouts.list(query.user_id, after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|(key, _)| encode_page(LIST, key));
    let items = found.into_iter().map(|(_, open)| ConnectionBody {
        node: open.node,
        id: open.id,
        user_id: open.user_id,
        session_id: open.session_id,
        transport: open.transport,
        since: open.since,
    });
    Ok(Json(Page { items: items.collect(), next_cursor }))
}

/// Somebody who is connected.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectedPerson)]
pub(super) struct PersonBody {
    #[schema(value_type = String)]
    user_id: UserId,
    /// Open streams on all nodes.
    connections: u64,
}

/// The people who are connected, with how many streams each has open, in the order of their ids.
#[utoipa::path(
    get, path = "/api/v1/connections/people", tag = "operators", security(("token" = ["ops:read"])), params(PageQuery),
    responses((status = 200, body = Page<PersonBody>, description = "a page of them"))
)]
pub(super) async fn list_connected_people(
    State(operators): State<Operators>,
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<PersonBody>>, Problem> {
    caller.require(Scope::OpsRead)?;
    let limit = page.limit()?;
    let after: String = page.after(PEOPLE)?.unwrap_or_default();
    let mut found = operators.whereabouts.people(after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|(user, _)| encode_page(PEOPLE, user));
    let items = found.into_iter().map(|(user_id, connections)| PersonBody { user_id, connections });
    Ok(Json(Page { items: items.collect(), next_cursor }))
}
