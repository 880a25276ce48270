//! Openings: a session that comes without a usable cursor is judged by all that is pending for its person.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tidings_delivery_core::{
    GenerationId, Moment, Person, Place,
    receipts::SessionReceipts,
    select_pending,
    session::{Opening, Session},
};
use tidings_model::{Channel, Clock, SessionId, Timestamp, UserId};
use tidings_store::{Store, StoreError, Tx};
use tokio::sync::Semaphore;

use crate::{Delivery, backlog, deliver, directory, sessions};

/// The most unconfirmed messages that an opening judges: a digest counts no more.
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
/// An opening looks at all that is active on a person's channels, slice by slice. Many at once take each other's time;
/// beyond what a read may take none of them ends, and all come back. So they take turns.
#[derive(Debug)]
pub struct Openings {
    store: Store,
    clock: Arc<dyn Clock>,
    turns: Semaphore,
}

impl Openings {
    /// Openings that judge in so many turns at once.
    pub fn new(store: Store, clock: Arc<dyn Clock>, turns: usize) -> Self {
        Self { store, clock, turns: Semaphore::new(turns) }
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
    ) -> Result<Opened, StoreError> {
        loop {
            let judging = self.judge(generation, user, channels.clone()).await?;
            let (changed, now) = (judging.changed, judging.session.opening.at.time);
            let mut opened = judging.opened(limit);
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

    async fn judge(
        &self,
        generation: GenerationId,
        user: &UserId,
        channels: Option<BTreeSet<Channel>>,
    ) -> Result<Judging, StoreError> {
        // Nobody closes it.
        let _turn = self.turns.acquire().await.ok();
        let (reader, now) = (user.clone(), self.clock.now());
        let begin = move |tx| async move { Judging::begin(&tx, generation, &reader, channels, now).await };
        let mut judging = self.store.read(begin).await?;
        while !judging.is_done() {
            judging = self.store.read(move |tx| async move { judging.look(&tx).await }).await?;
        }
        Ok(judging)
    }
}

/// An opening on its way through what is active. What ends or is confirmed meanwhile is pending no more; what is said
/// meanwhile lies behind its place; and a change of the person's channels begins it anew.
#[derive(Debug)]
struct Judging {
    generation: GenerationId,
    person: Person,
    changed: Place,
    session: Session,
    // By the first place of its event: one that is repeated late is sent once.
    pending: BTreeMap<Place, Delivery>,
    found: usize,
    looked: Place,
}

impl Judging {
    /// Begins with a first look.
    async fn begin(
        tx: &Tx,
        generation: GenerationId,
        user: &UserId,
        channels: Option<BTreeSet<Channel>>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let person = directory::history(tx, user).await?;
        let changed = directory::changed_place(tx, user).await?;
        let at = Moment { place: deliver::head(tx).await?, time: now };
        let session = Session { opening: Opening::offering(at), channels };
        let (pending, found, looked) = (BTreeMap::new(), 0, Place::ORIGIN);
        Self { generation, person, changed, session, pending, found, looked }.look(tx).await
    }

    async fn look(mut self, tx: &Tx) -> Result<Self, StoreError> {
        let range = (self.looked, self.complete());
        let most = INBOX_MAX - self.found;
        let look = backlog::unconfirmed(tx, self.generation, &self.person, range, most).await?;
        self.looked = look.upto;
        self.found += look.found.len();
        for delivery in look.found {
            if self.session.verdict(&self.person, delivery.facts()).is_offered() {
                self.pending.entry(delivery.facts().first).or_insert(delivery);
            }
        }
        Ok(self)
    }

    fn complete(&self) -> Place {
        self.session.opening.at.place
    }

    fn is_done(&self) -> bool {
        self.looked >= self.complete() || self.found >= INBOX_MAX
    }

    fn opened(self, limit: usize) -> Opened {
        let complete = self.complete();
        let selection = select_pending(self.pending.into_values(), limit);
        let looked = Some(self.looked).filter(|looked| *looked < complete);
        let opening = Opening { looked, ..self.session.opening.sending(&selection) };
        let session = Session { opening, ..self.session };
        let left_out = selection.left_out;
        Opened { person: self.person, session, send: selection.send, left_out, complete }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::value::RawValue;
    use tidings_delivery_core::Narrowing;
    use tidings_model::{Audience, ManualClock};
    use tidings_store::{Lane, params};

    use super::*;
    use crate::{
        DeliveryRecord, Item, Witnesses,
        change::{self, Wish},
        fresh, generations,
        sessions::{Ack, confirm},
    };

    /// Says messages to Ann, as many as a transaction should write.
    async fn say(store: &Store, numbers: std::ops::Range<u64>) {
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

    /// A store in which so much was said to Ann.
    async fn said(folder: &Path, messages: u64) -> (Store, GenerationId) {
        let store = fresh::store(folder).await;
        let ann = Wish::of("ann".parse().unwrap());
        change::change(&store, Lane::People, vec![ann], Timestamp(1)).await.unwrap();
        for from in (0..messages).step_by(500) {
            say(&store, from..messages.min(from + 500)).await;
        }
        let generation = store.read(|tx| async move { generations::current(&tx).await }).await.unwrap();
        (store, generation)
    }

    /// Opens her phone's session, and confirms all that it was sent.
    async fn opened_and_confirmed(store: &Store, generation: GenerationId) -> Opened {
        let (ann, session): (UserId, SessionId) = ("ann".parse().unwrap(), "phone".parse().unwrap());
        let openings = Openings::new(store.clone(), Arc::new(ManualClock::at(Timestamp(20))), 1);
        let opened = openings.open(generation, &ann, &session, None, 200).await.unwrap();
        let ack = Ack { place: opened.complete, narrowing: Narrowing::NONE, opening: None };
        let witnesses = Witnesses::default();
        confirm(store, generation, (&ann, Some(&session)), ack, &witnesses, Timestamp(20)).await.unwrap();
        opened
    }

    async fn confirmed(store: &Store) -> u64 {
        let confirmed = store.read(|tx| async move {
            let row = tx.one("SELECT COUNT(*) FROM item_receipts", params![]).await?;
            row.get::<u64>(0)
        });
        confirmed.await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cursor_confirms_nothing_that_lies_beyond_what_the_opening_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let (store, generation) = said(folder.path(), INBOX_MAX as u64 + 500).await;
        let opened = opened_and_confirmed(&store, generation).await;
        assert_eq!((opened.send.len(), opened.left_out), (200, (INBOX_MAX - 200) as u64));
        assert_eq!(confirmed(&store).await, 200);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_opening_looks_on_until_it_has_passed_all_that_is_confirmed() {
        // More than two looks pass.
        const CONFIRMED: u64 = 4_500;
        let folder = tempfile::tempdir().unwrap();
        let (store, generation) = said(folder.path(), CONFIRMED + 2).await;
        let written = store.transact(|tx| async move {
            let sql = "INSERT INTO item_receipts (user_id, item_id, delivered_at)
                       SELECT 'ann', subject, 15 FROM delivery_records WHERE kind = 'message' ORDER BY place LIMIT $1";
            tx.execute(sql, params![CONFIRMED]).await
        });
        written.await.unwrap();
        let opened = opened_and_confirmed(&store, generation).await;
        let sent: Vec<&str> = opened.send.iter().map(|delivery| delivery.facts().subject.as_str()).collect();
        assert_eq!(sent, ["item-4500", "item-4501"]);
        assert_eq!(opened.session.opening.sent_after, Some(opened.send[0].place().previous()));
        assert_eq!(confirmed(&store).await, CONFIRMED + 2);
    }
}
