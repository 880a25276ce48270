//! A turn: one short transaction in which acknowledged rows go and the next rows get their numbers.

use futures_util::future::{try_join_all, try_join3};
use tidings_model::Timestamp;
use tidings_store::{Row, StoreError, Tx, params};

use super::lease::Lease;

/// The bytes of a range, unless one row alone has more.
const RANGE_BYTES: u64 = 1 << 20;
/// Waiting rows that are worth a plan of their own.
pub(super) const MANY: usize = 64;
/// The bytes of ranges that are read at once.
const PAGE_BYTES: u64 = 4 << 20;

/// Numbers that a turn gave in one partition: rows without a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) topic: String,
    pub(super) partition: u32,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Bytes of its rows' keys, headers and values.
    pub(super) bytes: u64,
}

impl Range {
    /// Takes the range that follows in, unless it is of another partition or both are too large for one.
    fn takes(&mut self, next: &Self) -> bool {
        let follows = self.topic == next.topic && self.partition == next.partition;
        if !follows || self.bytes + next.bytes > RANGE_BYTES {
            return false;
        }
        self.last = next.last;
        self.bytes += next.bytes;
        true
    }
}

/// What a turn numbered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// How many rows.
    pub(super) rows: usize,
    /// Their numbers, those of a partition in order.
    pub(super) ranges: Vec<Range>,
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

/// How many of these ranges are read at once: at least the first.
pub(super) fn page(ranges: &[Range]) -> usize {
    let bytes = ranges.iter().scan(0, |bytes, range| {
        *bytes += range.bytes;
        Some(*bytes)
    });
    bytes.take_while(|bytes| *bytes <= PAGE_BYTES).count().max(1)
}

/// What a turn is to number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// At most so many rows.
    pub(super) limit: usize,
    /// Whether as many wait that a plan for few would take long.
    pub(super) many: bool,
}

impl Asked {
    /// Nothing: acknowledged rows go.
    pub(super) const NONE: Self = Self { limit: 0, many: false };

    /// Of about so many that wait. Where few are thought to wait, the plan is for few, and it is asked of no more.
    pub(super) fn of(waiting: usize, most: usize) -> Self {
        let many = waiting >= MANY;
        Self {
            limit: if waiting == 0 {
                0
            } else if many {
                most
            } else {
                most.min(MANY)
            },
            many,
        }
    }
}

/// One turn. None: the lease is another relay's, and nothing changed.
///
/// Rows are read when the transaction is over: its answer must be small, or a relay that stops in the middle of
/// a large one keeps the lease locked for as long as it stands still.
pub(super) async fn turn(
    tx: &Tx,
    lease: &Lease,
    marks: &[Mark],
    Asked { limit, many }: Asked,
    until: Timestamp,
) -> Result<Option<Given>, StoreError> {
    // Statements that do not need each other's answers are on their way together, here and below.
    let anew = async { if many { tx.plan_anew().await } else { Ok(()) } };
    let ((), (), held) = try_join3(tx.by_index(), anew, lease.hold(tx, until)).await?;
    if !held {
        return Ok(None);
    }
    try_join_all(marks.iter().map(|mark| go(tx, lease.shard, mark))).await?;
    if limit == 0 {
        return Ok(Some(Given::default()));
    }
    // What changes is found by the same index as what was chosen, not by a walk over the whole table.
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
             WHERE shard = $1 AND seq IS NULL AND position = given.at_position
             RETURNING aggregatetype, partition_id, seq, records, bytes",
            params![lease.shard, limit],
        )
        .await?;
    let mut each: Vec<Range> = rows.iter().map(range).collect::<Result<_, _>>()?;
    each.sort_unstable_by(|one, other| {
        (&one.topic, one.partition, one.first).cmp(&(&other.topic, other.partition, other.first))
    });
    let mut ranges: Vec<Range> = Vec::new();
    for next in each {
        if !ranges.last_mut().is_some_and(|last| last.takes(&next)) {
            ranges.push(next);
        }
    }
    let last_of_partition =
        ranges.chunk_by(|one, next| (&one.topic, one.partition) == (&next.topic, next.partition));
    try_join_all(last_of_partition.filter_map(<[Range]>::last).map(|last| gave(tx, last))).await?;
    Ok(Some(Given { rows: rows.len(), ranges }))
}

/// The numbers of a row.
fn range(row: &Row) -> Result<Range, StoreError> {
    let (first, records): (u64, u64) = (row.get(2)?, row.get(3)?);
    let (topic, partition) = (row.get(0)?, row.get(1)?);
    Ok(Range { topic, partition, first, last: first + records - 1, bytes: row.get(4)? })
}

/// Notes the last number of a partition.
async fn gave(tx: &Tx, last: &Range) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO outbox_numbers (topic, partition_id, last_seq) VALUES ($1, $2, $3)
         ON CONFLICT (topic, partition_id) DO UPDATE SET last_seq = excluded.last_seq",
        params![&last.topic, last.partition, last.last],
    )
    .await?;
    Ok(())
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
