//! The routes of orders.

mod create;
mod get;
mod list;

use std::sync::Arc;

use serde::Serialize;
use tidings::{
    Deps, OpenApiRouter,
    model::{OrderId, Timestamp, UserId},
    routes,
};
use utoipa::ToSchema;

use crate::{
    accepted::Accepted,
    model::{Order, Status},
};

/// Who may order.
const WRITE: &str = "orders:write";
/// Who may see orders.
const READ: &str = "orders:read";

/// What the routes need.
#[derive(Clone, Debug)]
pub(crate) struct OrdersApi {
    deps: Deps,
    accepted: Arc<Accepted>,
}

pub(crate) fn routes(deps: Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(create::create_order, list::list_orders))
        .routes(routes!(get::get_order))
        .with_state(OrdersApi { deps, accepted: Arc::default() })
}

/// An order as callers see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderBody {
    #[schema(value_type = String, example = "ord_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    order_id: OrderId,
    status: Status,
    /// Who ordered; null for a record of another program.
    #[schema(value_type = Option<String>)]
    user_id: Option<UserId>,
    customer_name: String,
    coffee_type: String,
    /// Where its record lies.
    topic: String,
    partition: u32,
    offset: Option<u64>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Order> for OrderBody {
    fn from(order: Order) -> Self {
        Self {
            order_id: order.id,
            status: order.status,
            user_id: order.user_id,
            customer_name: order.ordered.customer_name,
            coffee_type: order.ordered.coffee_type,
            topic: order.place.topic,
            partition: order.place.partition,
            offset: order.place.offset,
            created_at: order.created_at,
        }
    }
}
