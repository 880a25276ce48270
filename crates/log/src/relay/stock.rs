//! Taking stock: numbers go on from whichever of database and log is ahead.
//!
//! A database that was restored, or that failed over to a replica without the last commits, has forgotten numbers that
//! it gave. Given again, they would be repeats to every reader, and what they carry would be dropped without a word.
//! The log has not forgotten: who takes a shard over reads the end of each of its partitions, and where a number
//! stands there that the database does not know, numbers go on behind it.

use tidings_store::{StoreError, Tx, params, shard_of};
use tokio::time::Instant;

use super::{Relay, lease::Lease, rows};
use crate::{LogError, TopicPartition};

/// Records at the end of a partition that are looked at: late repeats may stand behind the newest number.
const LOOK_BACK: u64 = 200;

impl Relay {
    /// Compares the numbers of a shard with the log.
    pub(super) async fn take_stock(&self, lease: &Lease) -> Result<(), LogError> {
        let (begun, mut looked) = (Instant::now(), 0_u64);
        for topic in self.log.topics().await? {
            if self.store.topic(&topic.name).is_none() {
                continue;
            }
            for partition in topic.partitions {
                let at = TopicPartition { topic: topic.name.clone(), partition: partition.partition };
                if shard_of(&at.topic, at.partition) != lease.shard || partition.next_offset == 0 {
                    continue;
                }
                let from = partition.next_offset.saturating_sub(LOOK_BACK).max(partition.first_offset);
                looked += 1;
                let newest = self.newest_number(&at, from, partition.next_offset).await?;
                let Some(newest) = newest else { continue };
                let (lease, until) = (lease.clone(), self.until());
                let jumped = self
                    .store
                    .transact(move |tx| async move {
                        if !lease.hold(&tx, until).await? {
                            return Ok(None);
                        }
                        catch_up(&tx, lease.shard, &at, newest).await
                    })
                    .await
                    .map_err(LogError::store("compare the numbers with the log"))?;
                if let Some(known) = jumped {
                    tracing::error!(
                        topic = topic.name,
                        partition = partition.partition,
                        known,
                        newest,
                        "the database went back behind the log; numbers go on from the log's"
                    );
                }
            }
        }
        let took = begun.elapsed();
        tracing::debug!(shard = lease.shard, partitions = looked, ?took, "compared the numbers with the log");
        Ok(())
    }

    async fn newest_number(
        &self,
        partition: &TopicPartition,
        mut from: u64,
        end: u64,
    ) -> Result<Option<u64>, LogError> {
        let mut newest = None;
        while from < end {
            let limit = usize::try_from(end - from).unwrap_or(usize::MAX);
            let records = self.log.records(partition.clone(), from, limit).await?;
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            newest = records.iter().filter_map(tidings_model::Record::number).max().max(newest);
        }
        Ok(newest)
    }
}

/// Lets the numbers of a partition go on behind `newest`, if they are behind it. Answers the number that was known.
async fn catch_up(tx: &Tx, shard: u32, at: &TopicPartition, newest: u64) -> Result<Option<u64>, StoreError> {
    let known = rows::last_number(tx, &at.topic, at.partition).await?;
    if known >= newest {
        return Ok(None);
    }
    // What has a number here is something else than what the log has under it.
    tx.execute(
        "UPDATE outbox SET seq = NULL WHERE shard = $1 AND aggregatetype = $2 AND partition_id = $3",
        params![shard, &at.topic, at.partition],
    )
    .await?;
    tx.execute(
        "INSERT INTO outbox_numbers (topic, partition_id, last_seq) VALUES ($1, $2, $3)
         ON CONFLICT (topic, partition_id) DO UPDATE SET last_seq = excluded.last_seq",
        params![&at.topic, at.partition, newest],
    )
    .await?;
    Ok(Some(known))
}
