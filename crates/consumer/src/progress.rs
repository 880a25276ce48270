//! Progress: how far a group's effects are, moved in the transaction of the effects.
//!
//! One row for each partition of a group, with the *epoch* of its owner. Every transaction of an owner ends by
//! locking the row and asserting its epoch, so one that was passed meanwhile changes nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tidings_log::TopicPartition;
use tidings_model::{Timestamp, planted};
use tidings_store::{Row, StoreError, Tx, params};

use crate::{line::Taken, numbers::Numbers, window::Window};

/// An owner's word for what it owns.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) group: Arc<str>,
    pub(crate) at: TopicPartition,
    pub(crate) epoch: u64,
    // What was read of the relay's numbers; shared with whoever reads on.
    pub(crate) numbers: Arc<Mutex<Numbers>>,
}

/// A partition's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) epoch: u64,
    pub(crate) window: Window,
    // The relay's number of the last numbered record before the window.
    pub(crate) last_seq: Option<u64>,
    // The last number that was given before the group began.
    pub(crate) seq_within: u64,
    // The last number that is given by now.
    pub(crate) given: u64,
}

/// Takes a partition over: from here on, transactions of an older owner find another epoch.
pub(crate) async fn take_over(
    tx: &Tx,
    group: &str,
    partition: &TopicPartition,
    owner: Option<&str>,
) -> Result<Progress, StoreError> {
    let within = tidings_log::last_number(tx, &partition.topic, partition.partition).await?;
    let row = tx
        .one(
            "INSERT INTO consumer_progress (group_id, topic, partition_id, epoch, next_offset, owner, seq_within)
             VALUES ($1, $2, $3, 1, 0, $4, $5)
             ON CONFLICT (group_id, topic, partition_id)
             DO UPDATE SET epoch = consumer_progress.epoch + 1, owner = excluded.owner, reset_epoch = NULL
             RETURNING epoch, next_offset, done, last_seq, seq_within",
            params![group, &partition.topic, partition.partition, owner, within],
        )
        .await?;
    progress(&row, within)
}

/// Takes over again what nobody else took since: after a reset, or where this process lost track. None: another owner
/// did.
pub(crate) async fn follow(tx: &Tx, claim: &Claim) -> Result<Option<Progress>, StoreError> {
    let row = tx
        .optional(
            "UPDATE consumer_progress SET epoch = epoch + 1, reset_epoch = NULL
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND (epoch = $4 OR reset_epoch = $4)
             RETURNING epoch, next_offset, done, last_seq, seq_within",
            params![&*claim.group, &claim.at.topic, claim.at.partition, claim.epoch],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let given = tidings_log::last_number(tx, &claim.at.topic, claim.at.partition).await?;
    progress(&row, given).map(Some)
}

/// Asserts a claim and holds the row until the transaction ends. None: somebody else owns it.
pub(crate) async fn hold(tx: &Tx, claim: &Claim) -> Result<Option<Window>, StoreError> {
    let row = tx
        .optional(
            "UPDATE consumer_progress SET epoch = epoch
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND epoch = $4
             RETURNING epoch, next_offset, done, last_seq, seq_within",
            params![&*claim.group, &claim.at.topic, claim.at.partition, claim.epoch],
        )
        .await?;
    row.as_ref().map(window).transpose()
}

/// Marks records as done and folds what is contiguous. None: the claim does not hold, or one of them was done
/// before; then the transaction must be undone.
pub(crate) async fn settle(
    tx: &Tx,
    claim: &Claim,
    records: &[Arc<Taken>],
    now: Timestamp,
) -> Result<Option<Window>, StoreError> {
    let Some(mut window) = hold(tx, claim).await? else { return Ok(None) };
    if records.iter().any(|taken| window.is_done(taken.record.offset)) {
        return Ok(None);
    }
    for taken in records {
        window.finish(taken.record.offset..taken.record.offset + 1);
        taken.also.iter().for_each(|also| window.finish(also.clone()));
    }
    if planted::is("progress_not_kept") {
        return Ok(Some(window));
    }
    let last_seq = claim.numbers.lock().unwrap_or_else(PoisonError::into_inner).before(window.next());
    tx.execute(
        "UPDATE consumer_progress
         SET next_offset = $4, done = $5, moved_at = $6, last_seq = COALESCE($7, last_seq)
         WHERE group_id = $1 AND topic = $2 AND partition_id = $3",
        params![
            &*claim.group,
            &claim.at.topic,
            claim.at.partition,
            window.next(),
            window.encode(),
            now,
            last_seq
        ],
    )
    .await?;
    Ok(Some(window))
}

/// Whose the partitions of a group are.
pub(crate) async fn epochs(tx: &Tx, group: &str) -> Result<HashMap<TopicPartition, u64>, StoreError> {
    let rows = tx
        .query("SELECT topic, partition_id, epoch FROM consumer_progress WHERE group_id = $1", params![group])
        .await?;
    let epoch = |row: &Row| Ok((TopicPartition { topic: row.get(0)?, partition: row.get(1)? }, row.get(2)?));
    rows.iter().map(epoch).collect()
}

/// Gives partitions back at the end, so that nobody is listed as their owner.
pub(crate) async fn release(tx: &Tx, claims: &[Claim]) -> Result<(), StoreError> {
    for claim in claims {
        tx.execute(
            "UPDATE consumer_progress SET owner = NULL
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND epoch = $4",
            params![&*claim.group, &claim.at.topic, claim.at.partition, claim.epoch],
        )
        .await?;
    }
    Ok(())
}

fn window(row: &Row) -> Result<Window, StoreError> {
    let runs: String = row.get(2)?;
    let garbled = || StoreError::Row { column: 2, found: "another text", wanted: "runs of done offsets" };
    Window::decode(row.get(1)?, &runs).ok_or_else(garbled)
}

fn progress(row: &Row, given: u64) -> Result<Progress, StoreError> {
    Ok(Progress {
        epoch: row.get(0)?,
        window: window(row)?,
        last_seq: row.get(3)?,
        seq_within: row.get(4)?,
        given,
    })
}

#[cfg(test)]
mod tests {
    use tidings_model::Record;
    use tidings_store::{Store, StoreOptions};

    use super::*;

    fn taken(from: u64, offset: u64) -> Arc<Taken> {
        let record = Record {
            topic: "orders".to_owned(),
            partition: 3,
            offset,
            time: Timestamp(0),
            key: None,
            headers: Vec::new(),
            value: None,
        };
        Arc::new(Taken { record, also: std::iter::once(from..offset).collect(), is_repeat: false })
    }

    #[tokio::test]
    async fn an_older_owner_and_a_record_that_was_done_move_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::at(folder.path().join("tidings.db"));
        options.migrations = crate::MIGRATIONS.to_vec();
        let store = Store::open(&options).unwrap();
        let moves = store.transact(|tx| async move {
            let at = TopicPartition { topic: "orders".to_owned(), partition: 3 };
            let epoch = take_over(&tx, "group", &at, None).await?.epoch;
            let old = Claim { group: "group".into(), epoch, at, numbers: Arc::default() };
            let mut moves = vec![settle(&tx, &old, &[taken(0, 4)], Timestamp(0)).await?];
            let new = Claim { epoch: take_over(&tx, "group", &old.at, None).await?.epoch, ..old.clone() };
            // The old owner; a record of before; one after a waiting one; that one again; the waiting one.
            for (claim, covers, offset) in
                [(&old, 5, 5), (&new, 4, 4), (&new, 6, 6), (&new, 6, 6), (&new, 5, 5)]
            {
                moves.push(settle(&tx, claim, &[taken(covers, offset)], Timestamp(0)).await?);
            }
            assert_eq!(follow(&tx, &old).await?, None);
            assert_eq!(follow(&tx, &new).await?.unwrap().window, Window::at(7));
            assert_eq!(settle(&tx, &new, &[taken(7, 7)], Timestamp(0)).await?, None);
            Ok::<_, StoreError>(moves)
        });
        let mut gap = Window::at(5);
        gap.finish(6..7);
        let wanted = [Some(Window::at(5)), None, None, Some(gap), None, Some(Window::at(7))];
        assert_eq!(moves.await.unwrap(), wanted);
    }
}
