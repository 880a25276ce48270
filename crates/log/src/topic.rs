//! What a topic is to be: the feature's specification, and what the configuration makes of it.

use std::time::Duration;

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
    pub name: &'static str,
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
    /// The bytes that a topic keeps by default: 2 GiB.
    pub const RETENTION_BYTES: u64 = 2 << 30;
}

impl From<&TopicSpec> for TopicConfig {
    fn from(spec: &TopicSpec) -> Self {
        Self {
            alias: spec.name.to_owned(),
            name: spec.name.to_owned(),
            partitions: spec.partitions,
            retention: spec.retention,
            retention_bytes: Self::RETENTION_BYTES,
            durability: spec.durability,
        }
    }
}
