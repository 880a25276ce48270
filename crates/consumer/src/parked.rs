//! Parked records: rows that wait outside memory and outside progress, until their line is worked off.
//!
//! The partition's owner alone touches them, in transactions that assert its epoch.

use std::{collections::HashMap, time::Duration};

use tidings_log::TopicPartition;
use tidings_model::{Record, Timestamp};
use tidings_store::{StoreError, Tx, decode_headers, encode_headers, params};
use tokio::time::Instant;

use crate::{job::Parking, line::Line, progress::Claim};

/// Lines of one look at what is parked.
const PAGE: usize = 1_000;

/// The first row of a parked line.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) line: Line,
    /// How many rows the line has.
    pub(crate) rows: u64,
    /// How often its first record was tried.
    pub(crate) attempts: u32,
    /// How long until it is tried again.
    pub(crate) wait: Duration,
}

/// Writes rows. `now` by the clock and by the timer: rows are due by the clock.
pub(crate) async fn put(
    tx: &Tx,
    claim: &Claim,
    rows: &[Parking],
    now: (Timestamp, Instant),
) -> Result<(), StoreError> {
    for Parking { line, taken, attempts, due } in rows {
        let record = &taken.record;
        let due_at = now.0.plus(due.saturating_duration_since(now.1));
        tx.execute(
            "INSERT INTO consumer_parked (group_id, topic, partition_id, line, record_offset, recorded_at,
                                          record_key, headers, value, attempts, due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            params![
                &*claim.group,
                &claim.at.topic,
                claim.at.partition,
                line.as_bytes(),
                record.offset,
                record.time,
                record.key.clone(),
                encode_headers(&record.headers),
                record.value.clone(),
                *attempts,
                due_at
            ],
        )
        .await?;
    }
    Ok(())
}

/// The first records of a line, in order.
pub(crate) async fn first(
    tx: &Tx,
    claim: &Claim,
    line: &Line,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let rows = tx
        .query(
            "SELECT record_offset, recorded_at, record_key, headers, value
             FROM consumer_parked
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND line = $4
             ORDER BY record_offset
             LIMIT $5",
            params![&*claim.group, &claim.at.topic, claim.at.partition, line.as_bytes(), limit],
        )
        .await?;
    let record = |row: &tidings_store::Row| {
        Ok(Record {
            topic: claim.at.topic.clone(),
            partition: claim.at.partition,
            offset: row.get(0)?,
            time: row.get(1)?,
            key: row.get(2)?,
            headers: decode_headers(&row.get::<String>(3)?),
            value: row.get(4)?,
        })
    };
    rows.iter().map(record).collect()
}

/// Removes the rows of a line up to an offset; answers how many there were.
pub(crate) async fn remove(tx: &Tx, claim: &Claim, line: &Line, upto: u64) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM consumer_parked
         WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND line = $4 AND record_offset <= $5",
        params![&*claim.group, &claim.at.topic, claim.at.partition, line.as_bytes(), upto],
    )
    .await
}

/// Notes that a row's record failed once more.
pub(crate) async fn failed(
    tx: &Tx,
    claim: &Claim,
    (line, offset): (&Line, u64),
    attempts: u32,
    due_at: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE consumer_parked SET attempts = $6, due_at = $7
         WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND line = $4 AND record_offset = $5",
        params![
            &*claim.group,
            &claim.at.topic,
            claim.at.partition,
            line.as_bytes(),
            offset,
            attempts,
            due_at
        ],
    )
    .await?;
    Ok(())
}

/// The lines of a partition after `after`, at most a page of them: each one's first row, and how many it has.
pub(crate) async fn heads(
    tx: &Tx,
    group: &str,
    at: &TopicPartition,
    after: &Line,
    now: Timestamp,
) -> Result<Vec<Head>, StoreError> {
    let counts = tx
        .query(
            "SELECT line, MIN(record_offset), COUNT(*)
             FROM consumer_parked
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND line > $4
             GROUP BY line
             ORDER BY line
             LIMIT $5",
            params![group, &at.topic, at.partition, after.as_bytes(), PAGE],
        )
        .await?;
    // Those that were tried are few; all others are due.
    let tried = tx
        .query(
            "SELECT record_offset, attempts, due_at
             FROM consumer_parked
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND line > $4 AND attempts > 0
             ORDER BY line
             LIMIT $5",
            params![group, &at.topic, at.partition, after.as_bytes(), PAGE],
        )
        .await?;
    let tried = tried.iter().map(|row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))));
    let tried: HashMap<u64, (u32, Timestamp)> = tried.collect::<Result<_, StoreError>>()?;
    let head = |row: &tidings_store::Row| {
        let (attempts, due_at) = tried.get(&row.get(1)?).copied().unwrap_or((0, now));
        let line = Line::from(row.get::<Vec<u8>>(0)?);
        Ok(Head { line, rows: row.get(2)?, attempts, wait: due_at.since(now) })
    };
    counts.iter().map(head).collect()
}

/// Whether another page may follow this one.
pub(crate) fn is_full_page(heads: &[Head]) -> bool {
    heads.len() >= PAGE
}
