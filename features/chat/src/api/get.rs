//! `GET /conversations/{id}`.

use axum::{Json, extract::State};
use serde::Serialize;
use tidings::{
    api::{Problem, Segment, Somebody},
    model::{ConversationId, UserId},
};
use utoipa::ToSchema;

use super::{Chat, ConversationBody, of_member, shown};
use crate::store;

/// A conversation with its people.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WholeConversation {
    #[serde(flatten)]
    conversation: ConversationBody,
    #[schema(value_type = Vec<String>)]
    member_ids: Vec<UserId>,
}

/// One of your conversations.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}", tag = "chat", params(("id" = String, Path)),
    responses((status = 200, body = WholeConversation))
)]
pub(super) async fn get_conversation(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Segment(id): Segment<ConversationId>,
) -> Result<Json<WholeConversation>, Problem> {
    let found = chat.deps.store.read(move |tx| async move {
        let me = of_member(&tx, id, &caller.user_id).await?;
        let conversation = shown(&tx, &caller.user_id, me).await?;
        let member_ids = store::members(&tx, id).await?.into_iter().map(|(user, _)| user).collect();
        Ok::<_, Problem>(WholeConversation { conversation, member_ids })
    });
    Ok(Json(found.await?))
}
