//! Repeats: events that come again at another place, known by their ids.
//!
//! A record's own place is in progress, so this is only about copies: a tool that sent twice, a dead letter that was
//! sent through again twice. The note is written in the transaction of the effects, and kept for a while.

use std::time::Duration;

use tidings_model::{Record, Timestamp, header};
use tidings_store::{Store, StoreError, Tx, params};

use crate::{Repeats, headers};

/// How long the event ids of ordinary records are known.
const DAY: Duration = Duration::from_hours(24);
/// How long those of records that were sent through again are known: longer than dead letters lie in their topic.
const REDRIVE: Duration = Duration::from_hours(16 * 24);
/// Rows that are forgotten at once.
const SLICE: usize = 500;

/// How long the event of a record is to be known; none for one that cannot be a repeat.
fn keep_for(record: &Record, repeats: Repeats) -> Option<Duration> {
    if record.header(headers::REDRIVE_GROUP).is_some() {
        return Some(REDRIVE);
    }
    record.header(header::ID)?;
    let is_known_once = match repeats {
        Repeats::Foreign => record.header(header::SOURCE) == Some(headers::OWN_SOURCE),
        Repeats::Unnumbered => record.header(header::SEQ).is_some(),
    };
    (!is_known_once).then_some(DAY)
}

/// Notes that a group handles this record. False: it has handled the same event at another place.
pub(crate) async fn note(
    tx: &Tx,
    group: &str,
    record: &Record,
    repeats: Repeats,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(keep) = keep_for(record, repeats) else { return Ok(true) };
    let place = format!("{}/{}/{}", record.topic, record.partition, record.offset);
    // Over its time, the note is as good as gone.
    let noted = tx
        .execute(
            "INSERT INTO consumer_seen (group_id, event_id, place, keep_until)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (group_id, event_id)
             DO UPDATE SET place = excluded.place, keep_until = excluded.keep_until
             WHERE consumer_seen.place = excluded.place OR consumer_seen.keep_until < $5",
            params![group, record.event_id().as_str(), place, now.plus(keep), now],
        )
        .await?;
    Ok(noted == 1)
}

/// Forgets what is over its time, in slices; answers how many there were.
pub(crate) async fn prune(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let mut pruned = 0;
    loop {
        let slice = store
            .transact_in(tidings_store::Lane::Bulk, move |tx| async move {
                tx.execute(
                    "DELETE FROM consumer_seen
                     WHERE (group_id, event_id) IN (
                       SELECT group_id, event_id FROM consumer_seen WHERE keep_until < $1 LIMIT $2)",
                    params![now, SLICE],
                )
                .await
            })
            .await?;
        pruned += slice;
        if slice < SLICE as u64 {
            return Ok(pruned);
        }
    }
}
