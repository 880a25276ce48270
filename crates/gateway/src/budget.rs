//! The memory that all queues of a node share.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the bytes that wait in all queues, and calls for help when they are too many.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    limit: usize,
    over: Notify,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit, over: Notify::new() }
    }

    /// Bytes that wait now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// How many bytes are too many; 0 while there is room.
    pub fn excess(&self) -> usize {
        self.used().saturating_sub(self.limit)
    }

    /// Resolves when the limit was passed.
    pub(crate) async fn passed(&self) {
        self.over.notified().await;
    }

    pub(crate) fn take(&self, bytes: usize) {
        let used = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if used > self.limit {
            self.over.notify_one();
        }
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}
