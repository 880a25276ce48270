//! Broadcasts begin and end in time, also after the server was down.

use std::{collections::BTreeSet, sync::Arc};

use tidings::{
    Due, Schedule,
    model::{BroadcastId, Ids, Timestamp},
    store::{Row, StoreError, Tx, params},
};

use crate::{model::Status, store};

/// Broadcasts that one transaction begins or ends.
const SLICE: usize = 50;

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
                     WHERE status = 'active' AND expires_at <= $1
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
            let next =
                tx.one("SELECT MIN(expires_at) FROM broadcasts WHERE status = 'active'", params![]).await?;
            next.get(0)
        })
    }
}

/// In their order, in which they are held.
fn ids(rows: &[Row]) -> Result<BTreeSet<BroadcastId>, StoreError> {
    rows.iter().map(|row| row.parse(0)).collect()
}
