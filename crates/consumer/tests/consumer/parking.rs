//! Only its key waits: what a record that fails keeps back, for how long in memory, and where after that.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidings_consumer::{Backoff, Event, HandlerError, Limits, Options};
use tidings_log::EmbeddedLog;
use tidings_model::Clock;
use tidings_store::{StoreError, params};
use tokio_util::sync::CancellationToken;

use crate::{
    failing::dead,
    world::{Scripted, World, away},
};

/// Fails what begins with `bad` until it is healed.
fn until_healed() -> (Arc<Scripted>, Arc<AtomicBool>) {
    let healed = Arc::new(AtomicBool::new(false));
    let heals = Arc::clone(&healed);
    let handler = Scripted::new("orders", 50, move |value, _| {
        if value.starts_with("bad") && !heals.load(Ordering::SeqCst) {
            return Err(HandlerError::retry("not yet"));
        }
        Ok(())
    });
    (handler, healed)
}

/// So many attempts that none is ever given up, soon after each other.
fn patient() -> Backoff {
    Backoff { waits: vec![Duration::from_millis(20); 10_000], jitter: 0.0 }
}

/// A record of partition 0.
fn keyed(key: &str, value: String) -> (u32, Option<String>, String) {
    (0, Some(key.to_owned()), value)
}

fn options(backoff: Backoff, limits: Limits) -> Options {
    Options { backoff, limits, ..Options::default() }
}

async fn parked(world: &World) -> u64 {
    let counted = world.store.read(|tx| async move {
        tx.one("SELECT COUNT(*) FROM consumer_parked", params![]).await?.get::<u64>(0)
    });
    counted.await.unwrap()
}

/// The high-water place and what is done past it.
async fn progress(world: &World) -> (u64, String) {
    let read = world.store.read::<_, StoreError, _, _>(|tx| async move {
        let row = tx.optional("SELECT next_offset, done FROM consumer_progress", params![]).await?;
        row.map_or_else(|| Ok((0, String::new())), |row| Ok((row.get(0)?, row.get(1)?)))
    });
    read.await.unwrap()
}

#[tokio::test]
async fn a_key_that_fails_waits_and_all_others_go_on() {
    let world = World::new(1, 1).await;
    let (handler, healed) = until_healed();
    world.put_keyed(0, Some("sick"), "bad 1").await;
    world.put_keyed(0, Some("sick"), "sick 2").await;
    world.put_keyed(0, None, "bad alone").await;
    let others = (0..300).map(|number| keyed(&format!("{}", number % 7), format!("{number:03}")));
    world.put_all(others.collect()).await;
    world.put_keyed(0, None, "no key").await;
    world.put_keyed(0, Some("sick"), "sick 3").await;
    world.run_with(&handler, &world.log, options(patient(), Limits::default()));
    world.until_effects(301).await;
    let before = world.values().await;
    assert!(before.iter().all(|value| !value.contains("bad") && !value.contains("sick")), "{before:?}");
    // The two that failed and the one behind are missing from what is done; no more is.
    world.until("progress", async || progress(&world).await == (0, "+3:301".to_owned())).await;
    healed.store(true, Ordering::SeqCst);
    world.until_effects(305).await;
    let after: Vec<_> =
        world.values().await.split_off(301).into_iter().filter(|value| value != "bad alone").collect();
    assert_eq!(after, ["bad 1", "sick 2", "sick 3"]);
    world.until("progress", async || progress(&world).await == (305, String::new())).await;
    assert_eq!(parked(&world).await, 0);
}

#[tokio::test]
async fn what_waits_with_too_many_is_parked_and_progress_moves_past_it() {
    let world = World::new(1, 1).await;
    let (handler, healed) = until_healed();
    let limits = Limits { held: 10, ..Limits::default() };
    let stop = world.run_with(&handler, &world.log, options(patient(), limits.clone()));
    for number in 0..60 {
        world
            .put_all(vec![keyed("sick", format!("bad {number:02}")), keyed("well", format!("{number:02}"))])
            .await;
    }
    world.until_effects(60).await;
    world.until("all past it", async || progress(&world).await == (120, String::new())).await;
    assert_eq!(parked(&world).await, 60);
    assert!(world.told.events().iter().any(|event| matches!(event, Event::Parked { .. })));
    assert!(handler.tries("bad 00") > 1, "it is tried on from its row");
    assert_eq!(handler.tries("bad 01"), 0, "those behind it are not");
    // Whoever owns the partition next goes on with the rows.
    stop.cancel();
    world.ended().await;
    let world = world.reopened(1, 1).await;
    healed.store(true, Ordering::SeqCst);
    world.run_with(&handler, &world.log, options(patient(), limits));
    world.put_keyed(0, Some("sick"), "bad 60").await;
    world.until_effects(121).await;
    let sick: Vec<_> = world.values().await.split_off(60);
    assert_eq!(sick, (0..61).map(|number| format!("bad {number:02}")).collect::<Vec<_>>());
    assert_eq!(parked(&world).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_minute_is_parked() {
    let world = World::new(1, 1).await;
    let (handler, _) = until_healed();
    world.put_keyed(0, Some("sick"), "bad").await;
    world.put_keyed(0, Some("well"), "good").await;
    let backoff = Backoff { waits: vec![Duration::from_secs(25); 100], jitter: 0.0 };
    world.run_with(&handler, &world.log, options(backoff, Limits::default()));
    world.until("its row", async || parked(&world).await == 1).await;
    assert!((2..=5).contains(&handler.tries("bad")), "{} tries", handler.tries("bad"));
    world.until("all past it", async || progress(&world).await == (2, String::new())).await;
}

#[tokio::test]
async fn bytes_that_wait_are_bounded_too() {
    let world = World::new(1, 1).await;
    let (handler, _) = until_healed();
    let limits = Limits { held_bytes: 10_000, ..Limits::default() };
    let large = (0..30).map(|number| keyed("sick", format!("bad {number} {}", "x".repeat(1_000))));
    world.put_all(large.collect()).await;
    world.run_with(&handler, &world.log, options(patient(), limits));
    world.until("rows", async || parked(&world).await > 0).await;
}

#[tokio::test]
async fn many_keys_that_fail_neither_starve_the_others_nor_fill_the_map_of_gaps() {
    let world = World::new(1, 1).await;
    let (handler, _) = until_healed();
    let backoff = Backoff { waits: vec![Duration::from_millis(200); 10_000], jitter: 0.0 };
    let limits = Limits { held: 100, ..Limits::default() };
    // Every second record fails, each with a key of its own: the worst that a map of gaps can meet.
    let pair = |number| {
        [keyed(&format!("sick {number}"), format!("bad {number:03}")), keyed("well", format!("{number:03}"))]
    };
    world.put_all((0..300).flat_map(pair).collect()).await;
    let widest = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    world.run_with(&handler, &world.log, options(backoff, limits));
    world
        .until("all others", async || {
            widest.fetch_max(progress(&world).await.1.len(), Ordering::SeqCst);
            world.effects().await.len() == 300
        })
        .await;
    let wanted: Vec<_> = (0..300).map(|number| format!("{number:03}")).collect();
    assert_eq!(world.values().await, wanted);
    // Two hundred offsets, every second one done: at most a hundred runs of five characters, and a batch.
    assert!(widest.load(Ordering::SeqCst) < 2_000, "{widest:?} characters of gaps");
    world.until("progress", async || progress(&world).await.0 >= 500).await;
}

#[tokio::test]
async fn attempts_that_are_always_due_leave_new_records_their_turn() {
    let world = World::new(1, 1).await;
    let (handler, _) = until_healed();
    // No wait at all: whatever failed is due again at once, so that there is always more to try than can be tried.
    let backoff = Backoff { waits: vec![Duration::ZERO; 1_000_000], jitter: 0.0 };
    let sick = |number| keyed(&format!("sick {number}"), format!("bad {number:03}"));
    world.put_all((0..200).map(sick).collect()).await;
    world.run_with(&handler, &world.log, options(backoff, Limits::default()));
    world.until("attempts", async || handler.tries("bad 000") > 1 && handler.tries("bad 199") > 0).await;
    let tries = || (0..200).map(|number| handler.tries(&format!("bad {number:03}"))).sum::<u32>();
    let before = tries();
    world.put_all((0..2_000).map(|number| keyed("well", format!("{number:04}"))).collect()).await;
    world.until_effects(2_000).await;
    // Forty batches of new records, with eight attempts beside each, and as many again for those that fell between.
    let meanwhile = tries() - before;
    assert!(meanwhile < 4 * 40 * 8, "{meanwhile} attempts were made while 40 batches waited");
}

#[tokio::test]
async fn parked_rows_are_bounded_and_the_log_waits_then() {
    let world = World::new(2, 1).await;
    let (handler, healed) = until_healed();
    let limits = Limits { held: 4, ready: 10, parked: 20, ..Limits::default() };
    world.put_all((0..400).map(|number| keyed("sick", format!("bad {number:03}"))).collect()).await;
    world.run_with(&handler, &world.log, options(patient(), limits));
    world.until("the bound", async || parked(&world).await >= 20).await;
    world.put(1, "another partition").await;
    world.until_effects(1).await;
    // What was read before it was full: what may be ready, once more, and what fits.
    assert!(parked(&world).await < 20 + 2 * 10 + 20, "{} rows", parked(&world).await);
    healed.store(true, Ordering::SeqCst);
    world.until_effects(401).await;
    let sick: Vec<_> = world.values().await.split_off(1);
    assert_eq!(sick, (0..400).map(|number| format!("bad {number:03}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_was_replaced_leaves_parked_rows_alone() {
    let world = World::new(1, 1).await;
    let (old, _) = until_healed();
    let limits = Limits { held: 2, ..Limits::default() };
    world.put_all((0..20).map(|number| keyed("sick", format!("bad {number:02}"))).collect()).await;
    world.run_with(&old, &world.log, options(patient(), limits.clone()));
    world.until("rows", async || parked(&world).await == 20).await;
    // Another process, as far as the groups know; the old one still thinks it owns the partition.
    let other = EmbeddedLog::new(world.store.clone(), Arc::clone(&world.clock) as Arc<dyn Clock>);
    let new = Scripted::new("new", 50, |_, _| Ok(()));
    world.run_with(&new, &other, options(patient(), limits));
    world.until_effects(20).await;
    world
        .until("the old one's end", async || {
            world.told.events().iter().any(|event| matches!(event, Event::Revoked { .. }))
        })
        .await;
    let effects = world.effects().await;
    assert!(effects.iter().all(|(who, ..)| who == "new"), "{effects:?}");
    assert_eq!(effects.len(), 20);
    assert_eq!(dead(&world.store).await, []);
}

/// A history of one seed: records of a few keys, some of which fail a few times, some for ever, some find the
/// database away, under limits that are met all the time, by owners that come and go.
async fn history(seed: u64) {
    let world = World::new(2, 2).await;
    let mut random = fastrand::Rng::with_seed(seed);
    let handler = Scripted::new("orders", 1 + random.usize(..8), |value, tried| {
        let kind = value.rsplit(' ').next().unwrap_or_default();
        match kind {
            "moody" if tried < 3 => Err(HandlerError::retry("not yet")),
            "sick" => Err(HandlerError::retry("never")),
            "broken" => Err(HandlerError::reject("unreadable")),
            "away" if tried < 3 => Err(away()),
            _ => Ok(()),
        }
    });
    let limits = Limits {
        lanes: 1 + random.usize(..3),
        ready: 1 + random.usize(..40),
        held: 1 + random.usize(..20),
        held_for: Duration::from_millis(random.u64(1..50)),
        parked: 30,
        ..Limits::default()
    };
    let backoff = Backoff { waits: vec![Duration::from_millis(3); 3], jitter: 0.2 };
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut given_up = HashSet::new();
    let mut stop: Option<CancellationToken> = None;
    let mut batch = Vec::new();
    for number in 0..150 {
        let (key, partition) = (random.usize(..6), random.u32(..2));
        let kind = ["moody", "sick", "broken", "away", "good", "good", "good", "good"][random.usize(..8)];
        let value = format!("{number:03} {kind}");
        let key = (key > 0).then(|| format!("{key}"));
        batch.push((partition, key.clone(), value.clone()));
        if matches!(kind, "sick" | "broken") {
            given_up.insert(value);
        } else if let Some(key) = key {
            wanted.entry(format!("{partition} {key}")).or_default().push(value);
        } else {
            wanted.entry(value.clone()).or_default().push(value);
        }
        if number % 30 == 29 {
            world.put_all(std::mem::take(&mut batch)).await;
            // The next owner begins while the last one ends.
            let next = world.run_with(&handler, &world.log, options(backoff.clone(), limits.clone()));
            if let Some(before) = stop.replace(next) {
                before.cancel();
            }
        }
    }
    let all: usize = wanted.values().map(Vec::len).sum();
    world
        .until(&format!("seed {seed}: {all} effects"), async || {
            world.effects().await.len() >= all && dead(&world.store).await.len() >= given_up.len()
        })
        .await;
    let effects = world.effects().await;
    assert_eq!(effects.len(), all, "seed {seed}: an effect counts once");
    let values: Vec<_> = effects.iter().map(|(_, _, value)| value.clone()).collect();
    for (line, of) in wanted {
        let found: Vec<_> = values.iter().filter(|value| of.contains(value)).cloned().collect();
        assert_eq!(found, of, "seed {seed}: {line} in order");
    }
    assert_eq!(dead(&world.store).await.len(), given_up.len(), "seed {seed}");
    assert_eq!(parked(&world).await, 0, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_every_record_counts_once_and_in_the_order_of_its_key() {
    futures_util::future::join_all((0..12).map(history)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_run_beside_each_other_and_each_in_its_order() {
    let world = World::new(1, 1).await;
    let handler = Scripted::new("orders", 5, |value, tried| {
        if value.ends_with('3') && tried < 2 { Err(HandlerError::retry("not yet")) } else { Ok(()) }
    });
    let records = (0..400).map(|number| keyed(&format!("{}", number % 9), format!("{number:03}")));
    world.put_all(records.collect()).await;
    let limits = Limits { lanes: 4, ..Limits::default() };
    world.run_with(&handler, &world.log, options(patient(), limits));
    world.until_effects(400).await;
    let values = world.values().await;
    assert_eq!(values.len(), 400);
    for key in 0..9 {
        let of: Vec<_> = values.iter().filter(|value| value.parse::<u32>().unwrap() % 9 == key).collect();
        assert!(of.is_sorted(), "{of:?}");
    }
    world.until("all past it", async || progress(&world).await == (400, String::new())).await;
}
