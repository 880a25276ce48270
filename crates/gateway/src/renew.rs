//! Renewal: a new token for streams that are open, so that none need end with the old one.

use std::time::Duration;

use axum::{Json, extract::State};
use serde::Serialize;
use tidings_api::{Caller, Code, Problem, Segment, Somebody};
use tidings_model::{SessionId, Timestamp};
use utoipa::ToSchema;

use crate::{Connection, Gateway};

/// How long after its end a token is still taken, because clocks differ.
const LEEWAY: Duration = Duration::from_mins(1);

/// A session whose streams go on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Renewed {
    /// Which.
    #[schema(value_type = String)]
    session_id: SessionId,
    /// When its streams end now.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Go on listening with the token of this request: the open streams of one of your sessions end with it.
#[utoipa::path(
    post, path = "/api/v1/sessions/{id}/renew", tag = "stream",
    params(("id" = String, Path, description = "the session")),
    responses((status = 200, description = "its streams go on", body = Renewed))
)]
pub(crate) async fn renew(
    State(gateway): State<Gateway>,
    Somebody(caller): Somebody,
    Segment(session_id): Segment<SessionId>,
) -> Result<Json<Renewed>, Problem> {
    let mut streams = gateway.hub.of(&caller.user_id);
    streams.retain(|connection| connection.session_id == session_id);
    let mut expires_at = None;
    for connection in streams {
        expires_at = Some(gateway.renew(&connection, &caller).await?);
    }
    let expires_at = expires_at.ok_or_else(|| Problem::not_found("session with an open stream"))?;
    Ok(Json(Renewed { session_id, expires_at }))
}

impl Gateway {
    /// Lets a connection go on with another token of its person; answers when it ends now.
    pub(crate) async fn renew(&self, connection: &Connection, caller: &Caller) -> Result<Timestamp, Problem> {
        if caller.user_id != connection.user {
            return Err(Problem::new(
                Code::Forbidden,
                "this token is somebody else's; open a stream of your own",
            ));
        }
        // The newest claims replace the older ones, also for streams that are open.
        self.source.enter(caller).await?;
        Ok(connection.line.renew(self.end_of(caller)))
    }

    /// When a stream that this caller opens ends: with the token, or where the token was taken within the
    /// leeway after its end, with the leeway.
    pub(crate) fn end_of(&self, caller: &Caller) -> Timestamp {
        if caller.expires_at > self.clock.now() { caller.expires_at } else { caller.expires_at.plus(LEEWAY) }
    }
}
