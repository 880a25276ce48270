//! What the writer has done since the start, in numbers that a metric can show.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Counts since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Commits: one for each turn of SQLite's writer, one for each transaction on PostgreSQL.
    pub turns: u64,
    /// Transactions that ran in them.
    pub transactions: u64,
    /// Rows that they changed.
    pub rows: u64,
    /// Bodies that alone were longer than a turn may be (500 rows; on SQLite also 5 ms): the fault of their
    /// callers.
    pub long_bodies: u64,
    /// The longest time that bodies held a writer in one turn, in microseconds; on SQLite without the commit.
    pub longest_turn_micros: u64,
    /// Pages in the write-ahead log now.
    pub wal_pages: u64,
    /// How often the write-ahead log started over.
    pub wal_restarts: u64,
}

/// The most rows that a body may change; larger work goes in slices.
pub(crate) const BODY_ROWS: u64 = 500;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    turns: AtomicU64,
    transactions: AtomicU64,
    rows: AtomicU64,
    long_bodies: AtomicU64,
    longest_turn_micros: AtomicU64,
}

impl Counters {
    pub(crate) fn turn(&self, transactions: usize, rows: u64, took: Duration) {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.transactions.fetch_add(transactions as u64, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.longest_turn_micros.fetch_max(micros, Ordering::Relaxed);
    }

    pub(crate) fn long_body(&self) {
        self.long_bodies.fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers now; those of the write-ahead log come from elsewhere.
    pub(crate) fn read(&self) -> StoreStats {
        StoreStats {
            turns: self.turns.load(Ordering::Relaxed),
            transactions: self.transactions.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            long_bodies: self.long_bodies.load(Ordering::Relaxed),
            longest_turn_micros: self.longest_turn_micros.load(Ordering::Relaxed),
            ..StoreStats::default()
        }
    }
}
