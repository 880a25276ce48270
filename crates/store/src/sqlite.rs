//! SQLite as the keeper: one file, one writer, several readers.

mod checkpoint;
mod file;
mod job;
mod readers;
mod writer;

use std::{
    future::Future,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use tokio::sync::{oneshot, watch};

use crate::{Heads, Migration, StoreError, TopicPartitions, Tx, migrate, topics::Topics};

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
    /// The schema, in order.
    pub migrations: Vec<Migration>,
}

impl StoreOptions {
    /// The defaults for a file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 4,
            queue: 8192,
            read_limit: Duration::from_secs(2),
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

#[derive(Debug)]
struct Inner {
    writer: writer::Writer,
    readers: readers::Readers,
    heads: Arc<Heads>,
    topics: Arc<Topics>,
    health: watch::Receiver<StoreHealth>,
    path: PathBuf,
    // Held for as long as the store is open: a second process on the file is refused.
    _lock: file::FileLock,
    _checkpoints: checkpoint::Checkpoints,
}

impl Store {
    /// Opens the file, brings its schema up to date, and starts the writer.
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let lock = file::FileLock::take(&options.path)?;
        let mut connection = file::open_writer(&options.path)?;
        let mut migrations = vec![Migration {
            owner: "store",
            name: "0001_log",
            sqlite: include_str!("../migrations/sqlite/0001_log.sql"),
        }];
        migrations.extend(options.migrations.iter().copied());
        migrate::apply(&mut connection, &migrations)?;

        let topics = Arc::new(Topics::default());
        let heads = Arc::new(Heads::default());
        load_heads(&connection, &heads)?;
        let (health_sender, health) = watch::channel(StoreHealth::Well);
        let spread = Arc::new(AtomicU32::new(0));
        let readers = readers::Readers::open(
            &options.path,
            options.readers,
            options.read_limit,
            Arc::clone(&topics),
            Arc::clone(&spread),
        )?;
        let writer = writer::Writer::start(writer::Setup {
            connection,
            path: options.path.clone(),
            queue: options.queue,
            topics: Arc::clone(&topics),
            heads: Arc::clone(&heads),
            health: health_sender,
            spread,
        })?;
        let checkpoints = checkpoint::Checkpoints::start(&options.path)?;
        Ok(Self {
            inner: Arc::new(Inner {
                writer,
                readers,
                heads,
                topics,
                health,
                path: options.path.clone(),
                _lock: lock,
                _checkpoints: checkpoints,
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
        self.inner.writer.submit(lane, Box::new(job::Body::new(body, reply))).await.map_err(E::from)?;
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

    /// How the store is; changes are seen at once.
    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        self.inner.health.clone()
    }

    /// The database file.
    pub fn path(&self) -> &std::path::Path {
        &self.inner.path
    }

    /// Makes a topic known by the name that features use.
    pub fn register_topic(&self, alias: &str, topic: TopicPartitions) {
        self.inner.topics.insert(alias, topic);
    }

    /// Forgets a topic.
    pub fn forget_topic(&self, alias: &str) {
        self.inner.topics.remove(alias);
    }

    /// The topic of that name.
    pub fn topic(&self, alias: &str) -> Option<TopicPartitions> {
        self.inner.topics.get(alias)
    }

    /// Transactions that wait for the writer.
    pub fn waiting(&self) -> usize {
        self.inner.writer.waiting()
    }
}

fn load_heads(connection: &rusqlite::Connection, heads: &Heads) -> Result<(), StoreError> {
    let failed =
        |source| StoreError::Statement { statement: "SELECT FROM log_partitions".to_owned(), source };
    let mut statement =
        connection.prepare("SELECT partition_number, next_offset FROM log_partitions").map_err(failed)?;
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)?))).map_err(failed)?;
    for row in rows {
        let (partition, next) = row.map_err(failed)?;
        heads.publish(partition, u64::try_from(next).unwrap_or(0));
    }
    Ok(())
}
