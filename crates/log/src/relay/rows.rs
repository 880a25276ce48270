//! Rows that have their numbers: read without holding anything, and set aside where they cannot be published.

use tidings_model::Timestamp;
use tidings_store::{Row, StoreError, Tx, WaitingRecord, params, unpack_row};

use super::{Relay, turn::Range};
use crate::LogError;

/// Rows that are read at once; each may hold 256 KiB.
const PAGE: usize = 100;

/// The header of a record that is sent empty, because what it should say cannot be published: the reason.
pub const SET_ASIDE: &str = "tidings-set-aside";

/// A row on its way to the log.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub(super) topic: String,
    pub(super) partition: u32,
    /// The number of its first record.
    pub(super) seq: u64,
    pub(super) records: Vec<WaitingRecord>,
    pub(super) bytes: u64,
    /// Which of its records are sent empty, and why: a line each, `index: reason`.
    pub(super) set_aside: Option<String>,
}

impl Numbered {
    pub(super) fn count(&self) -> u64 {
        self.records.len() as u64
    }

    /// Why a record is sent empty; none for one that is sent as it is.
    pub(super) fn why_empty(&self, at: usize) -> Option<&str> {
        let lines = self.set_aside.as_deref()?.lines();
        lines
            .filter_map(|line| line.split_once(": "))
            .find_map(|(index, why)| (index.parse() == Ok(at)).then_some(why))
    }
}

/// A place among the rows of a shard, in the order of partitions and numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct After {
    topic: String,
    partition: u32,
    seq: u64,
}

impl After {
    pub(super) fn row(row: &Numbered) -> Self {
        Self { topic: row.topic.clone(), partition: row.partition, seq: row.seq }
    }
}

impl Relay {
    /// A page of the rows that have a number and were not acknowledged.
    pub(super) async fn numbered_after(
        &self,
        shard: u32,
        after: &After,
    ) -> Result<Vec<Numbered>, StoreError> {
        let after = after.clone();
        self.store
            .read(move |tx| async move {
                let rows = tx
                    .query(
                        "SELECT aggregatetype, partition_id, seq, bytes, set_aside,
                                records, aggregateid, headers, payload, created_at
                         FROM outbox
                         WHERE shard = $1 AND seq IS NOT NULL AND (aggregatetype, partition_id, seq) > ($2, $3, $4)
                         ORDER BY aggregatetype, partition_id, seq
                         LIMIT $5",
                        params![shard, after.topic, after.partition, after.seq, PAGE],
                    )
                    .await?;
                rows.iter().map(numbered).collect()
            })
            .await
    }

    /// A page of a range, from a number on.
    pub(super) async fn numbered_in(
        &self,
        shard: u32,
        range: &Range,
        from: u64,
    ) -> Result<Vec<Numbered>, StoreError> {
        let range = range.clone();
        self.store
            .read(move |tx| async move {
                let rows = tx
                    .query(
                        "SELECT aggregatetype, partition_id, seq, bytes, set_aside,
                                records, aggregateid, headers, payload, created_at
                         FROM outbox
                         WHERE shard = $1 AND aggregatetype = $2 AND partition_id = $3 AND seq >= $4 AND seq <= $5
                         ORDER BY seq
                         LIMIT $6",
                        params![shard, range.topic, range.partition, from, range.last, PAGE],
                    )
                    .await?;
                rows.iter().map(numbered).collect()
            })
            .await
    }

    /// Whether a row of the shard has no number yet.
    pub(super) async fn waits(&self, shard: u32) -> Result<bool, StoreError> {
        self.store
            .read(move |tx| async move {
                let row = tx
                    .optional("SELECT 1 FROM outbox WHERE shard = $1 AND seq IS NULL LIMIT 1", params![shard])
                    .await?;
                Ok(row.is_some())
            })
            .await
    }
}

fn numbered(row: &Row) -> Result<Numbered, StoreError> {
    Ok(Numbered {
        topic: row.get(0)?,
        partition: row.get(1)?,
        seq: row.get(2)?,
        bytes: row.get(3)?,
        set_aside: row.get(4)?,
        records: unpack_row(row, 5)?,
    })
}

/// A record that the log will never take.
#[derive(Clone, Debug)]
pub(super) struct Unpublishable {
    pub(super) topic: String,
    pub(super) partition: u32,
    /// The number of the row's first record.
    pub(super) seq: u64,
    /// Which of the row's records.
    pub(super) record: usize,
    /// One line.
    pub(super) reason: String,
}

/// Notes that a record is sent empty from now on.
pub(super) async fn put_aside(tx: &Tx, shard: u32, bad: &Unpublishable) -> Result<(), StoreError> {
    let line = format!("{}: {}\n", bad.record, bad.reason.replace('\n', " "));
    tx.execute(
        "UPDATE outbox SET set_aside = COALESCE(set_aside, '') || $5
         WHERE shard = $1 AND aggregatetype = $2 AND partition_id = $3 AND seq = $4",
        params![shard, &bad.topic, bad.partition, bad.seq, line],
    )
    .await?;
    Ok(())
}

/// Whether a record itself is at fault, not the log's state.
pub(super) fn never_taken(cause: &LogError) -> bool {
    matches!(
        cause,
        LogError::UnknownTopic { .. }
            | LogError::UnknownPartition { .. }
            | LogError::InvalidTopic { .. }
            | LogError::InvalidRecord { .. }
    )
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

/// What was set aside, at most `limit` rows of it, the oldest first.
pub async fn set_aside(tx: &Tx, limit: usize) -> Result<Vec<SetAside>, StoreError> {
    let rows = tx
        .query(
            "SELECT aggregatetype, partition_id, seq, bytes, set_aside,
                    records, aggregateid, headers, payload, created_at
             FROM outbox
             WHERE shard = -1
             ORDER BY aggregatetype, partition_id, seq
             LIMIT $1",
            params![limit],
        )
        .await?;
    let mut found = Vec::new();
    for row in &rows {
        let row = numbered(row)?;
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

/// The last number given in a partition, by its topic's name in the log; 0 before the first. A reader without a
/// place asks before it begins: up to this number, what it jumps over stands before its start.
pub async fn last_number(tx: &Tx, topic: &str, partition: u32) -> Result<u64, StoreError> {
    let row = tx
        .optional(
            "SELECT last_seq FROM outbox_numbers WHERE topic = $1 AND partition_id = $2",
            params![topic, partition],
        )
        .await?;
    row.map_or(Ok(0), |row| row.get(0))
}
