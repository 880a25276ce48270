//! SQLite as the keeper: one file, one writer, several readers.

mod checkpoint;
mod file;
mod job;
mod lanes;
mod readers;
mod running;
mod wal;
mod writer;

use std::{future::Future, path::Path, sync::Arc};

use tokio::sync::{oneshot, watch};

pub(crate) use running::Running;

use crate::{
    Heads, Lane, Migration, StoreError, StoreHealth, StoreOptions, StoreStats, Tx, migrate, stats::Counters,
    tx::Known, wakes::Wakes,
};

/// The file and what serves it.
// The order matters for closing: the writer does what waits, then the checkpoints end, then the file is free.
#[derive(Debug)]
pub(crate) struct Sqlite {
    _writer: writer::Writer,
    lanes: Arc<lanes::Lanes>,
    _checkpoints: checkpoint::Checkpoints,
    readers: readers::Readers,
    health: watch::Receiver<StoreHealth>,
    wal: Arc<wal::Wal>,
    counters: Arc<Counters>,
    // Held for as long as the store is open: a second process on the file is refused.
    _lock: file::FileLock,
}

/// The tables of the embedded log and of the outbox.
const MIGRATIONS: [Migration; 2] = [
    Migration { owner: "store", name: "0001_log", sqlite: include_str!("../migrations/sqlite/0001_log.sql") },
    Migration {
        owner: "store",
        name: "0002_outbox",
        sqlite: include_str!("../migrations/sqlite/0002_outbox.sql"),
    },
];

impl Sqlite {
    /// Opens the file, brings its schema up to date, and starts the writer.
    pub(crate) fn open(
        path: &Path,
        options: &StoreOptions,
        known: Arc<Known>,
        heads: Arc<Heads>,
        wakes: &Arc<Wakes>,
    ) -> Result<Self, StoreError> {
        let lock = file::FileLock::take(path)?;
        let mut connection = file::open_writer(path)?;
        let migrations = [&MIGRATIONS, &options.migrations[..]].concat();
        migrate::apply(&mut connection, &migrations)?;

        let (health_sender, health) = watch::channel(StoreHealth::Well);
        let (lanes, wal) = (Arc::new(lanes::Lanes::new(options.queue)), Arc::new(wal::Wal::default()));
        let (counters, gate) = (Arc::default(), checkpoint::Gate::default());
        let setup =
            readers::Setup { limit: options.read_limit, known: Arc::clone(&known), gate: Arc::clone(&gate) };
        let readers = readers::Readers::open(path, options.readers, options.queue, setup)?;
        let setup = writer::Setup {
            path: path.to_owned(),
            log_bytes: options.log_bytes,
            lanes: Arc::clone(&lanes),
            known,
            heads,
            wakes: Arc::clone(wakes),
            health: health_sender,
            wal: Arc::clone(&wal),
            counters: Arc::clone(&counters),
        };
        let writer = writer::Writer::start(setup, connection)?;
        let checkpoints = checkpoint::Checkpoints::start(path, Arc::clone(&wal), Arc::clone(&lanes), gate)?;
        Ok(Self {
            _writer: writer,
            lanes,
            _checkpoints: checkpoints,
            readers,
            health,
            wal,
            counters,
            _lock: lock,
        })
    }

    pub(crate) async fn transact<T, E, F, Fut>(&self, lane: Lane, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.lanes.submit(lane, Box::new(job::Body::new(body, reply))).await.map_err(E::from)?;
        answer.await.map_err(|_closed| E::from(StoreError::Closed))?
    }

    pub(crate) async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.readers.read(body).await
    }

    pub(crate) fn health(&self) -> watch::Receiver<StoreHealth> {
        self.health.clone()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.lanes.waiting()
    }

    pub(crate) fn stats(&self) -> StoreStats {
        StoreStats { wal_pages: self.wal.pages(), wal_restarts: self.wal.restarts(), ..self.counters.read() }
    }
}
