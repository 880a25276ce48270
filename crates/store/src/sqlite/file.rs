//! The database file: who may open it, and with which settings.

use std::{
    fs::{File, OpenOptions},
    path::Path,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use rustix::fs::{FlockOperation, flock, fstatfs};

use crate::StoreError;

/// File systems on which SQLite's write-ahead log does not hold its promises (shared memory, locks).
const NETWORK_FILE_SYSTEMS: [(u32, &str); 8] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x517b, "SMB"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
    (0x0bd0_0bd0, "Lustre"),
];

/// The name of a network file system by its magic number; none for a local one.
fn network_file_system(magic: u32) -> Option<&'static str> {
    NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

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
        // The field's type differs between platforms; the magic numbers have 32 bits on all of them.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the low 32 bits are meant"
        )]
        let magic = fstatfs(&file).map_or(0, |stat| stat.f_type as u32);
        if let Some(kind) = network_file_system(magic) {
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
             PRAGMA journal_size_limit = 67108864;
             PRAGMA busy_timeout = 5000;
             PRAGMA foreign_keys = OFF;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -65536;",
        )
        .map_err(|cause| refused(path, cause.to_string()))?;
    keep_statements(&connection, path, 256)?;
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
    keep_statements(&connection, path, 128)?;
    Ok(connection)
}

/// Keeps statements parsed and planned. Without the guarantee of stable plans, SQLite parses a kept statement
/// again whenever a parameter that its plan depends on has another value: nearly each time.
fn keep_statements(connection: &Connection, path: &Path, kept: usize) -> Result<(), StoreError> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(|cause| refused(path, cause.to_string()))?;
    connection.set_prepared_statement_cache_capacity(kept);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_magic_numbers_and_local_ones_pass() {
        // The numbers of statfs(2).
        for (magic, name) in
            [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0x0102_1997, "9P"), (0x00c3_6400, "Ceph")]
        {
            assert_eq!(network_file_system(magic), Some(name));
        }
        let (ext4, xfs, btrfs, tmpfs, overlay) = (0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630);
        for local in [ext4, xfs, btrfs, tmpfs, overlay] {
            assert_eq!(network_file_system(local), None);
        }
    }

    #[test]
    fn a_file_that_is_open_is_refused_with_a_sentence_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/tidings.db");
        let held = FileLock::take(&path).unwrap();
        let refused = FileLock::take(&path).unwrap_err().to_string();
        assert!(refused.contains("another process has it open; stop that one"), "{refused}");
        drop(held);
        FileLock::take(&path).unwrap();
    }
}
