//! What the gateway asks of the store.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_api::{Caller, Problem};
use tidings_delivery::{Delivery, Feed, Person, backlog, core::Place, directory, sessions};
use tidings_gateway::Source;
use tidings_model::{Clock, SessionId};
use tidings_store::{Store, StoreError};

/// The gateway's view of the store.
#[derive(Debug)]
pub(crate) struct StoreSource {
    pub(crate) store: Store,
    pub(crate) feed: Arc<Feed>,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Source for StoreSource {
    async fn person(&self, caller: &Caller) -> Result<Person, Problem> {
        let (caller, now) = (caller.clone(), self.clock.now());
        let at = *self.feed.head().borrow();
        Ok(self
            .store
            .transact(move |tx| async move { directory::enter(&tx, &caller, at, now).await })
            .await?)
    }

    async fn begin(&self, person: &Person, session: &SessionId, confirmed: Option<Place>) -> Result<(), Problem> {
        let (person, session, now) = (person.clone(), session.clone(), self.clock.now());
        self.store
            .transact(move |tx| async move {
                sessions::begin(&tx, &person.user_id, &session, now).await?;
                if let Some(place) = confirmed {
                    sessions::confirm(&tx, &person, &session, place, now).await?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        Ok(())
    }

    async fn after(
        &self,
        person: &Person,
        after: Place,
        upto: Place,
        limit: usize,
    ) -> Result<Vec<Arc<Delivery>>, Problem> {
        let generation = self.feed.generations().current().id;
        Ok(backlog::after(&self.store, generation, person, (after, upto), limit, self.clock.now()).await?)
    }

    async fn pending(
        &self,
        person: &Person,
        upto: Place,
        limit: usize,
    ) -> Result<(Vec<Arc<Delivery>>, u64), Problem> {
        let generation = self.feed.generations().current().id;
        Ok(backlog::pending(&self.store, generation, person, upto, limit, self.clock.now()).await?)
    }
}
