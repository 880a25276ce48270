//! Forgets what consumers remember for a while only: event ids over their time, old dead letters.

use std::{sync::Arc, time::Duration};

use tidings_model::Clock;
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{dead_letter, seen};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_mins(1);

/// Forgets in slices, in the bulk lane, so that nobody waits for it. One in a process is enough; several do no harm.
pub struct Keeper {
    /// Where it is kept.
    pub store: Store,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// What one look forgot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Event ids that are not known any more.
    pub events: u64,
    /// Dead letters that were too old.
    pub dead_letters: u64,
}

impl Keeper {
    /// Looks once a minute until `stop`; what is in hand is finished.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
            if let Err(cause) = self.look().await {
                tracing::warn!(%cause, "old notes of consumers could not be forgotten; it is tried again");
            }
        }
    }

    /// Forgets what is over its time now.
    pub async fn look(&self) -> Result<Forgotten, StoreError> {
        let now = self.clock.now();
        Ok(Forgotten {
            events: seen::prune(&self.store, now).await?,
            dead_letters: dead_letter::prune(&self.store, now).await?,
        })
    }
}
