//! What consumers tell, as lines of the log and numbers.

use std::sync::Arc;

use tidings_consumer::{Event, Observer};
use tidings_telemetry::{
    AttemptFailed, GroupSteered, GroupWaits, Metrics, PartitionAssigned, PartitionRevoked, PartitionStalled,
    RecordGivenUp, RecordsParked,
};

/// Tells what happens to the consumers of this process.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) metrics: Arc<Metrics>,
}

impl Observer for Told {
    fn happened(&self, group: &str, event: &Event) {
        let metrics = &self.metrics;
        match event {
            Event::Assigned { partition: at, epoch, next_offset } => {
                let (topic, partition) = (at.topic.as_str(), at.partition);
                let (epoch, next_offset) = (*epoch, *next_offset);
                PartitionAssigned { group, topic, partition, epoch, next_offset }.emit(metrics);
            }
            Event::Revoked { partition: at } => {
                PartitionRevoked { group, topic: &at.topic, partition: at.partition }.emit();
            }
            Event::Waiting { partition: at, offset, attempts, cause } => {
                let (topic, partition) = (at.topic.as_str(), at.partition);
                let (offset, attempts) = (*offset, *attempts);
                AttemptFailed { group, topic, partition, offset, attempts, cause }.emit(metrics);
            }
            Event::Parked { partition: at, records } => {
                let (topic, partition, records) = (at.topic.as_str(), at.partition, *records);
                RecordsParked { group, topic, partition, records }.emit(metrics);
            }
            Event::DeadLettered { id, handler, attempts, cause } => {
                RecordGivenUp { group, handler, dead_letter: id, attempts: *attempts, cause }.emit(metrics);
            }
            Event::Stalled { partition: at } => {
                PartitionStalled { group, topic: &at.topic, partition: at.partition }.emit(metrics);
            }
            Event::Away { partition: _, cause } => GroupWaits { group, cause }.emit(),
            Event::Paused => GroupSteered { group, paused: true }.emit(),
            Event::Resumed => GroupSteered { group, paused: false }.emit(),
        }
    }
}

/// How this process is called where members of groups are listed: `host/pid`.
pub(crate) fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{host}/{}", std::process::id())
}
