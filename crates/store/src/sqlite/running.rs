//! A transaction on SQLite: its connection, lent to the body for as long as it runs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::{Connection, types::ValueRef};

use crate::{NewRecord, Row, StoreError, Value, append::position, ledger::Ledger, topics::TopicPartitions};

/// A transaction whose body runs, or has run.
#[derive(Clone, Debug)]
pub(crate) struct Running(Arc<Mutex<Option<State>>>);

#[derive(Debug)]
struct State {
    connection: Connection,
    // The log's partitions; a reader has none.
    ledger: Option<Ledger>,
    touched: Vec<(u32, u64)>,
    wakes: Vec<&'static str>,
    changed_rows: u64,
    // When a read began, and how long it may live.
    limit: Option<(Instant, Duration)>,
}

/// What a body leaves behind.
pub(super) struct Ended {
    pub(super) connection: Connection,
    pub(super) ledger: Option<Ledger>,
    pub(super) touched: Vec<(u32, u64)>,
    pub(super) wakes: Vec<&'static str>,
    pub(super) changed_rows: u64,
}

impl Running {
    pub(super) fn begin(connection: Connection, ledger: Option<Ledger>) -> Self {
        let state = State {
            connection,
            ledger,
            touched: Vec::new(),
            wakes: Vec::new(),
            changed_rows: 0,
            limit: None,
        };
        Self(Arc::new(Mutex::new(Some(state))))
    }

    /// Gives it a limit of life, from `started` on.
    pub(super) fn until(self, started: Instant, limit: Duration) -> Self {
        if let Some(state) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            state.limit = Some((started, limit));
        }
        self
    }

    /// Ends the transaction's view and gives the connection back.
    pub(super) fn end(&self) -> Option<Ended> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(Ended {
            connection: state.connection,
            ledger: state.ledger,
            touched: state.touched,
            wakes: state.wakes,
            changed_rows: state.changed_rows,
        })
    }

    pub(crate) fn execute(&self, sql: &'static str, params: &[Value]) -> Result<u64, StoreError> {
        let mut answer = 0;
        self.run(sql, [params], |changed| answer = changed)?;
        Ok(answer)
    }

    pub(crate) fn execute_all(&self, sql: &'static str, rows: &[Vec<Value>]) -> Result<Vec<u64>, StoreError> {
        let mut all = Vec::with_capacity(rows.len());
        self.run(sql, rows.iter().map(Vec::as_slice), |changed| all.push(changed))?;
        Ok(all)
    }

    /// Runs a statement for each of these rows of parameters, and tells how many rows it changed.
    fn run<'a>(
        &self,
        sql: &'static str,
        rows: impl IntoIterator<Item = &'a [Value]>,
        mut tell: impl FnMut(u64),
    ) -> Result<(), StoreError> {
        self.with(|state| {
            let mut statement = state.connection.prepare_cached(sql).map_err(|source| failed(sql, source))?;
            for params in rows {
                bind(&mut statement, params).map_err(|source| failed(sql, source))?;
                let changed = statement.raw_execute().map_err(|source| failed(sql, source))? as u64;
                state.changed_rows += changed;
                tell(changed);
            }
            Ok(())
        })
    }

    pub(crate) fn query(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
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

    pub(crate) fn changed_rows(&self) -> u64 {
        self.with(|state| Ok(state.changed_rows)).unwrap_or(0)
    }

    pub(crate) fn wake(&self, what: &'static str) {
        let noted = self.with(|state| {
            if !state.wakes.contains(&what) {
                state.wakes.push(what);
            }
            Ok(())
        });
        // A transaction that has ended wakes nobody.
        drop(noted);
    }

    /// Puts a record at the end of a partition; answers its offset.
    pub(crate) fn insert_record(
        &self,
        topic: &TopicPartitions,
        number: u32,
        headers: &str,
        record: &NewRecord<'_>,
    ) -> Result<u64, StoreError> {
        let sql = "INSERT INTO log_records (position, created_at, record_key, headers, value)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        self.with(|state| {
            let ledger = state.ledger.as_mut().ok_or_else(|| failed(sql, read_only()))?;
            let mark = ledger.mark();
            let offset = ledger.append(topic, number, record.bytes(headers))?;
            let place = position(number, offset).cast_signed();
            let inserted = state.connection.prepare_cached(sql).and_then(|mut insert| {
                insert.execute((place, record.time.millis(), record.key, headers, record.value))
            });
            if let Err(source) = inserted {
                // The offset was not used: a body that goes on must not leave a hole.
                ledger.roll_back_to(mark);
                return Err(failed(sql, source));
            }
            state.touched.push((number, offset + 1));
            state.changed_rows += 1;
            Ok(offset)
        })
    }

    /// Forgets the oldest records of a partition: at most `rows` of them, none at or past `upto`. Answers how
    /// many there were.
    pub(crate) fn trim(&self, partition_number: u32, upto: u64, rows: u64) -> Result<u64, StoreError> {
        let sizes = "SELECT COALESCE(SUM(octet_length(headers) + COALESCE(octet_length(record_key), 0)
                                         + COALESCE(octet_length(value), 0)), 0)
                     FROM log_records
                     WHERE position >= ?1 AND position < ?2";
        let delete = "DELETE FROM log_records WHERE position >= ?1 AND position < ?2";
        self.with(|state| {
            let ledger = state.ledger.as_mut().ok_or_else(|| failed(delete, read_only()))?;
            let Some(line) = ledger.line(partition_number) else { return Ok(0) };
            let upto = upto.min(line.next_offset).min(line.first_offset + rows);
            if upto <= line.first_offset {
                return Ok(0);
            }
            let range = (
                position(partition_number, line.first_offset).cast_signed(),
                position(partition_number, upto).cast_signed(),
            );
            let bytes: i64 = state
                .connection
                .prepare_cached(sizes)
                .and_then(|mut sizes| sizes.query_row(range, |row| row.get(0)))
                .map_err(|source| failed(sizes, source))?;
            let deleted = state
                .connection
                .prepare_cached(delete)
                .and_then(|mut delete| delete.execute(range))
                .map_err(|source| failed(delete, source))?;
            ledger.trim(partition_number, upto, bytes.cast_unsigned());
            state.changed_rows += deleted as u64;
            Ok(upto - line.first_offset)
        })
    }

    fn with<T>(&self, run: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.as_mut().ok_or(StoreError::Closed)?;
        let limit = state.limit;
        let too_long = move || {
            let (_, limit) = limit.filter(|(started, limit)| started.elapsed() > *limit)?;
            Some(StoreError::ReadLimit { limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX) })
        };
        match too_long() {
            Some(error) => Err(error),
            // A statement that was interrupted says so in SQLite's words.
            None => run(state).map_err(|error| too_long().unwrap_or(error)),
        }
    }
}

fn failed(sql: &str, source: rusqlite::Error) -> StoreError {
    StoreError::statement(sql, source)
}

/// SQLite's own word for a write on a connection that only reads.
fn read_only() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY), None)
}

/// The names of parameters, so that binding one allocates nothing.
const NAMES: [&str; 24] = [
    "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$16",
    "$17", "$18", "$19", "$20", "$21", "$22", "$23", "$24",
];

fn bind(statement: &mut rusqlite::CachedStatement<'_>, params: &[Value]) -> rusqlite::Result<()> {
    for (at, value) in params.iter().enumerate() {
        // SQLite numbers `$1` by first appearance, so the name decides, not the position.
        let index = match NAMES.get(at) {
            Some(name) => statement.parameter_index(name)?,
            None => statement.parameter_index(&format!("${}", at + 1))?,
        };
        let index = index.unwrap_or(at + 1);
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
