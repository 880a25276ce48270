//! What a change does to the rows of the directory.

use tidings_delivery_core::{Moment, Place};
use tidings_model::{Channel, Timestamp, UserId};
use tidings_store::{StoreError, Tx, Value, params};

use super::Change;
use crate::{
    directory::{self, Counts},
    preferences,
};

/// Applies changes at their place.
pub(super) async fn apply(tx: &Tx, changes: &[&Change], at: Moment) -> Result<(), StoreError> {
    let mut counts = Counts::new();
    let listed = enter(tx, changes, at, &mut counts).await?;
    join(tx, changes, at.place, &mut counts).await?;
    leave(tx, changes, at.place, &mut counts).await?;
    let update = |change: &&Change| {
        let disabled = change.disabled.map(u32::from);
        params![change.user_id.as_str(), at.place.0, change.claimed_at, disabled].to_vec()
    };
    tx.execute_all(
        "UPDATE directory_users
         SET changed_place = $2, claimed_at = COALESCE($3, claimed_at), disabled = COALESCE($4, disabled)
         WHERE user_id = $1",
        &listed.iter().map(update).collect::<Vec<_>>(),
    )
    .await?;
    for change in changes {
        if change.gone {
            forget(tx, &change.user_id, at.place, &mut counts).await?;
        } else if let Some(preferences) = &change.preferences {
            preferences::apply(tx, &change.user_id, preferences, at).await?;
        }
    }
    directory::count(tx, counts).await
}

/// Enters those who are new; answers whose rows were there before.
async fn enter<'a>(
    tx: &Tx,
    changes: &[&'a Change],
    at: Moment,
    counts: &mut Counts,
) -> Result<Vec<&'a Change>, StoreError> {
    let (new, mut listed): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| change.entered_as.is_some());
    let row = |change: &&Change| {
        let (name, disabled) = (change.entered_as.as_deref(), change.disabled == Some(true));
        let claimed_at = change.claimed_at.unwrap_or(Timestamp(0));
        params![change.user_id.as_str(), name, at.place.0, at.time, disabled, claimed_at].to_vec()
    };
    let entered = tx
        .execute_all(
            "INSERT INTO directory_users
               (user_id, display_name, joined_place, changed_place, created_at, disabled, claimed_at)
             VALUES ($1, $2, $3, $3, $4, $5, $6)
             ON CONFLICT (user_id) DO NOTHING",
            &new.iter().map(row).collect::<Vec<_>>(),
        )
        .await?;
    for (change, entered) in new.into_iter().zip(entered) {
        if entered == 1 {
            *counts.entry(Channel::All.to_string()).or_default() += 1;
        } else {
            listed.push(change);
        }
    }
    Ok(listed)
}

/// Takes somebody out of the directory. What they received stays counted: they left after it.
async fn forget(tx: &Tx, user: &UserId, at: Place, counts: &mut Counts) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO directory_former (user_id, channel, joined_place, left_place)
         SELECT user_id, 'all', joined_place, $2 FROM directory_users WHERE user_id = $1
         ON CONFLICT DO NOTHING",
        params![user.as_str(), at.0],
    )
    .await?;
    let gone = tx.execute("DELETE FROM directory_users WHERE user_id = $1", params![user.as_str()]).await?;
    if gone == 1 {
        *counts.entry(Channel::All.to_string()).or_default() -= 1;
    }
    for statement in
        ["DELETE FROM sessions WHERE user_id = $1", "DELETE FROM directory_preferences WHERE user_id = $1"]
    {
        tx.execute(statement, params![user.as_str()]).await?;
    }
    Ok(())
}

/// Each channel of these lists with its person: its text form, and the row that begins with it and the person's id.
fn rows<'a>(
    changes: &'a [&Change],
    channels: impl Fn(&'a Change) -> &'a [Channel],
    at: Place,
) -> (Vec<String>, Vec<Vec<Value>>) {
    let each = |change: &'a Change| channels(change).iter().map(move |channel| (channel, &change.user_id));
    let each = changes.iter().flat_map(|change| each(change));
    each.map(|(channel, user)| {
        let name = channel.to_string();
        let row = params![&name, user.as_str(), at.0].to_vec();
        (name, row)
    })
    .unzip()
}

async fn join(tx: &Tx, changes: &[&Change], at: Place, counts: &mut Counts) -> Result<(), StoreError> {
    let (channels, rows) = rows(changes, |change| &change.joined, at);
    let joined = tx
        .execute_all(
            "INSERT INTO directory_members (channel, user_id, joined_place) VALUES ($1, $2, $3)
             ON CONFLICT (channel, user_id) DO NOTHING",
            &rows,
        )
        .await?;
    for (channel, _) in channels.into_iter().zip(joined).filter(|(_, joined)| *joined == 1) {
        *counts.entry(channel).or_default() += 1;
    }
    Ok(())
}

async fn leave(tx: &Tx, changes: &[&Change], at: Place, counts: &mut Counts) -> Result<(), StoreError> {
    let (channels, mut rows) = rows(changes, |change| &change.left, at);
    tx.execute_all(
        "INSERT INTO directory_former (user_id, channel, joined_place, left_place)
         SELECT user_id, channel, joined_place, $3
         FROM directory_members
         WHERE channel = $1 AND user_id = $2
         ON CONFLICT DO NOTHING",
        &rows,
    )
    .await?;
    for row in &mut rows {
        row.truncate(2);
    }
    let left =
        tx.execute_all("DELETE FROM directory_members WHERE channel = $1 AND user_id = $2", &rows).await?;
    for (channel, _) in channels.into_iter().zip(left).filter(|(_, left)| *left == 1) {
        *counts.entry(channel).or_default() -= 1;
    }
    Ok(())
}
