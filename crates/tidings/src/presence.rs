//! Presence: features are told who comes and who is gone, so that those whom it concerns are shown it.

use async_trait::async_trait;
use tidings_delivery::seen::Seen;

/// Is told of people who are there now and were not, and of those who are gone.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// It is so, and committed. Whoever tells it goes on to others afterwards, so it takes no longer than a look at
    /// the database, and what fails is lost.
    async fn changed(&self, people: &[Seen]);
}
