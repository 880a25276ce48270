//! The webhook of a fleet whose node, broker and database are killed while calls are on their way: who leaves a message is
//! called for, by one id, and nobody else is.

use std::time::Duration;

use tidings_tests_crash::{
    fleet::Fleet,
    load::Load,
    parts::Brokers,
    webhook::{self, Confirming, Hook, LEAP},
};

/// Messages a second.
const RATE: u32 = 20;
/// Messages that are taken between two faults.
const BETWEEN: usize = 50;
/// No call for so long: a life makes no more of them. Its groups wait for the session of the one before it.
const REST: Duration = Duration::from_mins(1);

/// Kills the node, and waits until its next life is in the middle of calling for what was said before.
async fn amid_calls(fleet: &mut Fleet, load: &Load, (hook, confirming): (&Hook, &Confirming)) {
    // What is confirmed was delivered, and some time later it is noted that it was said.
    fleet.passes("message was confirmed", || confirming.in_time() as u64).await;
    fleet.calm(load, BETWEEN).await;
    fleet.kill_node(load, 0).await;
    fleet.passes("call came", || hook.calls().len() as u64).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn a_fleet_that_is_killed_amid_its_calls_calls_for_each_message_that_was_left_and_for_no_other() {
    let mut hook = Hook::start(fastrand::u64(..)).await;
    hook.rest = REST;
    let mut fleet = Fleet::start_with("webhook-fleet", Brokers::One, 1, &hook.settings()).await;
    fleet.run.server.leap = LEAP;
    let mut load = fleet.load(webhook::shape(RATE)).await;
    let confirming = Confirming::start(load.shared(), &fleet.run.server.clock());
    for _ in 0..2 {
        amid_calls(&mut fleet, &load, (&hook, &confirming)).await;
        fleet.kill_broker(&load, 1).await;
        amid_calls(&mut fleet, &load, (&hook, &confirming)).await;
        fleet.kill_database(&load).await;
        amid_calls(&mut fleet, &load, (&hook, &confirming)).await;
    }
    let wrong = hook.judge(&mut fleet.run, &mut load, &confirming).await;
    assert_eq!(wrong, Vec::<String>::new());
}
