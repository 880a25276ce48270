//! Dead letters sent through again, and forgotten.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidings_consumer::{
    HandlerError, Options,
    dead_letters::{self, DeadLetter, Filter, State},
    headers,
    redrive::{Redrive, RedriveError, Redriven, Selection, redrive},
};
use tidings_log::{Log, TopicPartition};
use tidings_model::{Clock, header};
use tidings_store::StoreError;

use crate::{
    failing::dead,
    world::{Scripted, World},
};

/// Rejects what begins with `bad` until it is mended.
fn until_mended() -> (Arc<Scripted>, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let mends = Arc::clone(&mended);
    let handler = Scripted::new("orders", 50, move |value, _| {
        if value.starts_with("bad") && !mends.load(Ordering::SeqCst) {
            return Err(HandlerError::reject("the Address is missing"));
        }
        Ok(())
    });
    (handler, mended)
}

fn run(world: &World, selection: Selection) -> Redrive {
    Redrive {
        store: world.store.clone(),
        clock: Arc::clone(&world.clock) as Arc<dyn Clock>,
        selection,
        run: format!("run {}", world.told.events().len()),
        rate: 1_000,
        dry_run: false,
        patience: Duration::from_secs(20),
    }
}

async fn one(world: &World, id: &str) -> Result<DeadLetter, RedriveError> {
    let (id, now) = (id.to_owned(), world.clock.now());
    world.store.transact(move |tx| async move { redrive(&tx, &id, "one", now).await }).await
}

async fn in_state(world: &World, state: State) -> Vec<DeadLetter> {
    let filter = Filter { state: Some(state), ..Filter::default() };
    let read = world.store.read(|tx| async move { dead_letters::list(&tx, &filter, None, 200).await });
    read.await.unwrap()
}

/// A world with so many dead letters, each with a key of its own.
async fn with_dead(count: usize) -> (World, Arc<AtomicBool>) {
    let world = World::new(1, 1).await;
    let (handler, mended) = until_mended();
    let bad = |number| (0, Some(format!("key {number}")), format!("bad {number:03}"));
    world.put_all((0..count).map(bad).collect()).await;
    world.run_with(&handler, &world.log, Options::default());
    world.until("dead letters", async || in_state(&world, State::Open).await.len() == count).await;
    (world, mended)
}

#[tokio::test]
async fn a_dead_letter_goes_to_its_topic_and_key_with_its_event_id_and_is_handled_once() {
    let (world, mended) = with_dead(1).await;
    let letter = dead(&world.store).await.remove(0);
    mended.store(true, Ordering::SeqCst);
    let sent = one(&world, &letter.id).await.unwrap();
    assert_eq!((sent.state, sent.redrives), (State::Redriven, 1));
    world.until_effects(1).await;
    let place = TopicPartition { topic: "orders".to_owned(), partition: 0 };
    let record = world.log.records(place, 1, 10).await.unwrap().remove(0);
    assert_eq!(
        (record.key.as_deref(), record.value.as_deref()),
        (Some(&b"key 0"[..]), Some(&b"bad 000"[..]))
    );
    assert_eq!(record.event_id(), letter.event_id, "also where the record had no header for it");
    assert_eq!(record.header(headers::REDRIVE_GROUP), Some("group"));
    assert_eq!(record.header(headers::REDRIVES), Some("1"));
    world.until("its end", async || in_state(&world, State::Handled).await.len() == 1).await;
    for wrong in [&letter.id, "orders/0/99@group"] {
        let refused = one(&world, wrong).await.unwrap_err();
        assert!(
            matches!(refused, RedriveError::NotOpen(State::Handled) | RedriveError::NotFound),
            "{refused}"
        );
    }
    assert_eq!(world.values().await, ["bad 000"]);
}

#[tokio::test]
async fn one_whose_event_came_back_by_another_way_meanwhile_is_handled_without_a_second_effect() {
    let (world, mended) = with_dead(1).await;
    let letter = dead(&world.store).await.remove(0);
    mended.store(true, Ordering::SeqCst);
    let id = letter.event_id.as_str().as_bytes().to_vec();
    world.put_record(0, Some("key 0"), "bad 000", vec![(header::ID.to_owned(), id)]).await;
    world.until_effects(1).await;
    one(&world, &letter.id).await.unwrap();
    world.until("its end", async || in_state(&world, State::Handled).await.len() == 1).await;
    assert_eq!(world.values().await, ["bad 000"]);
}

#[tokio::test]
async fn one_that_fails_again_is_open_again_with_its_count_and_after_five_times_it_loops() {
    let (world, _) = with_dead(1).await;
    let id = dead(&world.store).await.remove(0).id;
    for times in 1..=5 {
        one(&world, &id).await.unwrap();
        let is_back = async || {
            let open = in_state(&world, State::Open).await;
            open.first().is_some_and(|letter| letter.redrives == times)
        };
        world.until("it is back", is_back).await;
    }
    assert!(matches!(one(&world, &id).await, Err(RedriveError::Loops)));
    assert_eq!(dead(&world.store).await.len(), 1, "it stays one dead letter");
    let place = TopicPartition { topic: "orders-dlt".to_owned(), partition: 0 };
    let written = world.log.records(place, 0, 100).await.unwrap();
    let counts: Vec<_> = written.iter().map(|record| record.header(headers::REDRIVES)).collect();
    assert_eq!(counts, [None, Some("1"), Some("2"), Some("3"), Some("4"), Some("5")]);
}

#[tokio::test]
async fn a_run_sends_what_its_filter_takes_and_says_what_became_of_it() {
    let (world, mended) = with_dead(12).await;
    mended.store(true, Ordering::SeqCst);
    let none = Filter { cause: Some("100%".to_owned()), ..Filter::default() };
    let nothing = run(&world, Selection::Filter(none)).run().await.unwrap();
    assert_eq!(nothing, Redriven::default());
    let some = Filter {
        cause: Some("address IS".to_owned()),
        topic: Some("orders".to_owned()),
        ..Filter::default()
    };
    let dry = Redrive { dry_run: true, ..run(&world, Selection::Filter(some.clone())) };
    let dry = dry.run().await.unwrap();
    assert_eq!(dry, Redriven { total: 12, sent: 12, ..Redriven::default() });
    assert_eq!(in_state(&world, State::Open).await.len(), 12, "a dry run sends nothing");
    let done = run(&world, Selection::Filter(some)).run().await.unwrap();
    assert_eq!(done, Redriven { total: 12, sent: 12, succeeded: 12, ..Redriven::default() });
    assert_eq!(world.values().await, (0..12).map(|number| format!("bad {number:03}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_run_whose_letters_fail_again_stops() {
    let (world, _) = with_dead(100).await;
    let slowly = Redrive { rate: 50, ..run(&world, Selection::Filter(Filter::default())) };
    let stopped = slowly.run().await.unwrap();
    assert!(stopped.stopped, "{stopped:?}");
    assert!((5..60).contains(&stopped.sent), "{stopped:?}");
    assert_eq!((stopped.total, stopped.succeeded), (100, 0));
    assert_eq!(stopped.failed, stopped.sent);
    assert_eq!(stopped.failures[0].1, "the Address is missing");
}

#[tokio::test]
async fn a_run_keeps_its_rate() {
    let (world, mended) = with_dead(20).await;
    mended.store(true, Ordering::SeqCst);
    let began = std::time::Instant::now();
    let ids: Vec<_> = dead(&world.store).await.into_iter().map(|letter| letter.id).collect();
    let done = Redrive { rate: 20, ..run(&world, Selection::Ids(ids)) }.run().await.unwrap();
    assert_eq!((done.sent, done.succeeded), (20, 20));
    assert!(began.elapsed() >= Duration::from_millis(950), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_purged_is_gone_but_for_its_place_and_is_not_sent_any_more() {
    let (world, mended) = with_dead(5).await;
    mended.store(true, Ordering::SeqCst);
    let ids: Vec<_> = dead(&world.store).await.into_iter().map(|letter| letter.id).collect();
    let (first, now) = (ids[0].clone(), world.clock.now());
    let purged = world.store.transact(move |tx| async move {
        let once = dead_letters::purge(&tx, &first, now).await?;
        let twice = dead_letters::purge(&tx, &first, now).await?;
        let by_topic = Filter { topic: Some("bills".to_owned()), ..Filter::default() };
        let others = dead_letters::purge_some(&tx, &by_topic, 200, now).await?;
        let two = dead_letters::purge_some(&tx, &Filter::default(), 2, now).await?;
        Ok::<_, StoreError>((once, twice, others, two))
    });
    assert_eq!(purged.await.unwrap(), (true, false, 0, 2));
    let gone = in_state(&world, State::Purged).await;
    assert_eq!(gone.len(), 3);
    for letter in gone {
        assert_eq!((letter.key, letter.value, letter.headers.len(), letter.causes.len()), (None, None, 0, 0));
        assert!(matches!(one(&world, &letter.id).await, Err(RedriveError::NotOpen(State::Purged))));
    }
    let done = run(&world, Selection::Ids(ids)).run().await.unwrap();
    assert_eq!((done.sent, done.succeeded, done.failed), (2, 2, 3));
}
