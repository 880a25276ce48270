//! The producer: records in the order in which they were enqueued, acknowledged by all replicas that are in sync.

use std::sync::atomic::Ordering;

use rdkafka::{
    error::RDKafkaErrorCode as Code,
    message::{Header, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer},
};
use tidings_store::partition_for;

use super::{Inner, client::Listener, failure, settings::RECORD_BYTES};
use crate::{Ack, Acks, DirectAck, LogError, LogPlace, Produce, TopicName, Written};

/// What a record needs beside its key, headers and value, at most.
const ROOM: usize = 512;

impl Inner {
    pub(super) async fn produce(&self, record: Produce) -> Result<LogPlace, LogError> {
        let topic = self.known(&record.topic).await?;
        let name = topic.name.clone();
        let ack = self.enqueue_at(&topic, &record)?;
        match tokio::time::timeout(self.settings.produce_limit, ack).await {
            Ok(answered) => answered,
            // The producer goes on trying.
            Err(_late) => Err(LogError::Unknown { topic: name }),
        }
    }

    pub(super) fn enqueue(&self, record: &Produce) -> Result<Ack, LogError> {
        let topic = self.met.get(&record.topic);
        let topic = topic.ok_or_else(|| LogError::UnknownTopic { topic: record.topic.clone() })?;
        self.enqueue_at(&topic, record)
    }

    pub(super) fn enqueue_direct(&self, record: &Produce) -> Result<DirectAck, LogError> {
        let topic = self.met.get(&record.topic);
        let topic = topic.ok_or_else(|| LogError::UnknownTopic { topic: record.topic.clone() })?;
        let (delivery, partition) = self.send(self.direct.as_ref(), &topic, record)?;
        Ok(Box::pin(written(delivery, topic.name, partition, self.settings.direct.acks)))
    }

    pub(super) fn signal(&self, record: &Produce) -> Result<(), LogError> {
        let topic = self.met.get(&record.topic);
        let topic = topic.ok_or_else(|| LogError::UnknownTopic { topic: record.topic.clone() })?;
        // What becomes of it nobody asks.
        self.send(self.signals.as_ref(), &topic, record).map(drop)
    }

    fn enqueue_at(&self, topic: &TopicName, record: &Produce) -> Result<Ack, LogError> {
        let (delivery, partition) = self.send(self.producer.as_ref(), topic, record)?;
        Ok(Box::pin(acknowledged(delivery, topic.name.clone(), partition)))
    }

    fn send(
        &self,
        producer: Option<&FutureProducer<Listener>>,
        topic: &TopicName,
        record: &Produce,
    ) -> Result<(DeliveryFuture, u32), LogError> {
        check(record)?;
        let partition = self.partition(topic, record)?;
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new_with_capacity(record.headers.len()), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value.as_slice()) })
            });
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let mut sent = FutureRecord::<[u8], [u8]>::to(&topic.name).partition(number);
        if !record.headers.is_empty() {
            sent = sent.headers(headers);
        }
        sent.key = record.key.as_deref();
        sent.payload = record.value.as_deref();
        let producer = producer.ok_or_else(|| LogError::Refused {
            operation: "send a record",
            advice: "this connection only looks".to_owned(),
        })?;
        let delivery = producer.send_result(sent).map_err(|(cause, _record)| {
            self.fatal().unwrap_or_else(|| LogError::kafka_about("send a record", &topic.name)(cause))
        })?;
        Ok((delivery, partition))
    }

    /// The partition of a record: its own, that of its key, or each in turn.
    fn partition(&self, topic: &TopicName, record: &Produce) -> Result<u32, LogError> {
        match (record.partition, record.key.as_deref()) {
            (Some(partition), _) if partition >= topic.partitions => Err(LogError::UnknownPartition {
                topic: topic.name.clone(),
                partition,
                partitions: topic.partitions,
            }),
            (Some(partition), _) => Ok(partition),
            (None, Some(key)) => Ok(partition_for(key, topic.partitions)),
            (None, None) => Ok(self.spread.fetch_add(1, Ordering::Relaxed) % topic.partitions.max(1)),
        }
    }

    /// Why the producer can never send again, if it cannot.
    pub(super) fn fatal(&self) -> Option<LogError> {
        let (code, reason) = self.producer.as_ref()?.client().fatal_error()?;
        let operation = "send records";
        let source = rdkafka::error::KafkaError::Global(code);
        Some(match failure::meaning(code) {
            failure::Meaning::Refused => {
                LogError::Refused { operation, advice: failure::advice(code, "", &reason) }
            }
            failure::Meaning::Away | failure::Meaning::Missing | failure::Meaning::Failed => {
                tracing::error!(%code, reason, "the producer cannot go on");
                LogError::Kafka { operation, source }
            }
        })
    }
}

async fn acknowledged(delivery: DeliveryFuture, topic: String, partition: u32) -> Result<LogPlace, LogError> {
    match delivery.await {
        Ok(Ok(delivered)) => match u64::try_from(delivered.offset) {
            Ok(offset) => Ok(LogPlace { topic, partition, offset }),
            // Written, but the broker did not say where.
            Err(_unknown) => Err(LogError::Unknown { topic }),
        },
        Ok(Err((cause, _message))) => Err(match cause.rdkafka_error_code() {
            // Given up on the way, or by the end of the producer: it may have arrived.
            Some(Code::MessageTimedOut | Code::PurgeInflight | Code::BrokerTransportFailure) => {
                LogError::Unknown { topic }
            }
            Some(Code::InvalidMessageSize | Code::MessageSizeTooLarge) => too_large(&topic),
            Some(_) | None => LogError::kafka_about("send a record", &topic)(cause),
        }),
        Err(_producer_ended) => Err(LogError::Unknown { topic }),
    }
}

/// What became of a direct record. Its producer gives up, so a failure that may come after the write says nothing about it.
async fn written(
    delivery: DeliveryFuture,
    topic: String,
    partition: u32,
    acks: Acks,
) -> Result<Written, LogError> {
    match delivery.await {
        Ok(Ok(delivered)) => {
            Ok(Written { topic, partition, offset: u64::try_from(delivered.offset).ok(), acks })
        }
        Ok(Err((cause, _message))) => Err(match cause.rdkafka_error_code() {
            Some(Code::InvalidMessageSize | Code::MessageSizeTooLarge) => too_large(&topic),
            // Refused before anything was appended.
            Some(Code::NotEnoughReplicas) => LogError::kafka_about("send a record", &topic)(cause),
            Some(code) if failure::meaning(code) == failure::Meaning::Away => LogError::Unknown { topic },
            Some(Code::PurgeInflight) => LogError::Unknown { topic },
            Some(_) | None => LogError::kafka_about("send a record", &topic)(cause),
        }),
        Err(_producer_ended) => Err(LogError::Unknown { topic }),
    }
}

/// Refuses what no broker would take, or what would arrive as something else.
fn check(record: &Produce) -> Result<(), LogError> {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let bytes = record.key.as_ref().map_or(0, Vec::len) + headers + record.value.as_ref().map_or(0, Vec::len);
    if bytes + ROOM > RECORD_BYTES as usize {
        return Err(too_large(&record.topic));
    }
    if record.headers.iter().any(|(name, _)| name.contains('\0')) {
        let reason = "has a header with a zero byte in its name".to_owned();
        return Err(LogError::InvalidRecord { topic: record.topic.clone(), reason });
    }
    Ok(())
}

fn too_large(topic: &str) -> LogError {
    LogError::InvalidRecord { topic: topic.to_owned(), reason: format!("has more than {RECORD_BYTES} bytes") }
}
