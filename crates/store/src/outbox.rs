//! The outbox: events wait here for a relay, where the log is another system.
//!
//! A row is there if and only if its transaction committed. It holds one record, in the columns that Debezium
//! knows, or up to [`ROW_RECORDS`] of one partition, packed. The partition is fixed when the row is written,
//! and all rows of a partition lie in one shard, which one relay holds at a time. Who writes events of a key
//! holds that key's row first, so the order of positions is the order of commits for each key.

use std::sync::Arc;

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

/// The name under which those are woken who wait for new rows.
pub const OUTBOX: &str = "outbox";
/// Parts of the outbox, each relayed under a lease of its own.
pub const SHARDS: u32 = 4;
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

/// Consecutive records of one partition that share a row.
struct Batch<'a> {
    topic: &'a TopicPartitions,
    partition: u32,
    records: Vec<(&'a NewRecord<'a>, String)>,
    bytes: u64,
}

impl<'a> Batch<'a> {
    fn new(topic: &'a TopicPartitions, partition: u32) -> Self {
        Self { topic, partition, records: Vec::new(), bytes: 0 }
    }

    /// What the row says about itself: key, type, headers, payload.
    fn columns(&self) -> (Option<Vec<u8>>, String, String, Option<Vec<u8>>) {
        let Some((first, headers)) = self.records.first() else { unreachable!("a batch has a record") };
        let event_type = header(first.headers, "ce_type");
        if self.records.len() == 1 {
            return (
                first.key.map(<[u8]>::to_vec),
                event_type,
                headers.clone(),
                first.value.map(<[u8]>::to_vec),
            );
        }
        let records = self.records.iter().map(|(record, headers)| (*record, headers.as_str()));
        (None, event_type, "[]".to_owned(), Some(pack::pack(records)))
    }

    fn takes(&self, topic: &TopicPartitions, partition: u32) -> bool {
        self.topic.name == topic.name
            && self.partition == partition
            && self.records.len() < ROW_RECORDS
            && self.bytes < ROW_BYTES
    }
}

fn header(headers: &Headers, name: &str) -> String {
    let found = headers.iter().find(|(known, _)| known == name);
    found.map_or_else(String::new, |(_, value)| String::from_utf8_lossy(value).into_owned())
}

impl Tx {
    /// Appends records, those of a partition in their order. In the outbox they share rows, which is what makes a
    /// relay fast: whoever writes many at once should write them with one call.
    pub async fn append_all(&self, records: &[NewRecord<'_>]) -> Result<Vec<Appended>, StoreError> {
        match self.appends() {
            Appends::Log => records.iter().map(|record| self.append_to_log(record)).collect(),
            Appends::Outbox => self.put_all_in_outbox(records).await,
        }
    }

    pub(crate) async fn put_in_outbox(&self, record: &NewRecord<'_>) -> Result<Appended, StoreError> {
        let appended = self.put_all_in_outbox(std::slice::from_ref(record)).await?;
        appended.into_iter().next().ok_or(StoreError::Closed)
    }

    async fn put_all_in_outbox(&self, records: &[NewRecord<'_>]) -> Result<Vec<Appended>, StoreError> {
        let places: Vec<_> = records.iter().map(|record| self.place(record)).collect::<Result<_, _>>()?;
        let mut by_partition: Vec<_> = records.iter().zip(&places).collect();
        // Stable: a partition keeps its order.
        by_partition.sort_by(|(_, (one, a)), (_, (other, b))| (&one.name, a).cmp(&(&other.name, b)));
        let mut batch: Option<Batch<'_>> = None;
        for (record, (topic, partition)) in by_partition {
            if batch.as_ref().is_some_and(|batch| !batch.takes(topic, *partition)) {
                self.insert_row(batch.take()).await?;
            }
            let headers = encode_headers(record.headers);
            let batch = batch.get_or_insert_with(|| Batch::new(topic, *partition));
            batch.bytes += record.bytes(&headers);
            batch.records.push((record, headers));
        }
        self.insert_row(batch).await?;
        let appended = |(topic, partition): (Arc<TopicPartitions>, u32)| Appended {
            topic: topic.name.clone(),
            partition,
            offset: None,
        };
        Ok(places.into_iter().map(appended).collect())
    }

    async fn insert_row(&self, batch: Option<Batch<'_>>) -> Result<(), StoreError> {
        let Some(batch) = batch else { return Ok(()) };
        let (rows, bytes) = self.outbox_waiting()?;
        if rows >= WAITING_ROWS || bytes + batch.bytes > WAITING_BYTES {
            return Err(StoreError::OutboxFull { rows, bytes });
        }
        let (key, event_type, headers, payload) = batch.columns();
        let created_at = batch.records.first().map_or(Timestamp(0), |(first, _)| first.time);
        self.execute(
            "INSERT INTO outbox (shard, aggregatetype, partition_id, aggregateid, type, headers, payload, records,
                                 bytes, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            params![
                shard_of(&batch.topic.name, batch.partition),
                &batch.topic.name,
                batch.partition,
                key,
                event_type,
                headers,
                payload,
                batch.records.len(),
                batch.bytes,
                created_at
            ],
        )
        .await?;
        self.outbox_grew(batch.bytes);
        self.wake(OUTBOX);
        Ok(())
    }
}
