//! Reading without a group: what all readers share, and looking at a run of records.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{Consumer, ConsumerContext, MessageStream, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::BorrowedMessage,
};
use tidings_model::{Record, Timestamp};
use tokio::sync::Mutex;

use super::{
    Inner, LIMIT,
    client::Listener,
    failure::{Meaning, code_of, meaning},
    native, settings,
};
use crate::{LogError, TopicPartition};

/// The most bytes of values that one read answers with, so that large records do not gather in memory.
pub(super) const RUN_BYTES: usize = 4 << 20;
/// How long a look may wait for what it knows to be there.
const PATIENCE: Duration = Duration::from_secs(15);

/// A reader without a group.
pub(super) type Reader = StreamConsumer<Listener>;

/// The one reader that looks at runs of records, for operators and for who compares numbers; none until the first look.
pub(super) type Looker = Mutex<Option<Looking>>;

/// A reader, and the topics that it knows the leaders of.
pub(super) struct Looking {
    reader: Arc<Reader>,
    topics: BTreeSet<String>,
}

/// Asks who leads the partitions of a topic: a reader that is given one of a topic it does not know looks for its leader
/// with the next of its own looks around, up to a second later.
pub(super) async fn meet(reader: &Arc<Reader>, topic: &str) -> Result<(), LogError> {
    const OPERATION: &str = "ask for a topic's leaders";
    let (reader, name) = (Arc::clone(reader), topic.to_owned());
    let met = tokio::task::spawn_blocking(move || reader.fetch_metadata(Some(&name), LIMIT)).await;
    met.map_err(|_ended| LogError::Silent { operation: OPERATION })?.map_err(LogError::kafka(OPERATION))?;
    Ok(())
}

pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    Record {
        topic: message.topic().to_owned(),
        partition: u32::try_from(message.partition()).unwrap_or_default(),
        offset: u64::try_from(message.offset()).unwrap_or_default(),
        time: Timestamp(message.timestamp().to_millis().unwrap_or_default()),
        key: message.key().map(<[u8]>::to_vec),
        headers: native::headers(message),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

/// What is left of an error that a reader met: brokers that are away come back by themselves, and a topic that is
/// gone may be made again.
pub(super) fn serious(cause: KafkaError) -> Option<LogError> {
    const OPERATION: &str = "read records";
    match (&cause, code_of(&cause).map(meaning)) {
        (KafkaError::MessageConsumptionFatal(_), _) => {
            Some(LogError::Kafka { operation: OPERATION, source: cause })
        }
        (_, Some(Meaning::Refused)) => Some(LogError::kafka(OPERATION)(cause)),
        (_, Some(Meaning::Away)) => {
            tracing::debug!(%cause, "a reader waits for its broker");
            None
        }
        (_, Some(Meaning::Missing | Meaning::Failed) | None) => {
            tracing::warn!(%cause, "a reader met an error and goes on");
            None
        }
    }
}

/// The same for a reader without a group: that it may not use the one it is named after is nothing to it.
pub(super) fn serious_without_group(cause: KafkaError) -> Option<LogError> {
    if code_of(&cause) == Some(Code::GroupAuthorizationFailed) { None } else { serious(cause) }
}

/// What lies ready, without waiting: a message, or what went wrong.
pub(super) fn ready<'a, C: ConsumerContext + 'static>(
    stream: &mut MessageStream<'a, C>,
) -> Option<Result<BorrowedMessage<'a>, KafkaError>> {
    stream.next().now_or_never().flatten()
}

pub(super) fn at(partition: &TopicPartition, offset: u64) -> Result<TopicPartitionList, LogError> {
    let mut places = TopicPartitionList::new();
    let number = i32::try_from(partition.partition).unwrap_or(i32::MAX);
    let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
    places.add_partition_offset(&partition.topic, number, offset).map_err(LogError::kafka("name a place"))?;
    Ok(places)
}

impl Inner {
    pub(super) fn reader(&self) -> Result<Arc<Reader>, LogError> {
        self.reader_by(&settings::reader(&self.settings)?)
    }

    fn reader_by(&self, config: &ClientConfig) -> Result<Arc<Reader>, LogError> {
        let listener = Listener::default();
        let reader: Reader =
            config.create_with_context(listener.clone()).map_err(LogError::kafka("make a reader"))?;
        listener.0.bootstrap.remember(reader.client(), &self.settings.brokers);
        Ok(Arc::new(reader))
    }

    /// A reader that is told where a partition ends.
    fn looker(&self) -> Result<Looking, LogError> {
        let mut config = settings::reader(&self.settings)?;
        // Between two looks nobody polls it, so it is to tell nothing; one that failed is not used again.
        config
            .set("enable.partition.eof", "true")
            .set("statistics.interval.ms", "0")
            // The next look would wait for the end of a fetch that was left behind. Nobody looks for what is to come.
            .set("fetch.wait.max.ms", "10");
        Ok(Looking { reader: self.reader_by(&config)?, topics: BTreeSet::new() })
    }

    /// Records of a partition from an offset on, at most `limit`: what is there now.
    pub(super) async fn look(
        &self,
        partition: &TopicPartition,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let both = tokio::try_join!(
            self.offsets(vec![partition.clone()], Offset::Beginning),
            self.offsets(vec![partition.clone()], Offset::End),
        )?;
        let (Some(first), Some(end)) = (both.0.get(partition), both.1.get(partition)) else {
            return Err(LogError::Silent { operation: "read records" });
        };
        let from = from.max(*first);
        if from >= *end || limit == 0 {
            return Ok(Vec::new());
        }
        let mut looker = self.looker.lock().await;
        let mut looking = looker.take().map_or_else(|| self.looker(), Ok)?;
        let reader = &looking.reader;
        if !looking.topics.contains(&partition.topic) {
            meet(reader, &partition.topic).await?;
            looking.topics.insert(partition.topic.clone());
        }
        reader.assign(&at(partition, from)?).map_err(LogError::kafka("read records"))?;
        let records = tokio::time::timeout(PATIENCE, run(reader, partition, *end, limit)).await;
        // One that was given up or failed is not used again: what it fetched belongs to an earlier look.
        let records = records.map_err(|_late| LogError::Silent { operation: "read records" })??;
        if reader.unassign().is_ok() {
            *looker = Some(looking);
        }
        Ok(records)
    }
}

/// Reads to `end`, which may lie behind places without a record: a reader is told when it is there.
async fn run(
    reader: &Reader,
    partition: &TopicPartition,
    end: u64,
    limit: usize,
) -> Result<Vec<Record>, LogError> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    let is_ours = |number: i32| u32::try_from(number) == Ok(partition.partition);
    let mut stream = reader.stream();
    while let Some(next) = stream.next().await {
        match next {
            Ok(message) if message.topic() == partition.topic && is_ours(message.partition()) => {
                let record = record(&message);
                let last = record.offset + 1 >= end;
                bytes += record.value.as_ref().map_or(0, Vec::len);
                if bytes > RUN_BYTES && !records.is_empty() {
                    break;
                }
                records.push(record);
                if last || records.len() >= limit {
                    break;
                }
            }
            Ok(_earlier) => {}
            Err(KafkaError::PartitionEOF(ended)) if is_ours(ended) => break,
            Err(KafkaError::PartitionEOF(_earlier)) => {}
            Err(cause) => {
                if let Some(serious) = serious_without_group(cause) {
                    return Err(serious);
                }
            }
        }
    }
    Ok(records)
}
