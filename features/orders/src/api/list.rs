//! `GET /orders`.

use axum::{Json, extract::State};
use tidings::{
    api::{Caller, Page, PageQuery, Params, Problem, encode_page},
    model::{OrderId, Timestamp},
};

use super::{OrderBody, OrdersApi, READ};
use crate::store;

/// The list's name in its cursors.
const LIST: &str = "orders";

/// Orders that consumers processed, newest first.
#[utoipa::path(
    get, path = "/api/v1/orders", tag = "orders", security(("token" = ["orders:read"])), params(PageQuery),
    responses((status = 200, body = Page<OrderBody>))
)]
pub(super) async fn list_orders(
    State(api): State<OrdersApi>,
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<OrderBody>>, Problem> {
    caller.require_scope(READ)?;
    let limit = page.limit()?;
    let before: Option<(Timestamp, OrderId)> = page.after(LIST)?;
    let found = api.deps.store.read(move |tx| async move { store::list(&tx, before, limit).await }).await?;
    let last = found.last().filter(|_| found.len() == limit);
    let next_cursor = last.map(|last| encode_page(LIST, &(last.created_at, last.id)));
    Ok(Json(Page { items: found.into_iter().map(OrderBody::from).collect(), next_cursor }))
}
