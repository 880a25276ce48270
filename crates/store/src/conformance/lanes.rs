//! Rules about waiting: every queue has a limit, people go first, and nobody starves.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Condvar, Mutex, mpsc},
    task::{Context, Waker},
    time::Duration,
};

use super::{Keeper, Setup, note, transactions::open};
use crate::{Lane, Store, StoreError, params};

/// Holds the writer inside a body until it is opened.
#[derive(Clone, Default)]
pub(super) struct Door(Arc<(Mutex<(bool, bool)>, Condvar)>);

impl Door {
    fn pass(&self) {
        let (state, wake) = &*self.0;
        let mut state = state.lock().expect("nobody panics at the door");
        state.0 = true;
        wake.notify_all();
        drop(wake.wait_while(state, |(_, open)| !*open).expect("nobody panics at the door"));
    }

    fn wait_until_somebody_stands_here(&self) {
        let (state, wake) = &*self.0;
        let state = state.lock().expect("nobody panics at the door");
        drop(wake.wait_while(state, |(here, _)| !*here).expect("nobody panics at the door"));
    }

    pub(super) fn open(&self) {
        let (state, wake) = &*self.0;
        state.lock().expect("nobody panics at the door").1 = true;
        wake.notify_all();
    }
}

pub(super) type Waiting = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// Submits a body at once; the answer can be awaited later.
fn submit<F>(store: &Store, lane: Lane, body: F) -> Waiting
where
    F: FnOnce() + Clone + Send + 'static,
{
    let store = store.clone();
    let mut waiting: Waiting = Box::pin(async move {
        store
            .transact_in(lane, |_tx| async move {
                body();
                Ok(())
            })
            .await
    });
    // The first poll puts it into its lane.
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    waiting
}

/// The writer stands at the door; the answer comes after it was opened.
pub(super) fn hold_the_writer(store: &Store) -> (Door, Waiting) {
    let door = Door::default();
    let inside = door.clone();
    let held = submit(store, Lane::People, move || inside.pass());
    door.wait_until_somebody_stands_here();
    (door, held)
}

/// A bound, and a word for full.
pub async fn a_full_queue_answers_busy(keeper: &dyn Keeper) {
    let store = keeper.open(&Setup { queue: 2, writers: 1, ..Setup::default() }).expect("the store opens");
    let (door, held) = hold_the_writer(&store);
    let waiting = [submit(&store, Lane::People, || {}), submit(&store, Lane::People, || {})];
    assert!(matches!(note(&store, 1).await, Err(StoreError::Busy { waiting: 2 })));
    door.open();
    held.await.expect("it commits");
    for waiting in waiting {
        waiting.await.expect("it commits");
    }
    note(&store, 1).await.expect("there is room again");
}

/// Whoever waits for an answer is served before a slice of large work that came earlier.
pub async fn people_go_before_bulk(keeper: &dyn Keeper) {
    let store = open(keeper);
    let (door, held) = hold_the_writer(&store);
    let (sender, order) = mpsc::sync_channel(8);
    let (bulk, people) = (sender.clone(), sender);
    let bulk = submit(&store, Lane::Bulk, move || bulk.send("bulk").expect("it is heard"));
    let people = submit(&store, Lane::People, move || people.send("people").expect("it is heard"));
    door.open();
    for waiting in [held, bulk, people] {
        waiting.await.expect("it commits");
    }
    assert_eq!(order.try_iter().collect::<Vec<_>>(), ["people", "bulk"]);
}

/// However many people wait, each second turn has a place for bulk.
pub async fn bulk_is_not_starved_by_people(keeper: &dyn Keeper) {
    let store = open(keeper);
    let (door, held) = hold_the_writer(&store);
    let (sender, order) = mpsc::sync_channel(64);
    let sends = |word: &'static str| {
        let sender = sender.clone();
        move || {
            // Longer than a turn, so that each turn has one of them.
            std::thread::sleep(Duration::from_millis(6));
            sender.send(word).expect("it is heard");
        }
    };
    let bulk: Vec<_> = (0..3).map(|_| submit(&store, Lane::Bulk, sends("bulk"))).collect();
    let people: Vec<_> = (0..20).map(|_| submit(&store, Lane::People, sends("people"))).collect();
    door.open();
    held.await.expect("it commits");
    for waiting in bulk.into_iter().chain(people) {
        waiting.await.expect("it commits");
    }
    let order: Vec<_> = order.try_iter().collect();
    let last_bulk = order.iter().rposition(|word| *word == "bulk");
    assert!(last_bulk.is_some_and(|last| last < 12), "{order:?}");
}

/// Bulk is never refused: its callers wait until there is a place, also when nobody else comes.
pub async fn bulk_callers_wait_for_a_place_and_get_it(keeper: &dyn Keeper) {
    let store = open(keeper);
    let (door, held) = hold_the_writer(&store);
    let waiting: Vec<_> = (0..200).map(|_| submit(&store, Lane::Bulk, || {})).collect();
    assert!(store.waiting() < 100, "{} wait in the queue", store.waiting());
    door.open();
    held.await.expect("it commits");
    for waiting in waiting {
        let answer = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        answer.expect("there is a place in time").expect("it commits");
    }
}

/// Callers learn it from a number, not from a slow system.
pub async fn a_long_body_is_counted(keeper: &dyn Keeper) {
    let store = open(keeper);
    note(&store, 1).await.expect("it is written");
    let before = store.stats().long_bodies;
    let long = store.transact(|tx| async move {
        for number in 0..600_i64 {
            tx.execute("INSERT INTO notes (note) VALUES ($1)", params![number + 10]).await?;
        }
        Ok::<_, StoreError>(())
    });
    long.await.expect("it commits");
    let stats = store.stats();
    assert_eq!(stats.long_bodies, before + 1);
    assert!(stats.turns >= 2 && stats.transactions >= 2 && stats.rows >= 601, "{stats:?}");
}
