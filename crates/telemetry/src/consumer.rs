//! Events of consumers, each with the number that it moves.

use crate::Metrics;

/// A partition was given to a group of this process.
#[derive(Clone, Copy, Debug)]
pub struct PartitionAssigned<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic's name in the log.
    pub topic: &'a str,
    /// Which partition.
    pub partition: u32,
    /// The assignment's number.
    pub epoch: u64,
    /// The first offset that is not done.
    pub next_offset: u64,
}

impl PartitionAssigned<'_> {
    /// Counts it and tells it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.assigned(self.group, self.topic);
        let Self { group, topic, partition, epoch, next_offset } = self;
        tracing::info!(group, topic, partition, epoch, next_offset, "took a partition over");
    }
}

/// A partition is somebody else's now.
#[derive(Clone, Copy, Debug)]
pub struct PartitionRevoked<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic's name in the log.
    pub topic: &'a str,
    /// Which partition.
    pub partition: u32,
}

impl PartitionRevoked<'_> {
    /// Tells it.
    pub fn emit(self) {
        let Self { group, topic, partition } = self;
        tracing::info!(
            group,
            topic,
            partition,
            "a partition is somebody else's now; this process leaves it alone"
        );
    }
}

/// A record failed; its key waits for the next attempt.
#[derive(Clone, Copy, Debug)]
pub struct AttemptFailed<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic's name in the log.
    pub topic: &'a str,
    /// Which partition.
    pub partition: u32,
    /// Which record.
    pub offset: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// The causes, outermost first, one a line.
    pub cause: &'a str,
}

impl AttemptFailed<'_> {
    /// Counts it and tells it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.attempt_failed(self.group, self.topic);
        let Self { group, topic, partition, offset, attempts, cause } = self;
        tracing::debug!(
            group,
            topic,
            partition,
            offset,
            attempts,
            cause,
            "a record failed; it is tried again"
        );
    }
}

/// Records that waited too long for memory lie in rows now.
#[derive(Clone, Copy, Debug)]
pub struct RecordsParked<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic's name in the log.
    pub topic: &'a str,
    /// Which partition.
    pub partition: u32,
    /// How many.
    pub records: usize,
}

impl RecordsParked<'_> {
    /// Counts it and tells it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.parked(self.group, self.topic, self.records as u64);
        let Self { group, topic, partition, records } = self;
        tracing::info!(
            group,
            topic,
            partition,
            records,
            "parked records whose key keeps failing; others go on"
        );
    }
}

/// A record was given up: somebody should look.
#[derive(Clone, Copy, Debug)]
pub struct RecordGivenUp<'a> {
    /// The group.
    pub group: &'a str,
    /// Its handler.
    pub handler: &'a str,
    /// The dead letter that it became.
    pub dead_letter: &'a str,
    /// How often it was tried.
    pub attempts: u32,
    /// The causes, outermost first, one a line.
    pub cause: &'a str,
}

impl RecordGivenUp<'_> {
    /// Counts it and tells it.
    pub fn emit(self, metrics: &Metrics) {
        let topic = self.dead_letter.split('/').next().unwrap_or_default();
        metrics.given_up(self.group, topic);
        let Self { group, handler, dead_letter, attempts, cause } = self;
        tracing::warn!(
            group,
            handler,
            dead_letter,
            attempts,
            cause,
            "gave a record up; it is a dead letter now"
        );
    }
}

/// A partition has records, and none of them was finished for a minute.
#[derive(Clone, Copy, Debug)]
pub struct PartitionStalled<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic's name in the log.
    pub topic: &'a str,
    /// Which partition.
    pub partition: u32,
}

impl PartitionStalled<'_> {
    /// Counts it and tells it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.stalled(self.group, self.topic);
        let Self { group, topic, partition } = self;
        tracing::error!(
            group,
            topic,
            partition,
            "a partition stands still: nothing of it was finished for a minute"
        );
    }
}

/// The database or the log is away; a group waits and spends no attempts.
#[derive(Clone, Copy, Debug)]
pub struct GroupWaits<'a> {
    /// The group.
    pub group: &'a str,
    /// What was said.
    pub cause: &'a str,
}

impl GroupWaits<'_> {
    /// Tells it.
    pub fn emit(self) {
        tracing::warn!(
            group = self.group,
            cause = self.cause,
            "the database or the log is away; a group waits for it"
        );
    }
}

/// An operator paused a group, or let it go on.
#[derive(Clone, Copy, Debug)]
pub struct GroupSteered<'a> {
    /// The group.
    pub group: &'a str,
    /// Whether it takes nothing new from now on.
    pub paused: bool,
}

impl GroupSteered<'_> {
    /// Tells it.
    pub fn emit(self) {
        tracing::info!(group = self.group, paused = self.paused, "an operator steered a group");
    }
}

/// A relay's numbers are missing in the log: it lost records, and the group goes on without them.
#[derive(Clone, Copy, Debug)]
pub struct RecordsLost<'a> {
    /// The group.
    pub group: &'a str,
    /// The topic's name in the log.
    pub topic: &'a str,
    /// Which partition.
    pub partition: u32,
}

impl RecordsLost<'_> {
    /// Tells it.
    pub fn emit(self) {
        let Self { group, topic, partition } = self;
        tracing::error!(group, topic, partition, "the log lost records; the group goes on without them");
    }
}
