//! Who is there, and when somebody was last seen: a row for each person.
//!
//! Who opens a stream is there at once. Who closes one may be coming back: only when they have no stream ten seconds
//! later are they gone, and were last seen when it closed. A node that ended or fell silent leaves its people in
//! the same doubt.

use std::time::Duration;

use tidings_model::{Timestamp, UserId, planted};
use tidings_store::{Row, StoreError, Tx, params};

/// How long somebody without a stream is still there.
const RETURN: Duration = Duration::from_secs(10);

/// Whether somebody is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub user_id: UserId,
    /// When they were last there; none while they are.
    pub last_seen_at: Option<Timestamp>,
}

impl Seen {
    /// Whether they are there.
    pub fn is_online(&self) -> bool {
        self.last_seen_at.is_none()
    }
}

fn seen(row: &Row) -> Result<Seen, StoreError> {
    Ok(Seen { user_id: row.parse(0)?, last_seen_at: row.get(1)? })
}

/// Whether somebody is there; none of who was not seen for long, or never.
pub async fn find(tx: &Tx, user: &UserId) -> Result<Option<Seen>, StoreError> {
    let row = tx
        .optional("SELECT user_id, last_seen_at FROM people_seen WHERE user_id = $1", params![user.as_str()])
        .await?;
    row.as_ref().map(seen).transpose()
}

async fn hold(tx: &Tx, user: &UserId) -> Result<(), StoreError> {
    tx.lock("seen", user.as_str()).await
}

/// Somebody has a stream. Answers whether they were not there before.
pub async fn came(tx: &Tx, user: &UserId) -> Result<bool, StoreError> {
    hold(tx, user).await?;
    let was_there = find(tx, user).await?.is_some_and(|seen| seen.is_online());
    tx.execute(
        "INSERT INTO people_seen (user_id, gone_at, last_seen_at) VALUES ($1, NULL, NULL)
         ON CONFLICT (user_id) DO UPDATE SET gone_at = NULL, last_seen_at = NULL",
        params![user.as_str()],
    )
    .await?;
    Ok(!was_there)
}

/// Somebody's last stream on a node closed.
pub async fn went(tx: &Tx, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE people_seen SET gone_at = $2 WHERE user_id = $1 AND last_seen_at IS NULL",
        params![user.as_str(), now],
    )
    .await?;
    Ok(())
}

/// Nobody has a stream: the only process that could hold one begins.
pub async fn all_went(tx: &Tx, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE people_seen SET gone_at = $1 WHERE last_seen_at IS NULL AND gone_at IS NULL",
        params![now],
    )
    .await?;
    Ok(())
}

/// A node ended, or fell silent: its people may be gone. Called before its connections are removed.
pub(crate) async fn node_went(tx: &Tx, node: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE people_seen SET gone_at = $2
         WHERE last_seen_at IS NULL AND user_id IN (SELECT user_id FROM connections WHERE node_id = $1)",
        params![node, now],
    )
    .await?;
    Ok(())
}

/// Some of those who may be gone for good by now, by their ids.
pub async fn doubtful(tx: &Tx, now: Timestamp, limit: usize) -> Result<Vec<UserId>, StoreError> {
    let patience = if planted::is("gone_at_once") { Duration::ZERO } else { RETURN };
    let rows = tx
        .query(
            "SELECT user_id FROM people_seen WHERE gone_at <= $1 ORDER BY gone_at, user_id LIMIT $2",
            params![now.minus(patience), limit],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// Since when somebody may be gone, if they still may; nobody else settles it until the transaction is over.
pub async fn in_doubt(tx: &Tx, user: &UserId, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    hold(tx, user).await?;
    let row = tx
        .optional(
            "SELECT gone_at FROM people_seen WHERE user_id = $1 AND gone_at <= $2",
            params![user.as_str(), now],
        )
        .await?;
    row.map(|row| row.get(0)).transpose()
}

/// Settles it, with what is known of their streams. Answers how they are, if that is news.
pub async fn settle(
    tx: &Tx,
    user: &UserId,
    gone_at: Timestamp,
    has_stream: bool,
) -> Result<Option<Seen>, StoreError> {
    let last_seen_at = (!has_stream).then_some(gone_at);
    tx.execute(
        "UPDATE people_seen SET gone_at = NULL, last_seen_at = $2 WHERE user_id = $1",
        params![user.as_str(), last_seen_at],
    )
    .await?;
    Ok((!has_stream).then(|| Seen { user_id: user.clone(), last_seen_at }))
}

/// Forgets when people were last seen, where that is before a moment; answers how many.
pub(crate) async fn forget(tx: &Tx, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM people_seen
         WHERE user_id IN (SELECT user_id FROM people_seen WHERE last_seen_at < $1 LIMIT $2)",
        params![before, limit],
    )
    .await
}
