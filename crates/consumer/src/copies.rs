//! Copies of a group's places, for other tools: lag, retention, consoles.
//!
//! Progress is the truth and commits with the effects. Its copy in the log costs a commit of its own, so it
//! is written at most about once a second, and once more at the end.

use std::{collections::HashMap, time::Duration};

use tidings_log::{Member, TopicPartition};
use tokio::time::Instant;

/// How long a copy may be behind.
const EVERY: Duration = Duration::from_secs(1);

/// Places that are not copied yet.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    places: HashMap<TopicPartition, u64>,
    due: Option<Instant>,
}

impl Copies {
    /// Notes how far a partition is.
    pub(crate) fn note(&mut self, partition: &TopicPartition, next_offset: u64) {
        self.places.insert(partition.clone(), next_offset);
        self.due.get_or_insert_with(|| Instant::now() + EVERY);
    }

    /// Forgets partitions that are somebody else's now.
    pub(crate) fn retain(&mut self, partitions: &[TopicPartition]) {
        self.places.retain(|partition, _| partitions.contains(partition));
    }

    /// When the copies are to be written; none while there are none.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes the copies. Those that cannot be written are written with the next ones.
    pub(crate) async fn write(&mut self, group: &str, member: &mut dyn Member) {
        self.due = None;
        if self.places.is_empty() {
            return;
        }
        let places: Vec<(TopicPartition, u64)> =
            self.places.iter().map(|(partition, next)| (partition.clone(), *next)).collect();
        match member.commit(&places).await {
            Ok(()) => self.places.clear(),
            Err(cause) => {
                tracing::debug!(group, %cause, "could not copy the group's places");
                self.due = Some(Instant::now() + EVERY);
            }
        }
    }
}
