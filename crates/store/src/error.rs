//! What can go wrong with the store, as its callers must tell it apart.

use crate::postgres;

/// What a database said of a statement.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// SQLite's word.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL's word, or that of the connection to it.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
}

impl DriverError {
    /// Whether the database, not the statement, is at fault.
    fn is_unavailable(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    rusqlite::ErrorCode::DiskFull
                        | rusqlite::ErrorCode::SystemIoFailure
                        | rusqlite::ErrorCode::DatabaseBusy
                        | rusqlite::ErrorCode::CannotOpen
                        | rusqlite::ErrorCode::ReadOnly
                )
            ),
            Self::Postgres(error) => postgres::is_unavailable(error),
        }
    }
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be opened or prepared.
    #[error("could not open the database {path}: {reason}")]
    Open {
        /// The file.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A statement failed; nothing of its transaction was kept.
    #[error("a statement failed: {statement}")]
    Statement {
        /// The first line of the statement, without parameters.
        statement: String,
        /// The database's word.
        #[source]
        source: DriverError,
    },
    /// A row did not have the shape that its reader expects.
    #[error("column {column} of a row is {found}, wanted {wanted}")]
    Row {
        /// Counted from 0.
        column: usize,
        /// What was there.
        found: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The commit failed: disk full, a sync that did not succeed, a deadlock that came again and again. Nothing
    /// of the transaction is kept.
    #[error("the database could not commit: {reason}")]
    Commit {
        /// The database's word.
        reason: String,
    },
    /// Too many transactions wait.
    #[error("the database is busy: {waiting} transactions wait")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// The embedded log reached its size and its slowest reader keeps it from shrinking.
    #[error("the log is full: {topic} holds {bytes} bytes that a group has not read yet")]
    LogFull {
        /// The topic at its bound.
        topic: String,
        /// Its size.
        bytes: u64,
    },
    /// As many events wait for the relay as may: the log has been away, or too slow, for too long.
    #[error("the outbox is full: {rows} rows of {bytes} bytes wait for the relay")]
    OutboxFull {
        /// Rows that wait.
        rows: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// The embedded log was asked for where there is none.
    #[error("there is no embedded log in PostgreSQL; records are in Kafka")]
    NoLog,
    /// An offset was asked for that only the relay will learn.
    #[error("a record of `{topic}` waits in the outbox and has no offset yet")]
    NotRelayed {
        /// The topic's name in the log.
        topic: String,
    },
    /// The connection was lost while the transaction was being committed.
    #[error(
        "the connection to the database was lost during a commit; whether it was kept is not known: {reason}"
    )]
    Unknown {
        /// What became of the connection.
        reason: String,
    },
    /// The store is being closed, or its writer ended.
    #[error("the database is closed")]
    Closed,
    /// A topic that nobody registered.
    #[error("no topic `{topic}`")]
    UnknownTopic {
        /// As asked for.
        topic: String,
    },
    /// A partition that the topic does not have.
    #[error("topic `{topic}` has {partitions} partitions, there is no partition {partition}")]
    UnknownPartition {
        /// As asked for.
        topic: String,
        /// As asked for.
        partition: u32,
        /// How many there are, counted from 0.
        partitions: u32,
    },
    /// A body waited for something that is not its transaction.
    #[error("a transaction awaited something else than its own statements")]
    Suspended,
    /// A body panicked; nothing of it was kept.
    #[error("a transaction's code panicked")]
    Panicked,
    /// A read lived for too long: it would keep the write-ahead log from starting over.
    #[error("a read took longer than {limit_ms} ms")]
    ReadLimit {
        /// How long it may take.
        limit_ms: u64,
    },
}

impl StoreError {
    /// A statement that failed, by its first line.
    pub(crate) fn statement(sql: &str, source: impl Into<DriverError>) -> Self {
        let statement = sql.lines().next().unwrap_or_default().to_owned();
        Self::Statement { statement, source: source.into() }
    }

    /// Whether the database, not the request, is at fault: the caller may try again later.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Commit { .. }
            | Self::Busy { .. }
            | Self::Closed
            | Self::LogFull { .. }
            | Self::OutboxFull { .. }
            | Self::Unknown { .. }
            | Self::Open { .. } => true,
            Self::Statement { source, .. } => source.is_unavailable(),
            Self::Row { .. }
            | Self::UnknownTopic { .. }
            | Self::UnknownPartition { .. }
            | Self::NoLog
            | Self::NotRelayed { .. }
            | Self::Suspended
            | Self::Panicked
            | Self::ReadLimit { .. } => false,
        }
    }
}
