//! The standing of callers, read from the directory and kept for a moment.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tidings_api::{Problem, Standing, Standings};
use tidings_delivery::directory;
use tidings_model::{Clock, Timestamp, UserId};
use tidings_store::Store;

/// How long a standing is believed: who loses a role or is disabled is out after it.
const KEPT: Duration = Duration::from_secs(2);
/// The most people whose standing is kept.
const MAX_KEPT: usize = 10_000;

/// What the directory says of callers.
#[derive(Debug)]
pub(crate) struct DirectoryStandings {
    store: Store,
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<UserId, (Standing, Timestamp)>>,
}

impl DirectoryStandings {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, kept: Mutex::default() }
    }

    fn kept(&self, user: &UserId, now: Timestamp) -> Option<Standing> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (standing, until) = kept.get(user)?;
        // A clock that was put back must not keep it for longer.
        (now < *until && *until <= now.plus(KEPT)).then_some(*standing)
    }

    fn keep(&self, user: &UserId, standing: Standing, now: Timestamp) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (_, until)| now < *until);
        }
        if kept.len() < MAX_KEPT {
            kept.insert(user.clone(), (standing, now.plus(KEPT)));
        }
    }
}

#[async_trait]
impl Standings for DirectoryStandings {
    async fn standing(&self, user: &UserId) -> Result<Standing, Problem> {
        let now = self.clock.now();
        if let Some(standing) = self.kept(user, now) {
            return Ok(standing);
        }
        let asked = user.clone();
        let standing =
            self.store.read(move |tx| async move { directory::standing(&tx, &asked).await }).await?;
        self.keep(user, standing, now);
        Ok(standing)
    }
}
