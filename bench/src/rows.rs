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
        self.count("SELECT COUNT(*) FROM delivery_records WHERE kind = 'message'")
    }

    /// How many rows each table has.
    pub(crate) fn by_table(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let mut tables =
            self.0.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")?;
        let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let count = |name: String| -> Result<(String, u64), Failure> {
            let rows = self.count(&format!("SELECT COUNT(*) FROM \"{name}\""))?;
            Ok((name, rows))
        };
        names.into_iter().map(count).collect()
    }

    fn count(&self, sql: &str) -> Result<u64, Failure> {
        Ok(self.0.query_row(sql, [], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }
}
