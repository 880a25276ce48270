//! Records of a relay, which numbers them, sends again, and is sometimes late.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidings_consumer::{Backoff, Event, HandlerError, Options, Repeats};

use crate::world::{Scripted, World};

async fn put(world: &World, number: u64, value: &str) {
    let headers = vec![("tidings-seq".to_owned(), number.to_string().into_bytes())];
    world.put_record(0, Some(value), value, headers).await;
}

fn options() -> Options {
    let backoff = Backoff { waits: vec![Duration::from_millis(20); 10_000], jitter: 0.0 };
    Options { repeats: Repeats::Unnumbered, backoff, ..Options::default() }
}

#[tokio::test]
async fn a_repeat_has_no_effect_also_after_a_restart_while_an_older_record_waits() {
    let world = World::new(1, 1).await;
    let healed = Arc::new(AtomicBool::new(false));
    let heals = Arc::clone(&healed);
    let handler = Scripted::new("orders", 50, move |value, _| match value {
        "two" if !heals.load(Ordering::SeqCst) => Err(HandlerError::retry("not yet")),
        _ => Ok(()),
    });
    for (number, value) in [(1, "one"), (2, "two"), (1, "one"), (2, "two"), (3, "three"), (4, "four")] {
        put(&world, number, value).await;
    }
    let stop = world.run_with(&handler, &world.log, options());
    world.until_effects(3).await;
    stop.cancel();
    world.ended().await;
    // What waits is read again, and what was done past it is not.
    let world = world.reopened(1, 1).await;
    for (number, value) in [(3, "three"), (4, "four"), (5, "five")] {
        put(&world, number, value).await;
    }
    world.run_with(&handler, &world.log, options());
    world.until_effects(4).await;
    healed.store(true, Ordering::SeqCst);
    world.until_effects(5).await;
    world.until("all past it", async || world.copied(0).await == Some(9)).await;
    assert_eq!(world.values().await, ["one", "three", "four", "five", "two"]);
}

#[tokio::test]
async fn what_comes_early_is_handled_when_it_comes_again_behind_what_was_missing() {
    let world = World::new(1, 1).await;
    let handler = Scripted::new("orders", 50, |_, _| Ok(()));
    world.run_with(&handler, &world.log, options());
    put(&world, 1, "one").await;
    world.until_effects(1).await;
    put(&world, 3, "three").await;
    world.put_record(0, None, "no number", Vec::new()).await;
    world.until_effects(2).await;
    put(&world, 2, "two").await;
    put(&world, 3, "three").await;
    world.until_effects(4).await;
    world.until("all past it", async || world.copied(0).await == Some(5)).await;
    assert_eq!(world.values().await, ["one", "no number", "two", "three"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_log_lost_is_told_after_half_a_minute_and_given_up() {
    let world = World::new(1, 1).await;
    let handler = Scripted::new("orders", 50, |_, _| Ok(()));
    for (number, value) in [(1, "one"), (4, "four"), (5, "five")] {
        put(&world, number, value).await;
    }
    let began = tokio::time::Instant::now();
    world.run_with(&handler, &world.log, options());
    world.until_effects(3).await;
    assert!(began.elapsed() >= Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(world.values().await, ["one", "four", "five"]);
    assert!(world.told.events().iter().any(|event| matches!(event, Event::RecordsLost { .. })));
}
