//! Steps 3 and 4 of a message's way: the log, one promise with two keepers.
//!
//! The embedded keeper's records lie in the store's file, so an event put into a transaction is a record
//! the moment the transaction commits; there is no relay. The other keeper is Kafka. What the promise is, the
//! conformance suite says.

#[cfg(feature = "conformance")]
pub mod conformance;
mod direct;
mod embedded;
mod error;
mod kafka;
pub mod relay;
mod topic;

use std::{future::Future, pin::Pin};

use async_trait::async_trait;
use tidings_model::{Headers, Record};

pub use direct::{Acks, DirectAck, DirectSettings, Written};
pub use embedded::{EmbeddedLog, Retained};
pub use error::LogError;
pub use kafka::{GroupMember, GroupProtocol, GroupState, KafkaLog, KafkaSecurity, KafkaSettings};
pub use relay::last_number;
pub use topic::{Durability, TopicConfig, TopicName, TopicSpec, register};

/// A record that a direct producer sends, outside any transaction of a feature.
#[derive(Clone, Debug, Default)]
pub struct Produce {
    /// The topic, by the name features know it by or its name in the log.
    pub topic: String,
    /// The partition; none lets the key decide.
    pub partition: Option<u32>,
    /// What orders it.
    pub key: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Headers,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// The answer to a record that was enqueued: its place, once it is durable. It is to be awaited: one that is
/// dropped may take its record along.
pub type Ack = Pin<Box<dyn Future<Output = Result<LogPlace, LogError>> + Send>>;

/// A record's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogPlace {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// Which offset.
    pub offset: u64,
}

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
}

/// Where a group without an offset, or a tail, begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The oldest record that is kept.
    Earliest,
    /// Only what comes after.
    Latest,
    /// This offset.
    At(u64),
}

impl Start {
    /// Whether this is a record that a partition which ends at `end` does not have yet.
    pub(crate) fn is_ahead_of(self, end: u64) -> bool {
        matches!(self, Self::At(offset) if offset >= end)
    }
}

/// What a member of a group is told when it asks.
#[derive(Debug)]
pub enum Polled {
    /// The member now owns exactly these partitions; what it held of others is somebody else's.
    Assigned(Vec<TopicPartition>),
    /// Records of one partition, in order.
    Records(Vec<Record>),
}

/// A topic as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicState {
    /// The name in the log.
    pub name: String,
    /// For each partition: the oldest kept offset, the next offset, the bytes kept.
    pub partitions: Vec<PartitionState>,
    /// How long records are kept, in milliseconds.
    pub retention_ms: u64,
    /// How many bytes are kept.
    pub retention_bytes: u64,
}

/// One partition as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Which.
    pub partition: u32,
    /// The oldest offset that is kept.
    pub first_offset: u64,
    /// The offset of the next record.
    pub next_offset: u64,
    /// Bytes of keys, headers and values, where the keeper knows.
    pub bytes: Option<u64>,
}

/// How far a group is in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    /// The group.
    pub group: String,
    /// Where.
    pub partition: TopicPartition,
    /// The next offset that the group wants.
    pub next_offset: u64,
    /// The next offset of the partition.
    pub end_offset: u64,
}

/// A topic whose keeper holds it differently from what its specification asks for; reported, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The topic.
    pub topic: String,
    /// What differs, as a sentence.
    pub what: String,
}

/// The log.
#[async_trait]
pub trait Log: Send + Sync + std::fmt::Debug {
    /// Makes what is missing of `specs`; answers what differs.
    async fn ensure_topics(&self, specs: &[TopicConfig]) -> Result<Vec<Drift>, LogError>;

    /// Appends a record; resolves when it is durable.
    async fn produce(&self, record: Produce) -> Result<LogPlace, LogError>;

    /// Puts a record behind those enqueued before it: in each partition, the order of the calls is the order of
    /// the records. [`LogError::Full`] where the queue has no room: wait for an acknowledgement, then call again.
    fn enqueue(&self, record: Produce) -> Result<Ack, LogError>;

    /// Puts a record behind the direct ones that were enqueued before it. A keeper may have a producer of its own for
    /// them, which gives a record up when its time is over ([`DirectSettings`]).
    fn enqueue_direct(&self, record: Produce) -> Result<DirectAck, LogError> {
        let ack = self.enqueue(record)?;
        Ok(Box::pin(async move { ack.await.map(Written::from) }))
    }

    /// Sends a record of a topic of signals. Nobody waits for it and nobody sends it again: it may be lost. A keeper
    /// may have no such topics.
    fn signal(&self, record: Produce) -> Result<(), LogError> {
        Err(LogError::UnknownTopic { topic: record.topic })
    }

    /// A topic that [`Log::ensure_topics`] or an earlier call met, by the name features know it by or its name in
    /// the log.
    fn topic(&self, name: &str) -> Option<TopicName>;

    /// Becomes a member of a group; a group without an offset begins at `start`.
    async fn join(&self, group: &str, topics: &[String], start: Start) -> Result<Box<dyn Member>, LogError>;

    /// Reads one partition on its own, without a group.
    async fn tail(&self, partition: TopicPartition, start: Start) -> Result<Box<dyn Tail>, LogError>;

    /// All topics.
    async fn topics(&self) -> Result<Vec<TopicState>, LogError>;

    /// Records of one partition from an offset, at most `limit`.
    async fn records(
        &self,
        partition: TopicPartition,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, LogError>;

    /// How far all groups are.
    async fn group_offsets(&self) -> Result<Vec<GroupOffset>, LogError>;

    /// Sets a group's offset, forwards or back; those that join later begin here. A group that has members may
    /// be refused ([`LogError::GroupActive`]); where it is not, they go on where they are.
    async fn reset(&self, group: &str, partition: TopicPartition, next_offset: u64) -> Result<(), LogError>;
}

/// A member of a group. Dropping it leaves the group.
#[async_trait]
pub trait Member: Send + Sync {
    /// The next assignment or the next records, at most `limit`; waits for them.
    ///
    /// Cancel safe: records that were not returned are returned by the next call.
    async fn poll(&mut self, limit: usize) -> Result<Polled, LogError>;

    /// Notes how far the group is: for each partition the next offset that it wants.
    async fn commit(&mut self, places: &[(TopicPartition, u64)]) -> Result<(), LogError>;

    /// Reads a partition that it owns from this offset on.
    fn seek(&mut self, partition: &TopicPartition, offset: u64);

    /// Leaves a partition that it owns unread until [`Member::resume`].
    fn pause(&mut self, partition: &TopicPartition);

    /// Reads a paused partition again.
    fn resume(&mut self, partition: &TopicPartition);
}

/// A reader of one partition.
#[async_trait]
pub trait Tail: Send {
    /// The next records, in order, at least one and at most `limit`; waits for them. Cancel safe.
    async fn next(&mut self, limit: usize) -> Result<Vec<Record>, LogError>;

    /// The offset of the next record that will be returned.
    fn position(&self) -> u64;

    /// Whether the tail was to begin at a record that the partition did not have when it was opened: who has read that
    /// record before reads another log now.
    fn is_ahead(&self) -> bool;
}
