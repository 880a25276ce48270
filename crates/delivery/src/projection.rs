//! The projection: the delivery log as rows, where a relay fills it.
//!
//! The log gives the places, so what a delivery does is written when its record comes back: rows for catch-up and
//! inbox, changes of people, ends. Each batch is one transaction with the (place, number) of its last record, and
//! names the pair that it found: any number of processes may project, one of them moves it, the others stand by.

use std::{sync::Arc, time::Duration};

use tidings_delivery_core::{
    Generation, GenerationId, Number, Place,
    accept::{Acceptance, Accepted, Acceptor, Hole},
};
use tidings_log::{Log, LogError, Start, Tail, TopicPartition, last_number};
use tidings_model::{Clock, Record, Timestamp};
use tidings_store::{Appends, Store, StoreError, Tx, params, shard_of};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{DELIVERIES, DeliveryRecord, deliver, generations, project};

/// The name under which those are woken who wait for the projection to move.
pub const PROJECTED: &str = "projected";

/// Records that are read at once.
const BATCH: usize = 200;
/// Rows after which a transaction takes no more records.
const ROWS: u64 = 250;
/// The pause while log or database are away, and of one that stands by.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause between two looks at numbers that are missing, or at a log that ends too early.
const LOOK: Duration = Duration::from_secs(1);
/// How often a log is found to end before what was read of it until it is taken for another one.
const LOOKS: usize = 3;

/// The projection of a process.
#[derive(Debug)]
pub struct Projection {
    /// Where rows are kept.
    pub store: Store,
    /// What it reads.
    pub log: Arc<dyn Log>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for the names of generations.
    pub random: fn() -> u64,
}

/// Why a projection begins again at what is stored.
#[derive(Debug, thiserror::Error)]
enum Again {
    #[error("another process has projected further")]
    Passed,
    #[error("the log is not the one that was projected")]
    OtherLog(Accepted),
    #[error("the log could not be read")]
    Log(#[from] LogError),
    #[error("rows could not be written")]
    Store(#[from] StoreError),
}

/// A record that was accepted, and how far the projection is with it.
#[derive(Clone, Debug)]
struct Taken {
    accepted: Accepted,
    /// None for one that is empty or cannot be read.
    record: Option<(DeliveryRecord, Vec<u8>)>,
}

impl Projection {
    /// Projects until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let again = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                again = self.follow() => again,
            };
            let Err(again) = again;
            match again {
                Again::Passed => {
                    tracing::debug!("another process projects the delivery log; this one stands by");
                }
                Again::OtherLog(from) => {
                    if let Err(cause) = self.begin_another(from).await {
                        tracing::warn!(cause = %Chain(&cause), "a new generation waits");
                    }
                    continue;
                }
                Again::Log(_) | Again::Store(_) => {
                    tracing::warn!(cause = %Chain(&again), "the projection waits");
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn follow(&self) -> Result<std::convert::Infallible, Again> {
        let (mut stored, generation) = self.stored().await?;
        let mut acceptor = Acceptor::from_stored(stored);
        let mut tail = self.tail(generation, stored).await?;
        loop {
            let records = tokio::select! {
                records = tail.next(BATCH) => records?,
                () = tokio::time::sleep(LOOK) => Vec::new(),
            };
            let now = self.clock.now();
            let (mut taken, mut again) = (Vec::new(), None);
            for record in &records {
                let place = generation.place(record.offset);
                match acceptor.offer(place, record.number().map(Number), now) {
                    Acceptance::Accept => taken.push(take(acceptor.accepted(), record)),
                    Acceptance::Drop | Acceptance::Hold => {}
                    Acceptance::Reread(from) => {
                        again = Some(from);
                        break;
                    }
                    Acceptance::NewGeneration => return Err(Again::OtherLog(stored)),
                }
            }
            let mut rest = taken.as_slice();
            while !rest.is_empty() {
                let done = self.write(stored, rest, now).await?;
                let (written, left) = rest.split_at(done);
                stored = written.last().map_or(stored, |last| last.accepted);
                rest = left;
            }
            if let Some(hole) = acceptor.overdue(now)
                && self.is_lost(hole).await?
            {
                again = acceptor.pass(&hole);
                self.give_up(stored, acceptor.accepted(), hole, now).await?;
                stored = acceptor.accepted();
            }
            if let Some(from) = again {
                tail = tail_at(&*self.log, self.topic(), generation, from).await?;
            }
        }
    }

    /// A tail that begins where the projection is, in a log that reaches that far.
    async fn tail(&self, generation: Generation, stored: Accepted) -> Result<Box<dyn Tail>, Again> {
        for _ in 0..LOOKS {
            let tail = tail_at(&*self.log, self.topic(), generation, stored.place).await?;
            if !tail.is_ahead() {
                return Ok(tail);
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Again::OtherLog(stored))
    }

    /// Goes on with the oldest record of another log, in a generation of its own. What was in the former log and not
    /// projected is lost; its numbers are missed, noted and passed like others that a log lost.
    async fn begin_another(&self, from: Accepted) -> Result<(), Again> {
        let fresh = GenerationId((self.random)());
        self.store
            .transact(move |tx| async move {
                let generation = generations::begin_another(&tx, fresh, from.place).await?;
                move_on(&tx, from, Accepted { place: Place(generation.base), ..from }).await?;
                tracing::error!(
                    projected = from.place.0,
                    first = generation.first.0,
                    "the delivery log is not the one that was projected: somebody made it anew, or it lost its end; a new \
                     generation begins, and clients reload their lists"
                );
                Ok(())
            })
            .await
    }

    /// How far the projection is, and in which log; one that never began does so with the oldest record there is.
    async fn stored(&self) -> Result<(Accepted, Generation), StoreError> {
        let topic = self.topic();
        self.store
            .transact(move |tx| async move {
                let generation = generations::all(&tx).await?.current();
                if let Some(stored) = stored(&tx).await? {
                    return Ok((stored, generation));
                }
                let first = Accepted::joining(Number(last_number(&tx, &topic, 0).await?));
                tx.execute(
                    "INSERT INTO delivery_projection (one, place, accepted) VALUES (1, $1, $2) ON CONFLICT DO NOTHING",
                    params![first.place.0, json(first)],
                )
                .await?;
                Ok((stored(&tx).await?.unwrap_or(first), generation))
            })
            .await
    }

    fn topic(&self) -> String {
        topic(&self.store)
    }

    /// Writes the rows of records and moves the projection behind them; answers how many of them.
    async fn write(&self, from: Accepted, taken: &[Taken], now: Timestamp) -> Result<usize, Again> {
        let taken = taken.to_vec();
        self.store
            .transact(move |tx| async move {
                let Some(last) = taken.last() else { return Ok(0) };
                // First, so that of two processes one waits here and then finds that it was passed.
                move_on(&tx, from, last.accepted).await?;
                for (at, Taken { accepted, record }) in taken.iter().enumerate() {
                    if let Some((record, json)) = record {
                        project::project(&tx, record, accepted.place, json.clone()).await?;
                        project::take_effect(&tx, record, accepted.place, now).await?;
                    }
                    if tx.changed_rows() >= ROWS && at + 1 < taken.len() {
                        move_on(&tx, last.accepted, *accepted).await?;
                        return Ok(at + 1);
                    }
                }
                Ok(taken.len())
            })
            .await
    }

    /// Whether numbers are marked as sent that the log does not have: those that are not will still be sent.
    async fn is_lost(&self, hole: Hole) -> Result<bool, StoreError> {
        let topic = self.topic();
        self.store
            .read(move |tx| async move {
                if last_number(&tx, &topic, 0).await? < hole.last.0 {
                    return Ok(false);
                }
                let waiting = tx
                    .optional(
                        "SELECT 1 FROM outbox
                         WHERE shard = $1 AND aggregatetype = $2 AND partition_id = 0 AND seq <= $3
                         LIMIT 1",
                        params![shard_of(&topic, 0), &topic, hole.last.0],
                    )
                    .await?;
                Ok(waiting.is_none())
            })
            .await
    }

    /// Notes numbers that the log lost; all readers pass them.
    async fn give_up(&self, from: Accepted, to: Accepted, hole: Hole, now: Timestamp) -> Result<(), Again> {
        tracing::error!(
            first = hole.first.0,
            last = hole.last.0,
            "the log lost records: these numbers of the delivery log were sent and cannot be read"
        );
        self.store
            .transact(move |tx| async move {
                move_on(&tx, from, to).await?;
                tx.execute(
                    "INSERT INTO delivery_holes (first_number, last_number, held_from, passed_at)
                     VALUES ($1, $2, $3, $4)
                     ON CONFLICT DO NOTHING",
                    params![hole.first.0, hole.last.0, hole.held_from.0, now],
                )
                .await?;
                Ok(())
            })
            .await
    }
}

/// The delivery log's name in the log.
pub(crate) fn topic(store: &Store) -> String {
    store.topic(DELIVERIES).map_or_else(|| DELIVERIES.to_owned(), |topic| topic.name.clone())
}

/// A tail of the delivery log that begins with the record at a place, which tells whether the log is still the same.
pub(crate) async fn tail_at(
    log: &dyn Log,
    topic: String,
    generation: Generation,
    place: Place,
) -> Result<Box<dyn Tail>, LogError> {
    let start = generation.offset(place).map_or(Start::Earliest, Start::At);
    log.tail(TopicPartition { topic, partition: 0 }, start).await
}

/// The newest place of the delivery log.
pub(crate) async fn end(log: &dyn Log, topic: &str, generation: Generation) -> Result<Place, LogError> {
    let topics = log.topics().await?;
    let found = topics.iter().find(|found| found.name == topic);
    let partition = found.and_then(|found| found.partitions.first());
    Ok(partition.map_or(Place::ORIGIN, |partition| generation.place(partition.next_offset).previous()))
}

/// How far the projection is; nothing where there is none, or none yet.
pub(crate) async fn stored(tx: &Tx) -> Result<Option<Accepted>, StoreError> {
    let row = tx.optional("SELECT accepted FROM delivery_projection WHERE one = 1", params![]).await?;
    row.map(|row| {
        let wrong =
            |_cause| StoreError::Row { column: 0, found: "another text", wanted: "a place and a number" };
        serde_json::from_str(&row.get::<String>(0)?).map_err(wrong)
    })
    .transpose()
}

/// The holes that were passed.
pub(crate) async fn holes(tx: &Tx) -> Result<Vec<Hole>, StoreError> {
    let rows = tx
        .query(
            "SELECT first_number, last_number, passed_at, held_from FROM delivery_holes ORDER BY first_number LIMIT 1000",
            params![],
        )
        .await?;
    let hole = |row: &tidings_store::Row| {
        Ok(Hole {
            first: Number(row.get(0)?),
            last: Number(row.get(1)?),
            since: row.get(2)?,
            held_from: Place(row.get(3)?),
        })
    };
    rows.iter().map(hole).collect()
}

/// Waits until the projection is complete up to a place. False: it was not within `limit`.
pub async fn reached(store: &Store, place: Place, limit: Duration) -> Result<bool, StoreError> {
    if store.appends() == Appends::Log {
        return Ok(true);
    }
    let until = Instant::now() + limit;
    let mut wakes = store.wakes(PROJECTED);
    loop {
        wakes.mark_unchanged();
        if store.read(|tx| async move { deliver::head(&tx).await }).await? >= place {
            return Ok(true);
        }
        if timeout_at(until.min(Instant::now() + LOOK), wakes.changed()).await.is_err()
            && Instant::now() >= until
        {
            return Ok(false);
        }
    }
}

/// Moves the projection, if it is where it was found.
async fn move_on(tx: &Tx, from: Accepted, to: Accepted) -> Result<(), Again> {
    let moved = tx
        .execute(
            "UPDATE delivery_projection SET place = $1, accepted = $2 WHERE accepted = $3",
            params![to.place.0, json(to), json(from)],
        )
        .await?;
    tx.wake(PROJECTED);
    if moved == 1 { Ok(()) } else { Err(Again::Passed) }
}

fn json(accepted: Accepted) -> String {
    serde_json::to_string(&accepted).unwrap_or_default()
}

fn take(accepted: Accepted, record: &Record) -> Taken {
    let decoded = record.value.as_deref().map(serde_json::from_slice::<DeliveryRecord>);
    let record = match decoded {
        Some(Ok(decoded)) => Some((decoded, record.value.clone().unwrap_or_default())),
        Some(Err(cause)) => {
            tracing::error!(place = accepted.place.0, %cause, "a delivery record cannot be read; it is passed over");
            None
        }
        // Its number was sent empty.
        None => None,
    };
    Taken { accepted, record }
}

/// An error with its causes, in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
