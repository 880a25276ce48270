//! What orders say, for the reference: each frame and record with an example.

use serde_json::json;
use tidings::{
    api::{Spoken, SpokenFrame, SpokenRecord},
    model::Kind,
};

use crate::events::{EVENTS_TOPIC, ORDERS_TOPIC, OrderAccepted, OrderUpdated};

/// The type of the frame that shows a customer how far an order is: the value of a record of [`EVENTS_TOPIC`].
pub(crate) const UPDATED: &str = "order.updated";

const ID: &str = "ord_01k3x9qk3m8v6t2n4p5r7s9w0y";

fn updated(name: &'static str, summary: &'static str) -> Spoken {
    let example = json!({
        "order_id": ID, "user_id": "ada", "status": "processed", "timestamp": "2026-01-31T09:30:01.000Z",
    });
    Spoken::of::<OrderUpdated<'static>>(name, summary, example)
}

/// The frames of orders.
pub(crate) fn frames() -> Vec<SpokenFrame> {
    let word = updated(UPDATED, "An order of this reader is further.");
    vec![SpokenFrame::new(Kind::Change, ("msg_01k3x9qk3m8v6t2n4p5r7s9w0z", "user:ada"), word)]
}

/// The records of its topics.
pub(crate) fn records() -> Vec<SpokenRecord> {
    let accepted = Spoken::of::<OrderAccepted>(
        "OrderAccepted",
        "An order was accepted. Another tool needs no more than what is ordered.",
        json!({
            "customer_name": "Ada", "coffee_type": "Flat white", "order_id": ID, "user_id": "ada",
            "created_at": "2026-01-31T09:30:00.000Z",
        }),
    );
    let updated = updated("OrderUpdated", "An order is further.");
    vec![
        SpokenRecord::new(ORDERS_TOPIC, Some(ID), accepted),
        SpokenRecord::new(EVENTS_TOPIC, Some(ID), updated),
    ]
}
