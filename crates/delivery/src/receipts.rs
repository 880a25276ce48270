//! Receipts of inbox items: a row says what a person did, and counters move only when a row changed.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use tidings_delivery_core::receipts::ItemReceipt;
use tidings_model::{Timestamp, UserId};
use tidings_store::{StoreError, Tx, params};

use crate::{DeliveryRecord, Person};

/// Counter rows an item has: people of one item write to different rows.
const SHARDS: u32 = 8;

/// What the receipts of an item add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// People who confirmed.
    pub delivered: u64,
    /// People who read.
    pub read: u64,
}

/// Notes that a person has an item. Answers whether that is new.
pub async fn delivered(tx: &Tx, user: &UserId, item: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(!delivered_all(tx, user, vec![item.to_owned()], now).await?.is_empty())
}

/// Notes that a person has items. Answers which of them are new.
pub(crate) async fn delivered_all(
    tx: &Tx,
    user: &UserId,
    items: Vec<String>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let rows: Vec<_> = items.iter().map(|item| params![user.as_str(), item, now].to_vec()).collect();
    let changed = tx
        .execute_all(
            "INSERT INTO item_receipts (user_id, item_id, delivered_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id, item_id) DO NOTHING",
            &rows,
        )
        .await?;
    let new = which(items, &changed);
    count(tx, user, &new, 1, 0).await?;
    Ok(new)
}

/// Notes that a person read an item, which implies that they have it. Answers whether that is new.
pub async fn read(tx: &Tx, user: &UserId, item: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(!read_all(tx, user, vec![item.to_owned()], now).await?.is_empty())
}

/// Notes that a person read items, which implies that they have them. Answers which of them are new.
pub(crate) async fn read_all(
    tx: &Tx,
    user: &UserId,
    items: Vec<String>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    delivered_all(tx, user, items.clone(), now).await?;
    let rows: Vec<_> = items.iter().map(|item| params![user.as_str(), item, now].to_vec()).collect();
    let changed = tx
        .execute_all(
            "UPDATE item_receipts SET read_at = $3 WHERE user_id = $1 AND item_id = $2 AND read_at IS NULL",
            &rows,
        )
        .await?;
    let new = which(items, &changed);
    count(tx, user, &new, 0, 1).await?;
    Ok(new)
}

fn which(items: Vec<String>, changed: &[u64]) -> Vec<String> {
    items.into_iter().zip(changed).filter(|(_, changed)| **changed == 1).map(|(item, _)| item).collect()
}

async fn count(
    tx: &Tx,
    user: &UserId,
    items: &[String],
    delivered: u32,
    read: u32,
) -> Result<(), StoreError> {
    let shard = user.as_str().bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
        % SHARDS;
    // In one order, whoever counts: two transactions that count the same items must not wait for each other.
    let items: BTreeSet<&String> = items.iter().collect();
    let rows: Vec<_> = items.into_iter().map(|item| params![item, shard, delivered, read].to_vec()).collect();
    tx.execute_all(
        "INSERT INTO item_counters (item_id, shard, delivered, read) VALUES ($1, $2, $3, $4)
         ON CONFLICT (item_id, shard)
         DO UPDATE SET delivered = item_counters.delivered + excluded.delivered,
                       read = item_counters.read + excluded.read",
        &rows,
    )
    .await?;
    Ok(())
}

/// What the receipts of an item add up to.
pub async fn counted(tx: &Tx, item: &str) -> Result<Counted, StoreError> {
    let row = tx
        .one(
            "SELECT COALESCE(SUM(delivered), 0), COALESCE(SUM(read), 0) FROM item_counters WHERE item_id = $1",
            params![item],
        )
        .await?;
    Ok(Counted { delivered: row.get(0)?, read: row.get(1)? })
}

/// Which of these items were sent to a person.
pub(crate) async fn theirs(tx: &Tx, person: &Person, items: &[String]) -> Result<Vec<String>, StoreError> {
    let theirs = try_join_all(items.iter().map(|item| is_theirs(tx, person, item))).await?;
    Ok(items.iter().zip(theirs).filter(|(_, theirs)| *theirs).map(|(item, _)| item.clone()).collect())
}

/// Whether an item was sent to a person: somebody else's looks like a missing one.
pub async fn is_theirs(tx: &Tx, person: &Person, item: &str) -> Result<bool, StoreError> {
    let rows = tx
        .query(
            "SELECT r.record
             FROM delivery_records r
             JOIN delivery_channels c ON c.place = r.place
             WHERE r.subject = $1 AND r.kind = 'message' AND c.channel IN (SELECT value FROM json_each($2))
             LIMIT 20",
            params![item, person.channels_json()],
        )
        .await?;
    for row in &rows {
        let record: Vec<u8> = row.get(0)?;
        let theirs = serde_json::from_slice::<DeliveryRecord>(&record)
            .is_ok_and(|record| person.is_addressed(&record));
        if theirs {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a person did with an item; nothing where it is pending.
pub async fn of(tx: &Tx, user: &UserId, item: &str) -> Result<ItemReceipt, StoreError> {
    let row = tx
        .optional(
            "SELECT delivered_at, read_at FROM item_receipts WHERE user_id = $1 AND item_id = $2",
            params![user.as_str(), item],
        )
        .await?;
    row.map_or(Ok(ItemReceipt::default()), |row| {
        Ok(ItemReceipt { delivered_at: row.get(0)?, read_at: row.get(1)? })
    })
}
