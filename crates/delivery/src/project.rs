//! What a delivery record does at its place: the rows that catch-up, inbox and receipts read.
//!
//! Where the log is embedded this happens in the transaction that appends the record; where a relay fills the log,
//! in the projection's, when the record comes back with its place.

use tidings_delivery_core::{End, Place, verdict};
use tidings_model::{Channel, Kind, Timestamp};
use tidings_store::{StoreError, Tx, params};

use crate::{DeliveryRecord, MEMBERSHIP, end_word, membership, retention};

/// Writes the rows of a record.
pub(crate) async fn project(
    tx: &Tx,
    record: &DeliveryRecord,
    place: Place,
    json: Vec<u8>,
) -> Result<(), StoreError> {
    // A signal is never resumed, and a change of channels is for the gateways alone.
    if record.kind == Kind::Signal || record.frame_type == MEMBERSHIP {
        return Ok(());
    }
    tx.execute(
        "INSERT INTO delivery_records (place, event_id, kind, subject, record, created_at, expires_at, keep_until)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            place.0,
            record.event_id.as_str(),
            record.kind.as_str(),
            &record.subject,
            json,
            record.time,
            record.expires_at,
            retention::keep_until(record)
        ],
    )
    .await?;
    // What is repeated late for one person stands in their inbox already.
    let listed = record.kind == Kind::Message && record.first.is_none();
    let listed_until =
        record.expires_at.filter(|_| verdict::is_for_whoever_listens(&record.facts(place, None)));
    for channel in &record.audience.any {
        tx.execute(
            "INSERT INTO delivery_channels (channel, place) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            params![channel.to_string(), place.0],
        )
        .await?;
        // Chat has its own lists.
        if listed && !matches!(channel, Channel::Conversation(_)) {
            tx.execute(
                "INSERT INTO inbox_places (channel, priority, place, item_id, listed_until)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT DO NOTHING",
                params![channel.to_string(), record.priority as u32, place.0, &record.subject, listed_until],
            )
            .await?;
        }
    }
    Ok(())
}

/// What else a record does that came through a relay: changes of people, and ends, are in force from its place.
pub(crate) async fn take_effect(
    tx: &Tx,
    record: &DeliveryRecord,
    place: Place,
    now: Timestamp,
) -> Result<(), StoreError> {
    if record.frame_type == MEMBERSHIP {
        return membership::arrive(tx, record, place, now).await;
    }
    if record.late {
        for channel in &record.audience.any {
            let Channel::User(user) = channel else { continue };
            tx.execute(
                "DELETE FROM late_on_its_way WHERE user_id = $1 AND event_id = $2",
                params![user.as_str(), record.event_id.as_str()],
            )
            .await?;
        }
    }
    // The item has ended since, or ends by this record: what of it is shown ends here.
    if record.removes || record.kind == Kind::Message {
        let row = tx
            .optional(
                "SELECT end_reason FROM inbox_items WHERE item_id = $1 AND ended_at IS NOT NULL",
                params![&record.subject],
            )
            .await?;
        if let Some(row) = row {
            let reason: Option<String> = row.get(0)?;
            let end = if reason.as_deref() == Some("expired") { End::Expired } else { End::Cancelled };
            if record.removes {
                end_records(tx, &record.subject, place, end).await?;
            } else {
                end_record(tx, place, end).await?;
            }
        }
    }
    Ok(())
}

/// Ends what was delivered of a subject, from a place on.
pub(crate) async fn end_records(tx: &Tx, subject: &str, from: Place, end: End) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE delivery_records SET ended_place = $2, end_reason = $3
         WHERE subject = $1 AND kind = 'message' AND ended_place IS NULL",
        params![subject, from.0, end_word(end)],
    )
    .await?;
    Ok(())
}

/// Ends a record at its own place: its item was over before it was delivered.
async fn end_record(tx: &Tx, place: Place, end: End) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE delivery_records SET ended_place = $1, end_reason = $2 WHERE place = $1",
        params![place.0, end_word(end)],
    )
    .await?;
    Ok(())
}
