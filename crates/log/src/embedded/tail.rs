//! Tails: one reader of one partition, woken by the commit.

use async_trait::async_trait;
use tidings_model::Record;
use tidings_store::{Head, Store, StoreError, params};

use super::read;
use crate::{LogError, Start, Tail, TopicPartition};

pub(super) struct EmbeddedTail {
    store: Store,
    partition: TopicPartition,
    number: u32,
    head: Head,
    next: u64,
    is_ahead: bool,
}

impl EmbeddedTail {
    pub(super) async fn open(
        store: Store,
        partition: TopicPartition,
        number: u32,
        start: Start,
    ) -> Result<Self, LogError> {
        let head = store.heads().watch(number);
        let next = match start {
            Start::Latest => *head.borrow(),
            Start::At(offset) => offset,
            Start::Earliest => first_offset(&store, number).await?,
        };
        let is_ahead = start.is_ahead_of(*head.borrow());
        Ok(Self { store, partition, number, head, next, is_ahead })
    }
}

/// The oldest offset of a partition that is kept.
pub(super) async fn first_offset(store: &Store, number: u32) -> Result<u64, LogError> {
    store
        .read(move |tx| async move {
            tx.one("SELECT first_offset FROM log_partitions WHERE partition_number = $1", params![number])
                .await?
                .get::<u64>(0)
        })
        .await
        .map_err(|source: StoreError| LogError::store("find the oldest record")(source))
}

#[async_trait]
impl Tail for EmbeddedTail {
    async fn next(&mut self, limit: usize) -> Result<Vec<Record>, LogError> {
        loop {
            // The head changes only after the commit, so what it promises can be read.
            let end = *self.head.borrow_and_update();
            if end > self.next {
                let records =
                    read::records(&self.store, &self.partition, self.number, self.next, limit).await?;
                if let Some(last) = records.last() {
                    self.next = last.offset + 1;
                    return Ok(records);
                }
                // Everything between here and the head fell to retention.
                self.next = end;
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
