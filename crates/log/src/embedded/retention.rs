//! Retention: the oldest records go when a topic is too large, then when they are too old, and never before
//! the slowest of our own groups has read them.
//!
//! It works in slices in the bulk lane, from 7/8 of a bound on, so that a topic that is read in time never
//! meets the bound itself, at which appends fail. The delivery log needs no reader's word: its projection is
//! written with the append.

use std::{collections::BTreeMap, time::Duration};

use tidings_model::Timestamp;
use tidings_store::{Lane, StoreError, params, position};
use tokio_util::sync::CancellationToken;

use super::{EmbeddedLog, topics};
use crate::{LogError, PartitionState, Start, TopicPartition, TopicState};

/// Records of one slice: no longer than a turn of the writer.
const SLICE: u64 = 500;
/// A group that no member of this process belongs to holds the log for so long after its last commit.
const GROUP_MEMORY: Duration = Duration::from_hours(7 * 24);

/// What one pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Records that are gone.
    pub records: u64,
    /// Topics that should be smaller, and the group that has not read their oldest records.
    pub held: Vec<(String, String)>,
}

/// The slowest group of a partition and the offset it wants next.
type Floors = BTreeMap<TopicPartition, (u64, String)>;

impl EmbeddedLog {
    /// How long [`EmbeddedLog::run_retention`] rests between two looks.
    pub const RETENTION_PAUSE: Duration = Duration::from_secs(2);

    /// Forgets old records until `stop`, with a pause before each look; what is in hand is finished.
    pub async fn run_retention(self, pause: Duration, stop: CancellationToken) {
        let mut held = Vec::new();
        loop {
            // Groups join before the first look, so that those without an offset are known.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            match self.retain().await {
                Ok(retained) => {
                    for (topic, group) in retained.held.iter().filter(|pair| !held.contains(*pair)) {
                        tracing::warn!(
                            topic,
                            group,
                            "a topic cannot shrink: a group has not read its oldest records"
                        );
                    }
                    held = retained.held;
                }
                Err(cause) => tracing::warn!(%cause, "retention could not work; it looks again"),
            }
        }
    }

    /// One pass over all topics.
    pub async fn retain(&self) -> Result<Retained, LogError> {
        let mut topics = topics::list(&self.store).await?;
        let now = self.clock.now();
        let floors = self.floors(now).await?;
        let mut retained = Retained::default();
        let mut excess_of_all = excess(topics.iter().map(bytes).sum(), self.store.log_bytes());
        // The largest first: it is the one that a bound of all topics is about.
        topics.sort_by_key(|topic| std::cmp::Reverse(bytes(topic)));
        for topic in &topics {
            let own = excess(bytes(topic), topic.retention_bytes);
            let mut wanted = own.max(excess_of_all);
            let cutoff = now.minus(Duration::from_millis(topic.retention_ms));
            let mut partitions = topic.partitions.clone();
            partitions.sort_by_key(|partition| std::cmp::Reverse(partition.bytes));
            for state in partitions {
                let partition = TopicPartition { topic: topic.name.clone(), partition: state.partition };
                let before = wanted;
                let (records, left) = self.shrink(&partition, state, wanted, cutoff, &floors).await?;
                retained.records += records;
                wanted = left;
                excess_of_all = excess_of_all.saturating_sub(before - left);
                let holder = floors.get(&partition);
                if wanted > 0
                    && let Some((_, group)) = holder
                {
                    retained.held.push((topic.name.clone(), group.clone()));
                }
            }
            if wanted == 0 {
                retained.held.retain(|(held, _)| *held != topic.name);
            }
        }
        retained.held.dedup();
        Ok(retained)
    }

    /// Forgets slices of one partition; answers how many records, and how many bytes are still too many.
    async fn shrink(
        &self,
        partition: &TopicPartition,
        state: PartitionState,
        mut wanted: u64,
        cutoff: Timestamp,
        floors: &Floors,
    ) -> Result<(u64, u64), LogError> {
        let number = self.partition_number(partition)?;
        let floor = floors.get(partition).map_or(state.next_offset, |(floor, _)| *floor);
        let mut first = state.first_offset;
        // Most partitions are neither large nor old; one look at their oldest record says so.
        let mut limit = if wanted > 0 { SLICE } else { 1 };
        while first < floor {
            let slice = self.slice(number, first, floor, limit).await?;
            limit = SLICE;
            let (upto, freed) = upto(&slice, first, wanted, cutoff);
            if upto == first {
                break;
            }
            self.store
                .transact_in(Lane::Bulk, move |tx| async move { tx.trim(number, upto, SLICE).await })
                .await
                .map_err(LogError::store("forget old records"))?;
            first = upto;
            wanted = wanted.saturating_sub(freed);
        }
        Ok((first - state.first_offset, wanted))
    }

    /// The oldest records of a partition below a floor, at most `limit`: offset, time, bytes.
    async fn slice(
        &self,
        number: u32,
        first: u64,
        floor: u64,
        limit: u64,
    ) -> Result<Vec<(u64, Timestamp, u64)>, LogError> {
        self.store
            .read(move |tx| async move {
                let rows = tx
                    .query(
                        "SELECT position - $3, created_at,
                                octet_length(headers) + COALESCE(octet_length(record_key), 0)
                                + COALESCE(octet_length(value), 0)
                         FROM log_records
                         WHERE position >= $1 AND position < $2
                         ORDER BY position
                         LIMIT $4",
                        params![position(number, first), position(number, floor), position(number, 0), limit],
                    )
                    .await?;
                rows.iter()
                    .map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                    .collect::<Result<Vec<_>, StoreError>>()
            })
            .await
            .map_err(LogError::store("look at old records"))
    }

    async fn floors(&self, now: Timestamp) -> Result<Floors, LogError> {
        let rows = self
            .store
            .read(|tx| async move {
                tx.query(
                    "SELECT group_id, topic, partition_id, next_offset, committed_at FROM log_group_offsets",
                    params![],
                )
                .await
            })
            .await
            .map_err(LogError::store("read the groups' offsets"))?;
        let broken = LogError::store("read the groups' offsets");
        let rows: Result<Vec<(String, TopicPartition, u64, Timestamp)>, StoreError> = rows
            .iter()
            .map(|row| {
                let partition = TopicPartition { topic: row.get(1)?, partition: row.get(2)? };
                Ok((row.get(0)?, partition, row.get(3)?, row.get(4)?))
            })
            .collect();
        let rows = rows.map_err(broken)?;
        let mut floors = Floors::new();
        let mut hold = |partition: &TopicPartition, next: u64, group: &str| {
            let floor = floors.entry(partition.clone()).or_insert_with(|| (next, group.to_owned()));
            if next < floor.0 {
                *floor = (next, group.to_owned());
            }
        };
        let joined = self.groups.joined();
        for (group, partition, next, committed_at) in &rows {
            let is_joined = joined.iter().any(|(name, wanted, _)| name == group && wanted == partition);
            if is_joined || now.since(*committed_at) < GROUP_MEMORY {
                hold(partition, *next, group);
            }
        }
        // A group that has read nothing yet waits at its start.
        for (group, partition, start) in &joined {
            let known = rows.iter().any(|(name, known, ..)| name == group && known == partition);
            match start {
                Start::Earliest if !known => hold(partition, 0, group),
                Start::At(offset) if !known => hold(partition, *offset, group),
                Start::Earliest | Start::At(_) | Start::Latest => {}
            }
        }
        Ok(floors)
    }
}

fn bytes(topic: &TopicState) -> u64 {
    topic.partitions.iter().filter_map(|partition| partition.bytes).sum()
}

/// How many bytes are more than 7/8 of a bound.
fn excess(bytes: u64, bound: u64) -> u64 {
    bytes.saturating_sub(bound - bound / 8)
}

/// Where the oldest record lies that stays, and how many bytes those before it have.
fn upto(slice: &[(u64, Timestamp, u64)], first: u64, wanted: u64, cutoff: Timestamp) -> (u64, u64) {
    let (mut upto, mut freed) = (first, 0);
    for (offset, time, bytes) in slice {
        if freed >= wanted && *time >= cutoff {
            break;
        }
        upto = offset + 1;
        freed += bytes;
    }
    (upto, freed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_comes_first_and_age_goes_further() {
        let slice: Vec<_> =
            (0..10).map(|offset| (offset, Timestamp(i64::try_from(offset).unwrap()), 10)).collect();
        assert_eq!(upto(&slice, 0, 0, Timestamp(0)), (0, 0));
        assert_eq!(upto(&slice, 0, 25, Timestamp(0)), (3, 30));
        assert_eq!(upto(&slice, 0, 25, Timestamp(5)), (5, 50));
        assert_eq!(upto(&slice, 0, 1000, Timestamp(0)), (10, 100));
    }
}
