//! What happens to a consumer, told to whoever wants to know: logs, metrics, tests.

use tidings_log::TopicPartition;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The partition is ours from this place on.
    Assigned {
        /// Which.
        partition: TopicPartition,
        /// The assignment's number; it only grows.
        epoch: u64,
        /// The first offset that is not done.
        next_offset: u64,
    },
    /// The partition is somebody else's; what of it was in memory is forgotten.
    Revoked {
        /// Which.
        partition: TopicPartition,
    },
    /// A record failed; its key waits.
    Waiting {
        /// Where.
        partition: TopicPartition,
        /// Which record.
        offset: u64,
        /// How often it was tried.
        attempts: u32,
        /// The causes, outermost first, one a line.
        cause: String,
    },
    /// Records that waited too long for memory lie in rows now.
    Parked {
        /// Where.
        partition: TopicPartition,
        /// How many.
        records: usize,
    },
    /// A record was given up.
    DeadLettered {
        /// Which dead letter it became.
        id: String,
        /// The handler that gave it up.
        handler: String,
        /// How often it was tried.
        attempts: u32,
        /// The causes, outermost first, one a line.
        cause: String,
    },
    /// A partition has records, and none of them was finished for a minute.
    Stalled {
        /// Which.
        partition: TopicPartition,
    },
    /// A relay's numbers are missing in the log for half a minute: it lost records. The group goes on without them.
    RecordsLost {
        /// Where.
        partition: TopicPartition,
    },
    /// The database or the log is away; the partition, or the whole group, waits and spends no attempts.
    Away {
        /// Which; none for all.
        partition: Option<TopicPartition>,
        /// What was said.
        cause: String,
    },
    /// An operator paused the group.
    Paused,
    /// An operator let it go on.
    Resumed,
}

/// Is told what happens. It must not block.
pub trait Observer: Send + Sync {
    /// This happened to a group.
    fn happened(&self, group: &str, event: &Event);
}

/// Tells everything to the log of the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged;

impl Observer for Logged {
    fn happened(&self, group: &str, event: &Event) {
        match event {
            Event::DeadLettered { .. }
            | Event::Away { .. }
            | Event::Stalled { .. }
            | Event::RecordsLost { .. } => {
                tracing::warn!(group, ?event, "a consumer needs a look");
            }
            Event::Assigned { .. }
            | Event::Revoked { .. }
            | Event::Waiting { .. }
            | Event::Parked { .. }
            | Event::Paused
            | Event::Resumed => tracing::debug!(group, ?event, "a consumer went on"),
        }
    }
}
