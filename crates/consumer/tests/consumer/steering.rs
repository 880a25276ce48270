//! What operators see of a group and say to it: pause, resume, reset.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidings_consumer::{
    Backoff, Event, HandlerError, Limits, Options,
    groups::{self, Group},
};
use tidings_log::TopicPartition;
use tidings_model::Clock as _;
use tidings_store::StoreError;

use crate::world::{Scripted, World, away};

fn place(partition: u32) -> TopicPartition {
    TopicPartition { topic: "orders".to_owned(), partition }
}

async fn pause(world: &World) -> bool {
    let now = world.clock.now();
    world.store.transact(move |tx| async move { groups::pause(&tx, "group", now).await }).await.unwrap()
}

async fn resume(world: &World) -> bool {
    world.store.transact(|tx| async move { groups::resume(&tx, "group").await }).await.unwrap()
}

async fn reset(world: &World, next_offset: u64) -> bool {
    let reset = world
        .store
        .transact(move |tx| async move { groups::reset(&tx, "group", &place(0), next_offset).await });
    reset.await.unwrap()
}

async fn group(world: &World) -> Group {
    let listed = world.store.read(|tx| async move { groups::list(&tx).await });
    let nobody = || Group { id: "group".to_owned(), paused_at: None, partitions: Vec::new() };
    listed.await.unwrap().into_iter().next().unwrap_or_else(nobody)
}

#[tokio::test]
async fn a_paused_group_takes_nothing_new_until_it_is_resumed_also_after_a_restart() {
    let world = World::new(1, 1).await;
    let handler = Scripted::new("orders", 50, |_, _| Ok(()));
    let stop = world.start(&handler);
    world.put(0, "before").await;
    world.until_effects(1).await;
    assert!(pause(&world).await);
    assert!(!pause(&world).await, "once is enough");
    world.until("the pause", async || world.told.events().contains(&Event::Paused)).await;
    world.put(0, "meanwhile").await;
    stop.cancel();
    world.ended().await;
    let world = world.reopened(1, 1).await;
    world.start(&handler);
    world.until("the pause", async || world.told.events().contains(&Event::Paused)).await;
    assert_eq!(handler.tries("meanwhile"), 0);
    assert!(group(&world).await.paused_at.is_some());
    assert!(resume(&world).await);
    world.until_effects(2).await;
    assert!(!resume(&world).await);
    assert_eq!(world.values().await, ["before", "meanwhile"]);
}

#[tokio::test]
async fn a_reset_back_lets_the_owner_handle_records_again_and_one_forward_skips() {
    let world = World::new(1, 1).await;
    for number in 0..4 {
        world.put(0, &format!("{number}")).await;
    }
    let handler = Scripted::new("orders", 50, |_, _| Ok(()));
    world.start(&handler);
    world.until_effects(4).await;
    // Two in a row, before the owner has followed the first.
    assert!(reset(&world, 0).await);
    assert!(reset(&world, 2).await);
    // Whether or not it had begun with what the first asked for.
    let again = async || {
        let values = world.values().await;
        values.len() >= 6 && values.ends_with(&["2".to_owned(), "3".to_owned()])
    };
    world.until("the records again", again).await;
    assert!(reset(&world, 5).await);
    world.put(0, "skipped").await;
    world.put(0, "taken").await;
    let taken = async || world.values().await.last().is_some_and(|value| value == "taken");
    world.until("what comes after it", taken).await;
    let values = world.values().await;
    assert_eq!(values[values.len() - 3..], ["2", "3", "taken"]);
    assert_eq!(handler.tries("skipped"), 0);
    let now = world.clock.now();
    assert_eq!(group(&world).await.partitions[0].moved_at, Some(now));
    let unknown = world
        .store
        .transact(|tx| async move { groups::reset(&tx, "nobody", &place(0), 1).await })
        .await
        .unwrap();
    assert!(!unknown);
}

#[tokio::test]
async fn a_reset_forgets_what_is_parked_from_there_on_and_keeps_what_is_parked_before() {
    let world = World::new(1, 1).await;
    let healed = Arc::new(AtomicBool::new(false));
    let heals = Arc::clone(&healed);
    let handler = Scripted::new("orders", 50, move |_, _| {
        if heals.load(Ordering::SeqCst) { Ok(()) } else { Err(HandlerError::retry("not yet")) }
    });
    world.put_all((0..10).map(|number| (0, Some("k".to_owned()), format!("{number}"))).collect()).await;
    let limits = Limits { held: 2, ..Limits::default() };
    let backoff = Backoff { waits: vec![Duration::from_millis(20); 10_000], jitter: 0.0 };
    let options = Options { limits, backoff, instance: Some("one".to_owned()), ..Options::default() };
    let stop = world.run_with(&handler, &world.log, options);
    world.until("rows", async || group(&world).await.partitions.iter().any(|part| part.parked == 10)).await;
    assert_eq!(group(&world).await.partitions[0].owner.as_deref(), Some("one"));
    assert!(reset(&world, 6).await);
    healed.store(true, Ordering::SeqCst);
    world.until_effects(10).await;
    assert_eq!(world.values().await, (0..10).map(|number| format!("{number}")).collect::<Vec<_>>());
    stop.cancel();
    world.ended().await;
    let after = group(&world).await.partitions.remove(0);
    assert_eq!((after.parked, after.next_offset, after.owner), (0, 10, None));
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_stands_still_for_a_minute_is_told_once() {
    let world = World::new(1, 1).await;
    let handler = Scripted::new("orders", 50, |_, _| Err(away()));
    world.put(0, "stuck").await;
    world.start(&handler);
    let stalled = async || {
        let events = world.told.events();
        events.iter().filter(|event| matches!(event, Event::Stalled { .. })).count()
    };
    world.until("the event", async || stalled().await > 0).await;
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(stalled().await, 1);
    let read = world.store.read::<_, StoreError, _, _>(|tx| async move { groups::list(&tx).await });
    assert_eq!(read.await.unwrap()[0].partitions[0].moved_at, None);
}
