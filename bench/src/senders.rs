//! Senders: programs that bring records to a topic of Kafka, ours and the floor. Each runs as a process of its own, tells
//! how long it took until the last one was acknowledged, and is ended by who started it.

mod bare;
mod relay;

use clap::{Args, Subcommand};

use crate::Failure;

/// Partitions of the topic.
pub(crate) const PARTITIONS: u32 = 50;
/// Bytes of a value.
pub(crate) const BYTES: usize = 300;

/// Which sender a process is.
#[derive(Debug, Subcommand)]
pub(crate) enum Sender {
    /// The relay, from an outbox in PostgreSQL that is full.
    Relay {
        #[command(flatten)]
        target: Target,
        /// Where the outbox is.
        #[arg(long)]
        database: String,
    },
    /// librdkafka alone, with the relay's promises: idempotent, acknowledged by all replicas that are in sync.
    Bare {
        #[command(flatten)]
        target: Target,
    },
}

/// What is sent where.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// Where the brokers are.
    #[arg(long)]
    brokers: String,
    /// The topic's name.
    #[arg(long)]
    topic: String,
    /// How many records.
    #[arg(long)]
    records: u64,
}

impl Sender {
    /// Sends, and tells.
    pub(crate) fn send(self) -> Result<(), Failure> {
        match self {
            Self::Relay { target, database } => relay::send(&target, &database),
            Self::Bare { target } => bare::send(&target),
        }
    }
}
