//! `GET /orders/{id}`.

use axum::{Json, extract::State};
use tidings::{
    api::{Caller, Problem, Segment},
    model::OrderId,
};

use super::{OrderBody, OrdersApi, READ};
use crate::store;

/// One order.
#[utoipa::path(
    get, path = "/api/v1/orders/{id}", tag = "orders", security(("token" = ["orders:read"])), params(("id" = String, Path)),
    responses((status = 200, body = OrderBody))
)]
pub(super) async fn get_order(
    State(api): State<OrdersApi>,
    caller: Caller,
    Segment(id): Segment<OrderId>,
) -> Result<Json<OrderBody>, Problem> {
    caller.require_scope(READ)?;
    let stored = api.deps.store.read(move |tx| async move { store::find(&tx, id).await }).await?;
    let found = stored.or_else(|| api.accepted.find(id));
    found.map(|order| Json(order.into())).ok_or_else(|| Problem::not_found("order"))
}
