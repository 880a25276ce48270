//! Nothing fails: numbers, order, and what is left.

use std::time::Duration;

use crate::world::{World, on_each_database, until};

const LEASE: Duration = Duration::from_secs(3);

async fn events_come_out_numbered_in_the_order_of_their_commits_and_leave_the_outbox(world: World) {
    world.write("alice", 0..60).await;
    let relay = world.relay("a", LEASE);
    world.write_packed(1, 1000..1700).await;
    world.write("bob", 100..160).await;
    until("the outbox is empty", async || world.waiting().await == 0).await;
    let all = world.all_accepted().await;
    for (first, last) in [(0, 60), (100, 160), (1000, 1700)] {
        let of_one = all.iter().map(|values| values.iter().filter(|value| (first..last).contains(*value)));
        let kept: Vec<Vec<u64>> = of_one.map(|values| values.copied().collect::<Vec<u64>>()).collect();
        let values: Vec<u64> = kept.into_iter().find(|values| !values.is_empty()).unwrap();
        assert_eq!(values, (first..last).collect::<Vec<u64>>(), "each once, in order, in one partition");
    }
    assert_eq!(world.repeats().await, 0);
    relay.stop.cancel();
    relay.task.await.unwrap();
}

async fn what_is_in_doubt_is_sent_in_the_order_of_numbers_though_it_was_written_in_another(world: World) {
    for value in ["second", "first"] {
        world.write_one_in(0, value).await;
    }
    // The row with the lower position was committed later, and so has the higher number; then the relay died.
    world.tamper("UPDATE outbox SET seq = 3 - position").await;
    world.tamper("INSERT INTO outbox_numbers (topic, partition_id, last_seq) VALUES ('orders', 0, 2)").await;
    let _relay = world.relay("a", LEASE);
    until("the outbox is empty", async || world.waiting().await == 0).await;
    assert_eq!(world.accepted(0).await, ["first", "second"]);
}

async fn a_relay_that_ends_leaves_its_shards_to_the_next_at_once(world: World) {
    let first = world.relay("a", Duration::from_mins(5));
    world.write("alice", 0..10).await;
    until("the outbox is empty", async || world.waiting().await == 0).await;
    first.stop.cancel();
    first.task.await.unwrap();
    let _second = world.relay("b", Duration::from_mins(5));
    world.write("alice", 10..20).await;
    until("the second relay has sent the rest", async || world.waiting().await == 0).await;
    let all: Vec<u64> = world.all_accepted().await.concat();
    assert_eq!(all, (0..20).collect::<Vec<u64>>());
    assert_eq!(world.repeats().await, 0);
}

on_each_database!(
    events_come_out_numbered_in_the_order_of_their_commits_and_leave_the_outbox,
    what_is_in_doubt_is_sent_in_the_order_of_numbers_though_it_was_written_in_another,
    a_relay_that_ends_leaves_its_shards_to_the_next_at_once,
);
