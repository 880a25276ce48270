//! Readers: a few connections that see snapshots and never wait for the writer.

use std::{
    future::Future,
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU32},
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{file, job};
use crate::{StoreError, Tx, topics::Topics};

/// SQLite instructions between two looks at the clock.
const LOOK_EVERY: i32 = 10_000;

#[derive(Debug)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
    limit: Duration,
    topics: Arc<Topics>,
    spread: Arc<AtomicU32>,
}

impl Readers {
    pub(super) fn open(
        path: &Path,
        count: usize,
        limit: Duration,
        topics: Arc<Topics>,
        spread: Arc<AtomicU32>,
    ) -> Result<Self, StoreError> {
        let free: Result<Vec<_>, _> = (0..count).map(|_| file::open_reader(path)).collect();
        Ok(Self {
            free: Arc::new(Mutex::new(free?)),
            places: Arc::new(Semaphore::new(count)),
            limit,
            topics,
            spread,
        })
    }

    pub(super) async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place =
            Arc::clone(&self.places).acquire_owned().await.map_err(|_closed| E::from(StoreError::Closed))?;
        let free = Arc::clone(&self.free);
        let (topics, spread, limit) = (Arc::clone(&self.topics), Arc::clone(&self.spread), self.limit);
        let reading = tokio::task::spawn_blocking(move || {
            let connection = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = connection else { return Err(E::from(StoreError::Closed)) };
            let started = Instant::now();
            // A failure to set the handler only means that this read has no limit of its own.
            drop(connection.progress_handler(LOOK_EVERY, Some(move || started.elapsed() > limit)));
            let result = snapshot(connection, body, topics, spread, &free);
            drop(place);
            result
        });
        reading.await.map_err(|_ended| E::from(StoreError::Closed))?
    }
}

fn snapshot<T, E, F, Fut>(
    connection: Connection,
    body: F,
    topics: Arc<Topics>,
    spread: Arc<AtomicU32>,
    free: &Mutex<Vec<Connection>>,
) -> Result<T, E>
where
    F: FnOnce(Tx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<StoreError>,
{
    let failed = |source| StoreError::Statement { statement: "BEGIN".to_owned(), source };
    let give_back = |connection| free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    if let Err(source) = connection.execute_batch("BEGIN") {
        give_back(connection);
        return Err(failed(source).into());
    }
    let tx = Tx::begin(connection, topics, spread);
    let result = job::complete(body, tx.clone());
    if let Some(ended) = tx.end() {
        // Nothing was written; an end that fails leaves the snapshot to the next `BEGIN`, which reports it.
        drop(ended.connection.execute_batch("COMMIT"));
        give_back(ended.connection);
    }
    result
}
