//! What people missed: the projection by place, and what is pending for somebody.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use serde_json::value::RawValue;
use tidings_delivery_core::{End, GenerationId, Person, Place, Removal};
use tidings_model::{Channel, Timestamp, UserId};
use tidings_store::{Row, Store, StoreError, Tx, params};

use crate::{Delivery, DeliveryRecord, deliver};

/// Places of a channel that one look for unconfirmed messages passes.
const LOOK: u64 = 2_000;

/// A page of somebody's records.
#[derive(Debug)]
pub struct Backlog {
    /// In the order of their places.
    pub records: Vec<Delivery>,
    /// Nothing at or before it is missing.
    pub complete: Place,
    /// Whether the page was full.
    pub more: bool,
}

/// The data of an item, as JSON.
pub(crate) async fn content(tx: &Tx, subject: &str) -> Result<Option<String>, StoreError> {
    let row = tx.optional("SELECT data FROM inbox_items WHERE item_id = $1", params![subject]).await?;
    row.map(|row| row.get(0)).transpose()
}

/// The channels that a person has or had: where their records lie.
async fn channels(tx: &Tx, user: &UserId) -> Result<Vec<String>, StoreError> {
    let rows = tx
        .query(
            "SELECT channel FROM directory_members WHERE user_id = $1
             UNION
             SELECT channel FROM directory_former WHERE user_id = $1",
            params![user.as_str()],
        )
        .await?;
    let mut channels = vec![Channel::All.to_string(), Channel::User(user.clone()).to_string()];
    for row in rows {
        channels.push(row.get(0)?);
    }
    Ok(channels)
}

/// All of a person's records after one place and up to another, or up to the projection's if that is less; at most
/// `limit`, whatever their verdict.
pub async fn after(
    store: &Store,
    generation: GenerationId,
    user: &UserId,
    (after, upto): (Place, Place),
    limit: usize,
) -> Result<Backlog, StoreError> {
    let user = user.clone();
    store
        .read(move |tx| async move {
            let upto = upto.min(deliver::head(&tx).await?).max(after);
            let mut places = BTreeSet::new();
            // One run of the index per channel, each cut at the limit: what is behind it is not looked at.
            for channel in channels(&tx, &user).await? {
                let rows = tx
                    .query(
                        "SELECT place
                         FROM delivery_channels
                         WHERE channel = $1 AND place > $2 AND place <= $3
                         ORDER BY place
                         LIMIT $4",
                        params![channel, after.0, upto.0, limit],
                    )
                    .await?;
                for row in rows {
                    places.insert(Place(row.get(0)?));
                }
            }
            let more = places.len() >= limit;
            let page: Vec<Place> = places.into_iter().take(limit).collect();
            let complete = page.last().copied().filter(|_| more).unwrap_or(upto);
            let mut records = Vec::with_capacity(page.len());
            for place in page {
                if let Some(delivery) = at(&tx, generation, place).await? {
                    records.push(delivery);
                }
            }
            Ok(Backlog { records, complete, more })
        })
        .await
}

/// The record at a place, with the end it has met meanwhile.
pub(crate) async fn at(
    tx: &Tx,
    generation: GenerationId,
    place: Place,
) -> Result<Option<Delivery>, StoreError> {
    let row = tx
        .optional(
            "SELECT r.place, r.record, r.ended_place, COALESCE(r.end_reason, i.end_reason), i.data, i.ended_at
             FROM delivery_records r
             LEFT JOIN inbox_items i ON i.item_id = r.subject
             WHERE r.place = $1",
            params![place.0],
        )
        .await?;
    row.map(|row| delivery(&row, generation)).transpose()
}

/// What one look for unconfirmed messages found.
#[derive(Debug)]
pub(crate) struct Look {
    /// In the order of their places.
    pub(crate) found: Vec<Delivery>,
    /// How far it looked: up to here there is no other.
    pub(crate) upto: Place,
}

/// A person's messages after one place and up to another that they have not confirmed and that have not ended, in the
/// order of their places; at most `limit`.
///
/// One look passes [`LOOK`] places of a channel. Whoever wants more looks on from where it ended: most of what is active
/// may be confirmed, and a query that reads all of it takes longer than a query may.
pub(crate) async fn unconfirmed(
    tx: &Tx,
    generation: GenerationId,
    person: &Person,
    (after, upto): (Place, Place),
    limit: usize,
) -> Result<Look, StoreError> {
    let channels: Vec<String> = person.channels().map(|channel| channel.to_string()).collect();
    let upto = reach(tx, &channels, (after, upto)).await?;
    let each = channels.iter().map(|channel| async move {
        // By one channel after the other: how the rows are found does not hang on what the database believes of them.
        tx.query(
            "SELECT r.place, r.record, r.ended_place, COALESCE(r.end_reason, i.end_reason), i.data, i.ended_at
             FROM delivery_channels c
             JOIN delivery_records r ON r.place = c.place
             LEFT JOIN inbox_items i ON i.item_id = r.subject
             WHERE c.channel = $1 AND c.place > $2 AND c.place <= $3
               AND r.kind = 'message'
               AND r.ended_place IS NULL
               AND i.ended_at IS NULL
               AND NOT EXISTS (SELECT 1 FROM item_receipts x WHERE x.user_id = $4 AND x.item_id = r.subject)
             ORDER BY c.place
             LIMIT $5",
            params![channel, after.0, upto.0, person.id().as_str(), limit],
        )
        .await
    });
    let mut found = BTreeMap::new();
    for row in try_join_all(each).await?.iter().flatten() {
        let delivery = delivery(row, generation)?;
        found.insert(delivery.place(), delivery);
    }
    let found: Vec<Delivery> = found.into_values().take(limit).collect();
    let full = found.last().filter(|_| found.len() == limit);
    Ok(Look { upto: full.map_or(upto, Delivery::place), found })
}

/// How far one look goes.
async fn reach(tx: &Tx, channels: &[String], (after, upto): (Place, Place)) -> Result<Place, StoreError> {
    if upto.0.saturating_sub(after.0) <= LOOK {
        return Ok(upto);
    }
    // A plan that was made while these tables were small compares each row with each.
    tx.plan_anew().await?;
    let each = channels.iter().map(|channel| async move {
        tx.optional(
            "SELECT place
             FROM delivery_channels
             WHERE channel = $1 AND place > $2 AND place < $3
             ORDER BY place
             LIMIT 1 OFFSET $4",
            params![channel, after.0, upto.0, LOOK - 1],
        )
        .await
    });
    let mut reached = upto;
    for row in try_join_all(each).await?.iter().flatten() {
        reached = reached.min(Place(row.get(0)?));
    }
    Ok(reached)
}

/// Messages that are active on a channel, in the order of their places, after a place.
pub(crate) async fn active_on(
    tx: &Tx,
    generation: GenerationId,
    channel: &Channel,
    after: Place,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let rows = tx
        .query(
            "SELECT r.place, r.record, r.ended_place, COALESCE(r.end_reason, i.end_reason), i.data, i.ended_at
             FROM delivery_channels c
             JOIN delivery_records r ON r.place = c.place
             LEFT JOIN inbox_items i ON i.item_id = r.subject
             WHERE c.channel = $1 AND c.place > $2 AND r.kind = 'message'
               AND r.ended_place IS NULL AND i.ended_at IS NULL
             ORDER BY c.place
             LIMIT $3",
            params![channel.to_string(), after.0, limit],
        )
        .await?;
    rows.iter().map(|row| delivery(row, generation)).collect()
}

/// Records of a message on a person's channels, in the order of their places; where there is none, the first of
/// those that are for others.
pub(crate) async fn of_subject(
    tx: &Tx,
    generation: GenerationId,
    user: &UserId,
    subject: &str,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let names = serde_json::to_string(&channels(tx, user).await?).unwrap_or_default();
    let theirs = tx
        .query(
            "SELECT r.place, r.record, r.ended_place, COALESCE(r.end_reason, i.end_reason), i.data, i.ended_at
             FROM delivery_records r
             LEFT JOIN inbox_items i ON i.item_id = r.subject
             WHERE r.subject = $1
               AND r.kind = 'message'
               AND r.place IN (
                     SELECT c.place FROM delivery_channels c
                     WHERE c.channel IN (SELECT value FROM json_each($2))
                       AND c.place >= (SELECT MIN(place) FROM delivery_records WHERE subject = $1))
             ORDER BY r.place
             LIMIT $3",
            params![subject, names, limit],
        )
        .await?;
    if !theirs.is_empty() {
        return theirs.iter().map(|row| delivery(row, generation)).collect();
    }
    let row = tx
        .optional(
            "SELECT MIN(place) FROM delivery_records WHERE subject = $1 AND kind = 'message'",
            params![subject],
        )
        .await?;
    let first: Option<u64> = row.map_or(Ok(None), |row| row.get(0))?;
    match first {
        Some(place) => Ok(at(tx, generation, Place(place)).await?.into_iter().collect()),
        None => Ok(Vec::new()),
    }
}

fn delivery(row: &Row, generation: GenerationId) -> Result<Delivery, StoreError> {
    let place = Place(row.get(0)?);
    let record: DeliveryRecord = serde_json::from_slice(&row.get::<Vec<u8>>(1)?).map_err(|_cause| {
        StoreError::Row { column: 1, found: "another text", wanted: "a delivery record" }
    })?;
    let removal = removed_at(row)?.map(|place| {
        let cancelled = !matches!(row.get::<String>(3).as_deref(), Ok("expired"));
        Removal { place, end: if cancelled { End::Cancelled } else { End::Expired } }
    });
    let data = if let Some(data) = &record.data {
        data.clone()
    } else {
        let data: Option<String> = row.get(4)?;
        RawValue::from_string(data.unwrap_or_else(|| "{}".to_owned())).unwrap_or_default()
    };
    Ok(Delivery::new(place, generation, &record, removal, &data))
}

/// From which place on a record is over. An item that has ended is left out at once; the place is known when the
/// record that says so is projected.
fn removed_at(row: &Row) -> Result<Option<Place>, StoreError> {
    let ended: Option<Timestamp> = row.get(5)?;
    Ok(row.get::<Option<u64>>(2)?.map(Place).or(ended.map(|_at| Place::MAX)))
}
