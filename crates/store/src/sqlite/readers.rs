//! Readers: a few connections that see snapshots and never wait for the writer.

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Running, checkpoint::Gate, file, job};
use crate::{StoreError, Tx, tx, tx::Known};

/// SQLite instructions between two looks at the clock.
const LOOK_EVERY: i32 = 10_000;

#[derive(Debug)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
    queue: usize,
    waiting: AtomicUsize,
    setup: Arc<Setup>,
}

/// What each read needs.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) limit: Duration,
    pub(super) known: Arc<Known>,
    pub(super) gate: Gate,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize, queue: usize, setup: Setup) -> Result<Self, StoreError> {
        let free: Result<Vec<_>, _> = (0..count).map(|_| file::open_reader(path)).collect();
        Ok(Self {
            free: Arc::new(Mutex::new(free?)),
            places: Arc::new(Semaphore::new(count)),
            queue,
            waiting: AtomicUsize::new(0),
            setup: Arc::new(setup),
        })
    }

    pub(super) async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place = self.place().await?;
        let (free, setup) = (Arc::clone(&self.free), Arc::clone(&self.setup));
        let reading = tokio::task::spawn_blocking(move || {
            let pass = setup.gate.read().unwrap_or_else(PoisonError::into_inner);
            let connection = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = connection else { return Err(E::from(StoreError::Closed)) };
            let (started, limit) = (Instant::now(), setup.limit);
            // A failure to set the handler only means that one statement of this read has no limit.
            drop(connection.progress_handler(LOOK_EVERY, Some(move || started.elapsed() > limit)));
            let result = snapshot(connection, body, &setup, started, &free);
            drop(pass);
            drop(place);
            result
        });
        reading.await.map_err(|_ended| E::from(StoreError::Closed))?
    }

    /// A connection's place; too many that wait for one are refused.
    async fn place(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let waiting = Waiting::enter(&self.waiting);
        if waiting.before >= self.queue {
            return Err(StoreError::Busy { waiting: waiting.before });
        }
        Arc::clone(&self.places).acquire_owned().await.map_err(|_closed| StoreError::Closed)
    }
}

/// One of those who wait for a place; counted until it is dropped, also when its caller gives up.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self { count, before: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn snapshot<T, E, F, Fut>(
    connection: Connection,
    body: F,
    setup: &Setup,
    started: Instant,
    free: &Mutex<Vec<Connection>>,
) -> Result<T, E>
where
    F: FnOnce(Tx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<StoreError>,
{
    let failed = |source| StoreError::Statement {
        statement: "BEGIN".to_owned(),
        source: rusqlite::Error::into(source),
    };
    let give_back = |connection| free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    if let Err(source) = connection.execute_batch("BEGIN") {
        give_back(connection);
        return Err(failed(source).into());
    }
    let running = Running::begin(connection, None).until(started, setup.limit);
    let tx = Tx::new(Arc::clone(&setup.known), tx::Running::Sqlite(running.clone()));
    let result = job::complete(body, &tx);
    if let Some(ended) = running.end() {
        // Nothing was written; an end that fails leaves the snapshot to the next `BEGIN`, which reports it.
        drop(ended.connection.execute_batch("COMMIT"));
        give_back(ended.connection);
    }
    result
}
