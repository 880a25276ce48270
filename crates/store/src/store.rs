//! The store: one type, whichever database keeps it.

use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    Appends, Heads, Migration, StoreError, StoreStats, TopicPartitions, Tx,
    postgres::{self, Postgres},
    sqlite::Sqlite,
    tx::Known,
    wakes::Wakes,
};

/// Where everything is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file; its folder is made if it is not there.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by its address: `postgres://user:password@host/name?sslmode=verify-full`.
    Postgres(String),
}

/// The address, without a password and whatever else may be one.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => f.write_str(&postgres::name(url)),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How the store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Which database.
    pub database: Database,
    /// Connections for reading.
    pub readers: usize,
    /// PostgreSQL: connections for transactions that people wait for; a fourth as many, at least one, are for
    /// bulk. SQLite has one writer.
    pub writers: usize,
    /// Transactions that may wait for a writer before callers get [`StoreError::Busy`].
    pub queue: usize,
    /// How long a read transaction may live.
    pub read_limit: Duration,
    /// How many bytes of keys, headers and values all topics of the embedded log may hold together; PostgreSQL
    /// has no embedded log.
    pub log_bytes: u64,
    /// Where events go that leave with a transaction; on PostgreSQL always into the outbox.
    pub appends: Appends,
    /// The schema, in order.
    pub migrations: Vec<Migration>,
}

impl StoreOptions {
    /// The bytes that all topics may hold together by default: 8 GiB.
    pub const LOG_BYTES: u64 = 8 << 30;

    /// The defaults for a SQLite file.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::of(Database::Sqlite(path.into()), Appends::Log)
    }

    /// The defaults for a PostgreSQL database.
    pub fn postgres(url: impl Into<String>) -> Self {
        Self::of(Database::Postgres(url.into()), Appends::Outbox)
    }

    /// The defaults for an address: `postgres://…`, `postgresql://…`, `sqlite://…` or the path of a SQLite file.
    pub fn from_url(url: &str) -> Self {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::postgres(url)
        } else {
            Self::at(url.strip_prefix("sqlite://").unwrap_or(url))
        }
    }

    fn of(database: Database, appends: Appends) -> Self {
        Self {
            database,
            readers: 4,
            writers: 8,
            queue: 8192,
            read_limit: Duration::from_secs(2),
            log_bytes: Self::LOG_BYTES,
            appends,
            migrations: Vec::new(),
        }
    }
}

/// Which of two lanes a transaction waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for the answer.
    People,
    /// Slices of large work: SQLite takes one a turn when people are waiting too, PostgreSQL has connections of
    /// their own for them.
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
    keeper: Keeper,
    heads: Arc<Heads>,
    known: Arc<Known>,
    wakes: Arc<Wakes>,
    options: StoreOptions,
}

#[derive(Debug)]
enum Keeper {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

impl Store {
    /// Opens the database, brings its schema up to date, and starts what keeps it.
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let appends = match options.database {
            Database::Sqlite(_) => options.appends,
            Database::Postgres(_) => Appends::Outbox,
        };
        let options = StoreOptions { appends, ..options.clone() };
        let known = Arc::new(Known::new(appends));
        let (heads, wakes) = (Arc::<Heads>::default(), Arc::<Wakes>::default());
        let keeper = match &options.database {
            Database::Sqlite(path) => {
                Keeper::Sqlite(Sqlite::open(path, &options, Arc::clone(&known), Arc::clone(&heads), &wakes)?)
            }
            Database::Postgres(url) => {
                Keeper::Postgres(Postgres::open(url, &options, Arc::clone(&known), &wakes)?)
            }
        };
        Ok(Self { inner: Arc::new(Inner { keeper, heads, known, wakes, options }) })
    }

    /// Runs `body` in a transaction and answers once it is on the disk. An error keeps nothing of it, except
    /// [`StoreError::Unknown`], which says that nobody knows.
    ///
    /// `body` may await its [`Tx`] and nothing else, and has no effect but through it: on PostgreSQL it runs
    /// again when it met another transaction in a deadlock. There, transactions run beside each other: what a
    /// body read may be changed by others until it commits, unless it locked it ([`Tx::lock`]) or changes it by
    /// a statement that says what it expects.
    ///
    /// Not cancel safe in one sense: a caller that stops waiting does not learn whether the transaction was
    /// committed.
    pub async fn transact<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.transact_in(Lane::People, body).await
    }

    /// [`Store::transact`] in a lane.
    pub async fn transact_in<T, E, F, Fut>(&self, lane: Lane, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.inner.keeper {
            Keeper::Sqlite(sqlite) => sqlite.transact(lane, body).await,
            Keeper::Postgres(postgres) => postgres.transact(lane, body).await,
        }
    }

    /// Runs `body` on a snapshot; it cannot write.
    pub async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.inner.keeper {
            Keeper::Sqlite(sqlite) => sqlite.read(body).await,
            Keeper::Postgres(postgres) => postgres.read(body).await,
        }
    }

    /// The ends of the embedded log's partitions.
    pub fn heads(&self) -> &Heads {
        &self.inner.heads
    }

    /// Wakes by this name: `changed()` resolves after the next commit of a transaction that said
    /// [`Tx::wake`] with it, in any process on PostgreSQL. Several may become one, and one may come without a
    /// reason.
    pub fn wakes(&self, what: &'static str) -> watch::Receiver<u64> {
        self.inner.wakes.watch(what)
    }

    /// Where events go that leave with a transaction.
    pub fn appends(&self) -> Appends {
        self.inner.options.appends
    }

    /// How the store is; changes are seen at once.
    pub fn health(&self) -> watch::Receiver<StoreHealth> {
        match &self.inner.keeper {
            Keeper::Sqlite(sqlite) => sqlite.health(),
            Keeper::Postgres(postgres) => postgres.health(),
        }
    }

    /// The database file, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.inner.options.database {
            Database::Sqlite(path) => Some(path),
            Database::Postgres(_) => None,
        }
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

    /// Transactions that wait for a writer.
    pub fn waiting(&self) -> usize {
        match &self.inner.keeper {
            Keeper::Sqlite(sqlite) => sqlite.waiting(),
            Keeper::Postgres(postgres) => postgres.waiting(),
        }
    }

    /// Which database it is.
    pub fn database(&self) -> &Database {
        &self.inner.options.database
    }

    /// How many bytes all topics of the embedded log may hold together.
    pub fn log_bytes(&self) -> u64 {
        self.inner.options.log_bytes
    }

    /// What was done since the start.
    pub fn stats(&self) -> StoreStats {
        match &self.inner.keeper {
            Keeper::Sqlite(sqlite) => sqlite.stats(),
            Keeper::Postgres(postgres) => postgres.stats(),
        }
    }
}
