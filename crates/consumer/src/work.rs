//! Carrying a job out: the handler's effects and the group's progress in one transaction, or neither.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tidings_model::{Clock, Record, Timestamp, planted};
use tidings_store::{Lane, Store, StoreError, Tx};
use tokio::time::Instant;

use crate::{
    Event, Handler, HandlerError, Observer, Options,
    backoff::chance,
    dead_letter, handler, headers,
    job::{Failed, Job, Landed, Parking, Report, Task},
    line::{Line, Taken},
    parked,
    progress::{self, Claim},
    seen,
    window::Window,
};

/// The pause while the database or the log is away.
pub(crate) const AWAY_PAUSE: Duration = Duration::from_millis(250);
/// Rows after which a transaction takes no more records. A turn of the writer may change twice as many: the record
/// that reaches this may have written as many itself.
const ROWS: u64 = 250;
/// How long a transaction takes records.
const TURN: Duration = Duration::from_millis(100);
/// The same where the database is a file: it has one writer, and others wait for it.
const WRITER_TURN: Duration = Duration::from_millis(5);

/// What every job needs.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Arc<Options>,
    pub(crate) observer: Arc<dyn Observer>,
}

/// Where the records of an attempt are noted as done.
#[derive(Clone, Debug)]
enum Source {
    /// In progress.
    Log,
    /// By removing their rows.
    Rows(Line),
}

/// What became of a transaction.
enum Attempt {
    /// Effects and progress of so many records, at least one, are committed.
    Done(usize, Option<Window>),
    /// Nothing was kept, because of the record at this place in the batch.
    Failed(usize, HandlerError),
    /// Nothing was kept: progress is not where these records are.
    Fenced,
}

/// Why a transaction is undone.
enum Undone {
    Fenced,
    Handler(HandlerError),
}

impl From<StoreError> for Undone {
    fn from(source: StoreError) -> Self {
        Self::Handler(source.into())
    }
}

impl From<HandlerError> for Undone {
    fn from(error: HandlerError) -> Self {
        Self::Handler(error)
    }
}

impl Context {
    /// Does a job. Not cancel safe: what it committed would not be known.
    pub(crate) async fn carry_out(self, job: Job, handler: Arc<dyn Handler>) -> (Claim, Landed) {
        let Job { claim, task } = job;
        let report = match &task {
            Task::Fresh { records, .. } => self.work(&claim, &handler, Source::Log, records, 0).await,
            Task::Again { record, attempts, .. } => {
                self.work(&claim, &handler, Source::Log, &[Arc::clone(record)], *attempts).await
            }
            Task::Park { rows } => self.park(&claim, rows).await,
            Task::Parked { line, attempts, limit } => {
                self.work_parked(&claim, &handler, line, *attempts, *limit).await
            }
        };
        (claim, Landed { task, report })
    }

    /// Attempts records in order, up to the first one that fails; those before it are committed without it.
    async fn work(
        &self,
        claim: &Claim,
        handler: &Arc<dyn Handler>,
        source: Source,
        records: &[Arc<Taken>],
        attempts: u32,
    ) -> Report {
        let mut report = Report::default();
        let mut failure = None;
        let mut take = records.len();
        while take > 0 {
            planted::crash_point("before_handle");
            let attempt = match handler::reach_out(&**handler, &claim.group, &records[..take]).await {
                Ok(()) => self.attempt(claim, handler, source.clone(), records[..take].to_vec()).await,
                Err((at, error)) => Attempt::Failed(at, error),
            };
            planted::crash_point("after_handle");
            match attempt {
                Attempt::Done(done, window) => {
                    (report.done, report.window) = (done, window);
                    told(claim, handler.name(), &records[..done]);
                    // Cut short by its rows: whoever failed behind it comes again.
                    failure = failure.filter(|_| done == take);
                    break;
                }
                Attempt::Fenced => return Report { fenced: true, ..Report::default() },
                Attempt::Failed(at, error) => (take, failure) = (at.min(take - 1), Some(error)),
            }
        }
        let Some(error) = failure else { return report };
        if error.is_away() {
            return Report { away: self.away(claim, &error.chain()).away, ..report };
        }
        let attempts = 1 + if report.done == 0 { attempts } else { 0 };
        self.decide(claim, handler, source, (&records[report.done], error, attempts), report).await
    }

    /// One transaction: the effects of a run of records and the progress past them. It ends early when they have
    /// changed many rows or have taken long.
    async fn attempt(
        &self,
        claim: &Claim,
        handler: &Arc<dyn Handler>,
        source: Source,
        records: Vec<Arc<Taken>>,
    ) -> Attempt {
        let at = Arc::new(AtomicUsize::new(0));
        let (ctx, claim, handler, reached) =
            (self.clone(), claim.clone(), Arc::clone(handler), Arc::clone(&at));
        let turn = if self.store.path().is_some() { WRITER_TURN } else { TURN };
        let ended = self
            .store
            .transact(move |tx| async move {
                let (mut records, now, begun) = (records, ctx.clock.now(), Instant::now());
                for (at, taken) in records.iter().enumerate() {
                    reached.store(at, Ordering::Relaxed);
                    if !taken.is_repeat {
                        ctx.handle(&tx, &claim.group, &*handler, (&taken.record, now)).await?;
                    }
                    let is_long = begun.elapsed() >= turn;
                    if is_long || tx.changed_rows() >= ROWS {
                        records.truncate(at + 1);
                        break;
                    }
                }
                match note(&tx, &claim, &source, &records, now).await? {
                    Some(window) => Ok((records.len(), window)),
                    None => Err(Undone::Fenced),
                }
            })
            .await;
        match ended {
            Ok((done, window)) => Attempt::Done(done, window),
            Err(Undone::Fenced) => Attempt::Fenced,
            Err(Undone::Handler(error)) => Attempt::Failed(at.load(Ordering::Relaxed), error),
        }
    }

    /// Runs the handler, unless the record is not for this group or a repeat.
    async fn handle(
        &self,
        tx: &Tx,
        group: &str,
        handler: &dyn Handler,
        (record, now): (&Record, Timestamp),
    ) -> Result<(), HandlerError> {
        if !headers::is_for(group, record) {
            return Ok(());
        }
        if seen::note(tx, group, record, self.options.repeats, now).await? {
            handler.handle(record, tx).await?;
        }
        // Of a repeat too: a dead letter may come back by another way before it is sent through again.
        dead_letter::handled(tx, group, record, now).await?;
        Ok(())
    }

    /// A record failed: later, or never.
    async fn decide(
        &self,
        claim: &Claim,
        handler: &Arc<dyn Handler>,
        source: Source,
        (taken, error, attempts): (&Arc<Taken>, HandlerError, u32),
        mut report: Report,
    ) -> Report {
        let wait = match &error {
            HandlerError::Reject(_) => None,
            HandlerError::Retry(_) | HandlerError::Store(_) => {
                let chance = chance(&claim.group, &taken.record, attempts);
                self.options.backoff.after(attempts, chance)
            }
        };
        let (cause, offset) = (error.chain(), taken.record.offset);
        if let Some(wait) = wait {
            report.failed = Some(Failed { attempts, wait });
            if let Source::Rows(line) = source {
                self.note_failed(claim, line, offset, attempts, wait).await;
            }
            let partition = claim.at.clone();
            self.tell(claim, &Event::Waiting { partition, offset, attempts, cause });
            return report;
        }
        match self.give_up(claim, handler, source, (Arc::clone(taken), error, attempts)).await {
            Ok(Some((id, window))) => {
                report.done += 1;
                report.window = window.or(report.window);
                self.tell(
                    claim,
                    &Event::DeadLettered { id, handler: handler.name().to_owned(), attempts, cause },
                );
                report
            }
            Ok(None) => Report { fenced: true, ..Report::default() },
            Err(cause) => {
                // Progress does not move: the record is tried again, and given up when that can be written.
                let away = self.away(claim, &format!("a dead letter could not be written: {cause}"));
                Report { away: away.away, ..report }
            }
        }
    }

    /// Makes a record a dead letter, in the transaction that moves past it. None: progress is elsewhere.
    async fn give_up(
        &self,
        claim: &Claim,
        handler: &Arc<dyn Handler>,
        source: Source,
        (taken, error, attempts): (Arc<Taken>, HandlerError, u32),
    ) -> Result<Option<(String, Option<Window>)>, StoreError> {
        let name = dead_letter::dead_letter_topic(&taken.record.topic);
        let topic = self.store.topic(&name);
        // A body may run twice, so it shares what it cannot copy.
        let error = Arc::new(error);
        let (claim, handler, now) = (claim.clone(), Arc::clone(handler), self.clock.now());
        let ended = self
            .store
            .transact(move |tx| async move {
                let taken_alone = std::slice::from_ref(&taken);
                let Some(window) = note(&tx, &claim, &source, taken_alone, now).await? else {
                    return Err(Undone::Fenced);
                };
                let record = &taken.record;
                let given_up = dead_letter::GivenUp { handler: &*handler, record, error: &error, attempts };
                let id = dead_letter::put(&tx, &given_up, topic.as_deref(), now).await?;
                handler.gave_up(record, &tx).await?;
                Ok((id, window))
            })
            .await;
        match ended {
            Ok(put) => Ok(Some(put)),
            Err(Undone::Fenced) => Ok(None),
            Err(Undone::Handler(HandlerError::Store(source))) => Err(source),
            Err(Undone::Handler(HandlerError::Retry(_) | HandlerError::Reject(_))) => {
                unreachable!("no handler runs here")
            }
        }
    }

    /// Writes rows, in the transaction that marks their records as done.
    async fn park(&self, claim: &Claim, rows: &[Parking]) -> Report {
        let (rows, owned, now) = (rows.to_vec(), claim.clone(), (self.clock.now(), Instant::now()));
        let count = rows.len();
        let written = self
            .store
            .transact_in(Lane::Bulk, move |tx| async move {
                let records: Vec<_> = rows.iter().map(|row| Arc::clone(&row.taken)).collect();
                let Some(window) = progress::settle(&tx, &owned, &records, now.0).await? else {
                    return Err(Undone::Fenced);
                };
                parked::put(&tx, &owned, &rows, now).await?;
                Ok(window)
            })
            .await;
        match written {
            Ok(window) => {
                self.tell(claim, &Event::Parked { partition: claim.at.clone(), records: count });
                Report { done: count, window: Some(window), ..Report::default() }
            }
            Err(Undone::Fenced) => Report { fenced: true, ..Report::default() },
            Err(Undone::Handler(error)) => self.away(claim, &error.chain()),
        }
    }

    /// Attempts the first rows of a parked line.
    async fn work_parked(
        &self,
        claim: &Claim,
        handler: &Arc<dyn Handler>,
        line: &Line,
        attempts: u32,
        limit: usize,
    ) -> Report {
        // One that failed before is tried alone, so that its failure costs no one else an attempt.
        let limit = if attempts > 0 { 1 } else { limit };
        let (owned, wanted) = (claim.clone(), line.clone());
        let rows =
            self.store.read(move |tx| async move { parked::first(&tx, &owned, &wanted, limit).await }).await;
        let records: Vec<_> = match rows {
            Ok(rows) => rows
                .into_iter()
                .map(|record| Arc::new(Taken { record, also: Vec::new(), is_repeat: false }))
                .collect(),
            Err(cause) => return self.away(claim, &cause.to_string()),
        };
        if records.is_empty() {
            // Not as this owner left it.
            return Report { fenced: true, ..Report::default() };
        }
        self.work(claim, handler, Source::Rows(line.clone()), &records, attempts).await
    }

    /// Keeps the attempts of a row for whoever owns the partition next. That it may fail costs only a count.
    async fn note_failed(&self, claim: &Claim, line: Line, offset: u64, attempts: u32, wait: Duration) {
        let (owned, due_at) = (claim.clone(), self.clock.now().plus(wait));
        let noted = self
            .store
            .transact_in(Lane::Bulk, move |tx| async move {
                if progress::hold(&tx, &owned).await?.is_some() {
                    parked::failed(&tx, &owned, (&line, offset), attempts, due_at).await?;
                }
                Ok::<_, StoreError>(())
            })
            .await;
        if let Err(cause) = noted {
            tracing::debug!(group = &*claim.group, %cause, "could not note an attempt");
        }
    }

    fn away(&self, claim: &Claim, cause: &str) -> Report {
        let partition = Some(claim.at.clone());
        self.tell(claim, &Event::Away { partition, cause: cause.to_owned() });
        Report { away: Some(AWAY_PAUSE), ..Report::default() }
    }

    fn tell(&self, claim: &Claim, event: &Event) {
        self.observer.happened(&claim.group, event);
    }
}

/// Notes records as done where they came from, and asserts the claim. None: it does not hold, or they were done
/// before; the transaction must be undone.
async fn note(
    tx: &Tx,
    claim: &Claim,
    source: &Source,
    records: &[Arc<Taken>],
    now: Timestamp,
) -> Result<Option<Option<Window>>, StoreError> {
    match source {
        Source::Log => Ok(progress::settle(tx, claim, records, now).await?.map(Some)),
        Source::Rows(line) => {
            if progress::hold(tx, claim).await?.is_none() {
                return Ok(None);
            }
            let last = records.last().map_or(0, |taken| taken.record.offset);
            let removed = parked::remove(tx, claim, line, last).await?;
            Ok((removed == records.len() as u64).then_some(None))
        }
    }
}

/// A line of the log for each record that is done. What it says may be of people, so its value is in the finest lines alone.
fn told(claim: &Claim, handler: &str, records: &[Arc<Taken>]) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let (group, topic, partition) = (&*claim.group, &*claim.at.topic, claim.at.partition);
    for taken in records {
        let (offset, id) = (taken.record.offset, taken.record.event_id());
        tracing::debug!(group, handler, topic, partition, offset, event.id = %id, "a record is done");
        let value = taken.record.value.as_deref().map(String::from_utf8_lossy);
        tracing::trace!(group, topic, partition, offset, value = value.as_deref(), "the value of a record");
    }
}
