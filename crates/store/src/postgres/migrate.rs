//! Migrations on PostgreSQL: forward only, each once, by one process at a time.

use super::{
    address::{Address, reason},
    dialect,
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
            dialect::migration(migration.sqlite)
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
