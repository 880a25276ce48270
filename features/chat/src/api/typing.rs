//! `POST /conversations/{id}/typing`: somebody writes something right now, or stopped.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use tidings::{
    api::{Body, Problem, Segment, Somebody},
    model::{ConversationId, UserId},
};
use utoipa::ToSchema;

use super::{Chat, of_member};
use crate::typing::{self, TypingEvent};

/// Whether somebody writes something.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetTyping {
    is_typing: bool,
}

/// Show the other members that you are typing; again while you do, every two to five seconds.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/typing", tag = "chat", params(("id" = String, Path)),
    request_body = SetTyping,
    responses((status = 204, description = "shown to who is there, at most once in two seconds"))
)]
pub(super) async fn type_in_conversation(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Segment(id): Segment<ConversationId>,
    Body(SetTyping { is_typing }): Body<SetTyping>,
) -> Result<StatusCode, Problem> {
    chat.types(&caller.user_id, id, is_typing).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Chat {
    /// Tells the other members that somebody types, or stopped.
    pub(crate) async fn types(
        &self,
        user: &UserId,
        id: ConversationId,
        is_typing: bool,
    ) -> Result<(), Problem> {
        let (who, now) = ((id, user.clone()), self.deps.clock.now());
        if self.words.is_idle(&who, is_typing, now) {
            return Ok(());
        }
        let user = user.clone();
        let member = self.deps.store.read(move |tx| async move { of_member(&tx, id, &user).await });
        member.await?;
        if self.words.tells(&who, is_typing, now) {
            let (conversation_id, user_id) = who;
            let word = TypingEvent { conversation_id, user_id, is_typing, timestamp: now.millis() };
            self.deps.signals.send(typing::record(&word));
        }
        Ok(())
    }
}
