//! What is over its time and nobody asks for is forgotten: answers of idempotency keys, tickets, service keys, deliveries.

use std::{sync::Arc, time::Duration};

use tidings_api::{idempotency, service_keys, tickets};
use tidings_delivery::retention;
use tidings_model::Clock;
use tidings_store::{Lane, Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_mins(1);
/// How long an idempotency key gives the same answer.
const ANSWERS: Duration = Duration::from_hours(24);
/// How long a service key that does not hold any more is still listed.
const SERVICE_KEYS: Duration = Duration::from_hours(30 * 24);

/// Looks once a minute until `stop`; what is in hand is finished.
pub(crate) async fn run(store: Store, clock: Arc<dyn Clock>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        if let Err(cause) = look(&store, &*clock).await {
            tracing::warn!(%cause, "what is over its time could not be forgotten; it is tried again");
        }
    }
}

async fn look(store: &Store, clock: &dyn Clock) -> Result<(), StoreError> {
    let now = clock.now();
    loop {
        let forgotten = store
            .transact_in(Lane::Bulk, move |tx| async move {
                let answers = idempotency::forget(&tx, now.minus(ANSWERS)).await?;
                let keys = service_keys::forget(&tx, now.minus(SERVICE_KEYS)).await?;
                Ok::<_, StoreError>(answers + keys + tickets::forget(&tx, now).await?)
            })
            .await?;
        if forgotten == 0 {
            break;
        }
    }
    retention::look(store, now).await?;
    Ok(())
}
