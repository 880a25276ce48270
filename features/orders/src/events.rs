//! The events of orders, in the letter of their topics.

use serde::{Deserialize, Serialize};
use tidings::{
    consumer::headers,
    model::{EventId, NewEvent, OrderId, Record, Timestamp, UserId, header},
};
use utoipa::ToSchema;

use crate::model::{Order, Ordered, Status};

/// Orders, each as it was accepted.
pub(crate) const ORDERS_TOPIC: &str = "coffee_orders";
/// What became of orders.
pub(crate) const EVENTS_TOPIC: &str = "order-events";

/// The value of a record of [`ORDERS_TOPIC`]. Another tool needs no more than the two fields of an order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderAccepted {
    #[serde(flatten)]
    pub(crate) ordered: Ordered,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) order_id: Option<OrderId>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) user_id: Option<UserId>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) created_at: Option<Timestamp>,
}

/// The value of a record of [`EVENTS_TOPIC`].
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OrderUpdated<'a> {
    #[schema(value_type = String)]
    order_id: OrderId,
    #[schema(value_type = Option<String>, required)]
    user_id: Option<&'a UserId>,
    status: Status,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

/// The event that an order was accepted.
pub(crate) fn accepted(
    id: EventId,
    (order_id, user_id): (OrderId, &UserId),
    ordered: &Ordered,
    time: Timestamp,
    trace_parent: String,
) -> NewEvent {
    let value = OrderAccepted {
        ordered: ordered.clone(),
        order_id: Some(order_id),
        user_id: Some(user_id.clone()),
        created_at: Some(time),
    };
    NewEvent {
        id,
        topic: ORDERS_TOPIC,
        event_type: "OrderAccepted",
        key: Some(order_id.to_string()),
        payload: serde_json::to_vec(&value).unwrap_or_default(),
        time,
        trace_parent: Some(trace_parent),
        late: false,
    }
}

/// The event that an order is further, which follows from its record.
pub(crate) fn updated(id: EventId, order: &Order, record: &Record, time: Timestamp) -> NewEvent {
    let value = OrderUpdated {
        order_id: order.id,
        user_id: order.user_id.as_ref(),
        status: order.status,
        timestamp: time,
    };
    NewEvent {
        id,
        topic: EVENTS_TOPIC,
        event_type: "OrderUpdated",
        key: Some(order.id.to_string()),
        payload: serde_json::to_vec(&value).unwrap_or_default(),
        time,
        trace_parent: record.header(header::TRACE_PARENT).map(str::to_owned),
        late: headers::is_late(record),
    }
}
