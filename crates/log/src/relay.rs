//! Step 3 of a message's way: the relay takes committed events from the outbox to the log, numbered, in order.
//!
//! An event is saved in one system and announced by another. What lies between may be paused, doubled or killed, and
//! what it wrote may land late; so each record carries a *number*: the next one of its partition, stored before
//! the record is first sent, by a transaction that asserts the relay's lease. Whoever reads takes the last number
//! plus one and nothing else. That is safe because of one sentence that every relay keeps: *before any copy of
//! number n stands a copy of n − 1, from the same relay or acknowledged to an earlier one.*
//!
//! A row of the outbox that was acknowledged is deleted, so the first row that is there is the first in doubt. The
//! parts, in the order in which a row meets them:
//!
//! 1. `lease` – one relay at a time gives the numbers of a shard.
//! 2. `turn` – one short transaction: acknowledged rows go, the next rows get their numbers.
//! 3. `rows` – what was numbered is read, without holding anything.
//! 4. `pipeline` – records are sent without waiting for each other, and acknowledged in order.

mod lease;
mod look;
mod pipeline;
mod rows;
mod stock;
mod turn;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tidings_model::{Clock, Timestamp};
use tidings_store::{Lane, OUTBOX, SHARDS, Store, StoreError};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use self::{
    lease::Lease,
    pipeline::Pipeline,
    rows::After,
    turn::{Asked, MANY},
};
use crate::{Log, LogError};

pub use look::{SetAside, ShardState, count_set_aside, set_aside, shards};
pub use rows::{SET_ASIDE, last_number};

/// How a relay works.
#[derive(Clone, Copy, Debug)]
pub struct RelayOptions {
    /// How long a shard whose relay shows no sign of life stays with it.
    pub lease: Duration,
    /// Rows that one transaction numbers.
    pub batch_rows: usize,
    /// Records that may wait for their acknowledgement.
    pub in_flight: usize,
    /// How long acknowledged rows may stay; a row that is lost here is sent once more and dropped by readers.
    pub mark_after: Duration,
    /// Pause between two looks at the outbox that no wake caused.
    pub sweep: Duration,
    /// The pause while the log or the database is away.
    pub away: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(3),
            batch_rows: 500,
            in_flight: 10_000,
            mark_after: Duration::from_millis(50),
            sweep: Duration::from_secs(1),
            away: Duration::from_millis(250),
        }
    }
}

/// A relay. Any number of them may run: for each shard one works, the others stand by.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where the outbox is.
    pub store: Store,
    /// Where records go.
    pub log: Arc<dyn Log>,
    /// What time it is, for those who look at leases.
    pub clock: Arc<dyn Clock>,
    /// Names this relay among all that ever were: whoever holds a lease must be told from everybody else.
    pub name: String,
    /// Whether no other process can be at the database, so that a lease which nobody released is free.
    pub alone: bool,
    /// How it works.
    pub options: RelayOptions,
}

/// Why a relay stops sending.
#[derive(Debug)]
enum Trouble {
    /// Another relay has the lease.
    Lost,
    /// The process ends.
    Stopped,
    /// The log did not take a record for now: in doubt, everything is sent again that is not acknowledged.
    Log(LogError),
    /// The log will never take a record.
    Unpublishable(rows::Unpublishable),
    /// The database is away.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(cause: StoreError) -> Self {
        Self::Store(cause)
    }
}

impl Relay {
    /// Relays until `stop`; what is in flight then is waited for, for as long as a lease.
    pub async fn run(self, stop: CancellationToken) {
        join_all((0..SHARDS).map(|shard| self.relay_shard(shard, stop.clone()))).await;
    }

    async fn relay_shard(&self, shard: u32, stop: CancellationToken) {
        while let Some(lease) = self.wait_for_lease(shard, &stop).await {
            self.hold_shard(lease, &stop).await;
        }
    }

    /// Relays a shard until the lease is lost or the process ends.
    async fn hold_shard(&self, lease: Lease, stop: &CancellationToken) {
        let shard = lease.shard;
        let mut took_stock = false;
        loop {
            match self.relay(&lease, &mut took_stock, stop).await {
                Trouble::Lost => {
                    tracing::info!(shard, relay = self.name, "another relay has taken the shard over");
                    return;
                }
                Trouble::Stopped => {
                    let released = self.store.transact(move |tx| async move { lease.release(&tx).await });
                    if let Err(cause) = released.await {
                        tracing::debug!(shard, %cause, "the lease could not be released; it will lapse");
                    }
                    return;
                }
                Trouble::Log(cause) => {
                    tracing::warn!(shard, %cause, "the log does not answer as it should; what is in doubt is sent again");
                    rest(self.options.away, stop).await;
                }
                Trouble::Store(cause) => {
                    tracing::warn!(shard, %cause, "the outbox could not be read; the relay waits for it");
                    rest(self.options.away, stop).await;
                }
                Trouble::Unpublishable(row) => {
                    if let Err(cause) = self.put_aside(&lease, row).await {
                        tracing::warn!(shard, %cause, "a record could not be set aside yet");
                        rest(self.options.away, stop).await;
                    }
                }
            }
        }
    }

    /// Relays a shard for as long as all goes well.
    async fn relay(&self, lease: &Lease, took_stock: &mut bool, stop: &CancellationToken) -> Trouble {
        let mut pipeline = Pipeline::new(Arc::clone(&self.log), self.options.in_flight);
        let trouble = tokio::select! {
            biased;
            () = stop.cancelled() => Trouble::Stopped,
            trouble = self.keep_lease(lease) => trouble,
            sent = self.send_on(lease, &mut pipeline, took_stock) => match sent {
                Ok(never) => match never {},
                Err(trouble) => trouble,
            },
        };
        if matches!(trouble, Trouble::Stopped) {
            // What fails now is sent again by whoever comes next.
            drop(tokio::time::timeout(self.options.lease, pipeline.settle_all()).await);
        }
        if !matches!(trouble, Trouble::Lost) {
            drop(self.turn(lease, &mut pipeline, Asked::NONE).await);
        }
        trouble
    }

    /// Shows signs of life, also while a full queue is waited for.
    async fn keep_lease(&self, lease: &Lease) -> Trouble {
        if self.alone {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(self.options.lease / 3).await;
            let (lease, until) = (lease.clone(), self.until());
            match self.store.transact(move |tx| async move { lease.hold(&tx, until).await }).await {
                Ok(true) => {}
                Ok(false) => return Trouble::Lost,
                Err(cause) => return Trouble::Store(cause),
            }
        }
    }

    async fn send_on(
        &self,
        lease: &Lease,
        pipeline: &mut Pipeline,
        took_stock: &mut bool,
    ) -> Result<std::convert::Infallible, Trouble> {
        if !*took_stock {
            self.take_stock(lease).await.map_err(Trouble::Log)?;
            *took_stock = true;
        }
        // A turn of ours whose commit was sent on a connection that is gone holds the lease's row until it is decided:
        // what it numbered must be found by what follows.
        self.turn(lease, pipeline, Asked::NONE).await?.ok_or(Trouble::Lost)?;
        self.send_again(lease, pipeline).await?;
        let mut wakes = self.store.wakes(OUTBOX[lease.shard as usize]);
        let (mut full, mut sweep) = (false, Instant::now());
        loop {
            let now = Instant::now();
            let count = if full {
                MANY
            } else if sweep <= now {
                sweep = now + self.options.sweep;
                // Before the look, so that what comes during the look wakes once more.
                wakes.mark_unchanged();
                self.waiting(lease.shard).await?
            } else {
                // What was committed since is worth a turn without a look.
                usize::from(woken(&mut wakes)?)
            };
            let marks_due = pipeline.marks_due(self.options.mark_after);
            if count > 0 || marks_due.is_some_and(|due| due <= now) {
                let asked = Asked::of(count, self.options.batch_rows);
                let given = self.turn(lease, pipeline, asked).await?.ok_or(Trouble::Lost)?;
                self.send(lease, pipeline, &given.ranges).await?;
                // A turn that was full has left something, most likely.
                full = asked.limit > 0 && given.rows == asked.limit;
                if full {
                    continue;
                }
            }
            let next = pipeline.marks_due(self.options.mark_after).map_or(sweep, |due| due.min(sweep));
            tokio::select! {
                biased;
                settled = pipeline.settle() => settled?,
                changed = wakes.changed() => {
                    changed.map_err(|_closed| Trouble::Stopped)?;
                    // Not taken yet.
                    wakes.mark_changed();
                }
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }

    /// Sends everything that has a number and was not acknowledged, in the order of the numbers. A row with a lower
    /// position may have the higher number, for it was committed later: sent by position, n would stand before
    /// n − 1.
    async fn send_again(&self, lease: &Lease, pipeline: &mut Pipeline) -> Result<(), Trouble> {
        let mut after = After::default();
        loop {
            let page = self.numbered_after(lease.shard, &after).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = After::row(last);
            for row in page {
                pipeline.send(row).await?;
            }
        }
    }

    /// Sends what a turn numbered, some ranges at once.
    async fn send(
        &self,
        lease: &Lease,
        pipeline: &mut Pipeline,
        ranges: &[turn::Range],
    ) -> Result<(), Trouble> {
        let mut left = ranges;
        while !left.is_empty() {
            let (page, rest) = left.split_at(turn::page(left));
            for row in self.numbered_in(lease.shard, page).await? {
                pipeline.send(row).await?;
            }
            left = rest;
        }
        Ok(())
    }

    /// A turn, with what the pipeline has learned; none when the lease was lost.
    async fn turn(
        &self,
        lease: &Lease,
        pipeline: &mut Pipeline,
        asked: Asked,
    ) -> Result<Option<turn::Given>, Trouble> {
        let (marks, lease, until) = (pipeline.marks(), lease.clone(), self.until());
        let done = marks.clone();
        let numbered = self
            .store
            .transact_in(Lane::People, move |tx| async move {
                turn::turn(&tx, &lease, &marks, asked, until).await
            })
            .await?;
        pipeline.marked(&done);
        Ok(numbered)
    }

    async fn put_aside(&self, lease: &Lease, row: rows::Unpublishable) -> Result<(), StoreError> {
        tracing::error!(
            topic = row.topic,
            partition = row.partition,
            number = row.seq + row.record as u64,
            reason = row.reason,
            "a record cannot be published; it is set aside, and its number is sent empty"
        );
        let (lease, until) = (lease.clone(), self.until());
        self.store
            .transact(move |tx| async move {
                if lease.hold(&tx, until).await? {
                    rows::put_aside(&tx, lease.shard, &row).await?;
                }
                Ok::<_, StoreError>(())
            })
            .await
    }

    fn until(&self) -> Timestamp {
        self.clock.now().plus(self.options.lease)
    }
}

/// Waits; false when the process ends meanwhile.
async fn rest(pause: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = tokio::time::sleep(pause) => true,
    }
}

/// Whether rows were committed since this was asked last.
fn woken(wakes: &mut watch::Receiver<u64>) -> Result<bool, Trouble> {
    let woken = wakes.has_changed().map_err(|_closed| Trouble::Stopped)?;
    if woken {
        wakes.mark_unchanged();
    }
    Ok(woken)
}
