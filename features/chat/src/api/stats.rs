//! `GET /conversations/{id}/stats`: how much is said, got and read, and how soon.

use axum::{Json, extract::State};
use serde::Serialize;
use tidings::{
    api::{Problem, Segment, Somebody},
    model::ConversationId,
};
use utoipa::ToSchema;

use super::{Chat, of_member};
use crate::stats::{self, Stats};

/// What a conversation adds up to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConversationStats {
    /// Messages that were said.
    sent: u64,
    /// Of these, what every other member has.
    delivered: u64,
    /// Of these, what every other member read.
    read: u64,
    /// Half of the newest messages were delivered sooner, in milliseconds; null where none was.
    median_delivered_ms: Option<u64>,
    /// Half of the newest messages were read sooner, in milliseconds; null where none was.
    median_read_ms: Option<u64>,
}

/// How much is said, got and read in a conversation, and how soon.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/stats", tag = "chat", params(("id" = String, Path)),
    responses((status = 200, body = ConversationStats))
)]
pub(super) async fn conversation_stats(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Segment(id): Segment<ConversationId>,
) -> Result<Json<ConversationStats>, Problem> {
    let stats = chat.deps.store.read(move |tx| async move {
        let (conversation, _) = of_member(&tx, id, &caller.user_id).await?;
        Ok::<_, Problem>(stats::of(&tx, &conversation).await?)
    });
    let Stats { sent, delivered, read, median_delivered_ms, median_read_ms } = stats.await?;
    Ok(Json(ConversationStats { sent, delivered, read, median_delivered_ms, median_read_ms }))
}
