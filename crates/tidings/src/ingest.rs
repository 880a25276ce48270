//! The ingest port: records that are written for a caller who wants to know their place in the log.
//!
//! Everything else leaves a feature through the transaction that caused it. Here nothing else is caused, and the answer
//! is the place, which only the log can give: so the records go there at once.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tidings_log::{Ack, Log, LogError, LogPlace, Produce};
use tokio::time::{Instant, timeout_at};

/// How long the log may take to acknowledge what one caller sent.
const LIMIT: Duration = Duration::from_secs(10);

/// Writes records to the log, as soon as there is one.
#[derive(Clone, Debug, Default)]
pub struct Ingest(Arc<OnceLock<Arc<dyn Log>>>);

/// Why a record has no place.
#[derive(Debug, thiserror::Error)]
pub enum NotIngested {
    /// It was not written.
    #[error("the record was not written")]
    NotWritten(#[source] LogError),
    /// It may have been written, or still be.
    #[error("whether the record was written is not known")]
    Unknown(#[source] Option<LogError>),
    /// No log takes it, now or later.
    #[error("no log takes the record")]
    Refused(#[source] LogError),
}

impl From<LogError> for NotIngested {
    fn from(cause: LogError) -> Self {
        match cause {
            LogError::Unknown { .. } | LogError::Silent { .. } => Self::Unknown(Some(cause)),
            LogError::InvalidRecord { .. }
            | LogError::UnknownTopic { .. }
            | LogError::UnknownPartition { .. } => Self::Refused(cause),
            LogError::Store { ref source, .. } if source.is_unavailable() => Self::Unknown(Some(cause)),
            LogError::Store { .. }
            | LogError::InvalidTopic { .. }
            | LogError::Away { .. }
            | LogError::Refused { .. }
            | LogError::Kafka { .. }
            | LogError::Setting { .. }
            | LogError::Full
            | LogError::GroupActive { .. } => Self::NotWritten(cause),
        }
    }
}

impl Ingest {
    /// Opens the port on the server's log; who builds the server does it, once.
    pub fn open(&self, log: Arc<dyn Log>) {
        drop(self.0.set(log));
    }

    /// Writes records in their order; answers the place of each once it is durable, within ten seconds for all.
    ///
    /// Not cancel safe: what was not acknowledged then may have been written or not.
    pub async fn write(&self, records: Vec<Produce>) -> Vec<Result<LogPlace, NotIngested>> {
        let until = Instant::now() + LIMIT;
        let mut answers: Vec<Option<Result<LogPlace, NotIngested>>> = Vec::with_capacity(records.len());
        let mut waiting: Vec<(usize, Ack)> = Vec::new();
        for (at, record) in records.into_iter().enumerate() {
            answers.push(None);
            match self.enqueue(record, &mut waiting, &mut answers, until).await {
                Ok(ack) => waiting.push((at, ack)),
                Err(cause) => answers[at] = Some(Err(cause)),
            }
        }
        for (at, ack) in waiting {
            answers[at] = Some(acknowledged(ack, until).await);
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(NotIngested::Unknown(None)))).collect()
    }

    /// Enqueues one; where the queue is full, what lies in it is waited for first.
    async fn enqueue(
        &self,
        record: Produce,
        waiting: &mut Vec<(usize, Ack)>,
        answers: &mut [Option<Result<LogPlace, NotIngested>>],
        until: Instant,
    ) -> Result<Ack, NotIngested> {
        let log = self.0.get().ok_or(NotIngested::NotWritten(LogError::Full))?;
        loop {
            match log.enqueue(record.clone()) {
                Err(LogError::Full) if !waiting.is_empty() && Instant::now() < until => {
                    for (at, ack) in waiting.drain(..) {
                        answers[at] = Some(acknowledged(ack, until).await);
                    }
                }
                enqueued => return enqueued.map_err(NotIngested::from),
            }
        }
    }
}

async fn acknowledged(ack: Ack, until: Instant) -> Result<LogPlace, NotIngested> {
    match timeout_at(until, ack).await {
        Ok(answered) => answered.map_err(NotIngested::from),
        Err(_late) => Err(NotIngested::Unknown(None)),
    }
}
