//! The loop of one group: poll, handle, commit; a failing partition waits, the others go on.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tidings_log::{Log, LogError, Member, Polled, Start, TopicPartition};
use tidings_model::{Clock, Record};
use tidings_store::{Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Backoff, Handler, copies::Copies, progress};

/// Records that are read at once.
const BATCH: usize = 100;
/// The pause while the database or the log is away.
pub(crate) const AWAY_PAUSE: Duration = Duration::from_millis(250);

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
pub(crate) struct Owned {
    pub(crate) epoch: u64,
    pub(crate) handler: Arc<dyn Handler>,
    // Records that wait for the next attempt of their first one; the partition is paused meanwhile.
    held: Option<Held>,
}

struct Held {
    records: Vec<Record>,
    // Attempts that their first one has spent.
    attempts: u32,
    due: Instant,
}

/// A consumer that runs.
pub(crate) struct Running {
    pub(crate) consumer: Consumer,
    pub(crate) member: Box<dyn Member>,
    pub(crate) owned: HashMap<TopicPartition, Owned>,
    pub(crate) copies: Copies,
    pub(crate) stop: CancellationToken,
}

impl Consumer {
    /// Runs until `stop`; a record is then either committed or will be read again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ConsumerError> {
        let group = self.group;
        let topics: Vec<String> = self.handlers.iter().map(|handler| handler.topic().to_owned()).collect();
        let member = self.log.join(group, &topics, Start::Earliest).await;
        let member = member.map_err(|source| ConsumerError::Log { group, source })?;
        let (owned, copies) = (HashMap::new(), Copies::default());
        let mut running = Running { consumer: self, member, owned, copies, stop };
        let ended = running.until_stopped().await;
        running.copies.write(group, &mut *running.member).await;
        ended
    }
}

impl Running {
    async fn until_stopped(&mut self) -> Result<(), ConsumerError> {
        let group = self.consumer.group;
        loop {
            let held = self.owned.values().filter_map(|owned| owned.held.as_ref().map(|held| held.due));
            let due = held.chain(self.copies.due()).min();
            let polled = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                () = sleep_until(due) => None,
                polled = self.member.poll(BATCH) => Some(polled),
            };
            match polled {
                None => self.work_what_is_due().await,
                Some(Ok(Polled::Assigned(partitions))) => self.assigned(&partitions).await?,
                Some(Ok(Polled::Records(records))) => {
                    if let Some(first) = records.first() {
                        let (topic, partition) = (first.topic.clone(), first.partition);
                        self.work(&TopicPartition { topic, partition }, records, 0).await;
                    }
                }
                Some(Err(source)) if is_away(&source) => {
                    tracing::warn!(group, cause = %source, "the log is away; the group waits for it");
                    self.rest(AWAY_PAUSE).await;
                }
                Some(Err(source)) => return Err(ConsumerError::Log { group, source }),
            }
        }
    }

    async fn work_what_is_due(&mut self) {
        let now = Instant::now();
        if self.copies.due().is_some_and(|due| due <= now) {
            self.copies.write(self.consumer.group, &mut *self.member).await;
        }
        let mut due = Vec::new();
        for (partition, owned) in &mut self.owned {
            if let Some(held) = owned.held.take_if(|held| held.due <= now) {
                due.push((partition.clone(), held));
            }
        }
        for (partition, held) in due {
            self.member.resume(&partition);
            self.work(&partition, held.records, held.attempts).await;
        }
    }

    /// Takes over what is new and forgets what is somebody else's.
    async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        self.owned.retain(|partition, _| partitions.contains(partition));
        self.copies.retain(partitions);
        for partition in partitions {
            if self.owned.contains_key(partition) {
                continue;
            }
            let store = &self.consumer.store;
            let reads = |handler: &&Arc<dyn Handler>| {
                store.topic(handler.topic()).is_some_and(|topic| topic.name == partition.topic)
            };
            let Some(handler) = self.consumer.handlers.iter().find(reads).cloned() else { continue };
            let Some((epoch, next)) = self.take_over(partition).await? else { return Ok(()) };
            self.member.seek(partition, next);
            // It was left alone if another owner had taken it over meanwhile.
            self.member.resume(partition);
            self.owned.insert(partition.clone(), Owned { epoch, handler, held: None });
        }
        Ok(())
    }

    /// The epoch and the place of a partition that is now ours; none when the consumer was stopped meanwhile.
    async fn take_over(&self, partition: &TopicPartition) -> Result<Option<(u64, u64)>, ConsumerError> {
        let group = self.consumer.group;
        loop {
            let wanted = partition.clone();
            let taken = self
                .consumer
                .store
                .transact(move |tx| async move { progress::take_over(&tx, group, &wanted, 0).await })
                .await;
            match taken {
                Ok(taken) => return Ok(Some(taken)),
                Err(cause) if cause.is_unavailable() => {
                    if !self.rest(AWAY_PAUSE).await {
                        return Ok(None);
                    }
                }
                Err(source) => return Err(ConsumerError::Progress { group, source }),
            }
        }
    }

    /// Keeps records for later; their partition is left unread until then.
    pub(crate) fn hold(
        &mut self,
        partition: &TopicPartition,
        records: Vec<Record>,
        attempts: u32,
        wait: Duration,
    ) {
        if let Some(owned) = self.owned.get_mut(partition) {
            self.member.pause(partition);
            owned.held = Some(Held { records, attempts, due: Instant::now() + wait });
        }
    }

    /// Waits; false when the consumer was stopped meanwhile.
    async fn rest(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

/// Whether the log is no group's fault: it is asked again.
fn is_away(error: &LogError) -> bool {
    match error {
        LogError::Store { source, .. } => {
            source.is_unavailable() || matches!(source, StoreError::ReadLimit { .. })
        }
        LogError::UnknownTopic { .. } | LogError::UnknownPartition { .. } | LogError::InvalidTopic { .. } | LogError::Full | LogError::InvalidRecord { .. } => {
            false
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
