//! Redrive: a dead letter is sent through again, to its topic and key, with its event id, for its group alone.
//!
//! It comes late, behind what its key said since. The row and the record commit together, so a letter is sent once for
//! each time somebody asks; whether it went well its group says, by handling it or giving it up again.

use std::{sync::Arc, time::Duration};

use tidings_model::{Clock, Headers, Timestamp, header};
use tidings_store::{NewRecord, Store, StoreError, Tx, params};
use tokio::time::Instant;

use crate::{
    dead_letters::{self, DeadLetter, Filter, State},
    headers,
};

/// How often a dead letter may be sent through again: what fails so often loops.
pub const MOST_REDRIVES: u32 = 5;
/// Dead letters that one run may send.
pub const MOST_LETTERS: usize = 1_000;
/// Dead letters sent in a second, where nobody asks for another rate.
pub const RATE: u32 = 50;
/// A run stops when more than this share of its letters fails…
const FAILING_PERCENT: u64 = 20;
/// …of at least so many.
const FAILING_OF: u64 = 5;
/// The pause between two looks at what became of a run.
const LOOK: Duration = Duration::from_millis(100);
/// Reasons that an answer lists.
const REASONS: usize = 100;

/// Why a dead letter was not sent through again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is none of that id.
    #[error("there is no such dead letter")]
    NotFound,
    /// It is on its way, or done, or forgotten.
    #[error("it is {0}; only what is open can be sent through again")]
    NotOpen(State),
    /// It loops.
    #[error(
        "it was sent through again {MOST_REDRIVES} times and failed each time: mend the cause or purge it"
    )]
    Loops,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Sends one dead letter through again. `run` names who asked, for [`Redrive::run`]'s counts.
pub async fn redrive(tx: &Tx, id: &str, run: &str, now: Timestamp) -> Result<DeadLetter, RedriveError> {
    let letter = dead_letters::get(tx, id).await?.ok_or(RedriveError::NotFound)?;
    may_go(&letter)?;
    let sent = tx
        .execute(
            "UPDATE dead_letters
             SET state = 'redriven', redrives = redrives + 1, changed_at = $3, redrive_run = $2
             WHERE dead_letter_id = $1 AND state = 'open'",
            params![id, run, now],
        )
        .await?;
    if sent == 0 {
        // Somebody else was faster.
        return Err(RedriveError::NotOpen(State::Redriven));
    }
    tx.append(&NewRecord {
        topic: &letter.topic,
        // Without a key only the old partition keeps it near its neighbours.
        partition: letter.key.is_none().then_some(letter.partition),
        key: letter.key.as_deref(),
        headers: &again(&letter),
        value: letter.value.as_deref(),
        time: now,
    })
    .await?;
    Ok(DeadLetter { state: State::Redriven, redrives: letter.redrives + 1, changed_at: now, ..letter })
}

fn may_go(letter: &DeadLetter) -> Result<(), RedriveError> {
    match letter.state {
        State::Open if letter.redrives >= MOST_REDRIVES => Err(RedriveError::Loops),
        State::Open => Ok(()),
        state @ (State::Redriven | State::Handled | State::Purged) => Err(RedriveError::NotOpen(state)),
    }
}

/// The record's own headers, and those that say for whom and how often it comes again.
fn again(letter: &DeadLetter) -> Headers {
    let ours = [headers::REDRIVE_GROUP, headers::REDRIVES, headers::DEAD_LETTER, header::SEQ];
    let mut all = letter.headers.clone();
    all.retain(|(name, _)| !ours.contains(&name.as_str()));
    if !all.iter().any(|(name, _)| name == header::ID) {
        all.push((header::ID.to_owned(), letter.event_id.as_str().as_bytes().to_vec()));
    }
    let times = (letter.redrives + 1).to_string();
    for (name, value) in [
        (headers::REDRIVE_GROUP, &letter.group),
        (headers::REDRIVES, &times),
        (headers::DEAD_LETTER, &letter.id),
    ] {
        all.push((name.to_owned(), value.clone().into_bytes()));
    }
    all
}

/// Which dead letters a run is about.
#[derive(Clone, Debug)]
pub enum Selection {
    /// These.
    Ids(Vec<String>),
    /// The open ones that a filter takes, oldest first, so that those of a key keep their order.
    Filter(Filter),
}

/// A run over many dead letters.
pub struct Redrive {
    /// Where they are.
    pub store: Store,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Which ones; at most [`MOST_LETTERS`] of them are sent.
    pub selection: Selection,
    /// Names the run.
    pub run: String,
    /// How many are sent in a second.
    pub rate: u32,
    /// Send nothing, only say what would be.
    pub dry_run: bool,
    /// How long to wait for what the groups say, after the last one was sent.
    pub patience: Duration,
}

/// What became of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Dead letters that were meant.
    pub total: u64,
    /// Those that were sent, or would be.
    pub sent: u64,
    /// Of these: handled by their group.
    pub succeeded: u64,
    /// Not sent, or given up again.
    pub failed: u64,
    /// Sent, and their group has not said anything yet.
    pub waiting: u64,
    /// Whether it stopped early, because too many failed.
    pub stopped: bool,
    /// Which failed, and why: the first hundred.
    pub failures: Vec<(String, String)>,
}

impl Redrive {
    /// Sends them one by one. Cancel safe: each is sent as a whole or not at all.
    pub async fn run(self) -> Result<Redriven, StoreError> {
        let (total, ids) = self.select().await?;
        let mut done = Redriven { total, ..Redriven::default() };
        let mut refused = 0;
        let apart = Duration::from_secs(1) / self.rate.max(1);
        let (mut due, mut look_at) = (Instant::now(), Instant::now() + LOOK);
        for id in &ids {
            if !self.dry_run {
                tokio::time::sleep_until(due).await;
                due += apart;
            }
            match self.one(id).await {
                Ok(()) => done.sent += 1,
                Err(RedriveError::Store(source)) if source.is_unavailable() => return Err(source),
                Err(refusal) => {
                    refused += 1;
                    if done.failures.len() < REASONS {
                        done.failures.push((id.clone(), refusal.to_string()));
                    }
                }
            }
            if !self.dry_run && look_at <= Instant::now() {
                look_at = Instant::now() + LOOK;
                let (handled, open) = self.decided().await?;
                let (decided, failed) = (handled + open + refused, open + refused);
                if decided >= FAILING_OF && failed * 100 > decided * FAILING_PERCENT {
                    done.stopped = true;
                    break;
                }
            }
        }
        let (mut handled, mut open) = self.decided().await?;
        let until = Instant::now() + self.patience;
        while !self.dry_run && handled + open < done.sent && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            (handled, open) = self.decided().await?;
        }
        (done.succeeded, done.failed) = (handled, open + refused);
        done.waiting = if self.dry_run { 0 } else { done.sent.saturating_sub(handled + open) };
        done.failures.extend(self.causes(REASONS - done.failures.len()).await?);
        Ok(done)
    }

    /// How many are meant, and the ids of those that may be sent in this run.
    async fn select(&self) -> Result<(u64, Vec<String>), StoreError> {
        let filter = match &self.selection {
            Selection::Ids(ids) => {
                let ids: Vec<_> = ids.iter().take(MOST_LETTERS).cloned().collect();
                return Ok((ids.len() as u64, ids));
            }
            Selection::Filter(filter) => Filter { state: Some(State::Open), ..filter.clone() },
        };
        let read = move |tx: Tx| async move {
            let total = dead_letters::count(&tx, &filter).await?;
            let mut params = filter.params().to_vec();
            params.push(MOST_LETTERS.into());
            let rows = tx
                .query(
                    "SELECT dead_letter_id
                     FROM dead_letters
                     WHERE state = $3
                       AND (CAST($1 AS TEXT) IS NULL OR topic = $1)
                       AND (CAST($2 AS TEXT) IS NULL OR group_id = $2)
                       AND (CAST($4 AS TEXT) IS NULL OR LOWER(cause) LIKE $4 ESCAPE '!')
                       AND (CAST($5 AS BIGINT) IS NULL OR created_at < $5)
                     ORDER BY created_at, topic, partition_id, record_offset
                     LIMIT $6",
                    &params,
                )
                .await?;
            let ids = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
            Ok((total, ids))
        };
        self.store.read(read).await
    }

    async fn one(&self, id: &str) -> Result<(), RedriveError> {
        let (id, run, now) = (id.to_owned(), self.run.clone(), self.clock.now());
        if self.dry_run {
            let read = move |tx| async move {
                let letter = dead_letters::get(&tx, &id).await?.ok_or(RedriveError::NotFound)?;
                may_go(&letter)
            };
            return self.store.read(read).await;
        }
        self.store.transact(move |tx| async move { redrive(&tx, &id, &run, now).await.map(drop) }).await
    }

    /// Letters of this run that were handled, and that were given up again.
    async fn decided(&self) -> Result<(u64, u64), StoreError> {
        let run = self.run.clone();
        let read = move |tx: Tx| async move {
            let row = tx
                .one(
                    "SELECT COALESCE(SUM(CASE WHEN state = 'handled' THEN 1 ELSE 0 END), 0),
                            COALESCE(SUM(CASE WHEN state = 'open' THEN 1 ELSE 0 END), 0)
                     FROM dead_letters
                     WHERE redrive_run = $1",
                    params![run],
                )
                .await?;
            Ok((row.get(0)?, row.get(1)?))
        };
        self.store.read(read).await
    }

    /// Letters of this run that were given up again, and why.
    async fn causes(&self, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        let run = self.run.clone();
        let read = move |tx: Tx| async move {
            let rows = tx
                .query(
                    "SELECT dead_letter_id, cause
                     FROM dead_letters
                     WHERE redrive_run = $1 AND state = 'open'
                     ORDER BY dead_letter_id
                     LIMIT $2",
                    params![run, limit],
                )
                .await?;
            rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
        };
        self.store.read(read).await
    }
}
