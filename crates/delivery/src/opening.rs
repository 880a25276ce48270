//! Openings: a session that comes without a usable cursor is judged by all that is pending for its person.

use std::collections::{BTreeMap, BTreeSet};

use tidings_delivery_core::{
    GenerationId, Moment, Person, Place,
    receipts::SessionReceipts,
    select_pending,
    session::{Opening, Session},
};
use tidings_model::{Channel, SessionId, Timestamp, UserId};
use tidings_store::{Store, StoreError, Tx};
use tokio::sync::Semaphore;

use crate::{Delivery, backlog, deliver, directory, sessions};

/// The most messages that one look finds pending for a person: a digest counts no more.
const INBOX_MAX: usize = 10_000;

/// What a session that opened without a usable cursor is sent.
#[derive(Debug)]
pub struct Opened {
    /// The person as they were at the opening.
    pub person: Person,
    /// The session.
    pub session: Session,
    /// What is sent, oldest first.
    pub send: Vec<Delivery>,
    /// How many more are pending.
    pub left_out: u64,
    /// The place of the opening.
    pub complete: Place,
}

/// Opens sessions.
///
/// An opening reads all that is active on a person's channels, and a read may not take longer than its limit. Many at once
/// take each other's time; beyond the limit none of them ends, and all come back. So they take turns.
#[derive(Debug)]
pub struct Openings {
    store: Store,
    turns: Semaphore,
}

impl Openings {
    /// Openings that judge in so many turns at once.
    pub fn new(store: Store, turns: usize) -> Self {
        Self { store, turns: Semaphore::new(turns) }
    }

    /// Opens a session: judges what is pending, and writes the row that says what was left out.
    ///
    /// What is pending is read beside the writer; the row is written only if the person's channels are still those
    /// that it was judged by.
    pub async fn open(
        &self,
        generation: GenerationId,
        user: &UserId,
        session: &SessionId,
        channels: Option<BTreeSet<Channel>>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        loop {
            let (reader, wanted) = (user.clone(), channels.clone());
            let (mut opened, changed) = {
                // Nobody closes it.
                let _turn = self.turns.acquire().await.ok();
                let judging =
                    move |tx| async move { judge(&tx, generation, &reader, wanted, limit, now).await };
                self.store.read(judging).await?
            };
            let (user, session) = (user.clone(), session.clone());
            let judged = opened.session.clone();
            let written = self
                .store
                .transact(move |tx| async move {
                    directory::hold(&tx, &user).await?;
                    if directory::changed_place(&tx, &user).await? != changed {
                        return Ok(None);
                    }
                    let before = sessions::find(&tx, &user, &session).await?;
                    let count = before.map_or(0, |row| row.session().opening.count) + 1;
                    let opening = Opening { count, ..judged.opening };
                    let row = SessionReceipts::open(Session { opening, ..judged });
                    sessions::put(&tx, &user, &session, &row, now).await?;
                    sessions::back(&tx, &user, &session).await?;
                    Ok::<_, StoreError>(Some(row.session().clone()))
                })
                .await?;
            if let Some(session) = written {
                opened.session = session;
                return Ok(opened);
            }
        }
    }
}

async fn judge(
    tx: &Tx,
    generation: GenerationId,
    user: &UserId,
    channels: Option<BTreeSet<Channel>>,
    limit: usize,
    now: Timestamp,
) -> Result<(Opened, Place), StoreError> {
    let person = directory::history(tx, user).await?;
    let changed = directory::changed_place(tx, user).await?;
    let complete = deliver::head(tx).await?;
    let at = Moment { place: complete, time: now };
    let opening = Opening::offering(at);
    let open = Session { opening, channels };
    let found = backlog::unconfirmed(tx, generation, &person, (Place::ORIGIN, complete), INBOX_MAX).await?;
    let looked = found.last().filter(|_| found.len() == INBOX_MAX).map(Delivery::place);
    let mut pending: BTreeMap<Place, Delivery> = BTreeMap::new();
    for delivery in found {
        if open.verdict(&person, delivery.facts()).is_offered() {
            pending.entry(delivery.facts().first).or_insert(delivery);
        }
    }
    let selection = select_pending(pending.into_values(), limit);
    let opening = Opening { withheld: selection.withheld, looked, ..open.opening };
    let session = Session { opening, ..open };
    Ok((Opened { person, session, send: selection.send, left_out: selection.left_out, complete }, changed))
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use tidings_model::Audience;
    use tidings_store::Lane;

    use tidings_delivery_core::Narrowing;
    use tidings_store::params;

    use super::*;
    use crate::{
        DeliveryRecord, Item, Witnesses,
        change::{self, Wish},
        fresh, generations,
        sessions::{Ack, confirm},
    };

    /// Says messages to Ann, as many as a transaction should write.
    async fn say(store: &Store, numbers: std::ops::Range<usize>) {
        let said = store.transact(move |tx| async move {
            let data = RawValue::from_string("{}".to_owned()).unwrap();
            for number in numbers {
                let (event, item) = (format!("evt_{number}").parse().unwrap(), format!("item-{number}"));
                let audience = Audience::of("user:ann".parse().unwrap());
                let times = (Timestamp(10), Timestamp(1000));
                let record =
                    DeliveryRecord::message(event, "message.created", &item, audience, times, data.clone());
                deliver(&tx, &record, Some(Item { kind: "message", data: &data })).await?;
            }
            Ok::<_, StoreError>(())
        });
        said.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cursor_confirms_nothing_that_lies_beyond_what_the_opening_looked_at() {
        const MORE: usize = 500;
        let folder = tempfile::tempdir().unwrap();
        let store = fresh::store(folder.path()).await;
        let (ann, session): (UserId, SessionId) = ("ann".parse().unwrap(), "phone".parse().unwrap());
        change::change(&store, Lane::People, vec![Wish::of(ann.clone())], Timestamp(1)).await.unwrap();
        for from in (0..INBOX_MAX + MORE).step_by(MORE) {
            say(&store, from..from + MORE).await;
        }
        let generation = store.read(|tx| async move { generations::current(&tx).await }).await.unwrap();
        let now = Timestamp(20);
        let opened =
            Openings::new(store.clone(), 1).open(generation, &ann, &session, None, 200, now).await.unwrap();
        assert_eq!((opened.send.len(), opened.left_out), (200, (INBOX_MAX - 200) as u64));
        let ack = Ack { place: opened.complete, narrowing: Narrowing::NONE, opening: None };
        confirm(&store, generation, (&ann, &session), ack, &Witnesses::default(), now).await.unwrap();
        let confirmed = store.read(|tx| async move {
            let row = tx.one("SELECT COUNT(*) FROM item_receipts", params![]).await?;
            row.get::<u64>(0)
        });
        assert_eq!(confirmed.await.unwrap(), 200);
    }
}
