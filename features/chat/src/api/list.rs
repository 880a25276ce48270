//! `GET /conversations`.

use axum::{Json, extract::State};
use tidings::{
    api::{Page, PageQuery, Params, Problem, Somebody, encode_page},
    model::{ConversationId, Timestamp},
    store::StoreError,
};

use super::{Chat, ConversationBody, shown};
use crate::store;

/// The list's name in its cursors.
const LIST: &str = "conversations";

/// Your conversations, the last one spoken in first.
#[utoipa::path(
    get, path = "/api/v1/conversations", tag = "chat", params(PageQuery),
    responses((status = 200, body = Page<ConversationBody>))
)]
pub(super) async fn list_conversations(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<ConversationBody>>, Problem> {
    let limit = page.limit()?;
    let before: Option<(Timestamp, ConversationId)> = page.after(LIST)?;
    let page = chat.deps.store.read(move |tx| async move {
        let found = store::list(&tx, &caller.user_id, before, limit).await?;
        let last = found.last().filter(|_| found.len() == limit);
        let next_cursor = last.map(|(last, _)| encode_page(LIST, &(last.last_at, last.id)));
        let mut items = Vec::with_capacity(found.len());
        for one in found {
            items.push(shown(&tx, &caller.user_id, one).await?);
        }
        Ok::<_, StoreError>(Page { items, next_cursor })
    });
    Ok(Json(page.await?))
}
