//! Relays that are suspended, doubled and cut, a log that refuses, a database that goes back.

use std::time::Duration;

use tidings_log::relay::{SET_ASIDE, set_aside};

use crate::world::{UNKNOWN, World, on_each_database, until};

/// Short, so that a relay which stands still is soon passed by.
const LEASE: Duration = Duration::from_millis(300);

/// What was written to partition 0, in order.
fn values(upto: u64) -> Vec<u64> {
    (0..upto).collect()
}

async fn write(world: &World, values: std::ops::Range<u64>) {
    for value in values {
        world.write_one_in(0, &value.to_string()).await;
    }
}

async fn accepted(world: &World) -> Vec<u64> {
    world.accepted(0).await.iter().map(|value| value.parse().expect("a value is a number")).collect()
}

async fn a_relay_suspended_between_numbering_and_sending_repeats_and_reorders_nothing_when_it_wakes(
    world: World,
) {
    let first = world.relay("a", LEASE);
    write(&world, 0..20).await;
    until("the first relay works", async || world.waiting().await == 0).await;
    first.gate.hold_after(5);
    world.write_packed(0, 20..40).await;
    until("it stands still, with numbers that it did not send", async || first.gate.holds()).await;
    write(&world, 40..60).await;

    let second = world.relay("b", LEASE);
    until("the second takes over", async || world.waiting().await == 0).await;
    write(&world, 60..80).await;
    until("the second works", async || world.waiting().await == 0).await;
    first.gate.open();
    write(&world, 80..100).await;
    until("the first has said what it held", async || world.repeats().await >= 15).await;
    until("the outbox is empty", async || world.waiting().await == 0).await;
    assert_eq!(accepted(&world).await, values(100));
    drop((first, second));
}

/// Two relays, each suspended while it holds a number, and woken in the other order. Answers what a reader sees.
pub(crate) async fn woken_in_the_other_order(world: World) -> Vec<u64> {
    let first = world.relay("a", LEASE);
    write(&world, 0..1).await;
    until("the first relay works", async || world.waiting().await == 0).await;
    first.gate.hold_after(0);
    write(&world, 1..2).await;
    until("it stands still with a number", async || first.gate.holds()).await;
    let second = world.relay("b", LEASE);
    until("the second takes over", async || world.waiting().await == 0).await;
    second.gate.hold_after(0);
    write(&world, 2..3).await;
    until("it stands still with the next number", async || second.gate.holds()).await;
    first.gate.open();
    write(&world, 3..4).await;
    until("the first has sent what was written last", async || {
        world.records(0).await.iter().any(|record| record.value.as_deref() == Some(b"3"))
    })
    .await;
    second.gate.open();
    until("the outbox is empty", async || world.waiting().await == 0).await;
    accepted(&world).await
}

async fn a_relay_that_was_passed_by_gives_no_numbers(world: World) {
    assert_eq!(woken_in_the_other_order(world).await, values(4));
}

async fn relays_that_are_suspended_in_turn_show_everything_once_and_in_order(world: World) {
    let relays = ["a", "b", "c"].map(|name| world.relay(name, LEASE));
    let mut written = 0;
    for round in 0..12_usize {
        let held = &relays[round % 3];
        held.gate.hold_after(round % 5);
        let more = 30 + round as u64;
        write(&world, written..written + more).await;
        written += more;
        // The one before is let go while this one may stand still.
        relays[(round + 2) % 3].gate.open();
        tokio::time::sleep(LEASE / 2).await;
    }
    for relay in &relays {
        relay.gate.open();
    }
    until("the outbox is empty", async || world.waiting().await == 0).await;
    assert_eq!(accepted(&world).await, values(written));
}

async fn a_relay_that_is_cut_is_followed_by_one_that_goes_on(world: World) {
    for round in 0..8_u64 {
        let relay = world.relay(&format!("r{round}"), Duration::from_millis(100));
        write(&world, round * 50..round * 50 + 25).await;
        until("it sends something", async || world.unnumbered().await == 0).await;
        write(&world, round * 50 + 25..(round + 1) * 50).await;
        relay.task.abort();
    }
    let _last = world.relay("last", LEASE);
    until("the outbox is empty", async || world.waiting().await == 0).await;
    assert_eq!(accepted(&world).await, values(400));
}

async fn a_lost_acknowledgement_is_a_repeat_that_nobody_sees(world: World) {
    let relay = world.relay("a", LEASE);
    for round in 0..5_u64 {
        relay.gate.lose_ack_after(7);
        write(&world, round * 20..(round + 1) * 20).await;
    }
    until("the outbox is empty", async || world.waiting().await == 0).await;
    assert!(world.repeats().await > 0, "something was sent again");
    assert_eq!(accepted(&world).await, values(100));
}

async fn a_full_queue_is_waited_for_in_place(world: World) {
    let relay = world.relay("a", LEASE);
    relay.gate.fill(100);
    world.write_packed(0, 0..600).await;
    write(&world, 600..620).await;
    until("the outbox is empty", async || world.waiting().await == 0).await;
    assert_eq!(accepted(&world).await, values(620));
    assert_eq!(world.repeats().await, 0, "what is full is not in doubt");
}

async fn a_record_that_cannot_be_published_is_set_aside_and_its_number_is_sent_empty(world: World) {
    let relay = world.relay("a", LEASE);
    relay.gate.refuse("7");
    world.write_packed(0, 0..10).await;
    world.put(UNKNOWN, Some("k"), "nobody reads it").await;
    write(&world, 10..20).await;
    until("the outbox is empty", async || world.waiting().await == 0).await;

    let mut expected: Vec<String> = (0..20).map(|value| value.to_string()).collect();
    expected[7] = "-".to_owned();
    assert_eq!(world.accepted(0).await, expected);
    let empty = world.records(0).await.into_iter().find(|record| record.value.is_none()).unwrap();
    assert_eq!(empty.header(SET_ASIDE), Some("the record for `orders` is not wanted"));
    let aside = world.outbox.read(|tx| async move { set_aside(&tx, 10).await }).await.unwrap();
    let aside: Vec<_> = aside.iter().map(|row| (row.topic.as_str(), row.value.clone().unwrap())).collect();
    assert_eq!(aside, [("gone", b"nobody reads it".to_vec()), ("orders", b"7".to_vec())]);
}

async fn a_database_that_went_back_takes_its_numbers_from_the_log(world: World) {
    let relay = world.relay("a", LEASE);
    write(&world, 0..30).await;
    until("the outbox is empty", async || world.waiting().await == 0).await;
    relay.stop.cancel();
    relay.task.await.unwrap();
    // Restored from a copy that knew ten numbers, and held a row that was sent meanwhile under another.
    world.tamper("UPDATE outbox_numbers SET last_seq = 11").await;
    write(&world, 30..31).await;
    world.tamper("UPDATE outbox SET seq = 11").await;
    write(&world, 31..40).await;
    let _relay = world.relay("b", LEASE);
    until("the outbox is empty", async || world.waiting().await == 0).await;
    assert_eq!(accepted(&world).await, values(40), "no new event was dropped as a repeat");
}

on_each_database!(
    a_relay_suspended_between_numbering_and_sending_repeats_and_reorders_nothing_when_it_wakes,
    a_relay_that_was_passed_by_gives_no_numbers,
    relays_that_are_suspended_in_turn_show_everything_once_and_in_order,
    a_relay_that_is_cut_is_followed_by_one_that_goes_on,
    a_lost_acknowledgement_is_a_repeat_that_nobody_sees,
    a_full_queue_is_waited_for_in_place,
    a_record_that_cannot_be_published_is_set_aside_and_its_number_is_sent_empty,
    a_database_that_went_back_takes_its_numbers_from_the_log,
);
