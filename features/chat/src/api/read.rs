//! `POST /conversations/{id}/read`: everything up to a message is read, and so delivered.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use tidings::{
    api::{Body, Problem, Segment, Somebody},
    delivery::{Word, directory, receipts::delivered},
    model::{ConversationId, MessageId, UserId},
};
use utoipa::ToSchema;

use super::{Chat, of_member};
use crate::{messages, receipts::advance};

/// Messages that one transaction settles.
const SLICE: usize = 100;

/// How far somebody has read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadUpTo {
    /// The last message that was read.
    #[schema(value_type = String)]
    up_to: MessageId,
}

/// Say that you read everything up to a message; who sent it is told.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/read", tag = "chat", params(("id" = String, Path)),
    request_body = ReadUpTo,
    responses((status = 204, description = "kept; the next GET shows it"))
)]
pub(super) async fn read_conversation(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Segment(id): Segment<ConversationId>,
    Body(ReadUpTo { up_to }): Body<ReadUpTo>,
) -> Result<StatusCode, Problem> {
    chat.read(&caller.user_id, id, up_to).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Chat {
    /// Notes that somebody read everything up to a message; what they had not confirmed is pending no more.
    pub(crate) async fn read(
        &self,
        user: &UserId,
        id: ConversationId,
        up_to: MessageId,
    ) -> Result<(), Problem> {
        let (ids, now, mut from) = (&self.deps.ids, self.deps.clock.now(), None);
        loop {
            let (user, ids) = (user.clone(), std::sync::Arc::clone(ids));
            let slice = self.deps.store.transact(move |tx| async move {
                directory::hold(&tx, &user).await?;
                let (_, standing) = of_member(&tx, id, &user).await?;
                let last = messages::find(&tx, up_to).await?;
                let last =
                    last.filter(|last| last.conversation_id == id && last.seq > standing.joined).ok_or_else(
                        || Problem::field("/up_to", "there is no such message in this conversation"),
                    )?;
                let range = (from.unwrap_or(standing.delivered), last.seq);
                let unconfirmed = messages::of_others(&tx, id, &user, range, SLICE).await?;
                for (message, _) in &unconfirmed {
                    delivered(&tx, &user, &message.to_string(), now).await?;
                }
                if let Some((_, reached)) = unconfirmed.last().filter(|_| unconfirmed.len() == SLICE) {
                    return Ok(Some(*reached));
                }
                advance(&tx, &ids, (id, &user), (Word::Read, last.seq), now).await?;
                Ok::<_, Problem>(None)
            });
            match slice.await? {
                Some(reached) => from = Some(reached),
                None => return Ok(()),
            }
        }
    }
}
