//! Dead letters: a record given up, with its reason, kept where it can be read and sent through again.

use tidings_model::{Headers, Record, Timestamp};
use tidings_store::{NewRecord, StoreError, Tx, params};

use crate::{Handler, HandlerError};

/// The topic that takes the dead letters of a topic.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}-dlt")
}

/// Writes the row and the record of a dead letter; both commit with the progress past the record.
pub(crate) async fn put(
    tx: &Tx,
    handler: &dyn Handler,
    record: &Record,
    error: &HandlerError,
    attempts: u32,
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = format!("{}/{}/{}@{}", record.topic, record.partition, record.offset, handler.group());
    let cause = error.chain();
    let kept = tx
        .execute(
            "INSERT INTO dead_letters (dead_letter_id, group_id, handler, topic, partition_id, record_offset,
                                       event_id, record_key, value, cause, attempts, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (dead_letter_id) DO NOTHING",
            params![
                id,
                handler.group(),
                handler.name(),
                &record.topic,
                record.partition,
                record.offset,
                record.event_id().as_str(),
                record.key.clone(),
                record.value.clone(),
                &cause,
                attempts,
                now
            ],
        )
        .await?;
    if kept == 0 {
        return Ok(());
    }
    let headers = headers(handler, record, &cause, attempts);
    tx.append(&NewRecord {
        topic: &dead_letter_topic(&record.topic),
        partition: Some(record.partition),
        key: record.key.as_deref(),
        headers: &headers,
        value: record.value.as_deref(),
        time: now,
    })
    .await?;
    Ok(())
}

/// The record's own headers, then Spring Kafka's names and encodings (numbers big-endian), then ours.
fn headers(handler: &dyn Handler, record: &Record, cause: &str, attempts: u32) -> Headers {
    let mut headers = record.headers.clone();
    let own: [(&str, Vec<u8>); 9] = [
        ("kafka_dlt-original-topic", record.topic.clone().into_bytes()),
        ("kafka_dlt-original-partition", record.partition.cast_signed().to_be_bytes().to_vec()),
        ("kafka_dlt-original-offset", record.offset.cast_signed().to_be_bytes().to_vec()),
        ("kafka_dlt-original-timestamp", record.time.millis().to_be_bytes().to_vec()),
        ("kafka_dlt-original-timestamp-type", b"CreateTime".to_vec()),
        ("kafka_dlt-original-consumer-group", handler.group().as_bytes().to_vec()),
        ("kafka_dlt-exception-fqcn", b"tidings.HandlerError".to_vec()),
        ("kafka_dlt-exception-message", cause.as_bytes().to_vec()),
        ("tidings-attempts", attempts.to_string().into_bytes()),
    ];
    headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    headers
}
