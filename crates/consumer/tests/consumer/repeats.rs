//! Events that come again at another place.

use std::{sync::Arc, time::Duration};

use tidings_consumer::{Forgotten, Handler, HandlerError, Keeper, Options, Repeats, headers};
use tidings_model::{Clock, Headers};
use tidings_store::params;

use crate::{
    failing::dead,
    world::{Scripted, World},
};

fn header(name: &str, value: &str) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_bytes().to_vec())
}

/// The headers of an event that another tool wrote.
fn foreign(id: &str) -> Headers {
    vec![header("ce_id", id), header("ce_source", "/billing")]
}

async fn known(world: &World) -> u64 {
    let counted = world.store.read(|tx| async move {
        tx.one("SELECT COUNT(*) FROM consumer_seen", params![]).await?.get::<u64>(0)
    });
    counted.await.unwrap()
}

fn keeper(world: &World) -> Keeper {
    Keeper { store: world.store.clone(), clock: Arc::clone(&world.clock) as Arc<dyn Clock> }
}

#[tokio::test]
async fn an_event_that_another_tool_sent_twice_is_handled_once_and_known_for_a_day() {
    let world = World::new(2, 1).await;
    let handler = Scripted::new("orders", 50, |_, _| Ok(()));
    world.run_with(&handler, &world.log, Options::default());
    world.put_record(0, Some("k"), "first", foreign("e1")).await;
    world.until_effects(1).await;
    // In the same partition, in another one, and in one batch with a new event.
    world.put_record(0, Some("k"), "again", foreign("e1")).await;
    world.put_record(1, Some("k"), "elsewhere", foreign("e1")).await;
    world.put_record(0, Some("k"), "second", foreign("e2")).await;
    world.put(1, "no id").await;
    world.put(1, "no id").await;
    world.until_effects(4).await;
    world
        .until("all past it", async || world.copied(0).await == Some(3) && world.copied(1).await == Some(3))
        .await;
    let mut values = world.values().await;
    values.sort();
    assert_eq!(values, ["first", "no id", "no id", "second"]);
    assert_eq!(known(&world).await, 2);
    world.clock.advance(Duration::from_hours(23));
    assert_eq!(keeper(&world).look().await.unwrap(), Forgotten::default());
    world.clock.advance(Duration::from_hours(2));
    world.put_record(0, Some("k"), "a day later", foreign("e1")).await;
    world.until_effects(5).await;
    assert_eq!(keeper(&world).look().await.unwrap().events, 1);
    assert_eq!(known(&world).await, 1);
}

#[tokio::test]
async fn what_lies_in_the_log_once_is_not_noted() {
    let world = World::new(1, 1).await;
    let own = || vec![header("ce_id", "e1"), header("ce_source", "tidings")];
    let handler = Scripted::new("orders", 50, |_, _| Ok(()));
    let stop = world.run_with(&handler, &world.log, Options::default());
    world.put_record(0, None, "own", own()).await;
    world.until_effects(1).await;
    assert_eq!(known(&world).await, 0);
    stop.cancel();
    world.ended().await;
    // Where a relay numbers its records, what it numbered is known by that, and only that.
    let world = world.reopened(1, 1).await;
    world.run_with(&handler, &world.log, Options { repeats: Repeats::Unnumbered, ..Options::default() });
    let numbered = [own(), vec![header("tidings-seq", "7")]].concat();
    world.put_record(0, None, "numbered", numbered).await;
    world.put_record(0, None, "without a number", own()).await;
    world.put_record(0, None, "again", own()).await;
    world.until_effects(3).await;
    world.until("all past it", async || world.copied(0).await == Some(4)).await;
    assert_eq!(world.values().await, ["own", "numbered", "without a number"]);
    assert_eq!(known(&world).await, 1);
}

#[tokio::test]
async fn an_event_that_was_given_up_is_not_known() {
    let world = World::new(1, 1).await;
    let handler = Scripted::new("orders", 50, |value, _| match value {
        "broken" => Err(HandlerError::reject("unreadable")),
        _ => Ok(()),
    });
    world.put_record(0, None, "broken", foreign("e1")).await;
    world.put_record(0, None, "repaired", foreign("e1")).await;
    world.run_with(&handler, &world.log, Options::default());
    world.until_effects(1).await;
    assert_eq!(world.values().await, ["repaired"]);
    assert_eq!(dead(&world.store).await.len(), 1);
}

#[tokio::test]
async fn a_record_for_another_group_is_passed_and_one_for_this_is_known_for_long() {
    let world = World::new(1, 1).await;
    let handler = Scripted::new("orders", 50, |_, _| Ok(()));
    let again = |group| {
        [
            vec![header("ce_id", "e1"), header("ce_source", "tidings")],
            vec![header(headers::REDRIVE_GROUP, group)],
        ]
        .concat()
    };
    world.put_record(0, None, "for others", again("others")).await;
    world.put_record(0, None, "for us", again(handler.group())).await;
    world.put_record(0, None, "for us again", again(handler.group())).await;
    world.run_with(&handler, &world.log, Options::default());
    world.until("all past it", async || world.copied(0).await == Some(3)).await;
    assert_eq!(world.values().await, ["for us"]);
    world.clock.advance(Duration::from_hours(15 * 24));
    assert_eq!(keeper(&world).look().await.unwrap(), Forgotten::default());
    world.clock.advance(Duration::from_hours(2 * 24));
    assert_eq!(keeper(&world).look().await.unwrap().events, 1);
}
