//! Follows: a row for each pair, which is there or not however often somebody says so.

use tidings::{
    model::{EventId, Ids, Timestamp},
    store::{StoreError, Tx, params},
};

use super::counts::{self, Step};
use crate::model::Follow;

/// Begins to follow: the row and the counts of both. False: they follow already. `told`: nobody needs to be told by the event
/// any more.
pub(crate) async fn begin(
    tx: &Tx,
    follow: &Follow,
    (event, told): (&EventId, bool),
    ids: &Ids,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let begun = tx
        .execute(
            "INSERT INTO community_follows (follower_id, followee_id, event_id, told, created_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (follower_id, followee_id) DO NOTHING",
            params![follow.follower.as_str(), follow.followee.as_str(), event.as_str(), told, now],
        )
        .await?;
    if begun == 1 {
        count(tx, follow, 1, ids, now).await?;
    }
    Ok(begun == 1)
}

/// Follows no more. False: they did not.
pub(crate) async fn end(tx: &Tx, follow: &Follow, ids: &Ids, now: Timestamp) -> Result<bool, StoreError> {
    let ended = tx
        .execute(
            "DELETE FROM community_follows WHERE follower_id = $1 AND followee_id = $2",
            params![follow.follower.as_str(), follow.followee.as_str()],
        )
        .await?;
    if ended == 1 {
        count(tx, follow, -1, ids, now).await?;
    }
    Ok(ended == 1)
}

/// Notes that the one who is followed is told by this event. False: they were, or the follow is over.
pub(crate) async fn tell(tx: &Tx, follow: &Follow, event: &EventId) -> Result<bool, StoreError> {
    let told = tx
        .execute(
            "UPDATE community_follows SET told = 1
             WHERE follower_id = $1 AND followee_id = $2 AND event_id = $3 AND told = 0",
            params![follow.follower.as_str(), follow.followee.as_str(), event.as_str()],
        )
        .await?;
    Ok(told == 1)
}

async fn count(tx: &Tx, follow: &Follow, by: i64, ids: &Ids, now: Timestamp) -> Result<(), StoreError> {
    let steps = vec![
        (&follow.followee, Step { followers: by, ..Step::default() }),
        (&follow.follower, Step { following: by, ..Step::default() }),
    ];
    counts::step(tx, steps, ids, now).await
}
