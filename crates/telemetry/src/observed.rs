//! Numbers that somebody else keeps, looked at when they are asked for.

use std::time::Duration;

/// Everything that is looked at.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Whether this process takes work.
    pub ready: bool,
    /// Open streams of each transport.
    pub connections: Vec<(&'static str, u64)>,
    /// Bytes that wait for clients.
    pub queue_bytes: u64,
    /// Dead letters that are kept.
    pub dead_letters: u64,
    /// The newest place of the delivery log.
    pub delivery_head: u64,
    /// The place up to which deliveries were shown.
    pub delivery_shown: u64,
    /// The database.
    pub store: StoreNumbers,
    /// The shards of the outbox; none where the log lies in the database.
    pub outbox: Vec<OutboxShard>,
    /// Rows of the outbox that were set aside.
    pub outbox_set_aside: u64,
    /// The partitions of all topics.
    pub partitions: Vec<PartitionEnds>,
    /// How far all groups are.
    pub groups: Vec<GroupLag>,
}

/// What the store counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreNumbers {
    /// Whether the last commit succeeded.
    pub well: bool,
    /// Commits since the start.
    pub turns: u64,
    /// Transactions since the start.
    pub transactions: u64,
    /// Rows changed since the start.
    pub rows: u64,
    /// Transactions that were too long.
    pub long_bodies: u64,
    /// The longest turn since the start.
    pub longest_turn: Duration,
    /// Pages in the write-ahead log now.
    pub wal_pages: u64,
}

/// What waits in a shard of the outbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutboxShard {
    /// Which.
    pub shard: u32,
    /// Rows that the log has not acknowledged.
    pub rows: u64,
    /// Their records.
    pub records: u64,
    /// Bytes of their keys, headers and values.
    pub bytes: u64,
    /// How long the oldest of them has waited; zero where there is none.
    pub oldest_waits: Duration,
    /// Whether a relay holds the shard.
    pub held: bool,
}

/// What a partition keeps.
#[derive(Clone, Debug, Default)]
pub struct PartitionEnds {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// The oldest offset that is kept.
    pub first_offset: u64,
    /// The offset of the next record.
    pub next_offset: u64,
    /// Bytes that are kept, where the log says.
    pub bytes: Option<u64>,
}

/// How far a group is behind in a partition.
#[derive(Clone, Debug, Default)]
pub struct GroupLag {
    /// The group.
    pub group: String,
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// The next offset that it wants.
    pub next_offset: u64,
    /// Records that it has not consumed.
    pub lag: u64,
    /// How long the oldest of them has waited; zero where there is none.
    pub oldest_waits: Duration,
}
