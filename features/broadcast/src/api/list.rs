//! `GET /broadcasts`.

use axum::{Json, extract::State};
use serde::Deserialize;
use tidings::{
    Deps,
    api::{Caller, Page, PageQuery, Params, Problem, Scope, encode_page},
};
use utoipa::IntoParams;

use super::BroadcastBody;
use crate::{model::Status, store};

/// The list's name in its cursors.
const LIST: &str = "broadcasts";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only those in this state.
    #[param(inline)]
    status: Option<Status>,
}

/// Broadcasts, newest first.
#[utoipa::path(
    get, path = "/api/v1/broadcasts", tag = "broadcasts", security(("token" = ["broadcast:read"])), params(ListQuery, PageQuery),
    responses((status = 200, body = Page<BroadcastBody>))
)]
pub(super) async fn list_broadcasts(
    State(deps): State<Deps>,
    caller: Caller,
    Params(query): Params<ListQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<BroadcastBody>>, Problem> {
    caller.require(Scope::BroadcastRead)?;
    let limit = page.limit()?;
    let before: Option<String> = page.after(LIST)?;
    let found =
        deps.store.read(move |tx| async move { store::list(&tx, query.status, before, limit).await }).await?;
    let next_cursor = found.last().filter(|_| found.len() == limit).map(|last| encode_page(LIST, &last.id));
    Ok(Json(Page { items: found.into_iter().map(BroadcastBody::from).collect(), next_cursor }))
}
