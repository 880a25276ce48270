//! The ingest port: records that are written for a caller who wants to know their place in the log.
//!
//! Everything else leaves a feature through the transaction that caused it. Here nothing else is caused, and the answer
//! is the place, which only the log can give: so the records go there at once.
//!
//! A caller waits for ten seconds, the log's producer tries for longer. What is still open then stays *left* here under
//! the id of its event: who comes with the same id hears what became of that record, and none is written beside it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tidings_log::{DirectAck, Log, LogError, Produce, Written};
use tidings_model::header;
use tokio::time::{Instant, timeout_at};

/// How long the log may take to acknowledge what one caller sent.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a record that nobody waits for any more is remembered.
const REMEMBERED: Duration = Duration::from_mins(10);
/// How many such records; past it, the oldest are forgotten.
const MOST_LEFT: usize = 10_000;

/// Writes records to the log, as soon as there is one.
#[derive(Clone, Debug, Default)]
pub struct Ingest(Arc<Port>);

#[derive(Debug, Default)]
struct Port {
    log: OnceLock<Arc<dyn Log>>,
    // By the ids of their events.
    known: Mutex<HashMap<Vec<u8>, Known>>,
}

/// A record whose place is not known yet.
enum Known {
    /// Somebody waits for it.
    InHand,
    /// Nobody does.
    Left { ack: DirectAck, since: Instant },
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::InHand => "InHand",
            Self::Left { .. } => "Left { … }",
        })
    }
}

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
    /// Another caller waits for the record with this event id.
    #[error("the same record is being written for another caller")]
    InHand,
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

/// A record that somebody waits for. Who stops waiting leaves it to the next.
struct Waiting<'a> {
    port: &'a Port,
    id: Option<Vec<u8>>,
    ack: Option<DirectAck>,
}

impl Waiting<'_> {
    /// Its place, if it has one by then.
    async fn placed(&mut self, until: Instant) -> Result<Written, NotIngested> {
        let Some(ack) = &mut self.ack else { return Err(NotIngested::Unknown(None)) };
        let answered = timeout_at(until, ack).await.map_err(|_late| NotIngested::Unknown(None))?;
        self.ack = None;
        answered.map_err(NotIngested::from)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        match self.ack.take() {
            Some(ack) => self.port.leave(id, ack),
            None => drop(self.port.known().remove(&id)),
        }
    }
}

impl Port {
    fn known(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, id: Vec<u8>, ack: DirectAck) {
        let (now, mut known) = (Instant::now(), self.known());
        if known.len() >= MOST_LEFT {
            known.retain(|_id, known| match known {
                Known::InHand => true,
                Known::Left { since, .. } => now.duration_since(*since) < REMEMBERED,
            });
        }
        if known.len() >= MOST_LEFT {
            let left = known.iter().filter_map(|(id, known)| match known {
                Known::InHand => None,
                Known::Left { since, .. } => Some((*since, id.clone())),
            });
            if let Some((_, oldest)) = left.min() {
                known.remove(&oldest);
            }
        }
        known.insert(id, Known::Left { ack, since: now });
    }

    /// Takes a record in hand: the one that was left under its id, or a new one.
    fn take(&self, record: &Produce) -> Result<Waiting<'_>, NotIngested> {
        let id = record.headers.iter().find(|(name, _)| name == header::ID).map(|(_, id)| id.clone());
        let mut ack = None;
        if let Some(id) = &id {
            match self.known().insert(id.clone(), Known::InHand) {
                None => {}
                Some(Known::InHand) => return Err(NotIngested::InHand),
                Some(Known::Left { ack: left, .. }) => ack = Some(left),
            }
        }
        Ok(Waiting { port: self, id, ack })
    }
}

impl Ingest {
    /// Opens the port on the server's log; who builds the server does it, once.
    pub fn open(&self, log: Arc<dyn Log>) {
        drop(self.0.log.set(log));
    }

    /// Writes records in their order; answers the place of each once it is durable, within ten seconds for all.
    ///
    /// A record whose event id came before, and whose place is not known yet, is not written again.
    ///
    /// Not cancel safe: what was not acknowledged then may have been written or not.
    pub async fn write(&self, records: Vec<Produce>) -> Vec<Result<Written, NotIngested>> {
        let until = Instant::now() + LIMIT;
        let mut answers: Vec<Option<Result<Written, NotIngested>>> = Vec::with_capacity(records.len());
        let mut waiting: Vec<(usize, Waiting<'_>)> = Vec::new();
        for (at, record) in records.into_iter().enumerate() {
            answers.push(None);
            match self.enqueue(record, &mut waiting, &mut answers, until).await {
                Ok(taken) => waiting.push((at, taken)),
                Err(cause) => answers[at] = Some(Err(cause)),
            }
        }
        for (at, mut taken) in waiting {
            answers[at] = Some(taken.placed(until).await);
        }
        answers.into_iter().map(|answer| answer.unwrap_or(Err(NotIngested::Unknown(None)))).collect()
    }

    /// Enqueues one; where the queue is full, what lies in it is waited for first.
    async fn enqueue<'a>(
        &'a self,
        record: Produce,
        waiting: &mut Vec<(usize, Waiting<'a>)>,
        answers: &mut [Option<Result<Written, NotIngested>>],
        until: Instant,
    ) -> Result<Waiting<'a>, NotIngested> {
        let log = self.0.log.get().ok_or(NotIngested::NotWritten(LogError::Full))?;
        let mut taken = self.0.take(&record)?;
        while taken.ack.is_none() {
            match log.enqueue_direct(record.clone()) {
                Err(LogError::Full) if !waiting.is_empty() && Instant::now() < until => {
                    for (at, mut before) in waiting.drain(..) {
                        answers[at] = Some(before.placed(until).await);
                    }
                }
                enqueued => taken.ack = Some(enqueued?),
            }
        }
        Ok(taken)
    }
}
