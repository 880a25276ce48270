//! Who may act for a partition, and what is left when a group ends.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use tidings_log::EmbeddedLog;
use tidings_model::Clock;
use tokio_util::sync::CancellationToken;

use crate::world::{Scripted, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_replaced_does_nothing_more() {
    let world = World::new(1, 1).await;
    let old = Scripted::new("old", 1, |_, _| Ok(()));
    world.start(&old);
    world.put(0, "before").await;
    world.until_effects(1).await;
    // Another process, as far as the groups know: its log has members of its own, so both own the partition.
    let other = EmbeddedLog::new(world.store.clone(), Arc::clone(&world.clock) as Arc<dyn Clock>);
    let new = Scripted::new("new", 1, |_, _| Ok(()));
    world.run(&new, &other);
    world.until("the successor's epoch", async || epoch(&world).await == 2).await;
    for number in 0..50 {
        world.put(0, &format!("{number}")).await;
    }
    world.until_effects(51).await;
    let effects = world.effects().await;
    assert_eq!(effects[0].0, "old");
    assert!(effects[1..].iter().all(|(who, ..)| who == "new"), "{effects:?}");
    let values: Vec<_> = effects[1..].iter().map(|(_, _, value)| value.clone()).collect();
    assert_eq!(values, (0..50).map(|number| number.to_string()).collect::<Vec<_>>());
}

async fn epoch(world: &World) -> u64 {
    let read = world.store.read(|tx| async move {
        tx.one("SELECT epoch FROM consumer_progress", tidings_store::params![]).await?.get::<u64>(0)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn two_members_share_the_work_and_one_goes_on_alone() {
    let world = World::new(4, 4).await;
    let (one, two) = (Scripted::new("one", 1, |_, _| Ok(())), Scripted::new("two", 1, |_, _| Ok(())));
    let stop = world.start(&one);
    world.start(&two);
    for round in 0..10 {
        for partition in 0..4 {
            world.put(partition, &format!("{partition} {round}")).await;
        }
    }
    world.until_effects(40).await;
    stop.cancel();
    for partition in 0..4 {
        world.put(partition, &format!("{partition} last")).await;
    }
    world.until_effects(44).await;
    let effects = world.effects().await;
    let mut values: Vec<_> = effects.iter().map(|(_, _, value)| value).collect();
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), 44, "nothing was handled by both");
    for partition in 0..4 {
        let of: Vec<_> =
            effects.iter().filter(|(_, of, _)| *of == partition).map(|(_, _, value)| value).collect();
        assert!(of.is_sorted(), "{of:?}");
    }
}

#[tokio::test]
async fn a_group_goes_on_where_its_effects_end_whatever_was_copied() {
    let world = World::new(1, 1).await;
    for number in 0..6 {
        world.put(0, &format!("{number}")).await;
    }
    let handler = Scripted::new("orders", 2, |_, _| Ok(()));
    let stop = world.start(&handler);
    world.until_effects(6).await;
    stop.cancel();
    world.ended().await;
    // As if the process had ended before the last copy.
    let place = tidings_log::TopicPartition { topic: "orders".to_owned(), partition: 0 };
    tidings_log::Log::reset(&world.log, "group", place, 1).await.unwrap();
    let world = world.reopened(1, 1).await;
    world.put(0, "6").await;
    world.start(&handler);
    world.until_effects(7).await;
    assert_eq!(world.values().await, ["0", "1", "2", "3", "4", "5", "6"]);
}

#[tokio::test]
async fn a_stop_finishes_the_batch_in_hand_and_copies_its_place() {
    let world = World::new(1, 1).await;
    for number in 0..9 {
        world.put(0, &format!("{number}")).await;
    }
    let stop: Arc<OnceLock<CancellationToken>> = Arc::default();
    let stops = Arc::clone(&stop);
    let handler = Scripted::new("orders", 3, move |value, _| {
        if value == "4" {
            stops.wait().cancel();
        }
        Ok(())
    });
    stop.set(world.start(&handler)).unwrap();
    world.ended().await;
    assert_eq!(world.values().await, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(world.copied(0).await, Some(6));
}

#[tokio::test]
async fn places_are_copied_once_in_a_while_and_not_with_each_batch() {
    let world = World::new(1, 1).await;
    for number in 0..300 {
        world.put(0, &format!("{number}")).await;
    }
    let handler = Scripted::new("orders", 1, |_, _| Ok(()));
    let (before, started) = (world.store.stats().transactions, Instant::now());
    let stop = world.start(&handler);
    world.until_effects(300).await;
    stop.cancel();
    world.ended().await;
    // One for each record and one for the assignment; the rest are copies.
    let copies = world.store.stats().transactions - before - 301;
    assert!((1..=started.elapsed().as_secs() + 2).contains(&copies), "{copies} copies");
    assert_eq!(world.copied(0).await, Some(300));
}
