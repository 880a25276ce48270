//! The standing of callers, read from the directory and kept for a moment.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_api::{Kept, Problem, Standing, Standings};
use tidings_delivery::directory;
use tidings_model::{Clock, UserId};
use tidings_store::Store;

/// What the directory says of callers.
#[derive(Debug)]
pub(crate) struct DirectoryStandings {
    store: Store,
    clock: Arc<dyn Clock>,
    kept: Kept<UserId, Standing>,
}

impl DirectoryStandings {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, kept: Kept::default() }
    }
}

#[async_trait]
impl Standings for DirectoryStandings {
    async fn standing(&self, user: &UserId) -> Result<Standing, Problem> {
        let now = self.clock.now();
        if let Some(standing) = self.kept.get(user, now) {
            return Ok(standing);
        }
        let asked = user.clone();
        let standing =
            self.store.read(move |tx| async move { directory::standing(&tx, &asked).await }).await?;
        self.kept.put(user.clone(), standing, now);
        Ok(standing)
    }
}
