//! What an operator sees of the outbox: what waits in each shard, who relays it, and what was set aside.

use tidings_model::Timestamp;
use tidings_store::{Row, StoreError, Tx, params};

use super::rows::{After, page};

/// The shard of rows that were set aside: outside all shards that are relayed.
const ASIDE: i64 = -1;

/// What waits in one shard, and who relays it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardState {
    /// Which.
    pub shard: u32,
    /// Rows that are not acknowledged by the log.
    pub rows: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of their keys, headers and values.
    pub bytes: u64,
    /// When the oldest of them was written.
    pub oldest_at: Option<Timestamp>,
    /// The relay that holds the shard; none where it was given back and nobody has taken it.
    pub holder: Option<String>,
    /// Until when it has said that it lives; one that says nothing more is replaced by whoever watches it.
    pub until: Option<Timestamp>,
}

/// All shards, in order.
pub async fn shards(tx: &Tx) -> Result<Vec<ShardState>, StoreError> {
    let rows = tx
        .query(
            "SELECT outbox_shards.shard, holder, until, COALESCE(waiting.row_count, 0),
                    COALESCE(waiting.record_count, 0), COALESCE(waiting.byte_count, 0), waiting.oldest_at
             FROM outbox_shards
             LEFT JOIN (
               SELECT shard, COUNT(*) AS row_count, CAST(SUM(records) AS BIGINT) AS record_count,
                      CAST(SUM(bytes) AS BIGINT) AS byte_count, MIN(created_at) AS oldest_at
               FROM outbox
               GROUP BY shard) waiting
               ON waiting.shard = outbox_shards.shard
             ORDER BY outbox_shards.shard",
            params![],
        )
        .await?;
    let state = |row: &Row| {
        let holder: Option<String> = row.get(1)?;
        let until: Timestamp = row.get(2)?;
        Ok(ShardState {
            shard: row.get(0)?,
            until: holder.is_some().then_some(until),
            holder,
            rows: row.get(3)?,
            records: row.get(4)?,
            bytes: row.get(5)?,
            oldest_at: row.get(6)?,
        })
    };
    rows.iter().map(state).collect()
}

/// A record that could not be published, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// The number that was sent empty.
    pub number: u64,
    /// Why.
    pub reason: String,
    /// What orders it.
    pub key: Option<Vec<u8>>,
    /// What it should have said.
    pub value: Option<Vec<u8>>,
    /// When it happened.
    pub time: Timestamp,
}

/// What was set aside, at most `limit` rows of it, in the order of topics, partitions and numbers.
pub async fn set_aside(tx: &Tx, limit: usize) -> Result<Vec<SetAside>, StoreError> {
    let mut found = Vec::new();
    for row in page(tx, ASIDE, &After::default(), &After::all(), limit).await? {
        for (at, record) in row.records.iter().enumerate() {
            let Some(reason) = row.why_empty(at) else { continue };
            found.push(SetAside {
                topic: row.topic.clone(),
                partition: row.partition,
                number: row.seq + at as u64,
                reason: reason.to_owned(),
                key: record.key.clone(),
                value: record.value.clone(),
                time: record.time,
            });
        }
    }
    Ok(found)
}

/// How many rows are set aside.
pub async fn count_set_aside(tx: &Tx) -> Result<u64, StoreError> {
    tx.one("SELECT COUNT(*) FROM outbox WHERE shard = $1", params![ASIDE]).await?.get(0)
}
