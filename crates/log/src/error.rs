//! What can go wrong with the log.

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
}

impl LogError {
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
