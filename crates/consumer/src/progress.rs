//! Progress: one row per group and partition, moved in the transaction of the effects.

use tidings_log::TopicPartition;
use tidings_store::{StoreError, Tx, params};

/// Takes a partition over: from here on, transactions of an older owner find another epoch.
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

/// Moves a partition to `next_offset`, if `epoch` still owns it and has not been there before.
pub(crate) async fn advance(
    tx: &Tx,
    group: &str,
    partition: &TopicPartition,
    epoch: u64,
    next_offset: u64,
) -> Result<bool, StoreError> {
    let moved = tx
        .execute(
            "UPDATE consumer_progress SET next_offset = $5
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND epoch = $4 AND next_offset < $5",
            params![group, &partition.topic, partition.partition, epoch, next_offset],
        )
        .await?;
    Ok(moved == 1)
}
