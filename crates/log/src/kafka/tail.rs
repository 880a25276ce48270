//! Tails: a reader of one partition, with a client of its own.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use rdkafka::{Offset, consumer::Consumer};
use tidings_model::Record;

use super::{
    Inner,
    read::{RUN_BYTES, Reader, at, meet, ready, record, serious_without_group},
};
use crate::{LogError, Start, Tail, TopicPartition};

pub(super) struct KafkaTail {
    reader: Arc<Reader>,
    partition: TopicPartition,
    // Where it begins to fetch; none once it has begun.
    begin: Option<u64>,
    next: u64,
    // Records before this one were not asked for: a place ahead of the end is waited for.
    from: u64,
    is_ahead: bool,
}

impl KafkaTail {
    pub(super) async fn open(
        inner: &Inner,
        partition: TopicPartition,
        start: Start,
    ) -> Result<Self, LogError> {
        let which = if start == Start::Earliest { Offset::Beginning } else { Offset::End };
        let found = inner.offsets(vec![partition.clone()], which).await?;
        let found = found.get(&partition).copied();
        let found = found.ok_or(LogError::Silent { operation: "find where a partition ends" })?;
        let next = match start {
            Start::Earliest | Start::Latest => found,
            Start::At(offset) => offset,
        };
        // Kafka takes a place beyond the end for one that was lost, and begins anew.
        let begin = next.min(found);
        let is_ahead = start.is_ahead_of(found);
        let reader = inner.reader()?;
        meet(&reader, &partition.topic).await?;
        Ok(Self { reader, partition, begin: Some(begin), next, from: next, is_ahead })
    }

    /// Takes over a record that was asked for.
    fn take(&mut self, record: Record, records: &mut Vec<Record>) -> usize {
        if record.offset < self.from {
            return 0;
        }
        // From here on a lower offset is news: the log went back, and the reader must see it.
        self.from = 0;
        self.next = record.offset + 1;
        let bytes = record.value.as_ref().map_or(0, Vec::len);
        records.push(record);
        bytes
    }
}

#[async_trait]
impl Tail for KafkaTail {
    async fn next(&mut self, limit: usize) -> Result<Vec<Record>, LogError> {
        if let Some(begin) = self.begin {
            self.reader.assign(&at(&self.partition, begin)?).map_err(LogError::kafka("begin a tail"))?;
            self.begin = None;
        }
        let (mut records, mut bytes) = (Vec::new(), 0);
        // Nothing is held across a wait: a call that is given up there has taken nothing.
        while records.is_empty() {
            let first = {
                let next = self.reader.stream().next().await;
                match next {
                    Some(Ok(message)) => record(&message),
                    Some(Err(cause)) => match serious_without_group(cause) {
                        Some(serious) => return Err(serious),
                        None => continue,
                    },
                    None => return Err(LogError::Silent { operation: "read records" }),
                }
            };
            bytes += self.take(first, &mut records);
        }
        while records.len() < limit.max(1) && bytes < RUN_BYTES {
            let more = match ready(&mut self.reader.stream()) {
                Some(Ok(message)) => record(&message),
                // An error that matters comes again.
                Some(Err(_)) | None => break,
            };
            bytes += self.take(more, &mut records);
        }
        Ok(records)
    }

    fn position(&self) -> u64 {
        self.next
    }

    fn is_ahead(&self) -> bool {
        self.is_ahead
    }
}
