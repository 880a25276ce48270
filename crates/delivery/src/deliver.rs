//! Writing deliveries: the record that gateways tail, and the item that lists show.

use serde_json::value::RawValue;
use tidings_delivery_core::{End, Place};
use tidings_model::{Timestamp, planted};
use tidings_store::{Appends, NewRecord, StoreError, Tx, params};

use crate::{DELIVERIES, DeliveryRecord, project};

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

/// Writes a delivery, and for a message its inbox item, once however often it is delivered. Answers its place where
/// the log is embedded; elsewhere the log gives the place when a relay brings the record there, and the
/// projection goes on from that.
pub async fn deliver(
    tx: &Tx,
    record: &DeliveryRecord,
    item: Option<Item<'_>>,
) -> Result<Option<Place>, StoreError> {
    planted::crash_point("before_deliver");
    if let (Some(item), Some(expires_at)) = (item, record.expires_at) {
        // One for all who get it.
        tx.once("inbox item", &record.subject, put_item(tx, record, item, expires_at)).await?;
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
    let place = appended.offset.map(Place::of_offset);
    if let Some(place) = place {
        project::project(tx, record, place, json).await?;
    }
    planted::crash_point("after_deliver");
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
        params![&record.subject, item.kind, item.data.get(), record.priority as u32, record.time, expires_at],
    )
    .await?;
    Ok(())
}

/// Ends an item: it leaves lists and catch-up with this transaction. Answers whether it was still active.
///
/// Where a relay fills the log, its records end at the place of the record that says so.
pub async fn end_item(tx: &Tx, subject: &str, end: End, at: Timestamp) -> Result<bool, StoreError> {
    let ended = tx
        .execute(
            "UPDATE inbox_items SET ended_at = $2, end_reason = $3 WHERE item_id = $1 AND ended_at IS NULL",
            params![subject, at, end_word(end)],
        )
        .await?;
    if tx.appends() == Appends::Log {
        let place = head(tx).await?.next();
        project::end_records(tx, subject, place, end).await?;
    }
    Ok(ended == 1)
}

/// The word of an end on the wire and in rows.
pub const fn end_word(end: End) -> &'static str {
    match end {
        End::Cancelled => "cancelled",
        End::Expired => "expired",
    }
}

/// The place up to which the projection is complete, as this transaction sees it: where the log is embedded, its
/// newest one.
pub async fn head(tx: &Tx) -> Result<Place, StoreError> {
    let row = match tx.appends() {
        Appends::Outbox => {
            tx.optional("SELECT place FROM delivery_projection WHERE one = 1", params![]).await?
        }
        Appends::Log => {
            tx.optional(
                "SELECT next_offset
                 FROM log_partitions
                 JOIN log_topics ON first_partition = partition_number
                 WHERE topic = $1",
                params![DELIVERIES],
            )
            .await?
        }
    };
    row.map_or(Ok(Place::ORIGIN), |row| Ok(Place(row.get(0)?)))
}
