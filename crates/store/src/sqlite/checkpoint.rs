//! Checkpoints beside the write path: a thread of its own moves the log's pages into the file.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use super::file;
use crate::StoreError;

/// Pause between two looks at the write-ahead log.
const LOOK: Duration = Duration::from_millis(500);
/// A log smaller than this is left alone.
const WORTH: u64 = 4 << 20;

/// The checkpoint thread; dropping it ends it.
#[derive(Debug)]
pub(super) struct Checkpoints {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    pub(super) fn start(database: &Path) -> Result<Self, StoreError> {
        let connection = file::open_writer(database)?;
        let mut wal = database.as_os_str().to_owned();
        wal.push("-wal");
        let wal = PathBuf::from(wal);
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let path = database.display().to_string();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                let (flag, wake) = &*stopped;
                let mut ended = flag.lock().unwrap_or_else(PoisonError::into_inner);
                while !*ended {
                    (ended, _) = wake.wait_timeout(ended, LOOK).unwrap_or_else(PoisonError::into_inner);
                    if std::fs::metadata(&wal).map_or(0, |wal| wal.len()) < WORTH {
                        continue;
                    }
                    // Passive: takes no lock that a writer or reader waits for.
                    if let Err(cause) =
                        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_row| Ok(()))
                    {
                        tracing::warn!(%cause, "a checkpoint failed; the next one starts over");
                    }
                }
            })
            .map_err(|cause| StoreError::Open { path, reason: cause.to_string() })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_one();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
