//! Migrations on PostgreSQL: the text of SQLite's, in the words of PostgreSQL.
//!
//! Owners write each step once, for SQLite. Three words differ, and one meaning: text is compared by its bytes
//! on SQLite, and by whatever the database was made with on PostgreSQL, unless its column says otherwise.

use super::{
    address::{Address, reason},
    session::Session,
};
use crate::{Migration, Row, StoreError, params};

/// The outbox. Written for PostgreSQL itself: storage, the sequence and vacuuming have no words in SQLite.
const OUTBOX: Migration = Migration {
    owner: "store",
    name: "0002_outbox",
    sqlite: include_str!("../../migrations/postgres/0002_outbox.sql"),
};

/// The number of the lock under which one process at a time changes the schema: "tidings" in ASCII.
const LOCK: &str = "32762643847147379";

/// Brings the schema up to date. A step and the note that it was done commit together; of several processes
/// that start at once, one does it and the others find it done.
pub(super) async fn apply(
    session: &Session,
    address: &Address,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    // Another process may be at a long step, which is no reason to fail.
    let lock = format!("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock({LOCK})");
    session.run(&lock).await.map_err(|error| StoreError::statement("SELECT pg_advisory_lock", error))?;
    let applied = apply_locked(session, address, migrations).await;
    // A session that cannot unlock is closed, which unlocks as well.
    let unlock =
        format!("SELECT pg_advisory_unlock({LOCK}); SET statement_timeout = '30s'; SET lock_timeout = '10s'");
    session.run(&unlock).await.map_err(|error| StoreError::statement("SELECT pg_advisory_unlock", error))?;
    applied
}

async fn apply_locked(
    session: &Session,
    address: &Address,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let create = "CREATE TABLE IF NOT EXISTS migrations (
        owner TEXT NOT NULL, name TEXT NOT NULL, applied BIGINT NOT NULL, PRIMARY KEY (owner, name))";
    session.run(create).await.map_err(|error| StoreError::statement("CREATE TABLE migrations", error))?;
    let done = session.query("SELECT owner, name FROM migrations", params![]).await;
    let (done, _) = done.map_err(|error| StoreError::statement("SELECT FROM migrations", error))?;
    let step = |row: &Row| Ok((row.get::<String>(0)?, row.get::<String>(1)?));
    let done: Vec<(String, String)> = done.iter().map(step).collect::<Result<_, StoreError>>()?;
    let all = || std::iter::once(&OUTBOX).chain(migrations);
    for (owner, name) in &done {
        if !all().any(|known| known.owner == owner && known.name == name) {
            return Err(address.refused(crate::migrate::newer(owner, name)));
        }
    }
    for migration in all() {
        if done.iter().any(|(owner, name)| migration.owner == owner && migration.name == name) {
            continue;
        }
        let statements = if migration.owner == OUTBOX.owner {
            migration.sqlite.to_owned()
        } else {
            translate(migration.sqlite)
        };
        // Names of steps are ours; no quotes in them.
        let noted = format!(
            "BEGIN;\n{statements}\n;INSERT INTO migrations (owner, name, applied) VALUES ('{}', '{}', 1); COMMIT",
            migration.owner, migration.name
        );
        if let Err(error) = session.run(&noted).await {
            drop(session.run("ROLLBACK").await);
            tracing::error!(
                owner = migration.owner,
                name = migration.name,
                cause = reason(&error),
                "a migration failed"
            );
            return Err(StoreError::statement(
                &format!("migration {}/{}", migration.owner, migration.name),
                error,
            ));
        }
    }
    Ok(())
}

/// A step in PostgreSQL's words.
fn translate(sqlite: &str) -> String {
    let code = |line: &str| {
        let (code, comment) = line.split_once("--").unwrap_or((line, ""));
        let code = code
            .replace(" WITHOUT ROWID", "")
            .replace("INTEGER PRIMARY KEY", "BIGINT PRIMARY KEY")
            .replace(" BLOB", " BYTEA");
        let code = if is_column(&code) { code.replacen(" TEXT", " TEXT COLLATE \"C\"", 1) } else { code };
        if comment.is_empty() { code } else { format!("{code}--{comment}") }
    };
    sqlite.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// Whether a line declares a column of text: a name and its type, or one that is added.
fn is_column(code: &str) -> bool {
    code.contains(" TEXT") && !code.contains(" AS TEXT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_said_in_the_words_of_postgresql() {
        let sqlite = "-- BLOB and TEXT in a comment stay\nCREATE TABLE t (\n  a  TEXT   NOT NULL PRIMARY KEY,\n  b  BLOB,\n  \
                      c  BIGINT\n) WITHOUT ROWID;\nALTER TABLE t ADD COLUMN d TEXT;\nSELECT CAST(c AS TEXT) FROM t;";
        let postgres = "-- BLOB and TEXT in a comment stay\nCREATE TABLE t (\n  a  TEXT COLLATE \"C\"   NOT NULL PRIMARY KEY,\n  \
                        b  BYTEA,\n  c  BIGINT\n);\nALTER TABLE t ADD COLUMN d TEXT COLLATE \"C\";\nSELECT CAST(c AS TEXT) FROM t;";
        assert_eq!(translate(sqlite), postgres);
    }
}
