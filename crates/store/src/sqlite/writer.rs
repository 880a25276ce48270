//! The one writer: a thread that drains many callers into one transaction, a savepoint each.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tidings_model::planted;
use tokio::sync::{Semaphore, watch};

use super::{
    Lane, StoreHealth, file,
    job::{Job, Wish},
};
use crate::{Heads, StoreError, Tx, topics::Topics};

/// The longest turn: past this no further body joins the transaction.
const TURN: Duration = Duration::from_millis(5);
/// The most rows of a turn.
const TURN_ROWS: u64 = 500;
/// Bulk work that may wait; its callers wait for a place.
const BULK_QUEUE: usize = 64;
/// How long the writer waits before it opens the file again after a failed commit.
const REOPEN_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Setup {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) queue: usize,
    pub(super) topics: Arc<Topics>,
    pub(super) heads: Arc<Heads>,
    pub(super) health: watch::Sender<StoreHealth>,
    pub(super) spread: Arc<AtomicU32>,
}

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    bulk_places: Semaphore,
    queue: usize,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    queues: Mutex<Queues>,
    wake: Condvar,
    // Bulk jobs that left the queue since the semaphore was last topped up.
    bulk_taken: AtomicU32,
}

#[derive(Default)]
struct Queues {
    people: VecDeque<Box<dyn Job>>,
    bulk: VecDeque<Box<dyn Job>>,
    closed: bool,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} people, {} bulk", self.people.len(), self.bulk.len())
    }
}

impl Writer {
    pub(super) fn start(setup: Setup) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            queues: Mutex::new(Queues::default()),
            wake: Condvar::new(),
            bulk_taken: AtomicU32::new(0),
        });
        let queue = setup.queue;
        let path = setup.path.display().to_string();
        let thread_shared = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || Turns::new(setup, thread_shared).run())
            .map_err(|cause| StoreError::Open { path, reason: cause.to_string() })?;
        Ok(Self { shared, bulk_places: Semaphore::new(BULK_QUEUE), queue, thread: Some(thread) })
    }

    pub(super) async fn submit(&self, lane: Lane, job: Box<dyn Job>) -> Result<(), StoreError> {
        if lane == Lane::Bulk {
            // Waiting for a place is the back-pressure of bulk work.
            let place = self.bulk_places.acquire().await.map_err(|_closed| StoreError::Closed)?;
            self.push(lane, job)?;
            place.forget();
            return Ok(());
        }
        self.push(lane, job)
    }

    fn push(&self, lane: Lane, job: Box<dyn Job>) -> Result<(), StoreError> {
        let mut queues = self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.closed {
            return Err(StoreError::Closed);
        }
        match lane {
            Lane::People if queues.people.len() >= self.queue => {
                return Err(StoreError::Busy { waiting: queues.people.len() });
            }
            Lane::People => queues.people.push_back(job),
            Lane::Bulk => queues.bulk.push_back(job),
        }
        let taken = self.shared.bulk_taken.swap(0, Ordering::Relaxed);
        self.bulk_places.add_permits(taken as usize);
        drop(queues);
        self.shared.wake.notify_one();
        Ok(())
    }

    pub(super) fn waiting(&self) -> usize {
        let queues = self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.people.len() + queues.bulk.len()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has already failed its callers.
            drop(thread.join());
        }
    }
}

/// The writer's side: one turn after the other.
struct Turns {
    setup_path: PathBuf,
    connection: Option<Connection>,
    topics: Arc<Topics>,
    heads: Arc<Heads>,
    health: watch::Sender<StoreHealth>,
    spread: Arc<AtomicU32>,
    shared: Arc<Shared>,
}

impl Turns {
    fn new(setup: Setup, shared: Arc<Shared>) -> Self {
        Self {
            setup_path: setup.path,
            connection: Some(setup.connection),
            topics: setup.topics,
            heads: setup.heads,
            health: setup.health,
            spread: setup.spread,
            shared,
        }
    }

    fn run(mut self) {
        while let Some(first) = self.next_job(true) {
            self.turn(first);
        }
    }

    /// The next job: people first, but each turn begins with a bulk job if none was served in the last.
    fn next_job(&self, wait: bool) -> Option<Box<dyn Job>> {
        let mut queues = self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = queues.people.pop_front() {
                return Some(job);
            }
            if let Some(job) = self.pop_bulk(&mut queues) {
                return Some(job);
            }
            if !wait || queues.closed {
                return None;
            }
            queues = self.shared.wake.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn pop_bulk(&self, queues: &mut Queues) -> Option<Box<dyn Job>> {
        let job = queues.bulk.pop_front()?;
        self.shared.bulk_taken.fetch_add(1, Ordering::Relaxed);
        Some(job)
    }

    fn turn(&mut self, first: Box<dyn Job>) {
        let Some(connection) = self.connection() else {
            let reason = match &*self.health.borrow() {
                StoreHealth::Failing(reason) => reason.clone(),
                StoreHealth::Well => "the file could not be opened again".to_owned(),
            };
            first.finish(Err(StoreError::Commit { reason }));
            return;
        };
        if let Err(cause) = connection.execute_batch("BEGIN IMMEDIATE") {
            self.connection = Some(connection);
            self.failed(vec![first], &cause);
            return;
        }
        let started = Instant::now();
        let mut turn = Turn { jobs: Vec::new(), touched: Vec::new(), rows: 0 };
        let mut connection = Some(connection);
        let mut job = Some(first);
        let mut bulk_served = false;
        while let Some(mut next) = job.take() {
            let Some(open) = connection.take() else { break };
            connection = self.run_job(open, &mut *next, &mut turn);
            turn.jobs.push(next);
            if started.elapsed() >= TURN || turn.rows >= TURN_ROWS {
                break;
            }
            job = self.next_people_job().or_else(|| {
                if bulk_served {
                    return None;
                }
                bulk_served = true;
                self.pop_bulk(&mut self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner))
            });
        }
        self.commit(connection, turn);
    }

    fn next_people_job(&self) -> Option<Box<dyn Job>> {
        self.shared.queues.lock().unwrap_or_else(PoisonError::into_inner).people.pop_front()
    }

    fn run_job(&self, connection: Connection, job: &mut dyn Job, turn: &mut Turn) -> Option<Connection> {
        if connection.prepare_cached("SAVEPOINT job").and_then(|mut save| save.execute([])).is_err() {
            return Some(connection);
        }
        let tx = Tx::begin(connection, Arc::clone(&self.topics), Arc::clone(&self.spread));
        let wish = job.run(&tx);
        let ended = tx.end()?;
        turn.rows += ended.changed_rows;
        let end = match wish {
            Wish::Keep => "RELEASE job",
            Wish::Undo => "ROLLBACK TO job",
        };
        let released = ended.connection.prepare_cached(end).and_then(|mut end| end.execute([]));
        if wish == Wish::Keep && released.is_ok() {
            turn.touched.extend(ended.touched);
        }
        if wish == Wish::Undo {
            // `ROLLBACK TO` leaves the savepoint open; a failure shows at the commit.
            drop(ended.connection.prepare_cached("RELEASE job").and_then(|mut end| end.execute([])));
        }
        Some(ended.connection)
    }

    fn commit(&mut self, connection: Option<Connection>, turn: Turn) {
        let Some(connection) = connection else {
            self.failed_for(turn.jobs, "the writer lost its connection");
            return;
        };
        if planted::is("ack_before_fsync") {
            // The planted bug: say yes, then commit, with a pause wide enough for a kill.
            for job in turn.jobs {
                job.finish(Ok(()));
            }
            std::thread::sleep(Duration::from_millis(3));
            drop(connection.execute_batch("COMMIT"));
            self.publish(&turn.touched);
            self.connection = Some(connection);
            return;
        }
        planted::crash_point("before_commit");
        let committed = connection.execute_batch("COMMIT");
        planted::crash_point("after_commit");
        self.connection = Some(connection);
        match committed {
            Ok(()) => {
                self.publish(&turn.touched);
                for job in turn.jobs {
                    job.finish(Ok(()));
                }
            }
            Err(cause) => self.failed(turn.jobs, &cause),
        }
    }

    fn publish(&self, touched: &[(u32, u64)]) {
        for (partition, next_offset) in touched {
            self.heads.publish(*partition, *next_offset);
        }
        self.health.send_if_modified(|health| {
            let was_failing = *health != StoreHealth::Well;
            *health = StoreHealth::Well;
            was_failing
        });
    }

    fn failed(&mut self, jobs: Vec<Box<dyn Job>>, cause: &rusqlite::Error) {
        self.failed_for(jobs, &cause.to_string());
    }

    /// Fails all of a turn and forgets the connection: after a sync that failed, what the page cache says
    /// is not what the disk holds, so the file is opened and its log read again before the next commit.
    fn failed_for(&mut self, jobs: Vec<Box<dyn Job>>, reason: &str) {
        tracing::error!(reason, "the database could not commit; its writers get errors until it can");
        self.health.send_replace(StoreHealth::Failing(reason.to_owned()));
        self.connection = None;
        for job in jobs {
            job.finish(Err(StoreError::Commit { reason: reason.to_owned() }));
        }
    }

    fn connection(&mut self) -> Option<Connection> {
        if let Some(connection) = self.connection.take() {
            return Some(connection);
        }
        match file::open_writer(&self.setup_path) {
            Ok(connection) => Some(connection),
            Err(cause) => {
                self.health.send_replace(StoreHealth::Failing(cause.to_string()));
                std::thread::sleep(REOPEN_PAUSE);
                None
            }
        }
    }
}

/// What one turn has gathered.
struct Turn {
    jobs: Vec<Box<dyn Job>>,
    touched: Vec<(u32, u64)>,
    rows: u64,
}
