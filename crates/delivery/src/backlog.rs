//! What people missed: the projection by place, and what is pending for somebody.

use std::sync::Arc;

use serde_json::value::RawValue;
use tidings_delivery_core::{GenerationId, Place};
use tidings_model::Timestamp;
use tidings_store::{Row, Store, StoreError, Tx, params};

use crate::{Delivery, DeliveryRecord, Person};

/// The data of an item, as JSON.
pub(crate) async fn content(tx: &Tx, subject: &str) -> Result<Option<String>, StoreError> {
    let row = tx.optional("SELECT data FROM inbox_items WHERE item_id = $1", params![subject]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// What was delivered to somebody after one place and up to another, at most `limit`, in order.
///
/// What has ended meanwhile is left out. An answer shorter than `limit` is complete.
pub async fn after(
    store: &Store,
    generation: GenerationId,
    person: &Person,
    (after, upto): (Place, Place),
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Arc<Delivery>>, StoreError> {
    let (channels, person) = (person.channels_json(), person.clone());
    store
        .read(move |tx| async move {
            let rows = tx
                .query(
                    "SELECT r.place, r.record, i.data
                     FROM delivery_records r
                     LEFT JOIN inbox_items i ON i.item_id = r.subject
                     WHERE r.place IN (
                             SELECT place FROM delivery_channels
                             WHERE channel IN (SELECT value FROM json_each($1))
                               AND place > $2 AND place <= $3
                             ORDER BY place
                             LIMIT $5)
                       AND r.ended_at IS NULL
                       AND (r.expires_at IS NULL OR r.expires_at > $4)
                     ORDER BY r.place",
                    params![channels, after.0, upto.0, now, limit],
                )
                .await?;
            deliveries(&rows, generation, &person)
        })
        .await
}

/// What is pending for somebody at or before a place: oldest first, at most `limit`, and how many in all.
pub async fn pending(
    store: &Store,
    generation: GenerationId,
    person: &Person,
    upto: Place,
    limit: usize,
    now: Timestamp,
) -> Result<(Vec<Arc<Delivery>>, u64), StoreError> {
    let (channels, person) = (person.channels_json(), person.clone());
    store
        .read(move |tx| async move {
            let rows = tx
                .query(
                    "SELECT MIN(r.place), r.record, i.data, COUNT(*) OVER ()
                     FROM delivery_channels c
                     JOIN delivery_records r ON r.place = c.place
                     LEFT JOIN inbox_items i ON i.item_id = r.subject
                     WHERE c.channel IN (SELECT value FROM json_each($1))
                       AND c.place <= $2
                       AND r.kind = 'message'
                       AND r.ended_at IS NULL
                       AND r.expires_at > $3
                       AND NOT EXISTS (SELECT 1 FROM item_receipts x WHERE x.user_id = $4 AND x.item_id = r.subject)
                     GROUP BY r.subject
                     ORDER BY 1
                     LIMIT $5",
                    params![channels, upto.0, now, person.user_id.as_str(), limit],
                )
                .await?;
            let total = rows.first().map(|row| row.get::<u64>(3)).transpose()?.unwrap_or(0);
            Ok((deliveries(&rows, generation, &person)?, total))
        })
        .await
}

fn deliveries(rows: &[Row], generation: GenerationId, person: &Person) -> Result<Vec<Arc<Delivery>>, StoreError> {
    let mut deliveries = Vec::with_capacity(rows.len());
    for row in rows {
        let place = Place(row.get(0)?);
        let record: Vec<u8> = row.get(1)?;
        let record: DeliveryRecord = serde_json::from_slice(&record).map_err(|_cause| StoreError::Row {
            column: 1,
            found: "another text",
            wanted: "a delivery record",
        })?;
        if !person.is_addressed(&record) {
            continue;
        }
        let data = match &record.data {
            Some(data) => data.clone(),
            None => RawValue::from_string(row.get::<Option<String>>(2)?.unwrap_or_else(|| "{}".to_owned()))
                .unwrap_or_default(),
        };
        deliveries.push(Delivery::new(place, generation, record, &data));
    }
    Ok(deliveries)
}
