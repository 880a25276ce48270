//! Conversations while servers, broker and database are killed: what was acknowledged is on every device of every member,
//! once, in the order of its conversation, and what senders are told of it only goes forward.

use tidings_tests_crash::{
    chat,
    device::Habits,
    fleet::Fleet,
    judge::{Demands, Numbers, Rule},
    load::{Load, Shape},
    parts::Brokers,
    run::{Run, say},
    talk::About,
};

/// Messages a second: alone, and where three systems share the machine.
const RATE: u32 = 80;
const FLEET_RATE: u32 = 30;
/// Messages that are taken between two faults.
const BETWEEN: usize = 100;
/// Between which steps of a message's way the server ends, and among how many passes of the point one is chosen.
const POINTS: [(&str, u64); 6] = [
    ("before_commit", 100),
    ("after_commit", 100),
    ("before_deliver", 50),
    ("after_deliver", 50),
    // Statuses follow from receipts.
    ("before_receipt", 20),
    ("after_receipt", 20),
];
/// What a run of chat must prove, beside what each must.
const DEMANDS: Demands = Demands { numbers: Numbers::Servers, standings: 100, ..Demands::HONEST };
/// Cuts, confirms and reads often: each word of a member passes the log again.
const TALKATIVE: Habits = Habits { cuts: Some((100, 4000)), confirms_one_in: 10, ..Habits::RESTLESS };

fn chat_of(rate: u32) -> Shape {
    Shape { about: About::Chat, habits: |_every| TALKATIVE, ..Shape::restless(rate) }
}

/// The conversations hold what was acknowledged, and some of it was said on streams.
async fn assert_conversations(load: &Load) {
    assert_eq!(chat::wrong_conversations(load.field()).await, Vec::<String>::new());
    let replies = load.field().replies();
    say(&format!("{}: {replies} replies on streams", load.field().name));
    assert!(replies > 0, "nothing was said on a stream");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; scripts/crash runs it"]
async fn a_server_that_is_killed_amid_conversations_loses_repeats_and_reorders_nothing() {
    let mut run = Run::new("chat", &[]);
    run.start(None).await;
    let rate = run.settings.rate_or(RATE);
    let mut load = run.load(chat_of(rate)).await;
    load.send();
    let times = if run.settings.long { 40 } else { 6 };
    run.kill(&load, times, None).await;
    for point in POINTS {
        run.end_at(&load, point, None).await;
    }
    let faults = u64::from(times) + POINTS.len() as u64;
    let judgement = run.judge(&mut load, &Demands { faults, ..DEMANDS }).await;
    assert!(judgement.holds(), "{judgement}");
    assert_conversations(&load).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn conversations_across_two_nodes_survive_a_node_a_broker_and_a_database_that_are_killed() {
    let mut fleet = Fleet::start("chat-fleet", Brokers::One, 2).await;
    let rate = fleet.run.settings.rate_or(FLEET_RATE);
    let mut load = fleet.load(chat_of(rate)).await;
    fleet.calm(&load, BETWEEN).await;
    let rounds = if fleet.run.settings.long { 10 } else { 1 };
    for _ in 0..rounds {
        for node in [1, 0] {
            fleet.kill_node(&load, node).await;
            fleet.calm(&load, BETWEEN).await;
        }
        fleet.kill_broker(&load, 1).await;
        fleet.calm(&load, BETWEEN).await;
        fleet.kill_database(&load).await;
        fleet.calm(&load, BETWEEN).await;
    }
    let judgement = fleet.judge(&mut load, &Demands { faults: 4 * rounds, ..DEMANDS }).await;
    assert!(judgement.holds(), "{judgement}");
    assert_conversations(&load).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn what_is_lost_told_twice_numbered_with_holes_or_goes_back_turns_the_judge_red() {
    for (bug, rule) in [
        ("chat_passed_over", Rule::R1),
        ("chat_told_twice", Rule::R2),
        ("status_goes_back", Rule::R7),
        ("chat_number_skipped", Rule::R13),
    ] {
        let mut run = Run::new(bug, &[]);
        run.start(Some(bug)).await;
        let rate = run.settings.rate_or(RATE);
        let mut load = run.load(chat_of(rate)).await;
        load.send();
        run.kill(&load, 1, Some(bug)).await;
        let demands = Demands { faults: 1, acknowledged: 5 * BETWEEN, ..DEMANDS };
        let judgement = run.judge(&mut load, &demands).await;
        assert_eq!(judgement.void, Vec::<String>::new(), "{bug}");
        assert!(judgement.breaks(rule), "{bug}: {judgement}");
    }
}
