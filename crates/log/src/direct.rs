//! Direct records: those whose writer waits for their place, outside any transaction.
//!
//! What the relay sends is promised already and is sent until it is written. A direct record is promised to nobody before
//! its acknowledgement, so its producer may give it up, and an operator may let fewer replicas acknowledge it.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use crate::{LogError, LogPlace};

/// The answer to a direct record: what became of it. It is to be awaited, as [`Ack`](crate::Ack).
pub type DirectAck = Pin<Box<dyn Future<Output = Result<Written, LogError>> + Send>>;

/// Who acknowledges a direct record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// All replicas that are in sync; embedded, the disk.
    #[default]
    All,
    /// The partition's leader alone: what it acknowledged is lost with it.
    Local,
    /// Nobody: what was sent may never arrive, and has no place.
    None,
}

impl fmt::Display for Acks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Local => "local",
            Self::None => "none",
        })
    }
}

/// Where a direct record came to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// Which offset; none where nobody acknowledged it.
    pub offset: Option<u64>,
    /// Who acknowledged it.
    pub acks: Acks,
}

impl From<LogPlace> for Written {
    fn from(place: LogPlace) -> Self {
        let LogPlace { topic, partition, offset } = place;
        Self { topic, partition, offset: Some(offset), acks: Acks::All }
    }
}

/// How direct records are sent to Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectSettings {
    /// How often a request that failed is sent again.
    pub retries: u32,
    /// Who acknowledges.
    pub acks: Acks,
    /// How long the producer tries, whoever still waits. A record that it gave up may have been written.
    pub give_up: Duration,
}

impl Default for DirectSettings {
    fn default() -> Self {
        Self { retries: 5, acks: Acks::All, give_up: Duration::from_mins(2) }
    }
}
