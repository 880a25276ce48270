//! What the gateway asks of the store.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use tidings_api::{Caller, Problem};
use tidings_delivery::{
    Feed, Opened, Openings, Witnesses,
    backlog::{self, Backlog},
    change,
    core::{Cursor, Moment, NotRecovered, Person, Place, session::Session},
    directory, inbox,
    presence::Presence,
    reached,
    sessions::{self, Ack},
};
use tidings_gateway::{Connection, Source};
use tidings_model::{Channel, Clock, Ids, SessionId, UserId};
use tidings_store::{Store, StoreError};

use crate::presence::connected;

/// How long an opening waits for the projection.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The gateway's view of the store.
#[derive(Debug)]
pub(crate) struct StoreSource {
    pub(crate) store: Store,
    pub(crate) feed: Arc<Feed>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    /// Who is connected to which node; none where there is one node.
    pub(crate) presence: Option<Arc<Presence>>,
    /// Who is told what people confirm.
    pub(crate) witnesses: Witnesses,
    pub(crate) openings: Openings,
}

#[async_trait]
impl Source for StoreSource {
    async fn enter(&self, caller: &Caller) -> Result<(), Problem> {
        change::enter(&self.store, caller, self.clock.now()).await?;
        Ok(())
    }

    async fn arrive(&self, connection: &Connection, here: usize, limit: usize) -> Result<bool, Problem> {
        let Some(presence) = &self.presence else { return Ok(here <= limit) };
        Ok(presence.arrive(&connected(connection, String::new()), here, limit).await?)
    }

    async fn person(&self, user: &UserId) -> Result<Person, Problem> {
        let user = user.clone();
        Ok(self.store.read(move |tx| async move { directory::history(&tx, &user).await }).await?)
    }

    async fn open(
        &self,
        user: &UserId,
        session: &SessionId,
        channels: Option<BTreeSet<Channel>>,
        limit: usize,
    ) -> Result<Opened, Problem> {
        let generation = self.feed.generations().current().id;
        // What this node has shown to others is to be found by who comes now: pending, and counted in the digest.
        // Where the projection is slower, it follows from the window.
        let _found = reached(&self.store, self.feed.head(), CATCH_UP).await?;
        Ok(self.openings.open(generation, user, session, channels, limit).await?)
    }

    async fn resume(
        &self,
        user: &UserId,
        session: &SessionId,
        channels: Option<BTreeSet<Channel>>,
        cursor: Cursor,
    ) -> Result<Result<(Person, Session), NotRecovered>, Problem> {
        let at = Moment { place: cursor.place, time: self.clock.now() };
        let current = cursor.generation == self.feed.generations().current().id;
        let (owner, device) = (user.clone(), session.clone());
        let resumed = self
            .store
            .transact(move |tx| async move {
                let row = sessions::resume(&tx, &owner, &device, channels, at, current).await?;
                Ok::<_, StoreError>(match row {
                    Ok(row) => Ok((directory::history(&tx, &owner).await?, row.session().clone())),
                    Err(reason) => Err(reason),
                })
            })
            .await?;
        if let (true, Ok((_, resumed))) = (current, &resumed) {
            let opening = Some(resumed.opening.count);
            self.confirm(user, session, Ack { place: cursor.place, narrowing: cursor.narrowing, opening })
                .await?;
        }
        Ok(resumed)
    }

    async fn after(
        &self,
        user: &UserId,
        after: Place,
        upto: Place,
        limit: usize,
    ) -> Result<Backlog, Problem> {
        let generation = self.feed.generations().current().id;
        Ok(backlog::after(&self.store, generation, user, (after, upto), limit).await?)
    }

    async fn confirm(&self, user: &UserId, session: &SessionId, ack: Ack) -> Result<(), Problem> {
        let generation = self.feed.generations().current().id;
        let now = self.clock.now();
        let device = (user, Some(session));
        sessions::confirm(&self.store, generation, device, ack, &self.witnesses, now).await?;
        Ok(())
    }

    async fn cut(&self, connection: &Connection) -> Result<(), Problem> {
        let (user, session) = (connection.user.clone(), connection.session_id.clone());
        let now = self.clock.now();
        self.store.transact(move |tx| async move { sessions::cut(&tx, &user, &session, now).await }).await?;
        Ok(())
    }

    async fn read(&self, user: &UserId, ids: Vec<String>) -> Result<(), Problem> {
        let (user, event, now) = (user.clone(), self.ids.event(), self.clock.now());
        let person = self.store.read(move |tx| async move { directory::person(&tx, &user).await }).await?;
        self.feed.settles(&person, &ids).await?;
        let witnesses = self.witnesses.clone();
        self.store
            .transact(move |tx| async move { inbox::read(&tx, &person, &ids, event, &witnesses, now).await })
            .await?;
        Ok(())
    }
}
