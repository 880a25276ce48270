//! Two nodes on one broker and one database, a thousand people connected to them: one node is killed in the middle of
//! a broadcast to all, its devices go to the other one, and nobody misses anything, sees it twice, or in another order.
//! Then the second node comes and goes, and partitions change hands under load.

use std::time::Duration;

use tidings_tests_crash::{
    device::Habits,
    field::Marks,
    fleet::Fleet,
    judge::{Demands, Rule},
    load::{Load, Shape},
    parts::Brokers,
    people::Target,
    run::say,
    statistics,
    talk::About,
};
use tokio::time::MissedTickBehavior;

/// A thousand people with a device each; few messages are for many of them.
const CROWD: Shape = Shape {
    people: 1000,
    devices: 1,
    rate: 20,
    senders: 20,
    habits: |_every| Habits::CROWD,
    padding: 0,
    about: About::Broadcasts(Target::mostly_few),
};
/// Broadcasts to all in the middle of which a node is killed, each node in turn.
const KILLS: usize = 3;
/// Messages that are taken between two of them.
const BETWEEN: usize = 100;
/// How soon a broadcast to all must be seen by somebody.
const SEEN: Duration = Duration::from_mins(5);

/// Says something to all, and kills a node once somebody has seen it; how many have by then.
async fn kill_amid(fleet: &mut Fleet, load: &Load, time: usize) -> usize {
    let m = format!("to-all-{time}");
    let marks = Marks { key: m.clone(), m: m.clone(), n: 0 };
    let mut random = fleet.run.random.fork();
    assert!(load.sender("to-all".to_owned()).send(&marks, &Target::All, &mut random).await);
    assert!(load.field().somebody_sees(&m, SEEN).await, "{m} was seen by nobody");
    load.fault(format!("node {} is killed amid {m}", time % 2));
    fleet.run.node(time % 2).kill().expect("the server can be killed");
    load.field().sights(&m)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn a_node_that_is_killed_amid_a_broadcast_to_a_thousand_costs_nobody_anything() {
    let mut fleet = Fleet::start("nodes", Brokers::One, 2).await;
    let mut load = fleet.load(CROWD).await;
    fleet.calm(&load, BETWEEN).await;
    let mut amid = Vec::new();
    for time in 0..KILLS {
        amid.push(kill_amid(&mut fleet, &load, time).await);
        // Its people are with the other node now; only then it comes back.
        fleet.calm(&load, BETWEEN).await;
        fleet.run.start_node(time % 2, None).await;
        fleet.calm(&load, BETWEEN).await;
    }
    let judgement = fleet.judge(&mut load, &Demands { faults: KILLS as u64, ..Demands::HONEST }).await;
    say(&format!("nodes: of {} devices, {amid:?} had the broadcast when a node was killed", CROWD.people));
    assert!(judgement.holds(), "{judgement}");
    assert!(amid.iter().any(|seen| (1..CROWD.people).contains(seen)), "no kill came in the middle: {amid:?}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}

/// Between two changes of who is in the groups.
const CHANGE: Duration = Duration::from_secs(5);
/// Changes: as many as a minute holds.
const CHANGES: u64 = 12;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn partitions_that_change_hands_every_five_seconds_lose_and_repeat_nothing() {
    let mut fleet = Fleet::start("rebalance", Brokers::One, 2).await;
    let mut load = fleet.load(Shape::restless(30)).await;
    let mut tick = tokio::time::interval(CHANGE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for change in 0..CHANGES {
        tick.tick().await;
        // It leaves its groups or is gone without a word, and joins them again.
        match change % 4 {
            0 => {
                load.fault("the second node leaves its groups");
                fleet.run.node(1).leave().expect("the server ends by itself");
            }
            2 => {
                load.fault("the second node is killed");
                fleet.run.node(1).kill().expect("the server can be killed");
            }
            _ => {
                load.fault("the second node joins its groups");
                fleet.run.start_node(1, None).await;
            }
        }
    }
    fleet.freeze_node(&load, 1).await;
    let judgement = fleet.judge(&mut load, &Demands { faults: CHANGES, ..Demands::HONEST }).await;
    assert!(judgement.holds(), "{judgement}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; scripts/crash runs it"]
async fn a_group_whose_effects_leave_its_progress_behind_turns_the_judge_red() {
    let planted = Some("progress_not_kept");
    let mut fleet = Fleet::prepare("rebalance-planted", Brokers::One, 2, &[]).await;
    fleet.start_nodes(planted).await;
    let mut load = fleet.load(Shape::restless(30)).await;
    for _ in 0..2 {
        fleet.calm(&load, BETWEEN).await;
        load.fault("the second node leaves its groups, and joins them again");
        fleet.run.node(1).leave().expect("the server ends by itself");
        fleet.run.start_node(1, planted).await;
    }
    let demands = Demands { faults: 2, acknowledged: 3 * BETWEEN, ..Demands::HONEST };
    let judgement = fleet.judge(&mut load, &demands).await;
    assert_eq!(judgement.void, Vec::<String>::new());
    assert!(judgement.breaks(Rule::R2), "{judgement}");
}
