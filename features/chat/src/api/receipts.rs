//! `GET /conversations/{id}/messages/{message}/receipts`: the history of a message's status, member by member.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use tidings::{
    api::{Problem, Somebody},
    model::{ConversationId, MessageId, Timestamp, UserId},
};
use utoipa::ToSchema;

use super::{Chat, missing, of_member};
use crate::{messages, standing::counts, stats};

/// How a message stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageReceipts {
    #[schema(value_type = String)]
    message_id: MessageId,
    seq: u64,
    #[schema(value_type = String, format = DateTime)]
    sent_at: Timestamp,
    /// How many others saw it said.
    of: u64,
    /// How many of them have it.
    delivered: u64,
    /// How many of them read it.
    read: u64,
    /// Each of them, by id.
    items: Vec<MemberReceipt>,
}

/// What one member did with a message.
#[derive(Debug, Serialize, ToSchema)]
struct MemberReceipt {
    #[schema(value_type = String)]
    user_id: UserId,
    /// When a device of theirs confirmed it; null before.
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<Timestamp>,
    /// When they read it; null before.
    #[schema(value_type = Option<String>, format = DateTime)]
    read_at: Option<Timestamp>,
}

/// Who got a message, and who read it.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/messages/{message}/receipts", tag = "chat",
    params(("id" = String, Path), ("message" = String, Path)),
    responses((status = 200, body = MessageReceipts))
)]
pub(super) async fn message_receipts(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Path((id, message)): Path<(String, String)>,
) -> Result<Json<MessageReceipts>, Problem> {
    let id: ConversationId = id.parse().map_err(|_none| missing())?;
    let found = chat.deps.store.read(move |tx| async move {
        let (_, standing) = of_member(&tx, id, &caller.user_id).await?;
        let no_message = || Problem::not_found("message");
        let message: MessageId = message.parse().map_err(|_none| no_message())?;
        let found = messages::find(&tx, message).await?;
        let message = found
            .filter(|message| message.conversation_id == id && message.seq > standing.joined)
            .ok_or_else(no_message)?;
        let counts = counts(&tx, &message).await?;
        let items = stats::receipts(&tx, &message).await?.into_iter();
        let items = items
            .map(|(user_id, delivered_at, read_at)| MemberReceipt { user_id, delivered_at, read_at })
            .collect();
        Ok::<_, Problem>(MessageReceipts {
            message_id: message.id,
            seq: message.seq,
            sent_at: message.created_at,
            of: counts.of,
            delivered: counts.delivered,
            read: counts.read,
            items,
        })
    });
    Ok(Json(found.await?))
}
