//! SQLite as the keeper: one file, one writer, several readers.

mod checkpoint;
mod file;
mod job;
mod lanes;
mod readers;
mod stats;
mod wal;
mod writer;

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::{oneshot, watch};

pub use stats::StoreStats;

use crate::{Appends, Heads, Migration, StoreError, TopicPartitions, Tx, migrate, tx::Known, wakes::Wakes};

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The database file; its folder is made if it is not there.
    pub path: PathBuf,
    /// Connections for reading.
    pub readers: usize,
    /// Transactions that may wait for the writer before callers get [`StoreError::Busy`].
    pub queue: usize,
    /// How long a read transaction may live.
    pub read_limit: Duration,
    /// How many bytes of keys, headers and values all topics of the embedded log may hold together.
    pub log_bytes: u64,
    /// Where events go that leave with a transaction.
    pub appends: Appends,
    /// The schema, in order.
    pub migrations: Vec<Migration>,
}

impl StoreOptions {
    /// The bytes that all topics may hold together by default: 8 GiB.
    pub const LOG_BYTES: u64 = 8 << 30;

    /// The defaults for a file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 4,
            queue: 8192,
            read_limit: Duration::from_secs(2),
            log_bytes: Self::LOG_BYTES,
            appends: Appends::Log,
            migrations: Vec::new(),
        }
    }
}

/// Which of the writer's two lanes a transaction waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for the answer.
    People,
    /// Slices of large work; one a turn when people are waiting too.
    Bulk,
}

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreHealth {
    /// Commits succeed.
    Well,
    /// The last commit failed, for this reason; nothing of it was acknowledged.
    Failing(String),
}

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

// The order matters for closing: the writer does what waits, then the checkpoints end, then the file is free.
#[derive(Debug)]
struct Inner {
    _writer: writer::Writer,
    lanes: Arc<lanes::Lanes>,
    _checkpoints: checkpoint::Checkpoints,
    readers: readers::Readers,
    heads: Arc<Heads>,
    known: Arc<Known>,
    wakes: Arc<Wakes>,
    health: watch::Receiver<StoreHealth>,
    wal: Arc<wal::Wal>,
    counters: Arc<stats::Counters>,
    options: StoreOptions,
    // Held for as long as the store is open: a second process on the file is refused.
    _lock: file::FileLock,
}

impl Store {
    /// Opens the file, brings its schema up to date, and starts the writer.
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let lock = file::FileLock::take(&options.path)?;
        let mut connection = file::open_writer(&options.path)?;
        let mut migrations = vec![
            Migration {
                owner: "store",
                name: "0001_log",
                sqlite: include_str!("../migrations/sqlite/0001_log.sql"),
            },
            Migration {
                owner: "store",
                name: "0002_outbox",
                sqlite: include_str!("../migrations/sqlite/0002_outbox.sql"),
            },
        ];
        migrations.extend(options.migrations.iter().copied());
        migrate::apply(&mut connection, &migrations)?;

        let known = Arc::new(Known { appends: options.appends, ..Known::default() });
        let (heads, wakes) = (Arc::<Heads>::default(), Arc::<Wakes>::default());
        let (health_sender, health) = watch::channel(StoreHealth::Well);
        let (lanes, wal) = (Arc::new(lanes::Lanes::new(options.queue)), Arc::new(wal::Wal::default()));
        let (counters, gate) = (Arc::default(), checkpoint::Gate::default());
        let setup =
            readers::Setup { limit: options.read_limit, known: Arc::clone(&known), gate: Arc::clone(&gate) };
        let readers = readers::Readers::open(&options.path, options.readers, options.queue, setup)?;
        let setup = writer::Setup {
            path: options.path.clone(),
            log_bytes: options.log_bytes,
            lanes: Arc::clone(&lanes),
            known: Arc::clone(&known),
            heads: Arc::clone(&heads),
            wakes: Arc::clone(&wakes),
            health: health_sender,
            wal: Arc::clone(&wal),
            counters: Arc::clone(&counters),
        };
        let writer = writer::Writer::start(setup, connection)?;
        let checkpoints =
            checkpoint::Checkpoints::start(&options.path, Arc::clone(&wal), Arc::clone(&lanes), gate)?;
        Ok(Self {
            inner: Arc::new(Inner {
                _writer: writer,
                lanes,
                _checkpoints: checkpoints,
                readers,
                heads,
                known,
                wakes,
                health,
                wal,
                counters,
                options: options.clone(),
                _lock: lock,
            }),
        })
    }

    /// Runs `body` in a transaction and answers once it is on the disk. An error keeps nothing of it.
    ///
    /// `body` may await its [`Tx`] and nothing else. Not cancel safe in one sense: a caller that stops
    /// waiting does not learn whether the transaction was committed.
    pub async fn transact<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.transact_in(Lane::People, body).await
    }

    /// [`Store::transact`] in a lane.
    pub async fn transact_in<T, E, F, Fut>(&self, lane: Lane, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.inner.lanes.submit(lane, Box::new(job::Body::new(body, reply))).await.map_err(E::from)?;
        answer.await.map_err(|_closed| E::from(StoreError::Closed))?
    }

    /// Runs `body` on a snapshot; it cannot write.
    pub async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>>,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.readers.read(body).await
    }

    /// The ends of the log's partitions.
    pub fn heads(&self) -> &Heads {
        &self.inner.heads
    }

    /// Wakes by this name: `changed()` resolves after the next commit of a transaction that said
    /// [`Tx::wake`] with it. Several may become one, and one may come without a reason.
    pub fn wakes(&self, what: &'static str) -> watch::Receiver<u64> {
        self.inner.wakes.watch(what)
    }

    /// Where events go that leave with a transaction.
    pub fn appends(&self) -> Appends {
        self.inner.options.appends
    }

    /// How the store is; changes are seen at once.
    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        self.inner.health.clone()
    }

    /// The database file.
    pub fn path(&self) -> &std::path::Path {
        &self.inner.options.path
    }

    /// Makes a topic known by the name that features use.
    pub fn register_topic(&self, alias: &str, topic: TopicPartitions) {
        self.inner.known.topics.insert(alias, topic);
    }

    /// Forgets a topic.
    pub fn forget_topic(&self, alias: &str) {
        self.inner.known.topics.remove(alias);
    }

    /// The topic of that name.
    pub fn topic(&self, alias: &str) -> Option<Arc<TopicPartitions>> {
        self.inner.known.topics.get(alias)
    }

    /// Transactions that wait for the writer.
    pub fn waiting(&self) -> usize {
        self.inner.lanes.waiting()
    }

    /// How many bytes all topics of the embedded log may hold together.
    pub fn log_bytes(&self) -> u64 {
        self.inner.options.log_bytes
    }

    /// What the writer has done since the start.
    pub fn stats(&self) -> StoreStats {
        StoreStats {
            wal_pages: self.inner.wal.pages(),
            wal_restarts: self.inner.wal.restarts(),
            ..self.inner.counters.read()
        }
    }
}
