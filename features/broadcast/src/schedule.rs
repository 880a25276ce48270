//! Broadcasts begin and end in time, also after the server was down.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tidings::{
    Due, Schedule,
    model::{BroadcastId, Ids, Timestamp},
    store::{Row, StoreError, Tx, params},
};

use crate::{audience, model::Status, store};

/// Broadcasts that one transaction begins or ends.
const SLICE: usize = 50;

/// How old a list is before it is removed: one that is being put is younger.
const UNUSED: Duration = Duration::from_hours(24);
/// People whom one transaction removes from a list.
const SWEPT: usize = 250;

/// Makes scheduled broadcasts active.
pub(crate) struct Activation {
    pub(crate) ids: Arc<Ids>,
}

impl Schedule for Activation {
    fn name(&self) -> &'static str {
        "broadcast-activation"
    }

    fn run<'a>(&'a self, tx: &'a Tx, now: Timestamp) -> Due<'a> {
        Box::pin(async move {
            let due = tx
                .query(
                    "SELECT broadcast_id, scheduled_at
                     FROM broadcasts
                     WHERE status = 'scheduled' AND scheduled_at <= $1
                     ORDER BY scheduled_at
                     LIMIT $2",
                    params![now, SLICE],
                )
                .await?;
            for id in ids(&due)? {
                store::hold(tx, id).await?;
                if let Some(broadcast) = store::find(tx, id).await? {
                    store::activate(tx, &broadcast, self.ids.event().into(), now).await?;
                }
            }
            let next = tx
                .one("SELECT MIN(scheduled_at) FROM broadcasts WHERE status = 'scheduled'", params![])
                .await?;
            next.get(0)
        })
    }
}

/// Ends active broadcasts whose time is over.
pub(crate) struct Expiry {
    pub(crate) ids: Arc<Ids>,
}

impl Schedule for Expiry {
    fn name(&self) -> &'static str {
        "broadcast-expiry"
    }

    fn run<'a>(&'a self, tx: &'a Tx, now: Timestamp) -> Due<'a> {
        Box::pin(async move {
            let due = tx
                .query(
                    "SELECT broadcast_id, expires_at
                     FROM broadcasts
                     WHERE status IN ('active', 'failed') AND expires_at <= $1
                     ORDER BY expires_at
                     LIMIT $2",
                    params![now, SLICE],
                )
                .await?;
            for id in ids(&due)? {
                store::hold(tx, id).await?;
                if let Some(broadcast) = store::find(tx, id).await? {
                    store::end(tx, &broadcast, Status::Expired, self.ids.event().into(), now).await?;
                }
            }
            let next = tx
                .one("SELECT MIN(expires_at) FROM broadcasts WHERE status IN ('active', 'failed')", params![])
                .await?;
            next.get(0)
        })
    }
}

/// Removes lists of people that no name and no broadcast means any more.
pub(crate) struct Sweep;

impl Schedule for Sweep {
    fn name(&self) -> &'static str {
        "audience-sweep"
    }

    fn run<'a>(&'a self, tx: &'a Tx, now: Timestamp) -> Due<'a> {
        Box::pin(async move {
            let more = audience::sweep(tx, now.minus(UNUSED), SWEPT).await?;
            Ok(more.then_some(now))
        })
    }
}

/// In their order, in which they are held.
fn ids(rows: &[Row]) -> Result<BTreeSet<BroadcastId>, StoreError> {
    rows.iter().map(|row| row.parse(0)).collect()
}
