//! What a topic is to be: the feature's specification, and what the configuration makes of it.

use std::{borrow::Cow, time::Duration};

use tidings_store::{Store, TopicPartitions};

use crate::{Log, LogError};

/// How a topic's records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On the disk before the producer is answered.
    Durable,
    /// In a bounded ring in memory (embedded); lost with the process.
    Memory,
}

/// A topic as a feature asks for it; all of it are defaults.
#[derive(Clone, Debug)]
pub struct TopicSpec {
    /// The name that features know it by, and the default name in the log.
    pub name: Cow<'static, str>,
    /// How many partitions.
    pub partitions: u32,
    /// How long records are kept.
    pub retention: Duration,
    /// What its records are keyed by, for the reference.
    pub key: &'static str,
    /// How its records are kept.
    pub durability: Durability,
}

/// A topic as the configuration wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// The name that features know it by.
    pub alias: String,
    /// The name in the log.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// How long records are kept.
    pub retention: Duration,
    /// How many bytes of keys, headers and values are kept.
    pub retention_bytes: u64,
    /// How its records are kept.
    pub durability: Durability,
}

impl TopicConfig {
    /// The bytes that a topic keeps by default: 2 GiB. It is a bound of the one file: on Kafka, which has the disks of
    /// many, a topic with this bound keeps by time alone.
    pub const RETENTION_BYTES: u64 = 2 << 30;

    /// A durable topic that keeps its records for a week.
    pub fn named(name: impl Into<String>, partitions: u32) -> Self {
        let name = name.into();
        Self {
            alias: name.clone(),
            name,
            partitions,
            retention: Duration::from_hours(7 * 24),
            retention_bytes: Self::RETENTION_BYTES,
            durability: Durability::Durable,
        }
    }

    /// Kafka's rule for names, so that a topic can move there.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let reason = if self.name.is_empty() || self.name.len() > 249 {
            "a name has 1 to 249 characters"
        } else if !self.name.bytes().all(allowed) || matches!(self.name.as_str(), "." | "..") {
            "a name has only letters, digits, `.`, `_` and `-`"
        } else if self.partitions == 0 || self.partitions > 1024 {
            "a topic has 1 to 1,024 partitions"
        } else {
            return Ok(());
        };
        Err(LogError::InvalidTopic { topic: self.name.clone(), reason: reason.to_owned() })
    }

    /// How long records are kept, in milliseconds, as SQL's and Java's numbers can say it.
    pub(crate) fn retention_ms(&self) -> u64 {
        u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX).min(i64::MAX.cast_unsigned())
    }
}

/// A topic, as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicName {
    /// The name in the log.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
}

impl From<&TopicSpec> for TopicConfig {
    fn from(spec: &TopicSpec) -> Self {
        Self {
            alias: spec.name.clone().into_owned(),
            name: spec.name.clone().into_owned(),
            partitions: spec.partitions,
            retention: spec.retention,
            retention_bytes: Self::RETENTION_BYTES,
            durability: spec.durability,
        }
    }
}

/// Tells a store with an outbox which topics its events may go to. The partition of an event is fixed when it is
/// written, so it follows from what the log has, and from the configuration only where the log has nothing.
pub async fn register(store: &Store, log: &dyn Log, topics: &[TopicConfig]) -> Result<(), LogError> {
    let found = log.topics().await?;
    for topic in topics {
        let found = found.iter().find(|found| found.name == topic.name);
        let partitions = found.map_or(topic.partitions, |found| {
            u32::try_from(found.partitions.len()).unwrap_or(topic.partitions)
        });
        let known = TopicPartitions {
            name: topic.name.clone(),
            first_partition: 0,
            partitions,
            bytes_limit: u64::MAX,
        };
        store.register_topic(&topic.name, known.clone());
        store.register_topic(&topic.alias, known);
    }
    Ok(())
}
