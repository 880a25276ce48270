//! What can go wrong with the log.

use rdkafka::error::KafkaError;
use tidings_store::StoreError;

/// Why the log did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The keeper of the embedded log failed.
    #[error("the log could not {operation}")]
    Store {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: StoreError,
    },
    /// There is no such topic.
    #[error("no topic `{topic}`")]
    UnknownTopic {
        /// As asked for.
        topic: String,
    },
    /// The topic has fewer partitions.
    #[error("topic `{topic}` has {partitions} partitions, there is no partition {partition}")]
    UnknownPartition {
        /// As asked for.
        topic: String,
        /// As asked for.
        partition: u32,
        /// How many there are, counted from 0.
        partitions: u32,
    },
    /// A topic's name or its settings are not allowed.
    #[error("topic `{topic}`: {reason}")]
    InvalidTopic {
        /// As asked for.
        topic: String,
        /// What is wrong.
        reason: String,
    },
    /// Kafka cannot be reached, or cannot answer now.
    #[error("Kafka is away: could not {operation}")]
    Away {
        /// What was tried.
        operation: &'static str,
        /// What the client met.
        #[source]
        source: KafkaError,
    },
    /// Kafka did not answer in time; what was asked may have happened or not.
    #[error("Kafka did not answer in time: could not {operation}")]
    Silent {
        /// What was tried.
        operation: &'static str,
    },
    /// Kafka knows us and does not allow it, or does not know us.
    #[error("Kafka refused to {operation}: {advice}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// Why, and what to do about it.
        advice: String,
    },
    /// Kafka did not do it.
    #[error("Kafka could not {operation}")]
    Kafka {
        /// What was tried.
        operation: &'static str,
        /// What the client met.
        #[source]
        source: KafkaError,
    },
    /// A setting of Kafka makes no sense, or would break a promise.
    #[error("kafka.{key}: {reason}")]
    Setting {
        /// The key, below `kafka`.
        key: String,
        /// What is wrong, and what to do about it.
        reason: String,
    },
    /// A record was given to the producer, and whether it was written is not known.
    #[error("whether the record for `{topic}` was written is not known")]
    Unknown {
        /// The topic's name in the log.
        topic: String,
    },
    /// The producer's queue is full: wait for what lies in it, then ask again.
    #[error("the producer's queue is full")]
    Full,
    /// A record that no log takes.
    #[error("the record for `{topic}` {reason}")]
    InvalidRecord {
        /// The topic, as asked for.
        topic: String,
        /// What is wrong.
        reason: String,
    },
    /// A group with members keeps its offsets to itself.
    #[error("group `{group}` has members: stop them before its offsets are set")]
    GroupActive {
        /// The group.
        group: String,
    },
}

impl LogError {
    /// Whether the log is away or overloaded, and asking again later is right: no record's fault.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Store { source, .. } => {
                source.is_unavailable() || matches!(source, StoreError::ReadLimit { .. })
            }
            Self::Away { .. } | Self::Silent { .. } | Self::Full => true,
            Self::UnknownTopic { .. }
            | Self::UnknownPartition { .. }
            | Self::InvalidTopic { .. }
            | Self::Refused { .. }
            | Self::Kafka { .. }
            | Self::Setting { .. }
            | Self::Unknown { .. }
            | Self::InvalidRecord { .. }
            | Self::GroupActive { .. } => false,
        }
    }

    pub(crate) fn store(operation: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |source| match source {
            StoreError::UnknownTopic { topic } => Self::UnknownTopic { topic },
            StoreError::UnknownPartition { topic, partition, partitions } => {
                Self::UnknownPartition { topic, partition, partitions }
            }
            source @ (StoreError::Open { .. }
            | StoreError::Statement { .. }
            | StoreError::Row { .. }
            | StoreError::Commit { .. }
            | StoreError::Busy { .. }
            | StoreError::LogFull { .. }
            | StoreError::OutboxFull { .. }
            | StoreError::NoLog
            | StoreError::NotRelayed { .. }
            | StoreError::Unknown { .. }
            | StoreError::Closed
            | StoreError::Suspended
            | StoreError::Panicked
            | StoreError::ReadLimit { .. }) => Self::Store { operation, source },
        }
    }
}
