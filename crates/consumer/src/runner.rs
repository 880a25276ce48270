//! The loop of one group: poll, handle, commit; a failing partition waits, the others go on.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tidings_log::{Log, LogError, Member, Polled, Start, TopicPartition};
use tidings_model::{Clock, Record, planted};
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{Backoff, Handler, HandlerError, dead_letter, progress};

/// Records that are read at once.
const BATCH: usize = 100;
/// The pause while the database is away.
const AWAY_PAUSE: Duration = Duration::from_millis(250);

/// Why a consumer ended.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The log failed.
    #[error("group {group} could not read the log")]
    Log {
        /// The group.
        group: &'static str,
        /// Why.
        #[source]
        source: LogError,
    },
    /// Progress could not be read.
    #[error("group {group} could not take over a partition")]
    Progress {
        /// The group.
        group: &'static str,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// One group and its handlers.
pub struct Consumer {
    /// The group.
    pub group: &'static str,
    /// Its handlers, at most one a topic.
    pub handlers: Vec<Arc<dyn Handler>>,
    /// Where progress and effects are kept.
    pub store: Store,
    /// What it reads.
    pub log: Arc<dyn Log>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The waits between attempts.
    pub backoff: Backoff,
}

/// What this owner knows of a partition it holds.
struct Owned {
    epoch: u64,
    handler: Arc<dyn Handler>,
    // Records that wait for the next attempt of their first one; the partition is paused meanwhile.
    held: Option<Held>,
}

struct Held {
    records: Vec<Record>,
    attempts: u32,
    due: Instant,
}

impl Owned {
    /// Keeps records for later; the partition is left unread until then.
    fn hold(
        &mut self,
        partition: &TopicPartition,
        records: Vec<Record>,
        attempts: u32,
        wait: Duration,
        member: &mut dyn Member,
    ) {
        member.pause(partition);
        self.held = Some(Held { records, attempts, due: Instant::now() + wait });
    }
}

impl Consumer {
    /// Runs until `stop`; a record is then either committed or will be read again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ConsumerError> {
        let group = self.group;
        let log_failed = |source| ConsumerError::Log { group, source };
        let topics: Vec<String> = self.handlers.iter().map(|handler| handler.topic().to_owned()).collect();
        let mut member = self.log.join(group, &topics, Start::Earliest).await.map_err(log_failed)?;
        let mut owned: HashMap<TopicPartition, Owned> = HashMap::new();
        loop {
            let due = owned.values().filter_map(|owned| owned.held.as_ref().map(|held| held.due)).min();
            let polled = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = sleep_until(due) => None,
                polled = member.poll(BATCH) => Some(polled.map_err(log_failed)?),
            };
            match polled {
                Some(Polled::Assigned(partitions)) => {
                    self.assigned(&mut owned, &partitions, &mut *member).await?;
                }
                Some(Polled::Records(records)) => {
                    let Some(first) = records.first() else { continue };
                    let partition = TopicPartition { topic: first.topic.clone(), partition: first.partition };
                    self.work(&mut owned, &partition, records, 0, &mut *member).await?;
                }
                None => {
                    let now = Instant::now();
                    let due: Vec<TopicPartition> = owned
                        .iter()
                        .filter(|(_, owned)| owned.held.as_ref().is_some_and(|held| held.due <= now))
                        .map(|(partition, _)| partition.clone())
                        .collect();
                    for partition in due {
                        let held = owned.get_mut(&partition).and_then(|owned| owned.held.take());
                        let Some(held) = held else { continue };
                        member.resume(&partition);
                        self.work(&mut owned, &partition, held.records, held.attempts, &mut *member).await?;
                    }
                }
            }
        }
    }

    async fn assigned(
        &self,
        owned: &mut HashMap<TopicPartition, Owned>,
        partitions: &[TopicPartition],
        member: &mut dyn Member,
    ) -> Result<(), ConsumerError> {
        owned.retain(|partition, _| partitions.contains(partition));
        for partition in partitions {
            if owned.contains_key(partition) {
                continue;
            }
            let handler = self.handlers.iter().find(|handler| {
                self.store.topic(handler.topic()).is_some_and(|topic| topic.name == partition.topic)
            });
            let Some(handler) = handler else { continue };
            let (group, wanted) = (self.group, partition.clone());
            let (epoch, next) = loop {
                let wanted = wanted.clone();
                let taken = self
                    .store
                    .transact(move |tx| async move { progress::take_over(&tx, group, &wanted, 0).await })
                    .await;
                match taken {
                    Ok(taken) => break taken,
                    Err(cause) if cause.is_unavailable() => tokio::time::sleep(AWAY_PAUSE).await,
                    Err(source) => return Err(ConsumerError::Progress { group, source }),
                }
            };
            member.seek(partition, next);
            owned.insert(partition.clone(), Owned { epoch, handler: Arc::clone(handler), held: None });
        }
        Ok(())
    }

    /// Handles records of one partition, in order; what fails is held with all that comes after it.
    async fn work(
        &self,
        owned: &mut HashMap<TopicPartition, Owned>,
        partition: &TopicPartition,
        mut records: Vec<Record>,
        mut attempts: u32,
        member: &mut dyn Member,
    ) -> Result<(), ConsumerError> {
        let Some(state) = owned.get_mut(partition) else { return Ok(()) };
        while !records.is_empty() {
            // A record that failed before is tried alone, so that its failure costs no one else a rollback.
            let take = if attempts > 0 { 1 } else { records.len().min(state.handler.batch()) };
            let batch: Vec<Record> = records.drain(..take).collect();
            planted::crash_point("before_handle");
            match self.attempt(state, partition, batch).await {
                Ok(next_offset) => {
                    planted::crash_point("after_handle");
                    attempts = 0;
                    if let Err(cause) = member.commit(partition, next_offset).await {
                        // The committed offset is a copy for other tools; progress is what counts.
                        tracing::debug!(group = self.group, %cause, "could not copy the offset");
                    }
                }
                Err(Failed { batch, at, error }) => {
                    records.splice(0..0, batch);
                    if at > 0 {
                        // Those before it are good: commit them, then meet the bad one alone.
                        let rest = records.split_off(at);
                        let good = std::mem::replace(&mut records, rest);
                        if let Err(again) = self.attempt(state, partition, good).await {
                            records.splice(0..0, again.batch);
                            state.hold(partition, records, attempts, AWAY_PAUSE, member);
                            return Ok(());
                        }
                    }
                    if is_away(&error) {
                        state.hold(partition, records, attempts, AWAY_PAUSE, member);
                        return Ok(());
                    }
                    attempts += 1;
                    let wait = match &error {
                        HandlerError::Reject(_) => None,
                        HandlerError::Retry(_) | HandlerError::Store(_) => {
                            self.backoff.after(attempts, fastrand::f64())
                        }
                    };
                    if let Some(wait) = wait {
                        state.hold(partition, records, attempts, wait, member);
                        return Ok(());
                    }
                    let bad = records.remove(0);
                    if let Err(bad) = self.give_up(state, partition, bad, error, attempts).await {
                        records.insert(0, bad);
                        state.hold(partition, records, attempts - 1, AWAY_PAUSE, member);
                        return Ok(());
                    }
                    attempts = 0;
                }
            }
        }
        Ok(())
    }

    /// One transaction: the effects of a run of records and the progress past them.
    async fn attempt(
        &self,
        state: &Owned,
        partition: &TopicPartition,
        batch: Vec<Record>,
    ) -> Result<u64, Failed> {
        let Some(last) = batch.last() else { return Ok(0) };
        let next_offset = last.offset + 1;
        let (group, epoch, handler) = (self.group, state.epoch, Arc::clone(&state.handler));
        let (partition, batch) = (partition.clone(), Arc::new(batch));
        let records = Arc::clone(&batch);
        let done = self
            .store
            .transact(move |tx| async move {
                let stopped = |at| move |error| Stopped { at, error };
                let moved = progress::advance(&tx, group, &partition, epoch, next_offset).await;
                if !moved.map_err(|source| Stopped { at: 0, error: source.into() })? {
                    // Another owner was here, or has taken over: nothing is done twice.
                    return Ok(());
                }
                for (at, record) in records.iter().enumerate() {
                    handler.handle(record, &tx).await.map_err(stopped(at))?;
                }
                Ok::<_, Stopped>(())
            })
            .await;
        match done {
            Ok(()) => Ok(next_offset),
            Err(Stopped { at, error }) => {
                let batch = Arc::try_unwrap(batch).unwrap_or_else(|shared| (*shared).clone());
                Err(Failed { batch, at, error })
            }
        }
    }

    async fn give_up(
        &self,
        state: &Owned,
        partition: &TopicPartition,
        record: Record,
        error: HandlerError,
        attempts: u32,
    ) -> Result<(), Record> {
        let (group, epoch, handler) = (self.group, state.epoch, Arc::clone(&state.handler));
        let (partition, now) = (partition.clone(), self.clock.now());
        let bad = record.clone();
        tracing::warn!(
            group,
            handler = handler.name(),
            topic = record.topic,
            partition = record.partition,
            offset = record.offset,
            attempts,
            cause = error.chain(),
            "gave a record up; it is a dead letter now"
        );
        let written = self
            .store
            .transact(move |tx| async move {
                if progress::advance(&tx, group, &partition, epoch, bad.offset + 1).await? {
                    dead_letter::put(&tx, &*handler, &bad, &error, attempts, now).await?;
                }
                Ok::<_, StoreError>(())
            })
            .await;
        written.map_err(|cause| {
            tracing::error!(group, %cause, "a dead letter could not be written; its record waits");
            record
        })
    }
}

struct Failed {
    batch: Vec<Record>,
    at: usize,
    error: HandlerError,
}

struct Stopped {
    at: usize,
    error: HandlerError,
}

impl From<StoreError> for Stopped {
    fn from(source: StoreError) -> Self {
        Self { at: 0, error: source.into() }
    }
}

fn is_away(error: &HandlerError) -> bool {
    matches!(error, HandlerError::Store(source) if source.is_unavailable())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
