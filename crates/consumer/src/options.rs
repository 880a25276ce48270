//! How a consumer works: waits, bounds, what it remembers.

use std::time::Duration;

use crate::Backoff;

/// How a consumer works.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The waits between attempts.
    pub backoff: Backoff,
    /// What may wait, and where.
    pub limits: Limits,
    /// Which records may come again at another place.
    pub repeats: Repeats,
    /// How this process is called where the group's members are listed; none shows nobody.
    pub instance: Option<String>,
}

/// What one partition may hold; more waits in the log.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Transactions of one partition that may run at once, each with keys of its own. More than one helps where
    /// the database has more than one writer.
    pub lanes: usize,
    /// Records that were read and wait for their first attempt.
    pub ready: usize,
    /// The same in bytes.
    pub ready_bytes: usize,
    /// Records that wait in memory because one of their key failed, and offsets between the high-water place and
    /// the newest record; past either, waiting records are parked as rows.
    pub held: usize,
    /// Bytes of the records that wait in memory; past it they are parked.
    pub held_bytes: usize,
    /// How long a record may wait in memory before it is parked.
    pub held_for: Duration,
    /// Rows of parked records; at the bound the partition is not read on.
    pub parked: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lanes: 1,
            ready: 10_000,
            ready_bytes: 8 << 20,
            held: 5_000,
            held_bytes: 32 << 20,
            held_for: Duration::from_mins(1),
            parked: 50_000,
        }
    }
}

/// Which records may come again at another place, so that their event ids are remembered for a day. Records
/// without an event id are never repeats, and those that were sent through again always may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// What other tools wrote: the records of our own transactions lie in the log once.
    #[default]
    Foreign,
    /// Whatever carries no number of the relay.
    Unnumbered,
}
