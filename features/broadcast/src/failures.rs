//! What of a broadcast lies in dead letters: who is behind it counts as failed, until it is handled after all.

use tidings::{
    model::{BroadcastId, Record, Timestamp, UserId},
    store::{StoreError, Tx, params},
};

use crate::{
    audience,
    model::{Broadcast, Status},
    store,
};

/// Whom a record would have reached.
#[derive(Clone, Debug)]
pub(crate) enum Behind {
    /// All who are meant.
    Everybody,
    /// All who are named after this person.
    After(UserId),
    /// One person.
    One(UserId),
}

/// Notes that a record of a broadcast was given up. Where that was all of its delivery, it failed.
pub(crate) async fn note(
    tx: &Tx,
    broadcast: &Broadcast,
    (record, behind): (&Record, &Behind),
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = broadcast.id.to_string();
    let (one, after) = match behind {
        Behind::Everybody => (None, None),
        Behind::After(user) => (None, Some(user.as_str())),
        Behind::One(user) => (Some(user.as_str()), None),
    };
    tx.execute(
        "INSERT INTO broadcast_failures (broadcast_id, event_id, user_id, after_user, failed_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (broadcast_id, event_id) DO NOTHING",
        params![&id, record.event_id().as_str(), one, after, now],
    )
    .await?;
    if one.is_none() {
        store::change_status(tx, broadcast.id, Status::Active, Status::Failed).await?;
    }
    Ok(())
}

/// A record is handled: if it was given up before, nobody is behind it any more, and the broadcast lives. Who brought it
/// back does not matter: a redrive says so in the record, another tool that copies it does not, and a redrive behind that
/// is a repeat, which nobody handles.
pub(crate) async fn heal(tx: &Tx, broadcast: BroadcastId, record: &Record) -> Result<(), StoreError> {
    let id = broadcast.to_string();
    let healed = tx
        .execute(
            "DELETE FROM broadcast_failures WHERE broadcast_id = $1 AND event_id = $2",
            params![&id, record.event_id().as_str()],
        )
        .await?;
    if healed == 0 {
        return Ok(());
    }
    let left = tx
        .optional(
            "SELECT 1 FROM broadcast_failures WHERE broadcast_id = $1 AND user_id IS NULL LIMIT 1",
            params![&id],
        )
        .await?;
    if left.is_none() {
        store::change_status(tx, broadcast, Status::Failed, Status::Active).await?;
    }
    Ok(())
}

/// Who is behind dead letters of a broadcast.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures {
    /// Whether everybody is who did not get it otherwise.
    pub(crate) everybody: bool,
    /// Everybody is who is named after this person.
    pub(crate) after: Option<UserId>,
    /// How many more people are, one by one.
    single: u64,
}

impl Failures {
    pub(crate) async fn of(tx: &Tx, broadcast: &Broadcast) -> Result<Self, StoreError> {
        let id = broadcast.id.to_string();
        let row = tx
            .one(
                "SELECT COUNT(CASE WHEN user_id IS NULL AND after_user IS NULL THEN 1 END),
                        MIN(after_user), COUNT(user_id)
                 FROM broadcast_failures
                 WHERE broadcast_id = $1",
                params![id],
            )
            .await?;
        let after: Option<String> = row.get(1)?;
        Ok(Self {
            everybody: row.get::<u64>(0)? > 0,
            after: after.and_then(|after| after.parse().ok()),
            single: row.get(2)?,
        })
    }

    /// How many people that is, of so many who did not get it.
    pub(crate) async fn count(
        &self,
        tx: &Tx,
        broadcast: &Broadcast,
        not_got: u64,
    ) -> Result<u64, StoreError> {
        if self.everybody {
            return Ok(not_got);
        }
        let after = match &self.after {
            Some(after) => audience::named_after(tx, &broadcast.target, after).await?,
            None => 0,
        };
        Ok((after + self.single).min(not_got))
    }

    /// Whether somebody who did not get it is behind one.
    pub(crate) async fn includes(
        &self,
        tx: &Tx,
        broadcast: &Broadcast,
        user: &UserId,
    ) -> Result<bool, StoreError> {
        if self.everybody || self.after.as_ref().is_some_and(|after| user > after) {
            return Ok(true);
        }
        if self.single == 0 {
            return Ok(false);
        }
        let row = tx
            .optional(
                "SELECT 1 FROM broadcast_failures WHERE broadcast_id = $1 AND user_id = $2 LIMIT 1",
                params![broadcast.id.to_string(), user.as_str()],
            )
            .await?;
        Ok(row.is_some())
    }
}
