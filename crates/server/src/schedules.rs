//! Runs the schedules: at start for what came due meanwhile, then whenever the next one is due.

use std::{sync::Arc, time::Duration};

use tidings::{Due, Schedule};
use tidings_delivery::preferences;
use tidings_model::{Clock, Timestamp};
use tidings_store::{Lane, Store, StoreError, Tx};
use tokio_util::sync::CancellationToken;

/// The longest pause between two looks: new work may have come due sooner than the last look knew.
const LOOK: Duration = Duration::from_millis(250);

/// Shows people what their quiet hours kept from them.
pub(crate) struct QuietHoursOver;

impl Schedule for QuietHoursOver {
    fn name(&self) -> &'static str {
        "quiet-hours-over"
    }

    fn run<'a>(&'a self, tx: &'a Tx, now: Timestamp) -> Due<'a> {
        Box::pin(preferences::end_quiet_hours(tx, now))
    }
}

/// Runs one schedule until `stop`.
pub(crate) async fn run(
    schedule: Arc<dyn Schedule>,
    store: Store,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        let (job, now) = (Arc::clone(&schedule), clock.now());
        let next = store
            .transact_in(Lane::People, move |tx| async move { job.run(&tx, now).await })
            .await
            .inspect_err(|cause: &StoreError| {
                tracing::warn!(schedule = schedule.name(), %cause, "a schedule failed; it runs again soon");
            });
        let more = matches!(next, Ok(Some(next)) if next <= now);
        if more {
            continue;
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
