//! Broadcasts in the database.

use std::sync::Arc;

use tidings::{
    delivery::{End, Reach, end_item, receipts},
    model::{BroadcastId, Timestamp, UserId},
    store::{Row, StoreError, Tx, params},
};

use crate::{
    audience::Whom,
    events::{self, Cause, LIFECYCLE_TOPIC, LifecycleEvent, Step},
    failures::Failures,
    model::{Broadcast, Saying, Stats, Status, Target},
};

fn json<T: serde::de::DeserializeOwned>(row: &Row, column: usize) -> Result<T, StoreError> {
    let wrong = || StoreError::Row { column, found: "another text", wanted: std::any::type_name::<T>() };
    serde_json::from_str(&row.get::<String>(column)?).map_err(|_cause| wrong())
}

fn broadcast(row: &Row) -> Result<Broadcast, StoreError> {
    Ok(Broadcast {
        id: row.parse(0)?,
        status: row.parse(1)?,
        sender_id: row.parse(2)?,
        said: json(row, 3)?,
        target: json(row, 4)?,
        priority: row.parse(5)?,
        created_at: row.get(6)?,
        scheduled_at: row.get(7)?,
        expires_at: row.get(8)?,
        ended_at: row.get(9)?,
        final_stats: match row.get::<Option<String>>(10)? {
            Some(_) => Some(json(row, 10)?),
            None => None,
        },
        late_joiners: row.get::<u32>(11)? == 1,
        fire_and_forget: row.get::<u32>(12)? == 1,
    })
}

/// Writes a broadcast: a new one, or what was made of one before its time.
pub(crate) async fn put(tx: &Tx, broadcast: &Broadcast) -> Result<(), StoreError> {
    let list = match &broadcast.target {
        Target::List { list, .. } => Some(list),
        Target::All
        | Target::Role { .. }
        | Target::Group { .. }
        | Target::Selected { .. }
        | Target::Custom { .. } => None,
    };
    tx.execute(
        "INSERT INTO broadcasts (broadcast_id, status, sender_id, said, target, selected, priority, created_at,
                                 scheduled_at, expires_at, late_joiners, fire_and_forget, list_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (broadcast_id) DO UPDATE SET
           status = excluded.status, said = excluded.said, target = excluded.target,
           selected = excluded.selected, priority = excluded.priority, scheduled_at = excluded.scheduled_at,
           expires_at = excluded.expires_at, late_joiners = excluded.late_joiners,
           fire_and_forget = excluded.fire_and_forget, list_id = excluded.list_id",
        params![
            broadcast.id.to_string(),
            broadcast.status.as_str(),
            broadcast.sender_id.as_str(),
            serde_json::to_string(&broadcast.said).unwrap_or_default(),
            serde_json::to_string(&broadcast.target).unwrap_or_default(),
            broadcast.target.named(),
            broadcast.priority.as_str(),
            broadcast.created_at,
            broadcast.scheduled_at,
            broadcast.expires_at,
            broadcast.late_joiners,
            broadcast.fire_and_forget,
            list.map(ToString::to_string)
        ],
    )
    .await?;
    Ok(())
}

/// Holds a broadcast before its state is read and then changed: nobody builds on it meanwhile.
pub(crate) async fn hold(tx: &Tx, id: BroadcastId) -> Result<(), StoreError> {
    tx.lock("broadcast", &id.to_string()).await
}

/// Keeps a broadcast as it is while something is sent because of it.
async fn keep(tx: &Tx, id: BroadcastId) -> Result<(), StoreError> {
    tx.share("broadcast", &id.to_string()).await
}

pub(crate) async fn find(tx: &Tx, id: BroadcastId) -> Result<Option<Broadcast>, StoreError> {
    let row = tx
        .optional(
            "SELECT broadcast_id, status, sender_id, said, target, priority, created_at, scheduled_at,
                    expires_at, ended_at, final_stats, late_joiners, fire_and_forget
             FROM broadcasts
             WHERE broadcast_id = $1",
            params![id.to_string()],
        )
        .await?;
    row.as_ref().map(broadcast).transpose()
}

/// What a broadcast says, without whom it is for; it stays so until the transaction ends.
pub(crate) async fn said(tx: &Tx, id: BroadcastId) -> Result<Arc<Option<Saying>>, StoreError> {
    let find = async {
        keep(tx, id).await?;
        find_said(tx, id).await
    };
    tx.once("broadcast", &id.to_string(), find).await
}

async fn find_said(tx: &Tx, id: BroadcastId) -> Result<Option<Saying>, StoreError> {
    let row = tx
        .optional(
            "SELECT b.broadcast_id, b.status, b.sender_id, b.said, b.priority, b.created_at, b.expires_at,
                    b.late_joiners, b.fire_and_forget,
                    CAST(CASE WHEN EXISTS (SELECT 1 FROM broadcast_failures f WHERE f.broadcast_id = b.broadcast_id)
                              THEN 1 ELSE 0 END AS BIGINT)
             FROM broadcasts b
             WHERE b.broadcast_id = $1",
            params![id.to_string()],
        )
        .await?;
    let saying = |row: &Row| {
        Ok(Saying {
            id: row.parse(0)?,
            status: row.parse(1)?,
            sender_id: row.parse(2)?,
            said: json(row, 3)?,
            priority: row.parse(4)?,
            created_at: row.get(5)?,
            expires_at: row.get(6)?,
            late_joiners: row.get::<u32>(7)? == 1,
            fire_and_forget: row.get::<u32>(8)? == 1,
            has_failures: row.get::<u32>(9)? == 1,
        })
    };
    row.as_ref().map(saying).transpose()
}

/// Whom a broadcast is for: people who are named one by one after one of them, at most `limit`.
pub(crate) async fn whom(
    tx: &Tx,
    id: BroadcastId,
    after: Option<&UserId>,
    limit: usize,
) -> Result<Whom, StoreError> {
    let row =
        tx.one("SELECT target FROM broadcasts WHERE broadcast_id = $1", params![id.to_string()]).await?;
    Whom::of(tx, &row.get::<String>(0)?, after, limit).await
}

/// Newest first; `before` is the last id of the page before.
pub(crate) async fn list(
    tx: &Tx,
    status: Option<Status>,
    before: Option<String>,
    limit: usize,
) -> Result<Vec<Broadcast>, StoreError> {
    let rows = tx
        .query(
            "SELECT broadcast_id, status, sender_id, said, target, priority, created_at, scheduled_at,
                    expires_at, ended_at, final_stats, late_joiners, fire_and_forget
             FROM broadcasts
             WHERE (CAST($1 AS TEXT) IS NULL OR status = $1) AND (CAST($2 AS TEXT) IS NULL OR broadcast_id < $2)
             ORDER BY broadcast_id DESC
             LIMIT $3",
            params![status.map(Status::as_str), before, limit],
        )
        .await?;
    rows.iter().map(broadcast).collect()
}

/// Moves a broadcast from one state to another, if it is in the one.
pub(crate) async fn change_status(
    tx: &Tx,
    id: BroadcastId,
    from: Status,
    to: Status,
) -> Result<bool, StoreError> {
    let changed = tx
        .execute(
            "UPDATE broadcasts SET status = $3 WHERE broadcast_id = $1 AND status = $2",
            params![id.to_string(), from.as_str(), to.as_str()],
        )
        .await?;
    Ok(changed == 1)
}

/// Announces a step of a broadcast's life.
pub(crate) async fn announce(
    tx: &Tx,
    broadcast: &Broadcast,
    step: Step,
    cause: Cause,
    now: Timestamp,
) -> Result<(), StoreError> {
    let value = LifecycleEvent {
        broadcast_id: broadcast.id,
        step,
        timestamp: now,
        sender_id: broadcast.sender_id.clone(),
        title: broadcast.said.title.clone(),
        content: broadcast.said.content.clone(),
        after: None,
        event_type: None,
    };
    let event_type = match step {
        Step::Scheduled => "BroadcastScheduled",
        Step::Edited => "BroadcastEdited",
        Step::Activated => "BroadcastActivated",
        Step::Slice => "BroadcastSlice",
        Step::Cancelled => "BroadcastCancelled",
        Step::Expired => "BroadcastExpired",
    };
    tx.put_event(&events::event(cause, LIFECYCLE_TOPIC, event_type, broadcast.id.to_string(), &value, now))
        .await?;
    Ok(())
}

/// Makes a scheduled broadcast active.
pub(crate) async fn activate(
    tx: &Tx,
    broadcast: &Broadcast,
    cause: Cause,
    now: Timestamp,
) -> Result<(), StoreError> {
    if change_status(tx, broadcast.id, Status::Scheduled, Status::Active).await? {
        announce(tx, broadcast, Step::Activated, cause, now).await?;
    }
    Ok(())
}

/// Ends a broadcast, once: it leaves lists and catch-up with this transaction, screens a moment later.
pub(crate) async fn end(
    tx: &Tx,
    broadcast: &Broadcast,
    status: Status,
    cause: Cause,
    now: Timestamp,
) -> Result<(), StoreError> {
    let at_end = Stats { pending: 0, ..live_stats(tx, broadcast).await? };
    let ended = tx
        .execute(
            "UPDATE broadcasts SET status = $2, ended_at = $3, final_stats = $4
         WHERE broadcast_id = $1 AND ended_at IS NULL",
            params![
                broadcast.id.to_string(),
                status.as_str(),
                now,
                serde_json::to_string(&at_end).unwrap_or_default()
            ],
        )
        .await?;
    if ended == 0 {
        return Ok(());
    }
    let (step, end) = if status == Status::Cancelled {
        (Step::Cancelled, End::Cancelled)
    } else {
        (Step::Expired, End::Expired)
    };
    end_item(tx, &broadcast.id.to_string(), end, now).await?;
    announce(tx, broadcast, step, cause, now).await
}

/// What a broadcast adds up to: now, or at its end.
pub(crate) async fn stats(tx: &Tx, broadcast: &Broadcast) -> Result<Stats, StoreError> {
    match broadcast.final_stats {
        Some(stats) => Ok(stats),
        None => live_stats(tx, broadcast).await,
    }
}

async fn live_stats(tx: &Tx, broadcast: &Broadcast) -> Result<Stats, StoreError> {
    let targeted = match reach(broadcast) {
        Some(reach) => reach.count(tx).await?,
        None => broadcast.target.named().unwrap_or_default(),
    };
    if broadcast.fire_and_forget {
        return Ok(Stats { targeted, delivered: 0, read: 0, failed: 0, pending: 0 });
    }
    let counted = receipts::counted(tx, &broadcast.id.to_string()).await?;
    let not_got = targeted.saturating_sub(counted.delivered);
    let failed = Failures::of(tx, broadcast).await?.count(tx, broadcast, not_got).await?;
    let pending = not_got.saturating_sub(failed);
    Ok(Stats { targeted, delivered: counted.delivered, read: counted.read, failed, pending })
}

/// Whom it is for, where channels name them.
pub(crate) fn reach(broadcast: &Broadcast) -> Option<Reach> {
    let audience = broadcast.target.audience()?;
    Some(Reach { audience, item: broadcast.id.to_string(), late_joiners: broadcast.late_joiners })
}
