//! Dead letters: a record given up, with its reason, kept where it can be read and sent through again.

use tidings_model::{Headers, Record, Timestamp};
use tidings_store::{NewRecord, StoreError, TopicPartitions, Tx, encode_headers, params};

use crate::{Handler, HandlerError};

/// The topic that takes the dead letters of a topic.
pub fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}-dlt")
}

/// A record that a handler gave up.
pub(crate) struct GivenUp<'a> {
    pub(crate) handler: &'a dyn Handler,
    pub(crate) record: &'a Record,
    pub(crate) error: &'a HandlerError,
    pub(crate) attempts: u32,
}

/// Writes the row and the record of a dead letter; both commit with the progress past the record. Without a
/// topic for it, the row alone.
pub(crate) async fn put(
    tx: &Tx,
    given_up: &GivenUp<'_>,
    topic: Option<&TopicPartitions>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (record, group) = (given_up.record, given_up.handler.group());
    let id = format!("{}/{}/{}@{group}", record.topic, record.partition, record.offset);
    let kept = tx
        .execute(
            "INSERT INTO dead_letters (dead_letter_id, group_id, handler, topic, partition_id, record_offset,
                                       recorded_at, event_id, record_key, headers, value, cause, attempts,
                                       created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (dead_letter_id) DO NOTHING",
            params![
                id,
                group,
                given_up.handler.name(),
                &record.topic,
                record.partition,
                record.offset,
                record.time,
                record.event_id().as_str(),
                record.key.clone(),
                encode_headers(&record.headers),
                record.value.clone(),
                given_up.error.chain(),
                given_up.attempts,
                now
            ],
        )
        .await?;
    let Some(topic) = topic.filter(|_| kept == 1) else { return Ok(()) };
    tx.append(&NewRecord {
        topic: &topic.name,
        // The same partition, as Spring Kafka does; where there are fewer, the key decides.
        partition: Some(record.partition).filter(|partition| *partition < topic.partitions),
        key: record.key.as_deref(),
        headers: &headers(given_up),
        value: record.value.as_deref(),
        time: now,
    })
    .await?;
    Ok(())
}

/// The record's own headers, then Spring Kafka's names and encodings (numbers big-endian), then ours.
fn headers(given_up: &GivenUp<'_>) -> Headers {
    let GivenUp { handler, record, error, attempts } = given_up;
    let chain = error.chain();
    let message = chain.lines().next().unwrap_or_default();
    let own: [(&str, Vec<u8>); 10] = [
        ("kafka_dlt-original-topic", record.topic.clone().into_bytes()),
        ("kafka_dlt-original-partition", record.partition.cast_signed().to_be_bytes().to_vec()),
        ("kafka_dlt-original-offset", record.offset.cast_signed().to_be_bytes().to_vec()),
        ("kafka_dlt-original-timestamp", record.time.millis().to_be_bytes().to_vec()),
        ("kafka_dlt-original-timestamp-type", b"CreateTime".to_vec()),
        ("kafka_dlt-original-consumer-group", handler.group().as_bytes().to_vec()),
        ("kafka_dlt-exception-fqcn", format!("tidings.HandlerError.{}", error.kind()).into_bytes()),
        ("kafka_dlt-exception-message", message.as_bytes().to_vec()),
        ("kafka_dlt-exception-stacktrace", chain.as_bytes().to_vec()),
        ("tidings-attempts", attempts.to_string().into_bytes()),
    ];
    let mut headers = record.headers.clone();
    headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    headers
}
