//! Groups: the members of this process share the partitions; their offsets lie in the file.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use tidings_model::Timestamp;
use tidings_store::{Head, Lane, Store, StoreError, Tx, params};
use tokio::sync::watch;

use super::{EmbeddedLog, read, tail};
use crate::{GroupOffset, LogError, Member, Polled, Start, TopicPartition};

/// The groups of this process.
#[derive(Debug, Default)]
pub(super) struct Groups(Mutex<HashMap<String, Group>>);

#[derive(Debug)]
struct Group {
    next_member: u64,
    // Member → the partitions it wants a share of, and where it begins without an offset.
    members: BTreeMap<u64, (Vec<TopicPartition>, Start)>,
    // Who was told that a partition is theirs, and has not been told otherwise.
    holders: HashMap<TopicPartition, u64>,
    generation: watch::Sender<u64>,
}

impl Groups {
    fn join(&self, group: &str, wanted: Vec<TopicPartition>, start: Start) -> (u64, watch::Receiver<u64>) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let group = groups.entry(group.to_owned()).or_insert_with(|| Group {
            next_member: 0,
            members: BTreeMap::new(),
            holders: HashMap::new(),
            generation: watch::Sender::new(0),
        });
        let member = group.next_member;
        group.next_member += 1;
        group.members.insert(member, (wanted, start));
        let generation = group.generation.subscribe();
        group.generation.send_modify(|generation| *generation += 1);
        (member, generation)
    }

    fn leave(&self, group: &str, member: u64) {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get_mut(group) {
            group.members.remove(&member);
            group.holders.retain(|_, holder| *holder != member);
            group.generation.send_modify(|generation| *generation += 1);
        }
    }

    /// What the groups with members read, and where each begins without an offset.
    pub(super) fn joined(&self) -> Vec<(String, TopicPartition, Start)> {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut joined = Vec::new();
        for (name, group) in &*groups {
            for (wanted, start) in group.members.values() {
                joined.extend(wanted.iter().map(|partition| (name.clone(), partition.clone(), *start)));
            }
        }
        joined
    }

    /// What a member holds from here on. It gives back what has become somebody else's share, which wakes them,
    /// and takes of its own share what nobody holds: a partition never has two holders, so whoever takes it
    /// over comes after whoever gave it back.
    fn hold(&self, group: &str, member: u64) -> Vec<TopicPartition> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(group) = groups.get_mut(group) else { return Vec::new() };
        let share = group.share(member);
        let before = group.holders.len();
        group.holders.retain(|partition, holder| *holder != member || share.contains(partition));
        if group.holders.len() < before {
            group.generation.send_modify(|generation| *generation += 1);
        }
        share
            .into_iter()
            .filter(|partition| *group.holders.entry(partition.clone()).or_insert(member) == member)
            .collect()
    }
}

impl Group {
    /// The share of a member: each partition goes to one of those that want it, by turns.
    fn share(&self, member: u64) -> Vec<TopicPartition> {
        let Some((wanted, _)) = self.members.get(&member) else { return Vec::new() };
        let mine = |partition: &&TopicPartition| {
            let takers: Vec<u64> = self
                .members
                .iter()
                .filter(|(_, (wanted, _))| wanted.contains(partition))
                .map(|(taker, _)| *taker)
                .collect();
            takers.get(partition.partition as usize % takers.len().max(1)) == Some(&member)
        };
        wanted.iter().filter(mine).cloned().collect()
    }
}

/// One member.
pub(super) struct EmbeddedMember {
    log: EmbeddedLog,
    group: String,
    member: u64,
    start: Start,
    generation: watch::Receiver<u64>,
    // What it was told last.
    told: Option<Vec<TopicPartition>>,
    // Partitions it owns, in the order in which they are looked at next: nobody is served twice in a row
    // while another has records.
    owned: VecDeque<Owned>,
}

struct Owned {
    partition: TopicPartition,
    number: u32,
    head: Head,
    // Where it ended when it was assigned: a group that begins at the latest begins here.
    end: u64,
    next: Option<u64>,
    paused: bool,
}

impl EmbeddedMember {
    pub(super) fn join(
        log: EmbeddedLog,
        group: &str,
        topics: &[String],
        start: Start,
    ) -> Result<Self, LogError> {
        let mut wanted = Vec::new();
        for name in topics {
            let topic =
                log.store.topic(name).ok_or_else(|| LogError::UnknownTopic { topic: name.clone() })?;
            wanted.extend(
                (0..topic.partitions)
                    .map(|partition| TopicPartition { topic: topic.name.clone(), partition }),
            );
        }
        let (member, mut generation) = log.groups.join(group, wanted, start);
        generation.mark_changed();
        Ok(Self {
            log,
            group: group.to_owned(),
            member,
            start,
            generation,
            told: None,
            owned: VecDeque::new(),
        })
    }

    /// What it owns now, if that is something else than before.
    fn assign(&mut self) -> Result<Option<Vec<TopicPartition>>, LogError> {
        self.generation.mark_unchanged();
        let share = self.log.groups.hold(&self.group, self.member);
        if self.told.as_ref() == Some(&share) {
            return Ok(None);
        }
        // Cooperative: a partition that stays is read on where it was.
        let mut kept: HashMap<TopicPartition, Owned> =
            self.owned.drain(..).map(|owned| (owned.partition.clone(), owned)).collect();
        for partition in &share {
            let owned = if let Some(owned) = kept.remove(partition) {
                owned
            } else {
                let number = self.log.partition_number(partition)?;
                let head = self.log.store.heads().watch(number);
                let end = *head.borrow();
                Owned { partition: partition.clone(), number, head, end, next: None, paused: false }
            };
            self.owned.push_back(owned);
        }
        self.told = Some(share.clone());
        Ok(Some(share))
    }

    async fn begin(&self, partition: &TopicPartition, number: u32, end: u64) -> Result<u64, LogError> {
        let (group, wanted) = (self.group.clone(), partition.clone());
        let committed = self
            .log
            .store
            .read(move |tx| async move { offset(&tx, &group, &wanted).await })
            .await
            .map_err(LogError::store("read a group's offset"))?;
        match (committed, self.start) {
            (Some(next), _) | (None, Start::At(next)) => Ok(next),
            (None, Start::Latest) => Ok(end),
            (None, Start::Earliest) => tail::first_offset(&self.log.store, number).await,
        }
    }

    /// The first partition that has something to read, with its records.
    async fn ready(&mut self, limit: usize) -> Result<Option<Vec<tidings_model::Record>>, LogError> {
        for at in 0..self.owned.len() {
            if self.owned[at].paused {
                continue;
            }
            let (partition, number, end) = {
                let owned = &mut self.owned[at];
                (owned.partition.clone(), owned.number, *owned.head.borrow_and_update())
            };
            let next = if let Some(next) = self.owned[at].next {
                next
            } else {
                let next = self.begin(&partition, number, self.owned[at].end).await?;
                self.owned[at].next = Some(next);
                next
            };
            if end <= next {
                continue;
            }
            let records = read::records(&self.log.store, &partition, number, next, limit).await?;
            // Where nothing is left before the head, retention took it.
            let after = records.last().map_or(end, |last| last.offset + 1);
            if let Some(mut owned) = self.owned.remove(at) {
                owned.next = Some(after);
                self.owned.push_back(owned);
            }
            if !records.is_empty() {
                return Ok(Some(records));
            }
        }
        Ok(None)
    }

    fn set_paused(&mut self, partition: &TopicPartition, paused: bool) {
        if let Some(owned) = self.owned.iter_mut().find(|owned| owned.partition == *partition) {
            owned.paused = paused;
        }
    }

    /// Waits until a head moves or the group changes.
    async fn wait(&mut self) -> Result<(), LogError> {
        let mut heads: Vec<_> = self
            .owned
            .iter_mut()
            .filter(|owned| !owned.paused)
            .map(|owned| Box::pin(async move { drop(owned.head.changed().await) }))
            .collect();
        let any_head = std::future::poll_fn(|context| {
            if heads.iter_mut().any(|head| head.as_mut().poll(context).is_ready()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        });
        tokio::select! {
            () = any_head => Ok(()),
            changed = self.generation.changed() => {
                changed.map_err(|_closed| LogError::store("wait for records")(StoreError::Closed))?;
                self.generation.mark_changed();
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Member for EmbeddedMember {
    async fn poll(&mut self, limit: usize) -> Result<Polled, LogError> {
        loop {
            if self.generation.has_changed().unwrap_or(false)
                && let Some(partitions) = self.assign()?
            {
                return Ok(Polled::Assigned(partitions));
            }
            if let Some(records) = self.ready(limit).await? {
                return Ok(Polled::Records(records));
            }
            self.wait().await?;
        }
    }

    async fn commit(&mut self, places: &[(TopicPartition, u64)]) -> Result<(), LogError> {
        let (group, places, now) = (self.group.clone(), places.to_vec(), self.log.clock.now());
        self.log
            .store
            .transact_in(Lane::Bulk, move |tx| async move {
                for (partition, next_offset) in &places {
                    set_offset(&tx, &group, partition, *next_offset, now).await?;
                }
                Ok(())
            })
            .await
            .map_err(LogError::store("commit an offset"))
    }

    fn seek(&mut self, partition: &TopicPartition, offset: u64) {
        if let Some(owned) = self.owned.iter_mut().find(|owned| owned.partition == *partition) {
            owned.next = Some(offset);
        }
    }

    fn pause(&mut self, partition: &TopicPartition) {
        self.set_paused(partition, true);
    }

    fn resume(&mut self, partition: &TopicPartition) {
        self.set_paused(partition, false);
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        self.log.groups.leave(&self.group, self.member);
    }
}

async fn offset(tx: &Tx, group: &str, partition: &TopicPartition) -> Result<Option<u64>, StoreError> {
    let row = tx
        .optional(
            "SELECT next_offset
             FROM log_group_offsets
             WHERE group_id = $1 AND topic = $2 AND partition_id = $3",
            params![group, &partition.topic, partition.partition],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}

pub(super) async fn set_offset(
    tx: &Tx,
    group: &str,
    partition: &TopicPartition,
    next_offset: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO log_group_offsets (group_id, topic, partition_id, next_offset, committed_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (group_id, topic, partition_id)
         DO UPDATE SET next_offset = excluded.next_offset, committed_at = excluded.committed_at",
        params![group, &partition.topic, partition.partition, next_offset, now],
    )
    .await?;
    Ok(())
}

pub(super) async fn offsets(store: &Store) -> Result<Vec<GroupOffset>, LogError> {
    store
        .read(|tx| async move {
            let rows = tx
                .query(
                    "SELECT o.group_id, o.topic, o.partition_id, o.next_offset, p.next_offset
                     FROM log_group_offsets o
                     JOIN log_topics t ON t.topic = o.topic
                     JOIN log_partitions p ON p.partition_number = t.first_partition + o.partition_id
                     ORDER BY o.group_id, o.topic, o.partition_id",
                    params![],
                )
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(GroupOffset {
                        group: row.get(0)?,
                        partition: TopicPartition { topic: row.get(1)?, partition: row.get(2)? },
                        next_offset: row.get(3)?,
                        end_offset: row.get(4)?,
                    })
                })
                .collect::<Result<Vec<_>, StoreError>>()
        })
        .await
        .map_err(LogError::store("list the groups"))
}
