//! The loop of one group: poll, hand out jobs, take back what became of them.
//!
//! What is to be done is decided by each [`Partition`]; here it is done, many partitions and lines at once, while the
//! log is read on.

mod ownership;

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tidings_log::{Log, LogError, Member, Polled, Start, TopicPartition};
use tidings_model::Clock;
use tidings_store::{Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Event, Handler, Observer, Options,
    copies::Copies,
    job::Landed,
    partition::Partition,
    progress::{self, Claim},
    work::{AWAY_PAUSE, Context},
};

/// Records that are read at once.
const BATCH: usize = 100;
/// How often it is looked for what other processes said, and whether anything stands still.
const SWEEP: Duration = Duration::from_secs(1);
/// A partition with work of which nothing was finished for so long stands still.
const STALLED: Duration = Duration::from_mins(1);

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
    /// How it works.
    pub options: Options,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
}

/// A partition that this process owns.
struct Owned {
    partition: Partition,
    handler: Arc<dyn Handler>,
    // Whether the member was asked to leave it unread.
    unread: bool,
    stalled: bool,
}

/// A consumer that runs.
struct Running {
    consumer: Consumer,
    context: Context,
    member: Box<dyn Member>,
    owned: HashMap<TopicPartition, Owned>,
    flying: FuturesUnordered<BoxFuture<'static, (Claim, Landed)>>,
    copies: Copies,
    stop: CancellationToken,
    sweep_at: Instant,
    // The log is not asked before.
    log_rests_until: Option<Instant>,
}

impl Consumer {
    /// Runs until `stop`; a record is then either committed or will be read again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ConsumerError> {
        let group = self.group;
        let topics: Vec<String> = self.handlers.iter().map(|handler| handler.topic().to_owned()).collect();
        let member = self.log.join(group, &topics, Start::Earliest).await;
        let member = member.map_err(|source| ConsumerError::Log { group, source })?;
        let context = Context {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            options: Arc::new(self.options.clone()),
            observer: Arc::clone(&self.observer),
        };
        let mut running = Running {
            consumer: self,
            context,
            member,
            owned: HashMap::new(),
            flying: FuturesUnordered::new(),
            copies: Copies::default(),
            stop,
            sweep_at: Instant::now() + SWEEP,
            log_rests_until: None,
        };
        let ended = running.until_stopped().await;
        running.give_back().await;
        ended
    }
}

impl Running {
    async fn until_stopped(&mut self) -> Result<(), ConsumerError> {
        while !self.stop.is_cancelled() {
            self.hand_out();
            let due = self.due();
            let reads = self.log_rests_until.is_none();
            tokio::select! {
                () = self.stop.cancelled() => {}
                Some((claim, landed)) = self.flying.next() => self.landed(claim, landed).await?,
                () = tokio::time::sleep_until(due) => self.work_what_is_due().await?,
                polled = self.member.poll(BATCH), if reads => self.polled(polled).await?,
            }
        }
        Ok(())
    }

    /// What is in hand is finished, the copies are written, and nobody is listed as owner.
    async fn give_back(&mut self) {
        while let Some((claim, landed)) = self.flying.next().await {
            // Nothing is begun any more, so nobody is asked who owns what.
            if let Some(owned) = self.owned.get_mut(&claim.at)
                && !landed.report.fenced
            {
                owned.partition.landed(landed, Instant::now());
                self.copies.note(&claim.at, owned.partition.next_offset());
            }
        }
        self.copies.write(self.consumer.group, &mut *self.member).await;
        let claims: Vec<Claim> = self.owned.values().map(|owned| owned.partition.claim.clone()).collect();
        let released =
            self.consumer.store.transact(move |tx| async move { progress::release(&tx, &claims).await });
        if let Err(cause) = released.await {
            tracing::debug!(group = self.consumer.group, %cause, "could not give partitions back");
        }
    }

    fn hand_out(&mut self) {
        let now = Instant::now();
        for (at, owned) in &mut self.owned {
            for job in owned.partition.jobs(now) {
                let (context, handler) = (self.context.clone(), Arc::clone(&owned.handler));
                self.flying.push(Box::pin(context.carry_out(job, handler)));
            }
            let unread = owned.partition.is_full();
            if unread != owned.unread {
                owned.unread = unread;
                if unread {
                    self.member.pause(at);
                } else {
                    self.member.resume(at);
                }
            }
        }
    }

    /// When something is to be done, whatever happens before.
    fn due(&self) -> Instant {
        let now = Instant::now();
        let partitions = self.owned.values().filter_map(|owned| owned.partition.due(now));
        let others = self.copies.due().into_iter().chain(self.log_rests_until);
        partitions.chain(others).fold(self.sweep_at, Instant::min)
    }

    async fn work_what_is_due(&mut self) -> Result<(), ConsumerError> {
        let now = Instant::now();
        if self.log_rests_until.is_some_and(|until| until <= now) {
            self.log_rests_until = None;
        }
        if self.copies.due().is_some_and(|due| due <= now) {
            self.copies.write(self.consumer.group, &mut *self.member).await;
        }
        if self.sweep_at <= now {
            self.sweep_at = now + SWEEP;
            self.sweep(now).await?;
        }
        Ok(())
    }

    /// Looks for resets, and for partitions that stand still.
    async fn sweep(&mut self, now: Instant) -> Result<(), ConsumerError> {
        let group = self.consumer.group;
        for (at, owned) in &mut self.owned {
            let stalled = owned.partition.stuck_since().is_some_and(|since| since + STALLED <= now);
            if stalled && !owned.stalled {
                self.context.observer.happened(group, &Event::Stalled { partition: at.clone() });
            }
            owned.stalled = stalled;
        }
        let read = self.consumer.store.read(move |tx| async move { progress::epochs(&tx, group).await });
        // Away: it is looked again soon.
        let Ok(epochs) = read.await else { return Ok(()) };
        let moved = |(at, owned): (&TopicPartition, &Owned)| {
            (epochs.get(at) != Some(&owned.partition.claim.epoch)).then(|| at.clone())
        };
        let moved: Vec<TopicPartition> = self.owned.iter().filter_map(moved).collect();
        for at in moved {
            self.follow(&at).await?;
        }
        Ok(())
    }

    async fn polled(&mut self, polled: Result<Polled, LogError>) -> Result<(), ConsumerError> {
        let group = self.consumer.group;
        match polled {
            Ok(Polled::Assigned(partitions)) => self.assigned(&partitions).await,
            Ok(Polled::Records(records)) => {
                let of = records.first().map(|first| (first.topic.clone(), first.partition));
                if let Some((topic, partition)) = of
                    && let Some(owned) = self.owned.get_mut(&TopicPartition { topic, partition })
                {
                    owned.partition.take(records, Instant::now());
                }
                Ok(())
            }
            Err(source) if source.is_away() => {
                let cause = source.to_string();
                self.context.observer.happened(group, &Event::Away { partition: None, cause });
                self.log_rests_until = Some(Instant::now() + AWAY_PAUSE);
                Ok(())
            }
            Err(source) => Err(ConsumerError::Log { group, source }),
        }
    }

    async fn landed(&mut self, claim: Claim, landed: Landed) -> Result<(), ConsumerError> {
        let owned = self.owned.get_mut(&claim.at);
        // An older life of the partition: what it did is in progress, or fenced.
        let Some(owned) = owned.filter(|owned| owned.partition.claim.epoch == claim.epoch) else {
            return Ok(());
        };
        if landed.report.fenced {
            return self.follow(&claim.at).await;
        }
        owned.partition.landed(landed, Instant::now());
        self.copies.note(&claim.at, owned.partition.next_offset());
        Ok(())
    }
}
