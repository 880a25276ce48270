//! Rows that have their numbers: read without holding anything, and set aside where they cannot be published.

use futures_util::future::{try_join, try_join_all};
use tidings_store::{Row, StoreError, Tx, WaitingRecord, params, unpack_row};

use super::{
    Relay,
    turn::{MANY, Range},
};
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

    fn before(range: &Range) -> Self {
        Self { seq: range.first.saturating_sub(1), ..Self::last(range) }
    }

    fn last(range: &Range) -> Self {
        Self { topic: range.topic.clone(), partition: range.partition, seq: range.last }
    }

    /// Behind all rows: no name of a topic has a letter that sorts behind this one.
    pub(super) fn all() -> Self {
        Self { topic: "~".to_owned(), ..Self::default() }
    }
}

/// A page of rows that have a number, in the order of partitions and numbers: behind one place and up to another.
pub(super) async fn page(
    tx: &Tx,
    shard: i64,
    after: &After,
    upto: &After,
    limit: usize,
) -> Result<Vec<Numbered>, StoreError> {
    let rows = tx
        .query(
            "SELECT aggregatetype, partition_id, seq, bytes, set_aside,
                    records, aggregateid, headers, payload, created_at
             FROM outbox
             WHERE shard = $1 AND seq IS NOT NULL
               AND (aggregatetype, partition_id, seq) > ($2, $3, $4)
               AND (aggregatetype, partition_id, seq) <= ($5, $6, $7)
             ORDER BY aggregatetype, partition_id, seq
             LIMIT $8",
            params![
                shard,
                &after.topic,
                after.partition,
                after.seq,
                &upto.topic,
                upto.partition,
                upto.seq,
                limit
            ],
        )
        .await?;
    rows.iter().map(numbered).collect()
}

/// What a query answers that finds its rows by an index; both are on their way together.
async fn by_index<T>(tx: &Tx, query: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let ((), found) = try_join(tx.by_index(), query).await?;
    Ok(found)
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
                by_index(&tx, page(&tx, shard.into(), &after, &After::all(), PAGE)).await
            })
            .await
    }

    /// The rows of ranges, which are few, in the order of their numbers. Those that are gone were acknowledged.
    pub(super) async fn numbered_in(
        &self,
        shard: u32,
        ranges: &[Range],
    ) -> Result<Vec<Numbered>, StoreError> {
        let ranges = ranges.to_vec();
        let read = self.store.read(move |tx| async move {
            let rows = ranges.iter().map(|range| {
                let tx = &tx;
                async move {
                    let (after, upto) = (After::before(range), After::last(range));
                    let most = usize::try_from(range.last - range.first + 1).unwrap_or(usize::MAX);
                    page(tx, shard.into(), &after, &upto, most).await
                }
            });
            Ok::<_, StoreError>(by_index(&tx, try_join_all(rows)).await?.into_iter().flatten().collect())
        });
        read.await
    }

    /// How many rows of the shard have no number yet; no more than many are counted.
    pub(super) async fn waiting(&self, shard: u32) -> Result<usize, StoreError> {
        self.store
            .read(move |tx| async move {
                let row = by_index(
                    &tx,
                    tx.one(
                        "SELECT COUNT(*)
                         FROM (SELECT 1 FROM outbox WHERE shard = $1 AND seq IS NULL LIMIT $2) AS some_rows",
                        params![shard, MANY],
                    ),
                )
                .await?;
                row.get::<u64>(0).map(|count| usize::try_from(count).unwrap_or(MANY))
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
