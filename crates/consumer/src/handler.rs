//! What a feature writes: code for the records of one topic.

use async_trait::async_trait;
use tidings_model::Record;
use tidings_store::{StoreError, Tx};

/// What became of a record that was not handled.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// It may work later: back-off, then a dead letter.
    #[error("it may work later")]
    Retry(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It will never work: a dead letter at once.
    #[error("it will never work")]
    Reject(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed; if it is away, the consumer waits and no attempt is spent.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl HandlerError {
    /// For `map_err`: try again later.
    pub fn retry(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Retry(cause.into())
    }

    /// For `map_err`: give the record up.
    pub fn reject(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Reject(cause.into())
    }

    /// Which of the three it is, for those who sort dead letters.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Retry(_) => "Retry",
            Self::Reject(_) => "Reject",
            Self::Store(_) => "Store",
        }
    }

    /// The causes, outermost first. They may quote a record, and PostgreSQL keeps no U+0000 in text.
    pub(crate) fn chain(&self) -> String {
        let mut causes = Vec::new();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        causes.join("\n").replace('\0', "\u{fffd}")
    }
}

/// Code for the records of one topic, run by one group.
///
/// `handle` runs inside the transaction that moves the group past the record, and awaits nothing but it.
/// It may run again for the same record, so its effects must not add up.
#[async_trait]
pub trait Handler: Send + Sync {
    /// What it does, for logs, metrics and dead letters: `broadcast-lifecycle`.
    fn name(&self) -> &str;

    /// The topic, by the name features know it by.
    fn topic(&self) -> &str;

    /// The group.
    fn group(&self) -> &str;

    /// How many records may share a transaction. It takes no more of them once they have changed many rows or have taken
    /// long, so this need not be small.
    fn batch(&self) -> usize {
        2_000
    }

    /// Handles one record.
    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError>;

    /// Notes that a record was given up, in the transaction that writes its dead letter. It must not depend on
    /// what made the record fail: an error here keeps the group before the record.
    async fn gave_up(&self, _record: &Record, _tx: &Tx) -> Result<(), StoreError> {
        Ok(())
    }
}
