//! Migrations: forward only, each once, in the order in which they are listed.

use rusqlite::{Connection, OptionalExtension as _};

use crate::StoreError;

/// One step of the schema of one owner (`store`, `delivery`, a feature).
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Whose: names do not clash between owners.
    pub owner: &'static str,
    /// The file's name without its ending, e.g. `0001_log`.
    pub name: &'static str,
    /// The statements, as SQLite reads them. PostgreSQL's are made from them: types and `WITHOUT ROWID` are
    /// said in its words, and text is compared by its bytes there too. One column a line.
    pub sqlite: &'static str,
}

/// Brings the schema up to date. A step and the note that it was done commit together.
pub(crate) fn apply(connection: &mut Connection, migrations: &[Migration]) -> Result<usize, StoreError> {
    let failed = |statement: &str, source: rusqlite::Error| StoreError::Statement {
        statement: statement.to_owned(),
        source: source.into(),
    };
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (
               owner TEXT NOT NULL, name TEXT NOT NULL, applied INTEGER NOT NULL, PRIMARY KEY (owner, name))",
        )
        .map_err(|source| failed("CREATE TABLE migrations", source))?;
    refuse_a_newer_schema(connection, migrations)?;
    let mut applied = 0;
    for migration in migrations {
        let label = format!("migration {}/{}", migration.owner, migration.name);
        let turn = connection.transaction().map_err(|source| failed(&label, source))?;
        let done: Option<i64> = turn
            .query_row(
                "SELECT applied FROM migrations WHERE owner = ?1 AND name = ?2",
                [migration.owner, migration.name],
                |row| row.get(0),
            )
            .optional()
            .map_err(|source| failed(&label, source))?;
        if done.is_none() {
            turn.execute_batch(migration.sqlite).map_err(|source| failed(&label, source))?;
            turn.execute(
                "INSERT INTO migrations (owner, name, applied) VALUES (?1, ?2, 1)",
                [migration.owner, migration.name],
            )
            .map_err(|source| failed(&label, source))?;
            applied += 1;
        }
        turn.commit().map_err(|source| failed(&label, source))?;
    }
    Ok(applied)
}

/// Before anything is changed: a database that a newer version wrote is not touched, for it may mean things by rows that we would misread.
fn refuse_a_newer_schema(connection: &Connection, migrations: &[Migration]) -> Result<(), StoreError> {
    let failed = |source: rusqlite::Error| StoreError::Statement {
        statement: "SELECT FROM migrations".to_owned(),
        source: source.into(),
    };
    let mut statement = connection.prepare("SELECT owner, name FROM migrations").map_err(failed)?;
    let known = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .map_err(failed)?;
    for step in known {
        let (owner, name) = step.map_err(failed)?;
        if !migrations.iter().any(|known| known.owner == owner && known.name == name) {
            return Err(StoreError::Open {
                path: connection.path().unwrap_or_default().to_owned(),
                reason: newer(&owner, &name),
            });
        }
    }
    Ok(())
}

/// Why a database of a newer version is refused.
pub(crate) fn newer(owner: &str, name: &str) -> String {
    format!("it has the step {owner}/{name}, which this version does not know; start the newer version")
}
