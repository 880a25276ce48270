//! Dead letters: a record given up, with its reason, kept where it can be read and sent through again.

use std::time::Duration;

use tidings_model::{Record, Timestamp};
use tidings_store::{Lane, NewRecord, Store, StoreError, TopicPartitions, Tx, encode_headers, params};

use crate::{Handler, HandlerError, headers, spring};

/// How long a dead letter is kept after its last change.
const KEPT: Duration = Duration::from_hours(30 * 24);
/// Dead letters that are forgotten at once; they may be large.
const SLICE: u64 = 50;

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

/// Writes the row and the record of a dead letter, and answers which one it is; both commit with the progress past
/// the record. Without a topic for it, the row alone.
pub(crate) async fn put(
    tx: &Tx,
    given_up: &GivenUp<'_>,
    topic: Option<&TopicPartitions>,
    now: Timestamp,
) -> Result<String, StoreError> {
    let record = given_up.record;
    let id = match open_again(tx, given_up, now).await? {
        Some(id) => id,
        None => insert(tx, given_up, now).await?,
    };
    let Some(topic) = topic else { return Ok(id) };
    tx.append(&NewRecord {
        topic: &topic.name,
        // The same partition, as Spring Kafka does; where there are fewer, the key decides.
        partition: Some(record.partition).filter(|partition| *partition < topic.partitions),
        key: record.key.as_deref(),
        headers: &spring::headers_of(
            record,
            given_up.handler.group(),
            &format!("tidings.HandlerError.{}", given_up.error.kind()),
            &given_up.error.chain(),
            given_up.attempts,
        ),
        value: record.value.as_deref(),
        time: now,
    })
    .await?;
    Ok(id)
}

/// A record that was sent through again failed again: its dead letter is open once more. None: it has none.
async fn open_again(tx: &Tx, given_up: &GivenUp<'_>, now: Timestamp) -> Result<Option<String>, StoreError> {
    let Some(id) = given_up.record.header(headers::DEAD_LETTER) else { return Ok(None) };
    let opened = tx
        .execute(
            "UPDATE dead_letters SET state = 'open', cause = $3, attempts = $4, changed_at = $5
             WHERE dead_letter_id = $1 AND group_id = $2 AND state <> 'purged'",
            params![id, given_up.handler.group(), given_up.error.chain(), given_up.attempts, now],
        )
        .await?;
    Ok((opened == 1).then(|| id.to_owned()))
}

/// A record that was sent through again is done: so is its dead letter.
pub(crate) async fn handled(tx: &Tx, group: &str, record: &Record, now: Timestamp) -> Result<(), StoreError> {
    let Some(id) = record.header(headers::DEAD_LETTER) else { return Ok(()) };
    tx.execute(
        "UPDATE dead_letters SET state = 'handled', changed_at = $3
         WHERE dead_letter_id = $1 AND group_id = $2 AND state = 'redriven'",
        params![id, group, now],
    )
    .await?;
    Ok(())
}

/// Forgets dead letters over their time, in slices; answers how many there were.
pub(crate) async fn prune(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let before = now.minus(KEPT);
    let mut pruned = 0;
    loop {
        let slice = store
            .transact_in(Lane::Bulk, move |tx| async move {
                tx.execute(
                    "DELETE FROM dead_letters
                     WHERE dead_letter_id IN (
                       SELECT dead_letter_id FROM dead_letters WHERE created_at < $1 AND changed_at < $1 LIMIT $2)",
                    params![before, SLICE],
                )
                .await
            })
            .await?;
        pruned += slice;
        if slice < SLICE {
            return Ok(pruned);
        }
    }
}

async fn insert(tx: &Tx, given_up: &GivenUp<'_>, now: Timestamp) -> Result<String, StoreError> {
    let (record, group) = (given_up.record, given_up.handler.group());
    let id = format!("{}/{}/{}@{group}", record.topic, record.partition, record.offset);
    tx.execute(
        "INSERT INTO dead_letters (dead_letter_id, group_id, handler, topic, partition_id, record_offset,
                                   recorded_at, event_id, record_key, headers, value, cause, attempts,
                                   created_at, changed_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14)
         ON CONFLICT (dead_letter_id) DO UPDATE SET state = 'open', event_id = excluded.event_id,
           record_key = excluded.record_key, headers = excluded.headers, value = excluded.value,
           cause = excluded.cause, attempts = excluded.attempts, changed_at = excluded.changed_at",
        params![
            &id,
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
    Ok(id)
}
