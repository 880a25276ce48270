//! Groups as operators see and steer them: how far they are, who owns what, pause, resume, reset.
//!
//! All of it lies in the database, so that it holds for every process and survives restarts and reassignments. Owners
//! are woken by what is changed here ([`WAKE`]).

use std::collections::BTreeMap;

use tidings_log::TopicPartition;
use tidings_model::Timestamp;
use tidings_store::{Row, StoreError, Tx, params};

/// What consumers watch ([`tidings_store::Store::wakes`]).
pub const WAKE: &str = "consumers";

/// How far a group is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub id: String,
    /// Since when it takes nothing new; none while it does.
    pub paused_at: Option<Timestamp>,
    /// Its partitions, as far as anybody ever owned them, by topic and number.
    pub partitions: Vec<GroupPartition>,
}

/// How far a group is in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPartition {
    /// Which.
    pub at: TopicPartition,
    /// The first offset that is not done.
    pub next_offset: u64,
    /// Records that are parked; they lie before or after `next_offset`, and are not done.
    pub parked: u64,
    /// The assignment's number.
    pub epoch: u64,
    /// Which process owns it, by its own name for itself; none while nobody does.
    pub owner: Option<String>,
    /// When one of its records was done last; none before the first.
    pub moved_at: Option<Timestamp>,
}

/// All groups, by name.
pub async fn list(tx: &Tx) -> Result<Vec<Group>, StoreError> {
    let rows = tx
        .query(
            "SELECT p.group_id, g.paused_at, p.topic, p.partition_id, p.next_offset, p.epoch, p.owner, p.moved_at,
                    (SELECT COUNT(*)
                     FROM consumer_parked k
                     WHERE k.group_id = p.group_id AND k.topic = p.topic AND k.partition_id = p.partition_id)
             FROM consumer_progress p
             LEFT JOIN consumer_groups g ON g.group_id = p.group_id
             ORDER BY p.group_id, p.topic, p.partition_id",
            params![],
        )
        .await?;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for row in &rows {
        let id: String = row.get(0)?;
        let paused_at = row.get(1)?;
        let group = groups.entry(id.clone()).or_insert(Group { id, paused_at, partitions: Vec::new() });
        group.partitions.push(partition(row)?);
    }
    Ok(groups.into_values().collect())
}

fn partition(row: &Row) -> Result<GroupPartition, StoreError> {
    let moved_at: Timestamp = row.get(7)?;
    Ok(GroupPartition {
        at: TopicPartition { topic: row.get(2)?, partition: row.get(3)? },
        next_offset: row.get(4)?,
        epoch: row.get(5)?,
        owner: row.get(6)?,
        moved_at: Some(moved_at).filter(|at| *at > Timestamp(0)),
        parked: row.get(8)?,
    })
}

/// Whether a group takes nothing new.
pub async fn is_paused(tx: &Tx, group: &str) -> Result<bool, StoreError> {
    let row =
        tx.optional("SELECT paused_at FROM consumer_groups WHERE group_id = $1", params![group]).await?;
    Ok(row.map(|row| row.get::<Option<Timestamp>>(0)).transpose()?.flatten().is_some())
}

/// Lets a group take nothing new, in all processes, until [`resume`]. False: it was so before.
pub async fn pause(tx: &Tx, group: &str, now: Timestamp) -> Result<bool, StoreError> {
    let paused = tx
        .execute(
            "INSERT INTO consumer_groups (group_id, paused_at)
             VALUES ($1, $2)
             ON CONFLICT (group_id) DO UPDATE SET paused_at = excluded.paused_at
             WHERE consumer_groups.paused_at IS NULL",
            params![group, now],
        )
        .await?;
    tx.wake(WAKE);
    Ok(paused == 1)
}

/// Lets a paused group go on. False: it was not paused.
pub async fn resume(tx: &Tx, group: &str) -> Result<bool, StoreError> {
    let resumed = tx
        .execute(
            "UPDATE consumer_groups SET paused_at = NULL WHERE group_id = $1 AND paused_at IS NOT NULL",
            params![group],
        )
        .await?;
    tx.wake(WAKE);
    Ok(resumed == 1)
}

/// Lets a group go on at another offset. Its owner is fenced and follows; what is parked from there on is forgotten,
/// for it is read again, and what is parked before stays. False: nobody ever owned the partition.
pub async fn reset(tx: &Tx, group: &str, at: &TopicPartition, next_offset: u64) -> Result<bool, StoreError> {
    let moved = tx
        .execute(
            "UPDATE consumer_progress
             SET next_offset = $4, done = '', last_seq = NULL, epoch = epoch + 1,
                 reset_epoch = COALESCE(reset_epoch, epoch),
                 seq_within = COALESCE((SELECT n.last_seq
                                        FROM outbox_numbers n
                                        WHERE n.topic = $2 AND n.partition_id = $3), 0)
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3",
            params![group, &at.topic, at.partition, next_offset],
        )
        .await?;
    tx.execute(
        "DELETE FROM consumer_parked
         WHERE group_id = $1 AND topic = $2 AND partition_id = $3 AND record_offset >= $4",
        params![group, &at.topic, at.partition, next_offset],
    )
    .await?;
    tx.wake(WAKE);
    Ok(moved == 1)
}
