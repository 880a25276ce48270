//! What delivery itself says on streams and topics, for the reference.

use serde::Serialize;
use serde_json::json;
use tidings_api::{Spoken, SpokenFrame, SpokenRecord};
use tidings_model::Kind;
use utoipa::ToSchema;

use crate::{DELIVERIES, DeliveryRecord, inbox};

/// The data of [`inbox::READ`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReceiptRead<'a> {
    /// What was read: the ids of items.
    pub(crate) ids: &'a [String],
    /// How many are unread now; more than 1000 are told as 1000.
    pub(crate) unread_count: usize,
}

/// The frames of delivery itself.
pub fn frames() -> Vec<SpokenFrame> {
    vec![SpokenFrame::new(
        Kind::Change,
        ("ada", "user:ada"),
        Spoken::of::<ReceiptRead<'static>>(
            inbox::READ,
            "Something was read on another device of this reader.",
            json!({ "ids": ["brd_01k3x9qk3m8v6t2n4p5r7s9w0y"], "unread_count": 2 }),
        ),
    )]
}

/// The records of the delivery log.
pub fn records() -> Vec<SpokenRecord> {
    let word = Spoken::of::<DeliveryRecord>(
        "Delivery",
        "Internal, and other in a later release: one event and its audience, however many people it is for.",
        json!({
            "event_id": "evt_01k3x9qk3m8v6t2n4p5r7s9w0y", "kind": "change", "type": "order.updated",
            "subject": "msg_01k3x9qk3m8v6t2n4p5r7s9w0z", "audience": { "any": ["user:ada"] }, "priority": "normal",
            "time": "2026-01-31T09:30:00.000Z", "late": false, "late_joiners": true, "removes": false,
            "data": { "order_id": "ord_01k3x9qk3m8v6t2n4p5r7s9w10", "status": "processed" },
        }),
    );
    vec![SpokenRecord { public: false, ..SpokenRecord::new(DELIVERIES, None, word) }]
}
