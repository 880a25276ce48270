//! What lies in the database, counted from outside while the server runs.

use std::{collections::BTreeMap, path::Path};

use rusqlite::{Connection, OpenFlags};

use crate::Failure;

/// A look into the database.
#[derive(Debug)]
pub(crate) struct Rows(Connection);

impl Rows {
    /// Opens the file for reading.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        Ok(Self(Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?))
    }

    /// The messages that were delivered: rows of the delivery log's projection.
    pub(crate) fn delivered(&self) -> Result<u64, Failure> {
        let count = "SELECT COUNT(*) FROM delivery_records WHERE kind = 'message'";
        Ok(self.0.query_row(count, [], |row| row.get(0))?)
    }

    /// How many rows each table has.
    pub(crate) fn by_table(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let mut tables = self.0.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
        let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let count = |name: String| {
            let rows = self.0.query_row(&format!("SELECT COUNT(*) FROM \"{name}\""), [], |row| row.get(0))?;
            Ok((name, rows))
        };
        names.into_iter().map(count).collect()
    }
}
