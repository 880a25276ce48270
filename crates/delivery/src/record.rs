//! Delivery records, as they lie in the delivery log: one event and its audience, however many people it is for.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_delivery_core as core;
use tidings_delivery_core::{Place, Removal};
use tidings_model::{Audience, EventId, Kind, Priority, Record, Timestamp};
use utoipa::ToSchema;

/// The type of the records that tell gateways of a person's changed channels; clients never see them.
pub const MEMBERSHIP: &str = "tidings.membership";

/// How the event ids of these records begin.
pub const MEMBERSHIP_EVENT: &str = "membership/";

/// One delivery: an event, and who it is for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeliveryRecord {
    /// The event; clients drop repeats by it.
    #[schema(value_type = String)]
    pub event_id: EventId,
    /// How long it is promised.
    #[schema(value_type = String)]
    pub kind: Kind,
    /// The frame's type: `broadcast.created`.
    #[serde(rename = "type")]
    pub frame_type: String,
    /// What it is about; receipts name it.
    pub subject: String,
    /// Who it is for.
    #[schema(value_type = Object)]
    pub audience: Audience,
    /// Who it was for when it was first said, where this record repeats it late for one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub said_to: Option<Audience>,
    /// The place of the event's first record, where this one is late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub first: Option<Place>,
    /// Mutes and quiet hours judge by it.
    #[serde(default)]
    #[schema(value_type = String)]
    pub priority: Priority,
    /// Mutes judge by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// When it is no longer worth delivering; a message always has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Whether it comes after its place in the order.
    #[serde(default)]
    pub late: bool,
    /// Whether people who join the audience later are meant too.
    #[serde(default = "yes")]
    pub late_joiners: bool,
    /// Whether it takes its subject from the screens.
    #[serde(default)]
    pub removes: bool,
    /// The trace of the request that caused it, as W3C `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
    /// What it follows from, where its subject does not lead there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The frame's data; none when it lies with the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value)]
    pub data: Option<Box<RawValue>>,
}

/// The record of the log that a delivery follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Origin {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// Which offset.
    pub offset: u64,
}

impl From<&Record> for Origin {
    fn from(record: &Record) -> Self {
        Self { topic: record.topic.clone(), partition: record.partition, offset: record.offset }
    }
}

const fn yes() -> bool {
    true
}

impl DeliveryRecord {
    /// A message: pending for its audience until confirmed or until `expires_at`.
    pub fn message(
        event_id: EventId,
        frame_type: impl Into<String>,
        subject: impl Into<String>,
        audience: Audience,
        (time, expires_at): (Timestamp, Timestamp),
        data: Box<RawValue>,
    ) -> Self {
        let change = Self::change(event_id, frame_type, subject, audience, time, data);
        Self { kind: Kind::Message, expires_at: Some(expires_at), ..change }
    }

    /// A change: resumable, never pending, in no count.
    pub fn change(
        event_id: EventId,
        frame_type: impl Into<String>,
        subject: impl Into<String>,
        audience: Audience,
        time: Timestamp,
        data: Box<RawValue>,
    ) -> Self {
        Self {
            event_id,
            kind: Kind::Change,
            frame_type: frame_type.into(),
            subject: subject.into(),
            audience,
            said_to: None,
            first: None,
            priority: Priority::Normal,
            category: None,
            time,
            expires_at: None,
            late: false,
            late_joiners: true,
            removes: false,
            trace_parent: None,
            origin: None,
            data: Some(data),
        }
    }

    /// What the verdict needs to know of it, at its place.
    pub fn facts(&self, place: Place, removal: Option<Removal>) -> core::DeliveryRecord {
        core::DeliveryRecord {
            place,
            first: self.first.unwrap_or(place),
            event_id: self.event_id.clone(),
            kind: self.kind,
            subject: self.subject.clone(),
            audience: self.audience.clone(),
            said_to: self.said_to.clone(),
            priority: self.priority,
            category: self.category.clone(),
            time: self.time,
            expires_at: self.expires_at,
            late: self.late,
            late_joiners: self.late_joiners,
            removes: self.removes,
            removal,
        }
    }
}
