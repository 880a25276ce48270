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
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Event, Handler, Observer, Options,
    copies::Copies,
    groups,
    job::Landed,
    partition::Partition,
    progress::{self, Claim},
    work::{AWAY_PAUSE, Context},
};

/// Records that are read at once, where so many may be ready.
const BATCH: usize = 500;
/// How often it is looked whether anything stands still, and for what operators said and no wake told.
const SWEEP: Duration = Duration::from_secs(5);
/// A partition with work of which nothing was finished for so long stands still.
const STALLED: Duration = Duration::from_mins(1);

/// Why a consumer ended.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The log failed.
    #[error("group {group} could not read the log")]
    Log {
        /// The group.
        group: Arc<str>,
        /// Why.
        #[source]
        source: LogError,
    },
    /// Progress could not be read.
    #[error("group {group} could not take over a partition")]
    Progress {
        /// The group.
        group: Arc<str>,
        /// Why.
        #[source]
        source: StoreError,
    },
}

/// One group and its handlers.
pub struct Consumer {
    /// The group.
    pub group: Arc<str>,
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
    // Somebody paused, resumed or reset a group.
    wakes: watch::Receiver<u64>,
    // None until it is known: nothing is begun before.
    paused: Option<bool>,
    sweep_at: Instant,
    // The log is not asked before.
    log_rests_until: Option<Instant>,
}

impl Consumer {
    /// Runs until `stop`; a record is then either committed or will be read again.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ConsumerError> {
        self.options = self.handlers.iter().fold(self.options, |options, handler| handler.options(options));
        let group = Arc::clone(&self.group);
        let topics: Vec<String> = self.handlers.iter().map(|handler| handler.topic().to_owned()).collect();
        let member = self.log.join(&group, &topics, Start::Earliest).await;
        let member = member.map_err(|source| ConsumerError::Log { group, source })?;
        let context = Context {
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            options: Arc::new(self.options.clone()),
            observer: Arc::clone(&self.observer),
        };
        let mut running = Running {
            wakes: self.store.wakes(groups::WAKE),
            paused: None,
            consumer: self,
            context,
            member,
            owned: HashMap::new(),
            flying: FuturesUnordered::new(),
            copies: Copies::default(),
            stop,
            sweep_at: Instant::now(),
            log_rests_until: None,
        };
        let ended = running.until_stopped().await;
        running.give_back().await;
        ended
    }
}

impl Running {
    async fn until_stopped(&mut self) -> Result<(), ConsumerError> {
        let most = BATCH.min(self.context.options.limits.ready);
        while !self.stop.is_cancelled() {
            self.hand_out();
            let due = self.due();
            let reads = self.log_rests_until.is_none();
            tokio::select! {
                () = self.stop.cancelled() => {}
                Some((claim, landed)) = self.flying.next() => self.landed(claim, landed).await?,
                () = tokio::time::sleep_until(due) => self.work_what_is_due().await?,
                Ok(()) = self.wakes.changed() => self.look().await?,
                polled = self.member.poll(most), if reads => self.polled(polled).await?,
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
        self.copies.write(&self.consumer.group, &mut *self.member).await;
        let claims: Vec<Claim> = self.owned.values().map(|owned| owned.partition.claim.clone()).collect();
        let released =
            self.consumer.store.transact(move |tx| async move { progress::release(&tx, &claims).await });
        if let Err(cause) = released.await {
            tracing::debug!(group = &*self.consumer.group, %cause, "could not give partitions back");
        }
    }

    fn hand_out(&mut self) {
        let (now, paused) = (Instant::now(), self.paused != Some(false));
        for (at, owned) in &mut self.owned {
            let jobs = if paused { Vec::new() } else { owned.partition.jobs(now) };
            for job in jobs {
                let (context, handler) = (self.context.clone(), Arc::clone(&owned.handler));
                self.flying.push(Box::pin(context.carry_out(job, handler)));
            }
            let unread = owned.partition.is_full() || paused;
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
        let working = self.owned.values().filter(|_| self.paused == Some(false));
        let partitions = working.filter_map(|owned| owned.partition.due(now));
        let others = self.copies.due().into_iter().chain(self.log_rests_until);
        partitions.chain(others).fold(self.sweep_at, Instant::min)
    }

    async fn work_what_is_due(&mut self) -> Result<(), ConsumerError> {
        let now = Instant::now();
        if self.log_rests_until.is_some_and(|until| until <= now) {
            self.log_rests_until = None;
        }
        if self.copies.due().is_some_and(|due| due <= now) {
            self.copies.write(&self.consumer.group, &mut *self.member).await;
        }
        let lost = |(at, owned): (&TopicPartition, &Owned)| {
            owned.partition.has_lost_records(now).then(|| at.clone())
        };
        let lost: Vec<TopicPartition> = self.owned.iter().filter_map(lost).collect();
        for at in lost {
            let event = Event::RecordsLost { partition: at.clone() };
            self.context.observer.happened(&self.consumer.group, &event);
            self.follow(&at, true).await?;
        }
        if self.sweep_at <= now {
            self.sweep_at = now + SWEEP;
            self.sweep(now).await?;
        }
        Ok(())
    }

    /// Looks for partitions that stand still, and for what operators said.
    async fn sweep(&mut self, now: Instant) -> Result<(), ConsumerError> {
        for (at, owned) in &mut self.owned {
            let since = owned.partition.stuck_since().filter(|_| self.paused == Some(false));
            let stalled = since.is_some_and(|since| since + STALLED <= now);
            if stalled && !owned.stalled {
                let event = Event::Stalled { partition: at.clone() };
                self.context.observer.happened(&self.consumer.group, &event);
            }
            owned.stalled = stalled;
        }
        self.look().await
    }

    /// Looks whether the group is paused, and where its partitions were reset.
    async fn look(&mut self) -> Result<(), ConsumerError> {
        let group = Arc::clone(&self.consumer.group);
        let read = self.consumer.store.read::<_, StoreError, _, _>(move |tx| async move {
            Ok((groups::is_paused(&tx, &group).await?, progress::epochs(&tx, &group).await?))
        });
        // Away: it is looked again soon.
        let Ok((paused, epochs)) = read.await else {
            self.sweep_at = self.sweep_at.min(Instant::now() + AWAY_PAUSE);
            return Ok(());
        };
        let before = self.paused.replace(paused);
        if before.unwrap_or(false) != paused {
            let event = if paused { Event::Paused } else { Event::Resumed };
            self.context.observer.happened(&self.consumer.group, &event);
        }
        let moved = |(at, owned): (&TopicPartition, &Owned)| {
            (epochs.get(at) != Some(&owned.partition.claim.epoch)).then(|| at.clone())
        };
        let moved: Vec<TopicPartition> = self.owned.iter().filter_map(moved).collect();
        for at in moved {
            self.follow(&at, false).await?;
        }
        Ok(())
    }

    async fn polled(&mut self, polled: Result<Polled, LogError>) -> Result<(), ConsumerError> {
        let group = Arc::clone(&self.consumer.group);
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
                self.context.observer.happened(&group, &Event::Away { partition: None, cause });
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
            return self.follow(&claim.at, false).await;
        }
        owned.partition.landed(landed, Instant::now());
        self.copies.note(&claim.at, owned.partition.next_offset());
        Ok(())
    }
}
