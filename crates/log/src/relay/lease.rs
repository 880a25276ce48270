//! The lease of a shard: one relay at a time gives its numbers.
//!
//! A token names each tenure. Whoever numbers asserts it in the same transaction, which locks the lease's row: a relay
//! that was paused and passed by changes nothing when it wakes. Time decides only *when* somebody may take over: a
//! relay that stands by watches the row and takes it when it did not move for the length of a lease, by its own
//! clock alone, so that clocks which disagree cost nothing.

use std::{sync::Arc, time::Duration};

use tidings_model::{Timestamp, planted};
use tidings_store::{StoreError, Tx, params};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Relay, rest};

/// The right to number and send what lies in a shard.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) shard: u32,
    token: u64,
    holder: Arc<str>,
}

/// A lease's row, as those who stand by see it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    holder: Option<String>,
    token: u64,
    until: i64,
}

impl Relay {
    /// Waits until the shard is this relay's; none when the process ends before.
    pub(super) async fn wait_for_lease(&self, shard: u32, stop: &CancellationToken) -> Option<Lease> {
        let mut watched: Option<(Seen, Instant)> = None;
        loop {
            if stop.is_cancelled() {
                return None;
            }
            match self.try_lease(shard, &mut watched).await {
                Ok(Some(lease)) => return Some(lease),
                Ok(None) => {}
                Err(cause) => tracing::warn!(shard, %cause, "the lease could not be read; the relay waits"),
            }
            if !rest(self.look_every(), stop).await {
                return None;
            }
        }
    }

    fn look_every(&self) -> Duration {
        (self.options.lease / 6).min(self.options.sweep)
    }

    async fn try_lease(
        &self,
        shard: u32,
        watched: &mut Option<(Seen, Instant)>,
    ) -> Result<Option<Lease>, StoreError> {
        let seen = self.store.read(move |tx| async move { look(&tx, shard).await }).await?;
        let lapsed = match watched {
            Some((before, since)) if *before == seen => since.elapsed() >= self.options.lease,
            Some(_) | None => {
                *watched = Some((seen.clone(), Instant::now()));
                false
            }
        };
        if !(lapsed || seen.holder.is_none() || self.alone) {
            return Ok(None);
        }
        let (holder, until): (Arc<str>, _) = (self.name.as_str().into(), self.until());
        let taken =
            self.store.transact(move |tx| async move { take(&tx, shard, &seen, holder, until).await });
        taken.await
    }
}

async fn look(tx: &Tx, shard: u32) -> Result<Seen, StoreError> {
    let row =
        tx.one("SELECT holder, token, until FROM outbox_shards WHERE shard = $1", params![shard]).await?;
    Ok(Seen { holder: row.get(0)?, token: row.get(1)?, until: row.get(2)? })
}

/// Takes a lease over, if its row is still as it was seen.
async fn take(
    tx: &Tx,
    shard: u32,
    seen: &Seen,
    holder: Arc<str>,
    until: Timestamp,
) -> Result<Option<Lease>, StoreError> {
    let token = seen.token + 1;
    let changed = tx
        .execute(
            "UPDATE outbox_shards SET token = $2, holder = $3, until = $4
             WHERE shard = $1 AND token = $5 AND until = $6",
            params![shard, token, &*holder, until, seen.token, seen.until],
        )
        .await?;
    Ok((changed == 1).then_some(Lease { shard, token, holder }))
}

impl Lease {
    /// Asserts the lease and shows a sign of life. From here to its end the transaction keeps others from taking
    /// over, so it must be short and its answers small. False: another relay has it.
    pub(super) async fn hold(&self, tx: &Tx, until: Timestamp) -> Result<bool, StoreError> {
        // The row must change, for that is the sign; a clock may stand still.
        let held = tx
            .execute(
                "UPDATE outbox_shards SET until = CASE WHEN until >= $4 THEN until + 1 ELSE $4 END
                 WHERE shard = $1 AND token = $2 AND holder = $3",
                params![self.shard, self.token, &*self.holder, until],
            )
            .await?;
        Ok(held == 1 || planted::is("relay_lease_not_asserted"))
    }

    /// Gives the shard to whoever wants it.
    pub(super) async fn release(&self, tx: &Tx) -> Result<(), StoreError> {
        tx.execute(
            "UPDATE outbox_shards SET holder = NULL WHERE shard = $1 AND token = $2 AND holder = $3",
            params![self.shard, self.token, &*self.holder],
        )
        .await?;
        Ok(())
    }
}
