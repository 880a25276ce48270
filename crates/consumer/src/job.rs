//! A *job* is one piece of work for a partition: the transactions that it needs, and what became of it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    line::{Line, Taken},
    progress::Claim,
    window::Window,
};

/// Work for a partition, by whoever owned it when it was planned.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) claim: Claim,
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Records of one lane that nobody tried yet, in one transaction.
    Fresh { slot: usize, records: Vec<Arc<Taken>> },
    /// The first record of a line that waits in memory.
    Again { line: Line, record: Arc<Taken>, attempts: u32 },
    /// Write records of waiting lines as rows.
    Park { rows: Vec<Parking> },
    /// The first rows of a parked line: one where it failed before, else at most `limit`.
    Parked { line: Line, attempts: u32, limit: usize },
}

/// A record that becomes a row.
#[derive(Clone, Debug)]
pub(crate) struct Parking {
    pub(crate) line: Line,
    pub(crate) taken: Arc<Taken>,
    pub(crate) attempts: u32,
    pub(crate) due: Instant,
}

/// A job that ended.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) task: Task,
    pub(crate) report: Report,
}

/// What became of a job's records, in order: so many are done, then perhaps one failed; the rest is untouched.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Records that were handled or given up, or rows that were written.
    pub(crate) done: usize,
    /// What is done of the partition, as it was committed.
    pub(crate) window: Option<Window>,
    /// The record after the done ones is to be tried again.
    pub(crate) failed: Option<Failed>,
    /// The database is away: nothing is to be tried before so long.
    pub(crate) away: Option<Duration>,
    /// Progress is not where these records are: look who owns the partition.
    pub(crate) fenced: bool,
}

/// A record that is to be tried again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    /// How often it was tried.
    pub(crate) attempts: u32,
    /// How long to wait.
    pub(crate) wait: Duration,
}
