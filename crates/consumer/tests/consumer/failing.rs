//! What becomes of records that fail, and of those beside them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tidings_consumer::{Handler, HandlerError, Options, dead_letters};
use tidings_log::Log;
use tidings_model::{Headers, Record, Timestamp};
use tidings_store::{NewRecord, Store, Tx};

use crate::world::{Scripted, World, away, topic};

pub(crate) async fn dead(store: &Store) -> Vec<dead_letters::DeadLetter> {
    let listed = store
        .read(|tx| async move { dead_letters::list(&tx, &dead_letters::Filter::default(), None, 100).await });
    listed.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_record_that_keeps_failing_is_tried_six_times_in_half_a_minute_and_given_up() {
    let world = World::new(1, 1).await;
    world.put(0, "bad").await;
    world.put(0, "good").await;
    let handler = Scripted::new("orders", 50, |value, _| match value {
        "bad" => Err(HandlerError::retry("not today")),
        _ => Ok(()),
    });
    let started = tokio::time::Instant::now();
    let stop = world.start(&handler);
    world.until_effects(1).await;
    assert!(started.elapsed() >= Duration::from_millis(31_200), "{:?}", started.elapsed());
    assert_eq!(world.values().await, ["good"], "what comes after it goes on, and it left nothing");
    assert_eq!(handler.tries("bad"), 6);
    let dead = dead(&world.store).await;
    assert_eq!(
        (dead.len(), dead[0].attempts, dead[0].causes.as_slice()),
        (1, 6, &["not today".to_owned()][..])
    );
    stop.cancel();
    world.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_works_at_the_third_attempt_counts_once_and_in_its_place() {
    let world = World::new(1, 1).await;
    for value in ["first", "moody", "last"] {
        world.put(0, value).await;
    }
    let handler = Scripted::new("orders", 50, |value, tried| match value {
        "moody" if tried < 3 => Err(HandlerError::retry("not yet")),
        _ => Ok(()),
    });
    world.start(&handler);
    world.until_effects(3).await;
    assert_eq!(world.values().await, ["first", "moody", "last"]);
    assert_eq!(dead(&world.store).await, []);
}

#[tokio::test]
async fn a_record_that_will_never_work_is_given_up_at_once_and_its_neighbours_count_once() {
    let world = World::new(1, 1).await;
    for number in 0..20 {
        world.put(0, &format!("{number:02}")).await;
    }
    let handler = Scripted::new("orders", 50, |value, _| match value {
        "00" | "07" | "08" | "19" => Err(HandlerError::reject("unreadable")),
        _ => Ok(()),
    });
    let stop = world.start(&handler);
    world.until("four dead letters", async || dead(&world.store).await.len() == 4).await;
    let good: Vec<_> = (0..20).filter(|number| ![0, 7, 8, 19].contains(number)).collect();
    assert_eq!(world.values().await, good.iter().map(|number| format!("{number:02}")).collect::<Vec<_>>());
    for letter in dead(&world.store).await {
        assert_eq!((letter.attempts, letter.causes.as_slice()), (1, &["unreadable".to_owned()][..]));
    }
    stop.cancel();
    world.ended().await;
    assert_eq!(world.copied(0).await, Some(20));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_costs_its_record_and_nothing_else() {
    let world = World::new(1, 1).await;
    for value in ["before", "panic", "after"] {
        world.put(0, value).await;
    }
    let handler = Scripted::new("orders", 50, |value, _| {
        assert!(value != "panic", "this handler panics on purpose");
        Ok(())
    });
    world.start(&handler);
    world.until_effects(2).await;
    assert_eq!(world.values().await, ["before", "after"]);
    assert_eq!(dead(&world.store).await[0].causes, ["a transaction's code panicked"]);
}

#[tokio::test]
async fn a_failing_partition_waits_in_order_and_the_others_go_on() {
    let world = World::new(3, 3).await;
    let healed = Arc::new(AtomicBool::new(false));
    let heals = Arc::clone(&healed);
    let handler = Scripted::new("orders", 50, move |value, _| {
        // Away, not failing, so that it waits for as long as it takes.
        if value == "0 first" && !heals.load(Ordering::SeqCst) { Err(away()) } else { Ok(()) }
    });
    world.put(0, "0 first").await;
    world.put(0, "0 second").await;
    world.start(&handler);
    for number in 0..20 {
        world.put(1, &format!("1 {number:02}")).await;
        world.put(2, &format!("2 {number:02}")).await;
    }
    world.until_effects(40).await;
    assert!(world.effects().await.iter().all(|(_, partition, _)| *partition != 0));
    assert!(handler.tries("0 first") > 0);
    healed.store(true, Ordering::SeqCst);
    world.until_effects(42).await;
    assert_eq!(world.values().await[40..], ["0 first", "0 second"]);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_away_spends_no_attempts() {
    let world = World::new(1, 1).await;
    world.put(0, "patient").await;
    // Away twenty times, then five failures of its own: the sixth attempt works.
    let handler = Scripted::new("orders", 50, |_, tried| match tried {
        ..=20 => Err(away()),
        21..=25 => Err(HandlerError::retry("not yet")),
        _ => Ok(()),
    });
    world.start(&handler);
    world.until_effects(1).await;
    assert_eq!(handler.tries("patient"), 26);
    assert_eq!(dead(&world.store).await, []);
}

/// Sends each record on to a topic that has room for none.
struct Forward;

#[async_trait]
impl Handler for Forward {
    fn name(&self) -> &'static str {
        "forward"
    }

    fn topic(&self) -> &'static str {
        "orders"
    }

    fn group(&self) -> &'static str {
        "group"
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let headers = Headers::new();
        let record = NewRecord {
            topic: "small",
            partition: None,
            key: None,
            headers: &headers,
            value: record.value.as_deref(),
            time: Timestamp(0),
        };
        tx.append(&record).await?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_full_holds_the_group_up_until_there_is_room() {
    let world = World::new(1, 1).await;
    world.log.ensure_topics(&[topic("small", 1, 10)]).await.unwrap();
    // A value of five bytes and headers of two: the first fills the topic.
    world.put(0, "first").await;
    world.put(0, "second").await;
    world.run_with(&Arc::new(Forward), &world.log, Options::default());
    let forwarded =
        async || world.log.topics().await.unwrap().last().map(|topic| topic.partitions[0].next_offset);
    world.until("the first", async || forwarded().await == Some(1)).await;
    // Longer than all attempts of a record together.
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert_eq!(forwarded().await, Some(1));
    let number = world.store.topic("small").unwrap().first_partition;
    world.store.transact(move |tx| async move { tx.trim(number, 1, 500).await }).await.unwrap();
    world.until("the second", async || forwarded().await == Some(2)).await;
    assert_eq!(dead(&world.store).await, []);
}
