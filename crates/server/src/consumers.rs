//! The consumers of this process, and what they tell, as lines of the log and numbers.

use std::sync::Arc;

use tidings_consumer::{Consumer, Event, Handler, Observer, Options};
use tidings_log::Log;
use tidings_model::Clock;
use tidings_store::Store;
use tidings_telemetry::{
    AttemptFailed, GroupSteered, GroupWaits, Metrics, PartitionAssigned, PartitionRevoked, PartitionStalled,
    RecordGivenUp, RecordsLost, RecordsParked,
};

/// What every consumer is built of.
pub(crate) struct Consumers {
    pub(crate) store: Store,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) metrics: Arc<Metrics>,
}

impl Consumers {
    /// One consumer for each group of these handlers.
    pub(crate) fn of(&self, handlers: &[Arc<dyn Handler>]) -> Vec<Consumer> {
        let mut groups: Vec<&str> = handlers.iter().map(|handler| handler.group()).collect();
        groups.sort_unstable();
        groups.dedup();
        let consumer = |group: &str| Consumer {
            group: group.into(),
            handlers: handlers.iter().filter(|handler| handler.group() == group).cloned().collect(),
            store: self.store.clone(),
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            options: self.options.clone(),
            observer: Arc::new(Told { metrics: Arc::clone(&self.metrics) }),
        };
        groups.into_iter().map(consumer).collect()
    }
}

/// Tells what happens to the consumers of this process.
#[derive(Clone, Debug)]
struct Told {
    metrics: Arc<Metrics>,
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
            Event::RecordsLost { partition: at } => {
                RecordsLost { group, topic: &at.topic, partition: at.partition }.emit();
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
