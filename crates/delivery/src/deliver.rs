//! Delivery records: one event and its audience, written once, however many people it is for.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_delivery_core::Place;
use tidings_model::{Audience, EventId, Kind, Priority, Timestamp};
use tidings_store::{NewRecord, StoreError, Tx, params};

use crate::DELIVERIES;

/// Data up to this many bytes travels in each record; longer data is written once and referred to.
const INLINE_BYTES: usize = 1024;

/// One delivery: an event, and who it is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// The event; clients drop repeats by it.
    pub event_id: EventId,
    /// How long it is promised.
    pub kind: Kind,
    /// The frame's type: `broadcast.created`.
    #[serde(rename = "type")]
    pub frame_type: String,
    /// What it is about; receipts name it.
    pub subject: String,
    /// Who it is for.
    pub audience: Audience,
    /// Mutes and quiet hours judge by it.
    #[serde(default)]
    pub priority: Priority,
    /// Mutes judge by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// When it happened.
    pub time: Timestamp,
    /// When it is no longer worth delivering; a message always has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it comes after its place in the order.
    #[serde(default)]
    pub late: bool,
    /// The frame's data; none when it lies with the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// Why an item is no longer delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its sender took it back.
    Cancelled,
    /// Its time was over.
    Expired,
}

impl End {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// An inbox item: what a message says.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// `broadcast`, `notification`, …
    pub kind: &'a str,
    /// The frame's data.
    pub data: &'a RawValue,
}

/// Writes a delivery: the record gateways tail, the rows that catch-up reads, and a message's inbox item.
pub async fn deliver(tx: &Tx, record: &DeliveryRecord, item: Option<Item<'_>>) -> Result<Place, StoreError> {
    if let (Some(item), Some(expires_at)) = (item, record.expires_at) {
        put_item(tx, record, item, expires_at).await?;
    }
    let referred = record.kind == Kind::Message
        && record.data.as_ref().is_some_and(|data| data.get().len() > INLINE_BYTES)
        && item.is_some();
    let stored = if referred { DeliveryRecord { data: None, ..record.clone() } } else { record.clone() };
    let json = serde_json::to_vec(&stored).unwrap_or_default();
    let appended = tx
        .append(&NewRecord {
            topic: DELIVERIES,
            partition: Some(0),
            key: None,
            headers: &Vec::new(),
            value: Some(&json),
            time: record.time,
        })
        .await?;
    let place = Place::of_offset(appended.offset);
    if record.kind == Kind::Signal {
        return Ok(place);
    }
    tx.execute(
        "INSERT INTO delivery_records (place, event_id, kind, subject, record, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            place.0,
            record.event_id.as_str(),
            record.kind.as_str(),
            &record.subject,
            json,
            record.time,
            record.expires_at
        ],
    )
    .await?;
    for channel in &record.audience.any {
        tx.execute(
            "INSERT INTO delivery_channels (channel, place) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            params![channel.to_string(), place.0],
        )
        .await?;
    }
    Ok(place)
}

async fn put_item(
    tx: &Tx,
    record: &DeliveryRecord,
    item: Item<'_>,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO inbox_items (item_id, kind, data, priority, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (item_id) DO NOTHING",
        params![
            &record.subject,
            item.kind,
            item.data.get(),
            record.priority as u32,
            record.time,
            expires_at
        ],
    )
    .await?;
    Ok(())
}

/// Ends an item: it leaves lists and catch-up at once. Answers whether it was still active.
pub async fn end_item(tx: &Tx, subject: &str, at: Timestamp) -> Result<bool, StoreError> {
    let ended = tx
        .execute(
            "UPDATE inbox_items SET ended_at = $2 WHERE item_id = $1 AND ended_at IS NULL",
            params![subject, at],
        )
        .await?;
    tx.execute(
        "UPDATE delivery_records SET ended_at = $2
         WHERE subject = $1 AND kind = 'message' AND ended_at IS NULL",
        params![subject, at],
    )
    .await?;
    Ok(ended == 1)
}
