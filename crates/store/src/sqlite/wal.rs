//! The write-ahead log's length, which the writer knows and the checkpoints act on.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A log of this many pages (of 8 KiB) is worth a checkpoint: 4 MiB.
pub(super) const WORTH: u64 = 512;
/// Past this many pages, readers wait until the log has started over: 64 MiB.
pub(super) const TOO_LONG: u64 = 8192;

/// Shared by the writer and the checkpoint thread.
#[derive(Debug, Default)]
pub(super) struct Wal {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pages: u64,
    restarts: u64,
    // Checkpoints that the writer has finished, whether or not the log could start over.
    finished: u64,
    closed: bool,
}

impl Wal {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's word after a commit: how many pages the log holds.
    pub(super) fn grew(&self, pages: u64) {
        let mut state = self.state();
        if pages < state.pages {
            state.restarts += 1;
        }
        let worth = state.pages < WORTH && pages >= WORTH;
        state.pages = pages;
        drop(state);
        if worth {
            self.wake.notify_all();
        }
    }

    /// The writer's word after the last part of a checkpoint.
    pub(super) fn finished(&self) {
        self.state().finished += 1;
        self.wake.notify_all();
    }

    pub(super) fn pages(&self) -> u64 {
        self.state().pages
    }

    pub(super) fn restarts(&self) -> u64 {
        self.state().restarts
    }

    /// How many checkpoints the writer has finished.
    pub(super) fn finished_count(&self) -> u64 {
        self.state().finished
    }

    /// Waits until a checkpoint is worth its while; false when the store closes.
    pub(super) fn wait_for_worth(&self) -> bool {
        let state = self.state();
        let state = self
            .wake
            .wait_while(state, |state| !state.closed && state.pages < WORTH)
            .unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }

    /// Waits until the writer has finished more than `count` checkpoints, for at most `limit`.
    pub(super) fn wait_for_finish(&self, count: u64, limit: Duration) {
        let state = self.state();
        let waited =
            self.wake.wait_timeout_while(state, limit, |state| !state.closed && state.finished <= count);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits, unless the store closes meanwhile.
    pub(super) fn rest(&self, pause: Duration) {
        let waited = self.wake.wait_timeout_while(self.state(), pause, |state| !state.closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_all();
    }
}
