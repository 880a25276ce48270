//! What deliveries leave behind, for 30 days: then records, receipts and sessions go, in slices. Who comes back later than
//! that is told so, and reloads.

use std::time::Duration;

use tidings_delivery_core::Place;
use tidings_model::Timestamp;
use tidings_store::{Lane, Store, StoreError, Tx, params};

use crate::{DeliveryRecord, seen};

/// How long a record is kept after it was said, an item after it ended, and a session after it was last seen.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

/// Rows that one transaction forgets, roughly.
const SLICE: usize = 100;

/// When a record may be forgotten.
pub(crate) fn keep_until(record: &DeliveryRecord) -> Timestamp {
    let kept = record.time.plus(KEPT);
    record.expires_at.map_or(kept, |expires_at| kept.max(expires_at))
}

/// Forgets what is over its time, to the end; answers how many rows, or slices of rows, that were.
pub async fn look(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    loop {
        let slice = store
            .transact_in(Lane::Bulk, move |tx| async move {
                // One process at a time; another one would wait for its rows.
                tx.lock("delivery", "retention").await?;
                let records = records(&tx, now).await?;
                if records > 0 {
                    return Ok(records);
                }
                let receipts = item(&tx, now).await?;
                if receipts > 0 {
                    return Ok(receipts);
                }
                people(&tx, now).await
            })
            .await?;
        if slice == 0 {
            return Ok(forgotten);
        }
        forgotten += slice;
    }
}

/// Behind which place nothing was forgotten.
pub(crate) async fn kept_after(tx: &Tx) -> Result<Place, StoreError> {
    let row = tx.optional("SELECT kept_after FROM delivery_kept WHERE one = 1", params![]).await?;
    row.map_or(Ok(Place::ORIGIN), |row| Ok(Place(row.get(0)?)))
}

async fn records(tx: &Tx, now: Timestamp) -> Result<u64, StoreError> {
    let old = tx
        .query(
            "SELECT place, record FROM delivery_records WHERE keep_until <= $1 ORDER BY keep_until LIMIT $2",
            params![now, SLICE],
        )
        .await?;
    let mut newest = Place::ORIGIN;
    for row in &old {
        let place = Place(row.get(0)?);
        newest = newest.max(place);
        // A record that cannot be read was never shown, and stands on no channel that is known.
        let record = serde_json::from_slice::<DeliveryRecord>(&row.get::<Vec<u8>>(1)?);
        for channel in record.iter().flat_map(|record| &record.audience.any) {
            tx.execute(
                "DELETE FROM delivery_channels WHERE channel = $1 AND place = $2",
                params![channel.to_string(), place.0],
            )
            .await?;
            let priority = record.as_ref().map_or(0, |record| record.priority as u32);
            tx.execute(
                "DELETE FROM inbox_places WHERE channel = $1 AND priority = $2 AND place = $3",
                params![channel.to_string(), priority, place.0],
            )
            .await?;
        }
        tx.execute("DELETE FROM delivery_records WHERE place = $1", params![place.0]).await?;
    }
    if !old.is_empty() {
        tx.execute(
            "INSERT INTO delivery_kept (one, kept_after) VALUES (1, $1)
             ON CONFLICT (one) DO UPDATE SET kept_after = excluded.kept_after
             WHERE excluded.kept_after > delivery_kept.kept_after",
            params![newest.0],
        )
        .await?;
    }
    Ok(old.len() as u64)
}

/// A slice of what people did with an item that ended long ago, and at last the item.
async fn item(tx: &Tx, now: Timestamp) -> Result<u64, StoreError> {
    let row = tx
        .optional(
            "SELECT item_id FROM inbox_items
             WHERE expires_at <= $1
               AND NOT EXISTS (SELECT 1 FROM delivery_records r WHERE r.subject = item_id)
             ORDER BY expires_at
             LIMIT 1",
            params![now.minus(KEPT)],
        )
        .await?;
    let Some(row) = row else { return Ok(0) };
    let item: String = row.get(0)?;
    let receipts = tx
        .execute(
            "DELETE FROM item_receipts
             WHERE item_id = $1
               AND user_id IN (SELECT user_id FROM item_receipts WHERE item_id = $1 ORDER BY user_id LIMIT $2)",
            params![&item, SLICE],
        )
        .await?;
    if receipts < SLICE as u64 {
        tx.execute("DELETE FROM item_counters WHERE item_id = $1", params![&item]).await?;
        tx.execute("DELETE FROM inbox_items WHERE item_id = $1", params![&item]).await?;
    }
    Ok(1)
}

/// A slice of sessions and people that were not seen for long, and of memberships that no record asks for any more.
async fn people(tx: &Tx, now: Timestamp) -> Result<u64, StoreError> {
    let sessions = tx
        .execute(
            "DELETE FROM sessions
             WHERE (user_id, session_id) IN (
               SELECT user_id, session_id FROM sessions WHERE seen_at <= $1 ORDER BY seen_at LIMIT $2)",
            params![now.minus(KEPT), SLICE],
        )
        .await?;
    let seen = seen::forget(tx, now.minus(KEPT), SLICE).await?;
    let row = tx.one("SELECT MIN(place) FROM delivery_records", params![]).await?;
    let Some(oldest) = row.get::<Option<u64>>(0)? else { return Ok(sessions + seen) };
    let former = tx
        .execute(
            "DELETE FROM directory_former
             WHERE (user_id, channel, joined_place) IN (
               SELECT user_id, channel, joined_place FROM directory_former
               WHERE left_place <= $1
               ORDER BY left_place
               LIMIT $2)",
            params![oldest, SLICE],
        )
        .await?;
    Ok(sessions + seen + former)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use tidings_delivery_core::GenerationId;
    use tidings_model::{Audience, Channel};

    use super::*;
    use crate::{Item, backlog, deliver, fresh, receipts};

    const DAY: Duration = Duration::from_hours(24);

    fn message(subject: &str, said: Timestamp, life: Duration) -> DeliveryRecord {
        let data = RawValue::from_string("{}".to_owned()).unwrap();
        DeliveryRecord::message(
            format!("evt_{subject}").parse().unwrap(),
            "broadcast.created",
            subject,
            Audience::of(Channel::All),
            (said, said.plus(life)),
            data,
        )
    }

    async fn rows(store: &Store) -> Vec<u64> {
        store
            .read(|tx| async move {
                let row = tx
                    .one(
                        "SELECT (SELECT COUNT(*) FROM delivery_records), (SELECT COUNT(*) FROM delivery_channels),
                                (SELECT COUNT(*) FROM inbox_places), (SELECT COUNT(*) FROM inbox_items),
                                (SELECT COUNT(*) FROM item_receipts)",
                        params![],
                    )
                    .await?;
                (0..5).map(|column| row.get(column)).collect::<Result<Vec<u64>, StoreError>>()
            })
            .await
            .unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_over_its_time_goes_and_what_is_active_stays_however_old_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = fresh::store(folder.path()).await;
        let said = Timestamp(1_000_000);
        let alice = "alice".parse().unwrap();
        let messages = [
            message("long", said, DAY * 90),
            message("short", said, DAY),
            message("next", said.plus(DAY), DAY),
        ];
        store
            .transact(move |tx| async move {
                for record in &messages {
                    let data = record.data.clone().unwrap();
                    deliver(&tx, record, Some(Item { kind: "broadcast", data: &data })).await?;
                    receipts::delivered(&tx, &alice, &record.subject, said).await?;
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        assert_eq!(look(&store, said.plus(DAY * 29)).await.unwrap(), 0);
        assert_eq!(rows(&store).await, [3, 3, 3, 3, 3]);
        look(&store, said.plus(DAY * 30)).await.unwrap();
        assert_eq!(rows(&store).await, [2, 2, 2, 3, 3], "an item's receipts are kept after its end");
        let after = store.read(|tx| async move { kept_after(&tx).await }).await.unwrap();
        assert_eq!(after, Place(2));
        look(&store, said.plus(DAY * 60)).await.unwrap();
        assert_eq!(rows(&store).await, [1, 1, 1, 1, 1]);
        let left = store
            .read(|tx| async move {
                backlog::active_on(&tx, GenerationId(1), &Channel::All, Place::ORIGIN, 9).await
            })
            .await
            .unwrap();
        assert_eq!(left.iter().map(|left| left.facts().subject.as_str()).collect::<Vec<_>>(), ["long"]);
    }
}
