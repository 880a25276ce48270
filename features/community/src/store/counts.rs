//! Counts: what somebody adds up to. Whoever changes a row that is counted counts it in the same transaction, and only if
//! the row changed; the person is told.

use tidings::{
    delivery::{DeliveryRecord, deliver},
    model::{Audience, Channel, Ids, Timestamp, UserId},
    store::{Row, StoreError, Tx, params},
};

use crate::{
    model::Counts,
    spoken::{ProfileUpdated, UPDATED},
};

/// By how much the counts of a person change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    pub(crate) followers: i64,
    pub(crate) following: i64,
    pub(crate) posts: i64,
}

fn counts(row: &Row) -> Result<Counts, StoreError> {
    Ok(Counts { followers: row.get(0)?, following: row.get(1)?, posts: row.get(2)? })
}

/// What somebody adds up to.
pub(crate) async fn of(tx: &Tx, user: &UserId) -> Result<Counts, StoreError> {
    let row = tx
        .optional(
            "SELECT followers, following, posts FROM community_counts WHERE user_id = $1",
            params![user.as_str()],
        )
        .await?;
    row.as_ref().map_or(Ok(Counts::default()), counts)
}

/// Moves the counts of people, each named once, and tells them. In the order of their ids: two transactions that change the
/// same two people wait for each other only one way.
pub(crate) async fn step(
    tx: &Tx,
    mut steps: Vec<(&UserId, Step)>,
    ids: &Ids,
    now: Timestamp,
) -> Result<(), StoreError> {
    steps.sort_unstable_by_key(|(user, _)| *user);
    for (user, by) in steps {
        tx.execute(
            "INSERT INTO community_counts (user_id, followers, following, posts) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id) DO UPDATE SET
               followers = community_counts.followers + excluded.followers,
               following = community_counts.following + excluded.following,
               posts = community_counts.posts + excluded.posts",
            params![user.as_str(), by.followers, by.following, by.posts],
        )
        .await?;
        let data = ProfileUpdated { user_id: user, counts: of(tx, user).await? };
        let updated = DeliveryRecord::change(
            ids.event(),
            UPDATED,
            user.as_str(),
            Audience::of(Channel::User(user.clone())),
            now,
            serde_json::value::to_raw_value(&data).unwrap_or_default(),
        );
        deliver(tx, &updated, None).await?;
    }
    Ok(())
}
