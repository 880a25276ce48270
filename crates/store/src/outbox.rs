//! The outbox: events wait here for a relay, where the log is another system.
//!
//! A row is there if and only if its transaction committed. It holds one record, in the columns that Debezium
//! knows, or up to [`ROW_RECORDS`] of one partition, packed. The partition is fixed when the row is written,
//! and all rows of a partition lie in one shard, which one relay holds at a time. Who writes events of a key
//! holds that key's row first, so the order of positions is the order of commits for each key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_model::{Headers, Timestamp};

use crate::{
    Appended, NewRecord, Row, StoreError, Tx,
    append::encode_headers,
    decode_headers, params,
    topics::{TopicPartitions, partition_for},
};

mod pack;

pub use pack::WaitingRecord;

/// Where events go that leave with a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Appends {
    /// Into the embedded log: the commit is the append.
    #[default]
    Log,
    /// Into the outbox, from where a relay takes them to another system.
    Outbox,
}

/// Parts of the outbox, each relayed under a lease of its own.
pub const SHARDS: u32 = 4;
/// The names under which those are woken who wait for new rows, one of each shard.
pub const OUTBOX: [&str; SHARDS as usize] = ["outbox/0", "outbox/1", "outbox/2", "outbox/3"];
/// The most records of a row.
pub const ROW_RECORDS: usize = 500;
/// Bytes of keys, headers and values past which a row takes no further record: 256 KiB.
const ROW_BYTES: u64 = 256 << 10;
/// Rows that may wait; more answer [`StoreError::OutboxFull`].
pub const WAITING_ROWS: u64 = 100_000;
/// Bytes of keys, headers and values that may wait: 1 GiB.
pub const WAITING_BYTES: u64 = 1 << 30;

/// The shard of a partition.
pub fn shard_of(topic: &str, partition: u32) -> u32 {
    partition_for(format!("{topic}/{partition}").as_bytes(), SHARDS)
}

/// The records of a row, from its columns `records, aggregateid, headers, payload, created_at`, of which the
/// first is number `from`.
pub fn unpack_row(row: &Row, from: usize) -> Result<Vec<WaitingRecord>, StoreError> {
    if row.get::<u64>(from)? == 1 {
        return Ok(vec![WaitingRecord {
            key: row.get(from + 1)?,
            headers: decode_headers(&row.get::<String>(from + 2)?),
            value: row.get(from + 3)?,
            time: row.get(from + 4)?,
        }]);
    }
    let packed: Vec<u8> = row.get(from + 3)?;
    pack::unpack(&packed).ok_or(StoreError::Row {
        column: from + 3,
        found: "bytes that are cut or changed",
        wanted: "packed records",
    })
}

/// A record that a transaction has appended and not written yet.
#[derive(Debug)]
pub(crate) struct Held {
    topic: Arc<TopicPartitions>,
    partition: u32,
    event_type: String,
    key: Option<Vec<u8>>,
    // As the column holds them.
    headers: String,
    value: Option<Vec<u8>>,
    time: Timestamp,
    bytes: u64,
}

impl Held {
    fn fields(&self) -> pack::Fields<'_> {
        let Self { time, key, headers, value, .. } = self;
        pack::Fields { time: *time, key: key.as_deref(), headers, value: value.as_deref() }
    }
}

/// What a transaction has appended: it is written when it is much, and before the commit. A transaction that handles a
/// batch of records appends one by one, and what it appends to a partition shares rows all the same.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    held: Mutex<State>,
    // One writes at a time, so that a partition keeps its order.
    writes: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    records: Vec<Held>,
    bytes: u64,
    // The body has ended: nobody would write what comes.
    is_over: bool,
}

impl Holding {
    fn held(&self) -> MutexGuard<'_, State> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a record in; answers whether it is much by now.
    fn push(&self, record: Held) -> Result<bool, StoreError> {
        let mut held = self.held();
        if held.is_over {
            return Err(StoreError::Closed);
        }
        held.bytes += record.bytes;
        held.records.push(record);
        Ok(held.records.len() >= ROW_RECORDS || held.bytes >= ROW_BYTES)
    }

    /// All that is held, by partition, each in its order.
    fn take(&self) -> Vec<Held> {
        let mut state = self.held();
        state.bytes = 0;
        let mut held = std::mem::take(&mut state.records);
        drop(state);
        // Stable: a partition keeps its order.
        held.sort_by(|one, other| {
            (&one.topic.name, one.partition).cmp(&(&other.topic.name, other.partition))
        });
        held
    }

    /// What was not written after all is held as before.
    fn put_back(&self, held: Vec<Held>) {
        let mut state = self.held();
        state.bytes += held.iter().map(|record| record.bytes).sum::<u64>();
        state.records.splice(0..0, held);
    }
}

/// Whether these two records may share a row.
fn share(one: &Held, next: &Held) -> bool {
    one.topic.name == next.topic.name && one.partition == next.partition
}

/// How many of these records the next row takes, all of one partition.
fn row_of(held: &[Held]) -> usize {
    let (mut taken, mut bytes) = (0, 0);
    while taken < held.len().min(ROW_RECORDS) && bytes < ROW_BYTES && share(&held[0], &held[taken]) {
        bytes += held[taken].bytes;
        taken += 1;
    }
    taken
}

fn header(headers: &Headers, name: &str) -> String {
    let found = headers.iter().find(|(known, _)| known == name);
    found.map_or_else(String::new, |(_, value)| String::from_utf8_lossy(value).into_owned())
}

impl Tx {
    pub(crate) async fn put_in_outbox(&self, record: &NewRecord<'_>) -> Result<Appended, StoreError> {
        let (topic, partition) = self.place(record)?;
        let headers = encode_headers(record.headers);
        let appended = Appended { topic: topic.name.clone(), partition, offset: None };
        let is_much = self.holding().push(Held {
            topic,
            partition,
            event_type: header(record.headers, "ce_type"),
            bytes: record.bytes(&headers),
            headers,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            time: record.time,
        })?;
        if is_much {
            self.write_held().await?;
        }
        Ok(appended)
    }

    /// Runs a body, and writes what it appended if it was not written yet.
    pub(crate) async fn complete<T, E: From<StoreError>>(
        &self,
        body: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let ended = body.await;
        self.holding().held().is_over = true;
        let value = ended?;
        self.write_held().await?;
        Ok(value)
    }

    async fn write_held(&self) -> Result<(), StoreError> {
        let _alone = self.holding().writes.lock().await;
        let mut held = self.holding().take();
        while !held.is_empty() {
            let row = row_of(&held);
            let written = self.insert_row(&held[..row]).await;
            if written.is_err() {
                // A body may pass over an error of its append, and others' records were held with it: without them
                // it must not commit.
                self.holding().put_back(held);
                return written;
            }
            held.drain(..row);
        }
        Ok(())
    }

    async fn insert_row(&self, held: &[Held]) -> Result<(), StoreError> {
        let Some(first) = held.first() else { return Ok(()) };
        let row_bytes: u64 = held.iter().map(|record| record.bytes).sum();
        let (rows, bytes) = self.outbox_waiting()?;
        if rows >= WAITING_ROWS || bytes + row_bytes > WAITING_BYTES {
            return Err(StoreError::OutboxFull { rows, bytes });
        }
        let shard = shard_of(&first.topic.name, first.partition);
        let packed = (held.len() > 1).then(|| pack::pack(held.iter().map(Held::fields)));
        let (key, headers, payload) = match &packed {
            None => (first.key.as_deref(), first.headers.as_str(), first.value.as_deref()),
            Some(packed) => (None, "[]", Some(packed.as_slice())),
        };
        self.execute(
            "INSERT INTO outbox (shard, aggregatetype, partition_id, aggregateid, type, headers, payload, records,
                                 bytes, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            params![
                shard,
                &first.topic.name,
                first.partition,
                key,
                &first.event_type,
                headers,
                payload,
                held.len(),
                row_bytes,
                first.time
            ],
        )
        .await?;
        self.outbox_grew(row_bytes);
        self.wake(OUTBOX[shard as usize]);
        Ok(())
    }
}
