//! The embedded keeper: the log lies in the store's file, next to the domain's rows.

mod groups;
mod read;
mod tail;
mod topics;

use std::sync::Arc;

use async_trait::async_trait;
use tidings_model::{Clock, Record};
use tidings_store::{NewRecord, Store, StoreError};

use crate::{
    Drift, GroupOffset, Log, LogError, LogPlace, Member, Produce, Start, Tail, TopicConfig, TopicPartition,
    TopicState,
};

/// The log in the store's file.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    store: Store,
    clock: Arc<dyn Clock>,
    groups: Arc<groups::Groups>,
}

impl EmbeddedLog {
    /// The log of a store. One per store: it is the only coordinator of its groups.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, groups: Arc::default() }
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
        topics::ensure(&self.store, specs, self.clock.now()).await
    }

    async fn produce(&self, record: Produce) -> Result<LogPlace, LogError> {
        let time = self.clock.now();
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
        Ok(LogPlace { topic: appended.topic, partition: appended.partition, offset: appended.offset })
    }

    async fn join(&self, group: &str, topics: &[String], start: Start) -> Result<Box<dyn Member>, LogError> {
        Ok(Box::new(groups::EmbeddedMember::join(self.clone(), group, topics, start)?))
    }

    async fn tail(&self, partition: TopicPartition, start: Start) -> Result<Box<dyn Tail>, LogError> {
        let number = self.partition_number(&partition)?;
        Ok(Box::new(tail::EmbeddedTail::open(self.store.clone(), partition, number, start).await?))
    }

    async fn topics(&self) -> Result<Vec<TopicState>, LogError> {
        topics::list(&self.store).await
    }

    async fn records(
        &self,
        partition: TopicPartition,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
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
