//! A transaction as its body sees it, the same on every database.

use std::{
    any::Any,
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use crate::{
    NewRecord, Row, StoreError, Value,
    outbox::{Appends, Holding},
    postgres, sqlite,
    topics::{TopicPartitions, Topics},
};

/// A transaction. Its statements see each other's effects; nobody else does before the commit.
///
/// Clones name the same transaction. One that outlives its body answers [`StoreError::Closed`].
#[derive(Clone, Debug)]
pub struct Tx {
    known: Arc<Known>,
    running: Running,
    found: Arc<Found>,
    holding: Arc<Holding>,
}

/// What a transaction has found, by what it is and its name.
#[derive(Debug, Default)]
struct Found(Mutex<ByName>);

type ByName = HashMap<(&'static str, String), Arc<dyn Any + Send + Sync>>;

impl Found {
    fn lock(&self) -> MutexGuard<'_, ByName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The transaction on its database.
#[derive(Clone, Debug)]
pub(crate) enum Running {
    Sqlite(sqlite::Running),
    Postgres(Arc<postgres::Running>),
}

/// What every transaction knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) topics: Topics,
    appends: Appends,
    // The next partition for a record without a key.
    spread: AtomicU32,
    // PostgreSQL: rows and bytes of the outbox when they were last counted, and what was put there since.
    outbox_rows: AtomicU64,
    outbox_bytes: AtomicU64,
}

impl Known {
    pub(crate) fn new(appends: Appends) -> Self {
        Self { appends, ..Self::default() }
    }

    /// Takes over what was counted in the outbox.
    pub(crate) fn outbox_counted(&self, rows: u64, bytes: u64) {
        self.outbox_rows.store(rows, Ordering::Relaxed);
        self.outbox_bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Tx {
    pub(crate) fn new(known: Arc<Known>, running: Running) -> Self {
        Self { known, running, found: Arc::default(), holding: Arc::default() }
    }

    /// What `find` answers, asked once in this transaction for each name: for what many records of a batch need alike,
    /// and nothing in the transaction changes. Who needs that nobody else changes it either locks it within `find`.
    pub async fn once<T, E>(
        &self,
        what: &'static str,
        name: &str,
        find: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E>
    where
        T: Send + Sync + 'static,
    {
        let name = (what, name.to_owned());
        let found = self.found.lock().get(&name).cloned();
        if let Some(found) = found.and_then(|found| found.downcast().ok()) {
            return Ok(found);
        }
        let found = Arc::new(find.await?);
        self.found.lock().insert(name, Arc::<T>::clone(&found));
        Ok(found)
    }

    /// Runs a statement; answers how many rows it changed.
    pub async fn execute(&self, sql: &'static str, params: &[Value]) -> Result<u64, StoreError> {
        match &self.running {
            Running::Sqlite(running) => running.execute(sql, params),
            Running::Postgres(running) => Box::pin(running.execute(sql, params)).await,
        }
    }

    /// Runs a statement once for each of these rows of parameters, in their order; answers how many rows each
    /// changed. It costs less than one call for each: SQLite prepares once, PostgreSQL is asked all at once.
    pub async fn execute_all(&self, sql: &'static str, rows: &[Vec<Value>]) -> Result<Vec<u64>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        match &self.running {
            Running::Sqlite(running) => running.execute_all(sql, rows),
            Running::Postgres(running) => Box::pin(running.execute_all(sql, rows)).await,
        }
    }

    /// Runs a query; answers all its rows. The statement must bound them.
    pub async fn query(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        match &self.running {
            Running::Sqlite(running) => running.query(sql, params),
            Running::Postgres(running) => Box::pin(running.query(sql, params)).await,
        }
    }

    /// The first row of a query, if there is one.
    pub async fn optional(&self, sql: &'static str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// The only row of a query that always has one.
    pub async fn one(&self, sql: &'static str, params: &[Value]) -> Result<Row, StoreError> {
        let row = self.optional(sql, params).await?;
        row.ok_or_else(|| StoreError::statement(sql, rusqlite::Error::QueryReturnedNoRows))
    }

    /// Waits until no other transaction holds the lock of this name, and holds it to the end: whoever reads
    /// something and then writes what depends on it locks its name first. SQLite has one writer, who needs no
    /// lock. Locks of several names are taken in their order, or two transactions may wait for each other.
    pub async fn lock(&self, what: &'static str, name: &str) -> Result<(), StoreError> {
        match &self.running {
            Running::Sqlite(_) => Ok(()),
            Running::Postgres(running) => Box::pin(running.lock(what, name, false)).await,
        }
    }

    /// Like [`Tx::lock`], but several transactions may share it: whoever locks the name waits for all of them,
    /// and they for it. For those who only build on what somebody else may change.
    pub async fn share(&self, what: &'static str, name: &str) -> Result<(), StoreError> {
        match &self.running {
            Running::Sqlite(_) => Ok(()),
            Running::Postgres(running) => Box::pin(running.lock(what, name, true)).await,
        }
    }

    /// Lets its statements find rows by indexes alone, wherever one leads to them. PostgreSQL keeps a statement's plan,
    /// and one that was made while a table was empty reads all of it when it is full. SQLite plans by indexes anyway.
    pub async fn by_index(&self) -> Result<(), StoreError> {
        match &self.running {
            Running::Sqlite(_) => Ok(()),
            Running::Postgres(running) => Box::pin(running.by_index()).await,
        }
    }

    /// Plans its statements when they run, for what they find then: PostgreSQL keeps a plan, and one that was made while a
    /// table was small compares each row with each. It costs some 0.2 ms a statement. SQLite plans once, by indexes.
    pub async fn plan_anew(&self) -> Result<(), StoreError> {
        match &self.running {
            Running::Sqlite(_) => Ok(()),
            Running::Postgres(running) => Box::pin(running.plan_anew()).await,
        }
    }

    /// How many rows it has changed so far; 0 once its body has ended.
    pub fn changed_rows(&self) -> u64 {
        match &self.running {
            Running::Sqlite(running) => running.changed_rows(),
            Running::Postgres(running) => running.changed_rows(),
        }
    }

    /// Wakes, after the commit, all who watch this name ([`Store::wakes`](crate::Store::wakes)).
    pub fn wake(&self, what: &'static str) {
        match &self.running {
            Running::Sqlite(running) => running.wake(what),
            Running::Postgres(running) => running.wake(what),
        }
    }

    /// Forgets the oldest records of a partition of the embedded log: at most `rows` of them, none at or past
    /// `upto`. Answers how many there were.
    #[expect(clippy::unused_async, reason = "what changes the database is awaited, like every statement")]
    pub async fn trim(&self, partition_number: u32, upto: u64, rows: u64) -> Result<u64, StoreError> {
        match &self.running {
            Running::Sqlite(running) => running.trim(partition_number, upto, rows),
            Running::Postgres(_) => Err(StoreError::NoLog),
        }
    }

    /// Puts a record at the end of a partition of the embedded log; answers its offset.
    pub(crate) fn insert_record(
        &self,
        topic: &TopicPartitions,
        number: u32,
        headers: &str,
        record: &NewRecord<'_>,
    ) -> Result<u64, StoreError> {
        match &self.running {
            Running::Sqlite(running) => running.insert_record(topic, number, headers, record),
            Running::Postgres(_) => Err(StoreError::NoLog),
        }
    }

    /// Rows and bytes that wait for a relay: to the row on SQLite, as of the last second on PostgreSQL.
    pub fn outbox_waiting(&self) -> Result<(u64, u64), StoreError> {
        match &self.running {
            Running::Sqlite(running) => {
                let counted =
                    running.query("SELECT row_count, byte_count FROM outbox_waiting WHERE one = 1", &[])?;
                let Some(row) = counted.first() else { return Ok((0, 0)) };
                Ok((row.get(0)?, row.get(1)?))
            }
            Running::Postgres(_) => Ok((
                self.known.outbox_rows.load(Ordering::Relaxed),
                self.known.outbox_bytes.load(Ordering::Relaxed),
            )),
        }
    }

    pub(crate) fn holding(&self) -> &Holding {
        &self.holding
    }

    /// Notes a row that was put into the outbox.
    pub(crate) fn outbox_grew(&self, bytes: u64) {
        self.known.outbox_rows.fetch_add(1, Ordering::Relaxed);
        self.known.outbox_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Where events go that leave with this transaction.
    pub fn appends(&self) -> Appends {
        self.known.appends
    }

    pub(crate) fn topic(&self, topic: &str) -> Result<Arc<TopicPartitions>, StoreError> {
        self.known.topics.get(topic).ok_or_else(|| StoreError::UnknownTopic { topic: topic.to_owned() })
    }

    /// The next partition for a record without a key.
    pub(crate) fn spread(&self, partitions: u32) -> u32 {
        self.known.spread.fetch_add(1, Ordering::Relaxed) % partitions.max(1)
    }
}
