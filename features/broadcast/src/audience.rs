//! People who are named one by one: in the broadcast itself, or in a list that was put before.

use std::collections::BTreeSet;

use serde::Deserialize;
use tidings::{
    model::{ListId, Timestamp, UserId},
    store::{StoreError, Tx, params},
};

use crate::model::{ListName, Target};

/// A list as its name means it now.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) id: ListId,
    pub(crate) name: ListName,
    pub(crate) people: u64,
    pub(crate) created_at: Timestamp,
}

/// Whom a broadcast is for, as far as one look goes.
#[derive(Debug)]
pub(crate) enum Whom {
    /// Whom the channels of this target name.
    Channels(Target),
    /// The next people, who are named one by one.
    Named(Vec<UserId>),
}

impl Whom {
    /// Reads it from a target's row: people after one of them, at most `limit`. Of the thousands whom a target may name
    /// only these become ids, as this is asked once for each slice of them.
    pub(crate) async fn of(
        tx: &Tx,
        target: &str,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Self, StoreError> {
        let wrong = || StoreError::Row { column: 0, found: "another text", wanted: "a target" };
        let Written { kind, ids } = serde_json::from_str(target).map_err(|_cause| wrong())?;
        if kind == SELECTED {
            return next(ids, after, limit).map(Self::Named).ok_or_else(wrong);
        }
        let target: Target = serde_json::from_str(target).map_err(|_cause| wrong())?;
        match &target {
            Target::List { .. } => Ok(Self::Named(named(tx, &target, after, limit).await?)),
            Target::All
            | Target::Role { .. }
            | Target::Group { .. }
            | Target::Selected { .. }
            | Target::Custom { .. } => Ok(Self::Channels(target)),
        }
    }
}

/// The word of a target that names people itself.
const SELECTED: &str = "selected";

/// A target as it is written, its people not yet ids: to make ids of all took five times as long.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    ids: Vec<String>,
}

/// Of sorted texts the next ones after an id, as ids; none where one of them is no id.
fn next(ids: Vec<String>, after: Option<&UserId>, limit: usize) -> Option<Vec<UserId>> {
    let behind = ids.into_iter().filter(|id| after.is_none_or(|after| id.as_str() > after.as_str()));
    behind.take(limit).map(|id| id.parse().ok()).collect()
}

/// People whom a target names, by id, after one of them; nobody where channels name them.
pub(crate) async fn named(
    tx: &Tx,
    target: &Target,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    match target {
        Target::Selected { ids } => {
            let rest = ids.iter().filter(|id| after.is_none_or(|after| *id > after));
            Ok(rest.take(limit).cloned().collect())
        }
        Target::List { list, .. } => {
            let rows = tx
                .query(
                    "SELECT user_id FROM audience_people
                     WHERE list_id = $1 AND user_id > $2
                     ORDER BY user_id
                     LIMIT $3",
                    params![list.to_string(), after.map_or("", UserId::as_str), limit],
                )
                .await?;
            rows.iter().map(|row| row.parse(0)).collect()
        }
        Target::All | Target::Role { .. } | Target::Group { .. } | Target::Custom { .. } => Ok(Vec::new()),
    }
}

/// Whether a target names a person; nobody is named where channels name people.
pub(crate) async fn names(tx: &Tx, target: &Target, user: &UserId) -> Result<bool, StoreError> {
    match target {
        Target::Selected { ids } => Ok(ids.contains(user)),
        Target::List { list, .. } => {
            let row = tx
                .optional(
                    "SELECT 1 FROM audience_people WHERE list_id = $1 AND user_id = $2",
                    params![list.to_string(), user.as_str()],
                )
                .await?;
            Ok(row.is_some())
        }
        Target::All | Target::Role { .. } | Target::Group { .. } | Target::Custom { .. } => Ok(false),
    }
}

/// How many people a target names after one of them.
pub(crate) async fn named_after(tx: &Tx, target: &Target, after: &UserId) -> Result<u64, StoreError> {
    match target {
        Target::Selected { ids } => Ok(ids.iter().filter(|id| *id > after).count() as u64),
        Target::List { list, .. } => {
            let row = tx
                .one(
                    "SELECT COUNT(*) FROM audience_people WHERE list_id = $1 AND user_id > $2",
                    params![list.to_string(), after.as_str()],
                )
                .await?;
            row.get(0)
        }
        Target::All | Target::Role { .. } | Target::Group { .. } | Target::Custom { .. } => Ok(0),
    }
}

/// What a name means now.
pub(crate) async fn find(tx: &Tx, name: &ListName) -> Result<Option<List>, StoreError> {
    let row = tx
        .optional(
            "SELECT list_id, name, people, created_at FROM audience_lists WHERE name = $1 AND current = 1",
            params![name.as_str()],
        )
        .await?;
    row.as_ref().map(list).transpose()
}

/// Lists by name, after one of them.
pub(crate) async fn page(tx: &Tx, after: Option<String>, limit: usize) -> Result<Vec<List>, StoreError> {
    let rows = tx
        .query(
            "SELECT list_id, name, people, created_at FROM audience_lists
             WHERE current = 1 AND name > $1
             ORDER BY name
             LIMIT $2",
            params![after.unwrap_or_default(), limit],
        )
        .await?;
    rows.iter().map(list).collect()
}

fn list(row: &tidings::store::Row) -> Result<List, StoreError> {
    let name = row.get::<String>(1)?.parse().map_err(|_cause| StoreError::Row {
        column: 1,
        found: "another text",
        wanted: "the name of a list",
    })?;
    Ok(List { id: row.parse(0)?, name, people: row.get(2)?, created_at: row.get(3)? })
}

/// Begins a list that no name means yet.
pub(crate) async fn begin(tx: &Tx, id: ListId, name: &ListName, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO audience_lists (list_id, name, created_at) VALUES ($1, $2, $3)",
        params![id.to_string(), name.as_str(), now],
    )
    .await?;
    Ok(())
}

/// Adds people to a list; answers how many were not in it.
pub(crate) async fn add(tx: &Tx, id: ListId, people: &BTreeSet<UserId>) -> Result<u64, StoreError> {
    let ids: Vec<&str> = people.iter().map(UserId::as_str).collect();
    tx.execute(
        "INSERT INTO audience_people (list_id, user_id)
         SELECT $1, value FROM json_each($2) WHERE true
         ON CONFLICT (list_id, user_id) DO NOTHING",
        params![id.to_string(), serde_json::to_string(&ids).unwrap_or_default()],
    )
    .await
}

/// From now on the name means this list.
pub(crate) async fn complete(tx: &Tx, id: ListId, name: &ListName, people: u64) -> Result<(), StoreError> {
    forget(tx, name).await?;
    tx.execute(
        "UPDATE audience_lists SET current = 1, people = $2 WHERE list_id = $1",
        params![id.to_string(), people],
    )
    .await?;
    Ok(())
}

/// From now on the name means nothing; broadcasts go on with what it meant. Answers whether it meant something.
pub(crate) async fn forget(tx: &Tx, name: &ListName) -> Result<bool, StoreError> {
    tx.lock("audience", name.as_str()).await?;
    let forgotten = tx
        .execute(
            "UPDATE audience_lists SET current = 0 WHERE name = $1 AND current = 1",
            params![name.as_str()],
        )
        .await?;
    Ok(forgotten == 1)
}

/// Removes a slice of the lists that nothing refers to and that were begun before a moment. Answers whether there may
/// be more.
pub(crate) async fn sweep(tx: &Tx, before: Timestamp, rows: usize) -> Result<bool, StoreError> {
    let row = tx
        .optional(
            "SELECT list_id FROM audience_lists l
             WHERE current = 0 AND created_at < $1
               AND NOT EXISTS (SELECT 1 FROM broadcasts b WHERE b.list_id = l.list_id)
             LIMIT 1",
            params![before],
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    let id: String = row.get(0)?;
    let removed = tx
        .execute(
            "DELETE FROM audience_people
             WHERE list_id = $1
               AND user_id IN (SELECT user_id FROM audience_people WHERE list_id = $1 ORDER BY user_id LIMIT $2)",
            params![&id, rows],
        )
        .await?;
    if removed < rows as u64 {
        tx.execute("DELETE FROM audience_lists WHERE list_id = $1", params![&id]).await?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(target: &Target, after: Option<&str>, limit: usize) -> Vec<String> {
        let text = serde_json::to_string(target).unwrap();
        let Written { kind, ids } = serde_json::from_str(&text).unwrap();
        assert_eq!(kind, SELECTED);
        let after: Option<UserId> = after.map(|after| after.parse().unwrap());
        next(ids, after.as_ref(), limit).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn people_are_read_slice_by_slice_whatever_their_ids_are_written_with() {
        let ids = ["a\"b", "a\\b", "zoë", "plain", "Plain", "日本"];
        let target = Target::Selected { ids: ids.iter().map(|id| id.parse().unwrap()).collect() };
        let mut sorted = ids.map(str::to_owned).to_vec();
        sorted.sort_unstable();
        assert_eq!(next_of(&target, None, 10), sorted);
        assert_eq!(next_of(&target, None, 2), sorted[..2]);
        for (at, id) in sorted.iter().enumerate() {
            assert_eq!(
                next_of(&target, Some(id), 3),
                sorted[at + 1..].iter().take(3).cloned().collect::<Vec<_>>()
            );
        }
        assert_eq!(next_of(&target, Some("a"), 1), sorted[1..2], "somebody who is not in it");
    }
}
