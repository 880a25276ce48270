//! A transaction as its body sees it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use rusqlite::{Connection, types::ValueRef};

use crate::{
    Row, StoreError, Value,
    topics::{TopicPartitions, Topics},
};

/// A transaction. Its statements see each other's effects; nobody else does before the commit.
///
/// Clones name the same transaction. One that outlives its body answers [`StoreError::Closed`].
#[derive(Clone, Debug)]
pub struct Tx(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // Present while the body runs; taken out when it ends.
    state: Mutex<Option<State>>,
    topics: Arc<Topics>,
    spread: Arc<AtomicU32>,
}

#[derive(Debug)]
struct State {
    connection: Connection,
    touched: Vec<(u32, u64)>,
    changed_rows: u64,
}

/// What a body leaves behind.
pub(crate) struct Ended {
    pub(crate) connection: Connection,
    pub(crate) touched: Vec<(u32, u64)>,
    pub(crate) changed_rows: u64,
}

impl Tx {
    pub(crate) fn begin(connection: Connection, topics: Arc<Topics>, spread: Arc<AtomicU32>) -> Self {
        let state = State { connection, touched: Vec::new(), changed_rows: 0 };
        Self(Arc::new(Inner { state: Mutex::new(Some(state)), topics, spread }))
    }

    /// Ends the transaction's view and gives the connection back.
    pub(crate) fn end(&self) -> Option<Ended> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Ended { connection: state.connection, touched: state.touched, changed_rows: state.changed_rows })
    }

    /// Runs a statement; answers how many rows it changed.
    #[expect(clippy::unused_async, reason = "a database across a network awaits here")]
    pub async fn execute(&self, sql: &'static str, params: &[Value]) -> Result<u64, StoreError> {
        self.with(|state| {
            let mut statement = state.connection.prepare_cached(sql).map_err(|source| failed(sql, source))?;
            bind(&mut statement, params).map_err(|source| failed(sql, source))?;
            let changed = statement.raw_execute().map_err(|source| failed(sql, source))?;
            drop(statement);
            state.changed_rows += changed as u64;
            Ok(changed as u64)
        })
    }

    /// Runs a query; answers all its rows. The statement must bound them.
    #[expect(clippy::unused_async, reason = "a database across a network awaits here")]
    pub async fn query(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        self.with(|state| {
            let mut statement = state.connection.prepare_cached(sql).map_err(|source| failed(sql, source))?;
            bind(&mut statement, params).map_err(|source| failed(sql, source))?;
            let columns = statement.column_count();
            let writes = !statement.readonly();
            let mut rows = statement.raw_query();
            let mut answer = Vec::new();
            while let Some(row) = rows.next().map_err(|source| failed(sql, source))? {
                let values = (0..columns).map(|column| row.get_ref(column).map(read));
                answer.push(Row(values.collect::<Result<_, _>>().map_err(|source| failed(sql, source))?));
            }
            drop(rows);
            drop(statement);
            if writes {
                state.changed_rows += answer.len() as u64;
            }
            Ok(answer)
        })
    }

    /// The first row of a query, if there is one.
    pub async fn optional(&self, sql: &'static str, params: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// The only row of a query that always has one.
    pub async fn one(&self, sql: &'static str, params: &[Value]) -> Result<Row, StoreError> {
        self.optional(sql, params).await?.ok_or_else(|| failed(sql, rusqlite::Error::QueryReturnedNoRows))
    }

    pub(crate) fn topic(&self, topic: &str) -> Result<TopicPartitions, StoreError> {
        self.0.topics.get(topic).ok_or_else(|| StoreError::UnknownTopic { topic: topic.to_owned() })
    }

    /// The next partition for a record without a key.
    pub(crate) fn spread(&self, partitions: u32) -> u32 {
        self.0.spread.fetch_add(1, Ordering::Relaxed) % partitions.max(1)
    }

    /// Notes that a partition grew, so that its readers are woken by the commit.
    pub(crate) fn touched(&self, partition: u32, next_offset: u64) {
        if let Some(state) = self.0.state.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            state.touched.push((partition, next_offset));
        }
    }

    fn with<T>(&self, run: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        run(state.as_mut().ok_or(StoreError::Closed)?)
    }
}

fn failed(sql: &str, source: rusqlite::Error) -> StoreError {
    StoreError::Statement { statement: sql.lines().next().unwrap_or_default().to_owned(), source }
}

fn bind(statement: &mut rusqlite::CachedStatement<'_>, params: &[Value]) -> rusqlite::Result<()> {
    for (at, value) in params.iter().enumerate() {
        // SQLite numbers `$1` by first appearance, so the name decides, not the position.
        let index = statement.parameter_index(&format!("${}", at + 1))?.unwrap_or(at + 1);
        match value {
            Value::Null => statement.raw_bind_parameter(index, rusqlite::types::Null)?,
            Value::Int(number) => statement.raw_bind_parameter(index, number)?,
            Value::Real(number) => statement.raw_bind_parameter(index, number)?,
            Value::Text(text) => statement.raw_bind_parameter(index, text)?,
            Value::Bytes(bytes) => statement.raw_bind_parameter(index, bytes)?,
        }
    }
    Ok(())
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}
