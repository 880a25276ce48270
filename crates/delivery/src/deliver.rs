//! Writing deliveries: the record that gateways tail, and with it the rows that catch-up and inbox read.

use serde_json::value::RawValue;
use tidings_delivery_core::{End, Place};
use tidings_model::{Kind, Timestamp, planted};
use tidings_store::{NewRecord, StoreError, Tx, params};

use crate::{DELIVERIES, DeliveryRecord, MEMBERSHIP};

/// Data up to this many bytes travels in each record; longer data is written once and referred to.
const INLINE_BYTES: usize = 1024;

/// An inbox item: what a message says.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// `broadcast`, `notification`, …
    pub kind: &'a str,
    /// The frame's data.
    pub data: &'a RawValue,
}

/// Writes a delivery, and for a message its inbox item, once however often it is delivered.
pub async fn deliver(tx: &Tx, record: &DeliveryRecord, item: Option<Item<'_>>) -> Result<Place, StoreError> {
    planted::crash_point("before_deliver");
    if let (Some(item), Some(expires_at)) = (item, record.expires_at) {
        put_item(tx, record, item, expires_at).await?;
    }
    let long = record.data.as_ref().is_some_and(|data| data.get().len() > INLINE_BYTES);
    let stored;
    let referred = if long && item.is_some() {
        stored = DeliveryRecord { data: None, ..record.clone() };
        &stored
    } else {
        record
    };
    let json = serde_json::to_vec(referred).unwrap_or_default();
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
    let place = Place::of_offset(appended.offset()?);
    // A signal is never resumed, and a change of channels is for the gateways alone.
    if record.kind != Kind::Signal && record.frame_type != MEMBERSHIP {
        project(tx, record, place, json).await?;
    }
    planted::crash_point("after_deliver");
    Ok(place)
}

async fn project(tx: &Tx, record: &DeliveryRecord, place: Place, json: Vec<u8>) -> Result<(), StoreError> {
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
    // What is repeated late for one person stands in their inbox already.
    let listed = record.kind == Kind::Message && record.first.is_none();
    for channel in &record.audience.any {
        tx.execute(
            "INSERT INTO delivery_channels (channel, place) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            params![channel.to_string(), place.0],
        )
        .await?;
        if listed {
            tx.execute(
                "INSERT INTO inbox_places (channel, priority, place, item_id) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                params![channel.to_string(), record.priority as u32, place.0, &record.subject],
            )
            .await?;
        }
    }
    Ok(())
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
        params![&record.subject, item.kind, item.data.get(), record.priority as u32, record.time, expires_at],
    )
    .await?;
    Ok(())
}

/// Ends an item: it leaves lists and catch-up with this transaction. Answers whether it was still active.
pub async fn end_item(tx: &Tx, subject: &str, end: End, at: Timestamp) -> Result<bool, StoreError> {
    let ended = tx
        .execute(
            "UPDATE inbox_items SET ended_at = $2 WHERE item_id = $1 AND ended_at IS NULL",
            params![subject, at],
        )
        .await?;
    let place = head(tx).await?.next();
    tx.execute(
        "UPDATE delivery_records SET ended_place = $2, end_reason = $3
         WHERE subject = $1 AND kind = 'message' AND ended_place IS NULL",
        params![subject, place.0, end_word(end)],
    )
    .await?;
    Ok(ended == 1)
}

/// The word of an end on the wire and in rows.
pub const fn end_word(end: End) -> &'static str {
    match end {
        End::Cancelled => "cancelled",
        End::Expired => "expired",
    }
}

/// The newest place of the delivery log, as this transaction sees it.
pub async fn head(tx: &Tx) -> Result<Place, StoreError> {
    let row = tx
        .one(
            "SELECT next_offset
             FROM log_partitions
             JOIN log_topics ON first_partition = partition_number
             WHERE topic = $1",
            params![DELIVERIES],
        )
        .await?;
    Ok(Place(row.get(0)?))
}
