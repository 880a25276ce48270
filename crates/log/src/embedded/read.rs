//! Reading runs of records.

use tidings_model::Record;
use tidings_store::{Row, Store, StoreError, decode_headers, params, position};

use crate::{LogError, TopicPartition};

/// The most bytes of values that one read answers with, so that large records do not gather in memory.
const RUN_BYTES: usize = 4 << 20;

/// Records of a partition from an offset on, at most `limit`, at least one if there is one.
pub(super) async fn records(
    store: &Store,
    partition: &TopicPartition,
    number: u32,
    from: u64,
    limit: usize,
) -> Result<Vec<Record>, LogError> {
    let partition = partition.clone();
    store
        .read(move |tx| async move {
            let rows = tx
                .query(
                    "SELECT position, created_at, record_key, headers, value
                     FROM log_records
                     WHERE position >= $1 AND position < $2
                     ORDER BY position
                     LIMIT $3",
                    params![position(number, from), position(number + 1, 0), limit],
                )
                .await?;
            let mut bytes = 0;
            let mut records = Vec::with_capacity(rows.len());
            for row in &rows {
                let record = record(row, &partition)?;
                bytes += record.value.as_ref().map_or(0, Vec::len);
                if bytes > RUN_BYTES && !records.is_empty() {
                    break;
                }
                records.push(record);
            }
            Ok::<_, StoreError>(records)
        })
        .await
        .map_err(LogError::store("read records"))
}

fn record(row: &Row, partition: &TopicPartition) -> Result<Record, StoreError> {
    let mask = (1 << tidings_store::OFFSET_BITS) - 1;
    Ok(Record {
        topic: partition.topic.clone(),
        partition: partition.partition,
        offset: row.get::<u64>(0)? & mask,
        time: row.get(1)?,
        key: row.get(2)?,
        headers: decode_headers(&row.get::<String>(3)?),
        value: row.get(4)?,
    })
}
