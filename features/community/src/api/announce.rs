//! `POST /announcements`.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings::{
    Deps,
    api::{
        Caller, Problem, RawBody, TraceParent,
        idempotency::{Answer, IdempotencyKey},
    },
    model::{NotificationId, Timestamp},
};
use utoipa::ToSchema;

use super::{WRITE, announcement, put};
use crate::{events::Cause, model::Said};

/// The largest body, in bytes.
const BODY_BYTES: usize = 256 << 10;

/// Something for everybody.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateAnnouncement {
    #[schema(example = "Fire drill")]
    title: String,
    #[schema(example = "At noon, in all buildings.")]
    content: String,
}

/// An announcement on its way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Announcement)]
pub(super) struct AnnouncementBody {
    #[schema(value_type = String, example = "ntf_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    id: NotificationId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Tell everybody who is connected, and whoever comes within thirty days.
#[utoipa::path(
    post, path = "/api/v1/announcements", tag = "community", security(("token" = ["announce:write"])), request_body = CreateAnnouncement,
    responses((status = 201, description = "saved, and on its way", body = AnnouncementBody),
        (status = 422, description = "the Idempotency-Key came with another body before"))
)]
pub(super) async fn announce(
    State(deps): State<Deps>,
    caller: Caller,
    key: IdempotencyKey,
    trace: TraceParent,
    body: RawBody,
) -> Result<Answer, Problem> {
    caller.require_scope(WRITE)?;
    body.limit(BODY_BYTES)?;
    let CreateAnnouncement { title, content } = body.parse()?;
    let announcement = announcement(&deps, Said { title, content })?;
    let cause = Cause { id: deps.ids.event(), trace_parent: Some(trace.to_string()) };
    deps.store
        .transact(move |tx| async move {
            if let Some(answer) = key.seen(&tx, &body.0).await? {
                return Ok(answer);
            }
            put(&tx, cause, &announcement).await?;
            let created = AnnouncementBody { id: announcement.id, created_at: announcement.created_at };
            let answer = Answer::new(StatusCode::CREATED, &created);
            key.keep(&tx, &body.0, &answer, announcement.created_at).await?;
            Ok::<_, Problem>(answer)
        })
        .await
}
