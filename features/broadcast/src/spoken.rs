//! What broadcasts say: the data of their frames, and for the reference each frame and record with an example.

use serde::Serialize;
use serde_json::{json, value::RawValue};
use tidings::{
    api::{Spoken, SpokenFrame, SpokenRecord},
    model::{Kind, Priority, Timestamp, UserId},
};
use utoipa::ToSchema;

use crate::{
    events::{GROUP_TOPIC, LIFECYCLE_TOPIC, LifecycleEvent, MessageDeliveryEvent, SELECTED_TOPIC},
    model::Saying,
};

/// The type of the frame that brings a broadcast.
pub(crate) const CREATED: &str = "broadcast.created";
/// The type of the frame that takes it from the screens.
pub(crate) const REMOVED: &str = "broadcast.removed";

/// The data of [`CREATED`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BroadcastCreated<'a> {
    /// What receipts name.
    pub(crate) broadcast_id: &'a str,
    #[schema(required)]
    pub(crate) title: Option<&'a str>,
    pub(crate) content: &'a str,
    /// Anything that the sender's application wants its client to know.
    #[schema(value_type = serde_json::Value)]
    pub(crate) data: Option<&'a RawValue>,
    /// Where a click leads.
    #[schema(required)]
    pub(crate) action_url: Option<&'a str>,
    /// `low`, `normal`, `high` or `urgent`.
    #[schema(value_type = String)]
    pub(crate) priority: Priority,
    #[schema(required)]
    pub(crate) category: Option<&'a str>,
    /// Who said it; null for a record of another program.
    #[schema(value_type = Option<String>, required)]
    pub(crate) sender_id: Option<&'a UserId>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: Timestamp,
}

impl<'a> BroadcastCreated<'a> {
    /// What a broadcast of ours says; `id` is its own.
    pub(crate) fn of(id: &'a str, broadcast: &'a Saying) -> Self {
        Self {
            broadcast_id: id,
            title: broadcast.said.title.as_deref(),
            content: &broadcast.said.content,
            data: broadcast.said.data.as_deref(),
            action_url: broadcast.said.action_url.as_deref(),
            priority: broadcast.priority,
            category: broadcast.said.category.as_deref(),
            sender_id: Some(&broadcast.sender_id),
            created_at: broadcast.created_at,
            expires_at: broadcast.expires_at,
        }
    }
}

/// The data of [`REMOVED`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BroadcastRemoved<'a> {
    pub(crate) broadcast_id: &'a str,
    /// `cancelled` or `expired`.
    pub(crate) reason: &'a str,
}

const ID: &str = "brd_01k3x9qk3m8v6t2n4p5r7s9w0y";
const CREATED_AT: &str = "2026-01-31T09:30:00.000Z";

/// The frames of broadcasts.
pub(crate) fn frames() -> Vec<SpokenFrame> {
    let created = json!({
        "broadcast_id": ID, "title": "Canteen", "content": "The canteen closes at two today.",
        "data": { "floor": 3 }, "action_url": "/canteen", "priority": "normal", "category": "canteen",
        "sender_id": "bob", "created_at": CREATED_AT, "expires_at": "2026-03-02T09:30:00.000Z",
    });
    let removed = json!({ "broadcast_id": ID, "reason": "cancelled" });
    vec![
        SpokenFrame::new(
            Kind::Message,
            (ID, "role:editor"),
            Spoken::of::<BroadcastCreated<'static>>(CREATED, "A broadcast for this reader.", created),
        ),
        SpokenFrame::new(
            Kind::Change,
            (ID, "role:editor"),
            Spoken::of::<BroadcastRemoved<'static>>(
                REMOVED,
                "A broadcast was cancelled or is over: take it from the screen.",
                removed,
            ),
        ),
    ]
}

/// The records of its topics.
pub(crate) fn records() -> Vec<SpokenRecord> {
    let step = |step: &str| {
        json!({
            "broadcastId": ID, "step": step, "timestamp": CREATED_AT, "senderId": "bob", "title": "Canteen",
            "content": "The canteen closes at two today.",
        })
    };
    let slice = json!({
        "broadcastId": ID, "step": "SLICE", "timestamp": CREATED_AT, "senderId": "bob", "title": null,
        "content": "", "after": "carol", "eventType": "CREATED",
    });
    let delivery = |user: Option<&str>, audience: serde_json::Value| {
        let mut event = json!({
            "eventId": "evt_01k3x9qk3m8v6t2n4p5r7s9w10", "broadcastId": ID, "userId": user, "eventType": "CREATED",
            "timestamp": CREATED_AT, "message": "The canteen closes at two today.",
            "correlationId": "evt_01k3x9qk3m8v6t2n4p5r7s9w0z",
        });
        if !audience.is_null() {
            event["audience"] = audience;
        }
        event
    };
    let lifecycle = |name, summary, example| {
        SpokenRecord::new(LIFECYCLE_TOPIC, Some(ID), Spoken::of::<LifecycleEvent>(name, summary, example))
    };
    let event = "MessageDeliveryEvent";
    vec![
        lifecycle("BroadcastScheduled", "A broadcast was created, for later.", step("SCHEDULED")),
        lifecycle("BroadcastEdited", "It was changed before its time.", step("EDITED")),
        lifecycle("BroadcastActivated", "It is delivered from now on.", step("ACTIVATED")),
        lifecycle("BroadcastSlice", "The next people of a list of people are told.", slice),
        lifecycle("BroadcastCancelled", "Its sender took it back.", step("CANCELLED")),
        lifecycle("BroadcastExpired", "Its time is over.", step("EXPIRED")),
        SpokenRecord::new(
            SELECTED_TOPIC,
            Some("carol"),
            Spoken::of::<MessageDeliveryEvent>(
                event,
                "One person of a broadcast to selected people is told of it, or of its end.",
                delivery(Some("carol"), serde_json::Value::Null),
            ),
        ),
        SpokenRecord::new(
            GROUP_TOPIC,
            Some(ID),
            Spoken::of::<MessageDeliveryEvent>(
                event,
                "Everybody, roles, groups or channels are told of a broadcast, or of its end.",
                delivery(None, json!({ "type": "ROLE", "ids": ["editor"] })),
            ),
        ),
    ]
}
