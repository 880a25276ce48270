//! What a feature writes: code for the records of one topic.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_model::Record;
use tidings_store::{StoreError, Tx};

use crate::{Options, headers, line::Taken};

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

    /// Whether the database, not the record, is at fault.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self, Self::Store(source) if source.is_unavailable())
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
/// `handle` runs inside the transaction that moves the group past the record, and awaits nothing but it; what must
/// await something else is done by `reach_out` before. It may run again for the same record, so its effects must not add up.
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
        10_000
    }

    /// How its group works, where it is to differ from others: `options` is how they do.
    fn options(&self, options: Options) -> Options {
        options
    }

    /// Does for a record what no transaction may wait for, such as a call of another system: before `handle`, and
    /// outside of any transaction. An error is a failed attempt of the record, as one of `handle` is.
    ///
    /// It runs again whenever its record does. So whoever reaches out takes records one by one (`batch` is 1): none is
    /// called for again because another one failed.
    async fn reach_out(&self, _record: &Record) -> Result<(), HandlerError> {
        Ok(())
    }

    /// Handles one record.
    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError>;

    /// Notes that a record was given up, in the transaction that writes its dead letter. It must not depend on
    /// what made the record fail: an error here keeps the group before the record.
    async fn gave_up(&self, _record: &Record, _tx: &Tx) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What the handler does outside of the transaction for records of a group; or which one could not have it done, and why.
pub(crate) async fn reach_out(
    handler: &dyn Handler,
    group: &str,
    records: &[Arc<Taken>],
) -> Result<(), (usize, HandlerError)> {
    for (at, taken) in records.iter().enumerate() {
        if !taken.is_repeat && headers::is_for(group, &taken.record) {
            handler.reach_out(&taken.record).await.map_err(|error| (at, error))?;
        }
    }
    Ok(())
}
