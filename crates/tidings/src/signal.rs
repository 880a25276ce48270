//! Signals: what is worth something now and nothing in a few seconds. They pass no database: a record of a topic in
//! memory, which every gateway reads from its end and shows to who listens.

use std::sync::{Arc, OnceLock};

use tidings_delivery::SignalFrame;
use tidings_log::{Log, LogError, Produce};
use tidings_model::{Record, Timestamp};

/// Sends signals, as soon as there is a log.
#[derive(Clone, Debug, Default)]
pub struct Signals(Arc<OnceLock<Arc<dyn Log>>>);

impl Signals {
    /// Opens it on the server's log; who builds the server does it, once.
    pub fn open(&self, log: Arc<dyn Log>) {
        drop(self.0.set(log));
    }

    /// Sends a signal. Where the log takes none now, it is lost.
    pub fn send(&self, record: Produce) {
        let sent = self.0.get().ok_or(LogError::Full).and_then(|log| log.signal(record));
        if let Err(cause) = sent {
            tracing::debug!(%cause, "a signal was lost");
        }
    }
}

/// What of a topic of signals is shown, and to whom. Each gateway has one of its own.
pub trait Signal: Send + Sync {
    /// The name that features know the topic by.
    fn topic(&self) -> &'static str;

    /// What a record shows now, if anything. One key's records come in their order.
    fn take(&self, record: &Record, now: Timestamp) -> Option<SignalFrame>;

    /// What the passing of time shows; asked several times a second.
    fn pass(&self, now: Timestamp) -> Vec<SignalFrame>;
}
