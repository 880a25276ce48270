//! The one writer: a thread that drains many callers into one transaction, a savepoint each.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tidings_model::planted;
use tokio::sync::watch;

use super::{
    Running, file,
    job::{Job, Wish},
    lanes::{Lanes, Next},
    wal::Wal,
};
use crate::{
    Heads, StoreError, StoreHealth, Tx, ledger::Ledger, stats::Counters, tx, tx::Known, wakes::Wakes,
};

/// The longest turn: past this no further body joins the transaction.
const TURN: Duration = Duration::from_millis(5);
/// The most rows of a turn.
const TURN_ROWS: u64 = 500;
/// Turns that bulk lets people go first; then it is served first for once.
const PATIENCE: u32 = 2;
/// How often a store that fails tries by itself whether it can commit again.
const PROBE: Duration = Duration::from_secs(1);
/// How long the last part of a checkpoint waits for a reader to leave.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(2);
/// How long other statements wait for a lock; only checkpoints of this process ever hold one.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Setup {
    pub(super) path: PathBuf,
    pub(super) log_bytes: u64,
    pub(super) lanes: Arc<Lanes>,
    pub(super) known: Arc<Known>,
    pub(super) heads: Arc<Heads>,
    pub(super) wakes: Arc<Wakes>,
    pub(super) health: watch::Sender<StoreHealth>,
    pub(super) wal: Arc<Wal>,
    pub(super) counters: Arc<Counters>,
}

/// The writer's thread; dropping it lets the thread do what waits, and end.
#[derive(Debug)]
pub(super) struct Writer {
    lanes: Arc<Lanes>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the writer on a file whose schema is up to date.
    pub(super) fn start(setup: Setup, connection: Connection) -> Result<Self, StoreError> {
        let lanes = Arc::clone(&setup.lanes);
        let path = setup.path.display().to_string();
        let mut turns =
            Turns { setup, open: None, wal_pages: Arc::default(), passed_over: 0, probe_at: None };
        let open = turns.prepare(connection)?;
        open.ledger.publish_all(&turns.setup.heads);
        turns.open = Some(open);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || turns.run())
            .map_err(|cause| StoreError::Open { path, reason: cause.to_string() })?;
        Ok(Self { lanes, thread: Some(thread) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lanes.close();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has already failed its callers.
            drop(thread.join());
        }
    }
}

/// The file as the writer holds it: forgotten together after a failure.
struct Open {
    connection: Connection,
    ledger: Ledger,
}

/// One turn after the other.
struct Turns {
    setup: Setup,
    open: Option<Open>,
    // Pages in the write-ahead log as of the last commit.
    wal_pages: Arc<AtomicU64>,
    // Turns in a row that ended while bulk waited and that served none of it.
    passed_over: u32,
    // When a store that fails tries by itself again.
    probe_at: Option<Instant>,
}

/// What one turn has gathered.
#[derive(Default)]
struct Turn {
    jobs: Vec<Box<dyn Job>>,
    touched: Vec<(u32, u64)>,
    wakes: Vec<&'static str>,
    rows: u64,
}

impl Turns {
    fn run(mut self) {
        loop {
            // A moment, not a wait: whatever else wakes the writer must not put it off.
            let limit = self.probe_at.map(|at| at.saturating_duration_since(Instant::now()));
            match self.setup.lanes.next(limit, self.passed_over >= PATIENCE) {
                Next::Job(job) => self.turn(Some(job)),
                Next::Checkpoint => self.finish_checkpoint(),
                // A turn without a body, to see whether a commit succeeds again.
                Next::Nothing => self.turn(None),
                Next::Closed => return,
            }
        }
    }

    fn turn(&mut self, first: Option<Box<dyn Job>>) {
        let probe = first.is_none();
        let mut turn = Turn::default();
        let mut open = match self.begin(probe) {
            Ok(open) => open,
            Err(reason) => {
                turn.jobs.extend(first);
                self.failed(turn.jobs, &reason);
                return;
            }
        };
        let started = Instant::now();
        let mut job = first;
        // Bulk that waited long enough came first.
        let mut bulk_served = self.passed_over >= PATIENCE;
        while let Some(mut next) = job.take() {
            let ran = self.run_job(open, &mut *next, &mut turn);
            turn.jobs.push(next);
            match ran {
                Ok(back) => open = back,
                Err(reason) => {
                    self.failed(turn.jobs, &reason);
                    return;
                }
            }
            if started.elapsed() >= TURN || turn.rows >= TURN_ROWS {
                break;
            }
            job = self.setup.lanes.people();
            if job.is_none() && !bulk_served {
                job = self.setup.lanes.bulk();
                bulk_served = job.is_some();
            }
        }
        self.passed_over =
            if !bulk_served && self.setup.lanes.bulk_waits() { self.passed_over + 1 } else { 0 };
        let (transactions, rows) = (turn.jobs.len(), turn.rows);
        self.setup.counters.turn(transactions, rows, started.elapsed());
        self.commit(open, turn);
    }

    /// Begins a transaction, on a file that is opened first if the last turn failed.
    fn begin(&mut self, probe: bool) -> Result<Open, String> {
        let open = match self.open.take() {
            Some(open) => open,
            None => file::open_writer(&self.setup.path)
                .and_then(|connection| self.prepare(connection))
                .map_err(|cause| cause.to_string())?,
        };
        open.connection.execute_batch("BEGIN IMMEDIATE").map_err(|cause| cause.to_string())?;
        if probe {
            // Changes nothing, but is written and synced.
            open.connection.execute_batch("PRAGMA user_version = 0").map_err(|cause| cause.to_string())?;
        }
        Ok(open)
    }

    fn prepare(&self, mut connection: Connection) -> Result<Open, StoreError> {
        let pages = Arc::clone(&self.wal_pages);
        connection
            .wal_hook(Some(move |_wal: &mut rusqlite::hooks::Wal, count: i32| {
                pages.store(u64::from(count.unsigned_abs()), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(|source| StoreError::Statement {
                statement: "wal hook".to_owned(),
                source: source.into(),
            })?;
        let ledger = Ledger::load(&connection, self.setup.log_bytes)?;
        Ok(Open { connection, ledger })
    }

    /// Runs one body in a savepoint. An error means that the whole transaction is gone.
    fn run_job(&self, open: Open, job: &mut dyn Job, turn: &mut Turn) -> Result<Open, String> {
        statement(&open.connection, "SAVEPOINT job")?;
        let started = Instant::now();
        let running = Running::begin(open.connection, Some(open.ledger));
        let wish = job.run(&Tx::new(Arc::clone(&self.setup.known), tx::Running::Sqlite(running.clone())));
        let ended = running.end().ok_or("a body kept the connection")?;
        let (connection, mut ledger) = (ended.connection, ended.ledger.ok_or("a body kept the ledger")?);
        turn.rows += ended.changed_rows;
        let took = started.elapsed();
        if took > TURN || ended.changed_rows > TURN_ROWS {
            self.setup.counters.long_body();
            tracing::debug!(
                ?took,
                rows = ended.changed_rows,
                "a transaction was longer than a turn; slice it"
            );
        }
        if connection.is_autocommit() {
            // A full disk or a failed read makes SQLite end the whole transaction, bodies before included.
            return Err("a statement ended the transaction: the disk is full or cannot be read".to_owned());
        }
        ledger.end_body(wish == Wish::Keep);
        if wish == Wish::Keep {
            turn.touched.extend(ended.touched);
            turn.wakes.extend(ended.wakes);
        } else {
            statement(&connection, "ROLLBACK TO job")?;
        }
        statement(&connection, "RELEASE job")?;
        Ok(Open { connection, ledger })
    }

    fn commit(&mut self, mut open: Open, mut turn: Turn) {
        if let Err(cause) = open.ledger.write(&open.connection) {
            self.failed(turn.jobs, &cause.to_string());
            return;
        }
        if planted::is("ack_before_fsync") {
            // The planted bug: say yes, then commit, with a pause wide enough for a kill.
            for job in turn.jobs {
                job.finish(Ok(()));
            }
            std::thread::sleep(Duration::from_millis(20));
            drop(open.connection.execute_batch("COMMIT"));
            self.publish(&turn.touched, &mut turn.wakes);
            self.open = Some(open);
            return;
        }
        planted::crash_point("before_commit");
        let committed = statement(&open.connection, "COMMIT");
        planted::crash_point("after_commit");
        match committed {
            Ok(()) => {
                self.open = Some(open);
                self.publish(&turn.touched, &mut turn.wakes);
                for job in turn.jobs {
                    job.finish(Ok(()));
                }
            }
            Err(reason) => self.failed(turn.jobs, &reason),
        }
    }

    fn publish(&mut self, touched: &[(u32, u64)], wakes: &mut Vec<&'static str>) {
        self.probe_at = None;
        self.setup.wal.grew(self.wal_pages.load(Ordering::Relaxed));
        for (partition, next_offset) in touched {
            self.setup.heads.publish(*partition, *next_offset);
        }
        // Many bodies of a turn may wake the same.
        wakes.sort_unstable();
        wakes.dedup();
        for what in wakes {
            self.setup.wakes.wake(what);
        }
        self.setup.health.send_if_modified(|health| {
            let was_failing = *health != StoreHealth::Well;
            *health = StoreHealth::Well;
            was_failing
        });
    }

    /// Fails all of a turn and all that waits, and forgets the connection: after a sync that failed, what the
    /// page cache says is not what the disk holds, so the file is opened and its log read again before the
    /// next commit.
    fn failed(&mut self, jobs: Vec<Box<dyn Job>>, reason: &str) {
        self.open = None;
        self.probe_at = Some(Instant::now() + PROBE);
        let was = self.setup.health.send_replace(StoreHealth::Failing(reason.to_owned()));
        if was == StoreHealth::Well {
            tracing::error!(reason, "the database could not commit; its writers get errors until it can");
        }
        for job in jobs.into_iter().chain(self.setup.lanes.take_all()) {
            job.finish(Err(StoreError::Commit { reason: reason.to_owned() }));
        }
    }

    /// Moves what a checkpoint left, and lets the write-ahead log start over if nobody reads from it.
    fn finish_checkpoint(&mut self) {
        if let Some(Open { connection, .. }) = &self.open {
            let restarted = connection
                .busy_timeout(CHECKPOINT_WAIT)
                .and_then(|()| {
                    connection
                        .query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
                })
                .unwrap_or_else(|cause| {
                    tracing::warn!(%cause, "a checkpoint failed; the next one starts over");
                    false
                });
            // The next statement that meets a lock would fail at once instead of waiting for it.
            drop(connection.busy_timeout(BUSY_WAIT));
            if restarted {
                self.wal_pages.store(0, Ordering::Relaxed);
                self.setup.wal.grew(0);
            }
        }
        self.setup.wal.finished();
    }
}

fn statement(connection: &Connection, sql: &str) -> Result<(), String> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map_err(|cause| cause.to_string())?;
    Ok(())
}
