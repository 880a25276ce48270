//! Topics in memory: a bounded ring for each partition, which drops its oldest records and ends with the
//! process. For signals, which are worth nothing after some seconds.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use tidings_model::{Record, Timestamp};
use tidings_store::{StoreError, partition_for};
use tokio::sync::watch;

use crate::{LogError, LogPlace, PartitionState, Produce, Start, Tail, TopicConfig, TopicName, TopicState};

/// The most records of one ring.
const RING_RECORDS: usize = 4096;
/// The most bytes of keys, headers and values of one ring.
const RING_BYTES: u64 = 4 << 20;

/// The topics that are kept in memory, by the names they are asked for.
#[derive(Debug, Default)]
pub(super) struct MemoryTopics(RwLock<HashMap<String, Arc<MemoryTopic>>>);

#[derive(Debug)]
pub(super) struct MemoryTopic {
    config: TopicConfig,
    rings: Vec<Ring>,
    // Where the next record without a key goes.
    spread: AtomicU32,
}

#[derive(Debug)]
struct Ring {
    kept: Mutex<Kept>,
    head: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    records: VecDeque<Record>,
    first_offset: u64,
    bytes: u64,
}

impl MemoryTopics {
    pub(super) fn get(&self, name: &str) -> Option<Arc<MemoryTopic>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Makes a topic, if it is not there.
    pub(super) fn ensure(&self, config: &TopicConfig) {
        let mut topics = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.get(&config.name).cloned().unwrap_or_else(|| {
            let ring = |_partition| Ring { kept: Mutex::default(), head: watch::Sender::new(0) };
            Arc::new(MemoryTopic {
                config: config.clone(),
                rings: (0..config.partitions).map(ring).collect(),
                spread: AtomicU32::new(0),
            })
        });
        topics.insert(config.name.clone(), Arc::clone(&topic));
        topics.insert(config.alias.clone(), topic);
    }

    pub(super) fn states(&self) -> Vec<TopicState> {
        let topics = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut states: Vec<_> = topics
            .iter()
            .filter(|(name, topic)| **name == topic.config.name)
            .map(|(_, topic)| topic.state())
            .collect();
        states.sort_by(|one, other| one.name.cmp(&other.name));
        states
    }
}

impl Ring {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.records.pop_front() {
            self.first_offset = oldest.offset + 1;
            self.bytes = self.bytes.saturating_sub(size(&oldest));
        }
    }
}

impl MemoryTopic {
    /// What it is called, and how it is split.
    pub(super) fn name(&self) -> TopicName {
        TopicName { name: self.config.name.clone(), partitions: self.config.partitions }
    }

    /// Puts a record at the end of its ring, and drops what the ring no longer holds.
    pub(super) fn produce(&self, produce: Produce, now: Timestamp) -> Result<LogPlace, LogError> {
        let partitions = self.config.partitions;
        let partition = match (produce.partition, produce.key.as_deref()) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for(key, partitions),
            (None, None) => self.spread.fetch_add(1, Ordering::Relaxed) % partitions,
        };
        let ring = self.ring(partition)?;
        let mut kept = ring.kept();
        let offset = kept.records.back().map_or(kept.first_offset, |last| last.offset + 1);
        let record = Record {
            topic: self.config.name.clone(),
            partition,
            offset,
            time: now,
            key: produce.key,
            headers: produce.headers,
            value: produce.value,
        };
        kept.bytes += size(&record);
        kept.records.push_back(record);
        let limit = self.config.retention_bytes.min(RING_BYTES);
        let too_old = now.minus(self.config.retention);
        while kept.records.len() > 1
            && (kept.records.len() > RING_RECORDS
                || kept.bytes > limit
                || kept.records.front().is_some_and(|oldest| oldest.time < too_old))
        {
            kept.drop_oldest();
        }
        drop(kept);
        ring.head.send_modify(|head| *head = (*head).max(offset + 1));
        Ok(LogPlace { topic: self.config.name.clone(), partition, offset })
    }

    /// Records from an offset on, or from the oldest that is kept.
    pub(super) fn records(&self, partition: u32, from: u64, limit: usize) -> Result<Vec<Record>, LogError> {
        let kept = self.ring(partition)?.kept();
        let skipped = usize::try_from(from.saturating_sub(kept.first_offset)).unwrap_or(usize::MAX);
        Ok(kept.records.iter().skip(skipped).take(limit).cloned().collect())
    }

    pub(super) fn tail(self: Arc<Self>, partition: u32, start: Start) -> Result<MemoryTail, LogError> {
        let ring = self.ring(partition)?;
        let head = ring.head.subscribe();
        let next = match start {
            Start::Earliest => ring.kept().first_offset,
            Start::Latest => *head.borrow(),
            Start::At(offset) => offset,
        };
        let is_ahead = start.is_ahead_of(*head.borrow());
        Ok(MemoryTail { topic: self, partition, head, next, is_ahead })
    }

    fn ring(&self, partition: u32) -> Result<&Ring, LogError> {
        self.rings.get(partition as usize).ok_or_else(|| LogError::UnknownPartition {
            topic: self.config.name.clone(),
            partition,
            partitions: self.config.partitions,
        })
    }

    fn state(&self) -> TopicState {
        let partitions = self.rings.iter().zip(0..).map(|(ring, partition)| {
            let kept = ring.kept();
            let next_offset = kept.records.back().map_or(kept.first_offset, |last| last.offset + 1);
            PartitionState {
                partition,
                first_offset: kept.first_offset,
                next_offset,
                bytes: Some(kept.bytes),
            }
        });
        TopicState {
            name: self.config.name.clone(),
            partitions: partitions.collect(),
            retention_ms: u64::try_from(self.config.retention.as_millis()).unwrap_or(u64::MAX),
            retention_bytes: self.config.retention_bytes.min(RING_BYTES),
        }
    }
}

fn size(record: &Record) -> u64 {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    (headers + length(&record.key) + length(&record.value)) as u64
}

/// A reader of one ring; what was dropped before it was read is skipped.
pub(super) struct MemoryTail {
    topic: Arc<MemoryTopic>,
    partition: u32,
    head: watch::Receiver<u64>,
    next: u64,
    is_ahead: bool,
}

#[async_trait]
impl Tail for MemoryTail {
    async fn next(&mut self, limit: usize) -> Result<Vec<Record>, LogError> {
        loop {
            if *self.head.borrow_and_update() > self.next {
                let records = self.topic.records(self.partition, self.next, limit)?;
                if let Some(last) = records.last() {
                    self.next = last.offset + 1;
                    return Ok(records);
                }
            }
            if self.head.changed().await.is_err() {
                return Err(LogError::store("wait for records")(StoreError::Closed));
            }
        }
    }

    fn position(&self) -> u64 {
        self.next
    }

    fn is_ahead(&self) -> bool {
        self.is_ahead
    }
}

/// A signal has no place on the disk.
pub(super) fn no_signals(topic: &str) -> LogError {
    LogError::InvalidTopic {
        topic: topic.to_owned(),
        reason: "it is not kept in memory, as signals are".to_owned(),
    }
}

/// A group cannot read a topic in memory: it has no place to come back to.
pub(super) fn no_group(topic: &str) -> LogError {
    LogError::InvalidTopic {
        topic: topic.to_owned(),
        reason: "it is kept in memory and has no groups; read it with a tail".to_owned(),
    }
}
