//! The embedded keeper: the log lies in the store's file, next to the domain's rows.

mod groups;
mod memory;
mod read;
mod retention;
mod tail;
mod topics;

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use tidings_model::{Clock, Record};
use tidings_store::{NewRecord, Store, StoreError};

pub use retention::Retained;

use crate::{
    Ack, Drift, Durability, GroupOffset, Log, LogError, LogPlace, Member, Produce, Start, Tail, TopicConfig,
    TopicName, TopicPartition, TopicState,
};

/// The log in the store's file.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    store: Store,
    clock: Arc<dyn Clock>,
    groups: Arc<groups::Groups>,
    memory: Arc<memory::MemoryTopics>,
}

impl EmbeddedLog {
    /// The log of a store. One per store: it is the only coordinator of its groups.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, groups: Arc::default(), memory: Arc::default() }
    }

    /// The number under which the store keeps a partition.
    fn partition_number(&self, partition: &TopicPartition) -> Result<u32, LogError> {
        let topic = self
            .store
            .topic(&partition.topic)
            .ok_or_else(|| LogError::UnknownTopic { topic: partition.topic.clone() })?;
        if partition.partition >= topic.partitions {
            return Err(LogError::UnknownPartition {
                topic: topic.name.clone(),
                partition: partition.partition,
                partitions: topic.partitions,
            });
        }
        Ok(topic.first_partition + partition.partition)
    }
}

#[async_trait]
impl Log for EmbeddedLog {
    async fn ensure_topics(&self, specs: &[TopicConfig]) -> Result<Vec<Drift>, LogError> {
        let (in_memory, durable): (Vec<_>, Vec<_>) =
            specs.iter().cloned().partition(|spec| spec.durability == Durability::Memory);
        for spec in &in_memory {
            spec.check()?;
            self.memory.ensure(spec);
        }
        topics::ensure(&self.store, &durable, self.clock.now()).await
    }

    async fn produce(&self, record: Produce) -> Result<LogPlace, LogError> {
        let time = self.clock.now();
        if let Some(topic) = self.memory.get(&record.topic) {
            return topic.produce(record, time);
        }
        let appended = self
            .store
            .transact(move |tx| async move {
                let record = NewRecord {
                    topic: &record.topic,
                    partition: record.partition,
                    key: record.key.as_deref(),
                    headers: &record.headers,
                    value: record.value.as_deref(),
                    time,
                };
                tx.append(&record).await
            })
            .await
            .map_err(LogError::store("append a record"))?;
        let offset = appended.offset().map_err(LogError::store("append a record"))?;
        Ok(LogPlace { topic: appended.topic, partition: appended.partition, offset })
    }

    fn enqueue(&self, record: Produce) -> Result<Ack, LogError> {
        if self.topic(&record.topic).is_none() {
            return Err(LogError::UnknownTopic { topic: record.topic });
        }
        let log = self.clone();
        let mut appending: Ack = Box::pin(async move { log.produce(record).await });
        // The first poll hands the record to the writer, who takes what comes in order.
        match appending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Ok(appending),
            Poll::Ready(Err(LogError::Store { source: StoreError::Busy { .. }, .. })) => Err(LogError::Full),
            Poll::Ready(appended) => Ok(Box::pin(std::future::ready(appended))),
        }
    }

    fn signal(&self, record: Produce) -> Result<(), LogError> {
        let topic = self.memory.get(&record.topic).ok_or_else(|| memory::no_signals(&record.topic))?;
        topic.produce(record, self.clock.now()).map(drop)
    }

    fn topic(&self, name: &str) -> Option<TopicName> {
        let in_memory = self.memory.get(name).map(|topic| topic.name());
        in_memory.or_else(|| {
            let topic = self.store.topic(name)?;
            Some(TopicName { name: topic.name.clone(), partitions: topic.partitions })
        })
    }

    async fn join(&self, group: &str, topics: &[String], start: Start) -> Result<Box<dyn Member>, LogError> {
        if let Some(topic) = topics.iter().find(|topic| self.memory.get(topic).is_some()) {
            return Err(memory::no_group(topic));
        }
        Ok(Box::new(groups::EmbeddedMember::join(self.clone(), group, topics, start)?))
    }

    async fn tail(&self, partition: TopicPartition, start: Start) -> Result<Box<dyn Tail>, LogError> {
        if let Some(topic) = self.memory.get(&partition.topic) {
            return Ok(Box::new(topic.tail(partition.partition, start)?));
        }
        let number = self.partition_number(&partition)?;
        Ok(Box::new(tail::EmbeddedTail::open(self.store.clone(), partition, number, start).await?))
    }

    async fn topics(&self) -> Result<Vec<TopicState>, LogError> {
        let mut topics = topics::list(&self.store).await?;
        topics.extend(self.memory.states());
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    async fn records(
        &self,
        partition: TopicPartition,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        if let Some(topic) = self.memory.get(&partition.topic) {
            return topic.records(partition.partition, from, limit);
        }
        let number = self.partition_number(&partition)?;
        read::records(&self.store, &partition, number, from, limit).await
    }

    async fn group_offsets(&self) -> Result<Vec<GroupOffset>, LogError> {
        groups::offsets(&self.store).await
    }

    async fn reset(&self, group: &str, partition: TopicPartition, next_offset: u64) -> Result<(), LogError> {
        self.partition_number(&partition)?;
        let (group, now) = (group.to_owned(), self.clock.now());
        self.store
            .transact(move |tx| async move {
                groups::set_offset(&tx, &group, &partition, next_offset, now).await?;
                Ok::<_, StoreError>(())
            })
            .await
            .map_err(LogError::store("reset a group"))
    }
}
