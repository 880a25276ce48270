//! `GET /conversations/{id}/messages`: what was said, backwards.

use axum::{Json, extract::State};
use serde::Deserialize;
use tidings::{
    api::{Page, PageQuery, Params, Problem, Segment, Somebody, encode_page},
    model::{ConversationId, MessageId},
};
use utoipa::IntoParams;

use super::{Chat, MessageBody, MessageStanding, of_member};
use crate::{messages, model::Message, standing::counts_within};

/// The list's name in its cursors.
const LIST: &str = "chat-messages";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Only what was said before this message.
    #[param(value_type = Option<String>)]
    before: Option<MessageId>,
}

/// What was said since you joined, the newest first.
#[utoipa::path(
    get, path = "/api/v1/conversations/{id}/messages", tag = "chat",
    params(("id" = String, Path), HistoryQuery, PageQuery),
    responses((status = 200, body = Page<MessageBody>))
)]
pub(super) async fn list_messages(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Segment(id): Segment<ConversationId>,
    Params(query): Params<HistoryQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<MessageBody>>, Problem> {
    let limit = page.limit()?;
    let after: Option<u64> = page.after(LIST)?;
    let found = chat.deps.store.read(move |tx| async move {
        let (conversation, standing) = of_member(&tx, id, &caller.user_id).await?;
        let mut before = after.unwrap_or(u64::MAX).min(conversation.last_seq + 1);
        if let Some(wanted) = query.before {
            let message = messages::find(&tx, wanted).await?;
            let message = message.filter(|message| message.conversation_id == id);
            before = before.min(message.ok_or_else(|| Problem::not_found("message"))?.seq);
        }
        let found = messages::before(&tx, id, (standing.joined, before), limit).await?;
        let range =
            (found.last().map_or(0, |oldest| oldest.seq), found.first().map_or(0, |newest| newest.seq));
        let counts = counts_within(&tx, (id, &caller.user_id), range).await?;
        let next_cursor =
            found.last().filter(|_| found.len() == limit).map(|last| encode_page(LIST, &last.seq));
        let shown = |message: Message| {
            let own = message.sender_id == caller.user_id;
            let counts = own.then(|| counts.get(&message.seq).copied().unwrap_or_default());
            MessageBody { standing: counts.map(MessageStanding::from), ..MessageBody::from(message) }
        };
        Ok::<_, Problem>(Page { items: found.into_iter().map(shown).collect(), next_cursor })
    });
    Ok(Json(found.await?))
}
