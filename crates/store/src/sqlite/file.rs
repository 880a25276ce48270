//! The database file: who may open it, and with which settings.

use std::{
    fs::{File, OpenOptions},
    path::Path,
};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock, fstatfs};

use crate::StoreError;

/// File systems on which SQLite's write-ahead log does not hold its promises (shared memory, locks).
const NETWORK_FILE_SYSTEMS: [(u32, &str); 4] =
    [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB"), (0x0102_1997, "9P")];

fn refused(path: &Path, reason: impl Into<String>) -> StoreError {
    StoreError::Open { path: path.display().to_string(), reason: reason.into() }
}

/// The right to write to a database file, held by one process at a time.
#[derive(Debug)]
pub(super) struct FileLock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

impl FileLock {
    pub(super) fn take(database: &Path) -> Result<Self, StoreError> {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)
                .map_err(|cause| refused(database, format!("its folder cannot be made: {cause}")))?;
        }
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(|cause| refused(database, format!("its lock file cannot be written: {cause}")))?;
        let kind = fstatfs(&file).map(|stat| stat.f_type as u32).unwrap_or(0);
        if let Some((_, kind)) = NETWORK_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind) {
            return Err(refused(
                database,
                format!("it lies on {kind}, a network file system; put it on a local disk"),
            ));
        }
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_held| {
            refused(
                database,
                "another process has it open; stop that one, or give this one a file of its own",
            )
        })?;
        Ok(Self(file))
    }
}

/// The writer's connection: WAL, and a sync before each commit returns.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|cause| refused(path, cause.to_string()))?;
    connection
        .execute_batch(
            "PRAGMA page_size = 8192;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA busy_timeout = 5000;
             PRAGMA foreign_keys = OFF;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -65536;",
        )
        .map_err(|cause| refused(path, cause.to_string()))?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|cause| refused(path, cause.to_string()))?;
    connection
        .execute_batch(
            "PRAGMA query_only = ON;
             PRAGMA busy_timeout = 5000;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -16384;",
        )
        .map_err(|cause| refused(path, cause.to_string()))?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}
