//! Progress: one row per group and partition, moved in the transaction of the effects.

use tidings_log::TopicPartition;
use tidings_store::{StoreError, Tx, params};

/// Takes a partition over: from here on, transactions of an older owner find another epoch. Answers the epoch
/// and the next offset.
pub(crate) async fn take_over(
    tx: &Tx,
    group: &str,
    partition: &TopicPartition,
    begin: u64,
) -> Result<(u64, u64), StoreError> {
    let row = tx
        .one(
            "INSERT INTO consumer_progress (group_id, topic, partition_id, epoch, next_offset)
             VALUES ($1, $2, $3, 1, $4)
             ON CONFLICT (group_id, topic, partition_id) DO UPDATE SET epoch = epoch + 1
             RETURNING epoch, next_offset",
            params![group, &partition.topic, partition.partition, begin],
        )
        .await?;
    Ok((row.get(0)?, row.get(1)?))
}

/// Moves a partition past the records `first..next`, if `epoch` still owns it and none of them was handled
/// before. Retention may have left a hole before `first`.
pub(crate) async fn advance(
    tx: &Tx,
    group: &str,
    partition: &TopicPartition,
    epoch: u64,
    first: u64,
    next: u64,
) -> Result<bool, StoreError> {
    let moved = tx
        .execute(
            "UPDATE consumer_progress SET next_offset = $6
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND epoch = $4 AND next_offset <= $5",
            params![group, &partition.topic, partition.partition, epoch, first, next],
        )
        .await?;
    Ok(moved == 1)
}

/// The epoch and the next offset of a partition, if anybody ever owned it.
pub(crate) async fn look(
    tx: &Tx,
    group: &str,
    partition: &TopicPartition,
) -> Result<Option<(u64, u64)>, StoreError> {
    let row = tx
        .optional(
            "SELECT epoch, next_offset
             FROM consumer_progress
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3",
            params![group, &partition.topic, partition.partition],
        )
        .await?;
    row.map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
}

#[cfg(test)]
mod tests {
    use tidings_store::{Store, StoreOptions};

    use super::*;

    #[tokio::test]
    async fn an_older_owner_and_a_handled_record_move_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::at(folder.path().join("tidings.db"));
        options.migrations = crate::MIGRATIONS.to_vec();
        let store = Store::open(&options).unwrap();
        let moves = store.transact(|tx| async move {
            let partition = TopicPartition { topic: "orders".to_owned(), partition: 3 };
            let (old, begin) = take_over(&tx, "group", &partition, 0).await?;
            let mut moves = vec![advance(&tx, "group", &partition, old, begin, 5).await?];
            let (new, next) = take_over(&tx, "group", &partition, 0).await?;
            assert_eq!((new, next), (old + 1, 5));
            // The old owner; records of before; some of before and some new; after a hole.
            for (epoch, first, after) in [(old, 5, 6), (new, 0, 5), (new, 4, 7), (new, 8, 9)] {
                moves.push(advance(&tx, "group", &partition, epoch, first, after).await?);
            }
            assert_eq!(look(&tx, "group", &partition).await?, Some((new, 9)));
            assert_eq!(look(&tx, "other", &partition).await?, None);
            Ok::<_, StoreError>(moves)
        });
        assert_eq!(moves.await.unwrap(), [true, false, false, false, true]);
    }
}
