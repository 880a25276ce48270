//! Checkpoints beside the write path: a thread of its own moves the log's pages into the file.
//!
//! The write-ahead log can start over only in a moment in which all of it has been moved and nobody reads
//! from it. Beside constant writing that moment never comes by itself. So the thread moves what it can, the
//! writer moves the little that is left between two turns and lets the log start over; and once the log has
//! become too long, new readers wait at a gate until those inside have left, which takes at most the limit
//! of a read.

use std::{
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;

use super::{
    file,
    lanes::Lanes,
    wal::{TOO_LONG, Wal},
};
use crate::StoreError;

/// Pages that the writer may be left with: 1 MiB, a few milliseconds.
const LITTLE: i64 = 128;
/// Rounds after which the writer is left with whatever remains.
const ROUNDS: usize = 4;
/// Pause between two checkpoints.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the writer's part is waited for.
const FINISH_LIMIT: Duration = Duration::from_secs(2);

/// Where readers pass; closed for them while a log that has become too long starts over.
pub(super) type Gate = Arc<RwLock<()>>;

/// The checkpoint thread; dropping it ends it.
#[derive(Debug)]
pub(super) struct Checkpoints {
    wal: Arc<Wal>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(
        database: &Path,
        wal: Arc<Wal>,
        lanes: Arc<Lanes>,
        gate: Gate,
    ) -> Result<Self, StoreError> {
        let connection = file::open_writer(database)?;
        let path = database.display().to_string();
        let thread_wal = Arc::clone(&wal);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while thread_wal.wait_for_worth() {
                    checkpoint(&connection, &thread_wal, &lanes, &gate);
                    thread_wal.rest(PAUSE);
                }
            })
            .map_err(|cause| StoreError::Open { path, reason: cause.to_string() })?;
        Ok(Self { wal, thread: Some(thread) })
    }
}

fn checkpoint(connection: &Connection, wal: &Wal, lanes: &Lanes, gate: &Gate) {
    for _ in 0..ROUNDS {
        match passive(connection) {
            Ok(left) if left > LITTLE => {}
            Ok(_little) => break,
            Err(cause) => {
                tracing::warn!(%cause, "a checkpoint failed; the next one starts over");
                return;
            }
        }
    }
    // Held to the end of this function.
    let closed_gate = (wal.pages() > TOO_LONG).then(|| gate.write().unwrap_or_else(PoisonError::into_inner));
    if closed_gate.is_some()
        && let Err(cause) = passive(connection)
    {
        tracing::warn!(%cause, "a checkpoint failed; the next one starts over");
        return;
    }
    let count = wal.finished_count();
    lanes.ask_for_checkpoint();
    wal.wait_for_finish(count, FINISH_LIMIT);
}

/// Moves what nobody reads from any more; takes no lock that a writer or reader waits for. Answers how many
/// pages were left.
fn passive(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(row.get::<_, i64>(1)?.saturating_sub(row.get(2)?))
    })
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wal.close();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to end.
            drop(thread.join());
        }
    }
}
