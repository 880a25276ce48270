//! A turn: one short transaction in which acknowledged rows go and the next rows get their numbers.

use std::collections::BTreeMap;

use tidings_model::Timestamp;
use tidings_store::{StoreError, Tx, params};

use super::lease::Lease;

/// The numbers that a turn gave in one partition: rows without a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) first: u64,
    pub(super) last: u64,
}

/// Up to which number a partition is acknowledged, with nothing missing before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) upto: u64,
    /// Whether rows among them are set aside.
    pub(super) set_aside: bool,
}

/// One turn; at most `limit` rows are numbered. None: the lease is another relay's, and nothing changed.
///
/// Rows are read when the transaction is over: its answer must be small, or a relay that stops in the middle of
/// a large one keeps the lease locked for as long as it stands still.
pub(super) async fn turn(
    tx: &Tx,
    lease: &Lease,
    marks: &[Mark],
    limit: usize,
    until: Timestamp,
) -> Result<Option<Vec<Range>>, StoreError> {
    if !lease.hold(tx, until).await? {
        return Ok(None);
    }
    for mark in marks {
        go(tx, lease.shard, mark).await?;
    }
    if limit == 0 {
        return Ok(Some(Vec::new()));
    }
    let rows = tx
        .query(
            "UPDATE outbox SET seq = given.first_seq
             FROM (
               SELECT next_row.position AS at_position,
                      COALESCE(last_seq, 0) + 1 - next_row.records
                        + CAST(SUM(next_row.records) OVER (
                            PARTITION BY next_row.aggregatetype, next_row.partition_id
                            ORDER BY next_row.position) AS BIGINT) AS first_seq
               FROM (
                 SELECT position, aggregatetype, partition_id, records
                 FROM outbox
                 WHERE shard = $1 AND seq IS NULL
                 ORDER BY position
                 LIMIT $2) next_row
               LEFT JOIN outbox_numbers
                 ON topic = next_row.aggregatetype AND outbox_numbers.partition_id = next_row.partition_id) given
             WHERE position = given.at_position
             RETURNING aggregatetype, partition_id, seq, records",
            params![lease.shard, limit],
        )
        .await?;
    let mut ranges: BTreeMap<(String, u32), (u64, u64)> = BTreeMap::new();
    for row in &rows {
        let (first, records): (u64, u64) = (row.get(2)?, row.get(3)?);
        let last = first + records - 1;
        let range = ranges.entry((row.get(0)?, row.get(1)?)).or_insert((first, last));
        *range = (range.0.min(first), range.1.max(last));
    }
    for ((topic, partition), (_, last)) in &ranges {
        tx.execute(
            "INSERT INTO outbox_numbers (topic, partition_id, last_seq) VALUES ($1, $2, $3)
             ON CONFLICT (topic, partition_id) DO UPDATE SET last_seq = excluded.last_seq",
            params![topic, *partition, *last],
        )
        .await?;
    }
    let ranges = ranges.into_iter();
    Ok(Some(
        ranges.map(|((topic, partition), (first, last))| Range { topic, partition, first, last }).collect(),
    ))
}

/// Lets the rows of a partition go that were acknowledged. A row that is set aside stays for people to look at.
async fn go(tx: &Tx, shard: u32, mark: &Mark) -> Result<(), StoreError> {
    let of = params![shard, &mark.topic, mark.partition, mark.upto];
    tx.execute(
        "DELETE FROM outbox
         WHERE shard = $1 AND aggregatetype = $2 AND partition_id = $3 AND seq IS NOT NULL AND seq <= $4
           AND set_aside IS NULL",
        of,
    )
    .await?;
    if !mark.set_aside {
        return Ok(());
    }
    tx.execute(
        "UPDATE outbox SET shard = -1
         WHERE shard = $1 AND aggregatetype = $2 AND partition_id = $3 AND seq IS NOT NULL AND seq <= $4",
        of,
    )
    .await?;
    Ok(())
}
