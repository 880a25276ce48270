//! A broker or a database that is away for a minute, killed or frozen: streams stay open, what is promised is answered
//! within ten seconds, and half a minute after the part is back everything goes on by itself.

use std::{sync::Arc, time::Duration};

use tidings_tests_crash::{
    away::{Probe, recovers},
    device::Habits,
    fleet::Fleet,
    history::Part,
    judge::Demands,
    load::{Load, Shape},
    parts::Brokers,
    statistics,
};

/// Messages a second, to devices that stay.
const SHAPE: Shape = Shape { habits: |_every| Habits::CALM, ..Shape::restless(30) };
/// How long a part is away.
const AWAY: Duration = Duration::from_mins(1);
/// Messages that are taken between two faults.
const BETWEEN: usize = 100;
/// How long a broker is frozen to be back when its controller begins to count it as gone, which it does after 9 s: then it
/// answers, and says that there are no brokers.
const EDGE_MS: std::ops::Range<u64> = 8_600..9_400;

/// How a part goes away.
#[derive(Clone, Copy, Debug)]
enum How {
    Killed,
    Frozen,
}

async fn away(fleet: &Fleet, load: &Load, part: Part, how: How) {
    fleet.calm(load, BETWEEN).await;
    load.fault(format!("the {part:?} is {how:?} for a minute"));
    match (part, how) {
        (Part::Broker, How::Killed) => fleet.parts.kill_broker(1),
        (Part::Broker, How::Frozen) => fleet.parts.freeze_broker(1),
        (Part::Database, How::Killed) => fleet.parts.kill_database(),
        (Part::Database, How::Frozen) => fleet.parts.freeze_database(),
    }
    let seed = fleet.run.settings.seed;
    let probe = Probe::start(Arc::clone(load.shared()), part, seed);
    tokio::time::sleep(AWAY).await;
    probe.stop().await;
    match (part, how) {
        (Part::Broker, How::Killed) => fleet.parts.restart_broker(1),
        (Part::Broker, How::Frozen) => fleet.parts.thaw_broker(1),
        (Part::Database, How::Killed) => fleet.parts.restart_database(),
        (Part::Database, How::Frozen) => fleet.parts.thaw_database(),
    }
    recovers(load, part, SHAPE.people * SHAPE.devices, seed).await;
}

async fn both(name: &'static str, broker: How, database: How) {
    let fleet = Fleet::start(name, Brokers::One, 1).await;
    let mut load = fleet.load(SHAPE).await;
    away(&fleet, &load, Part::Broker, broker).await;
    away(&fleet, &load, Part::Database, database).await;
    let demands =
        Demands { faults: 2, reconnects: 0, cuts_allowed: false, away: 2, asked: 2, ..Demands::HONEST };
    let judgement = fleet.judge(&mut load, &demands).await;
    assert!(judgement.holds(), "{judgement}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes three minutes; scripts/crash runs it"]
async fn a_frozen_broker_and_a_killed_database_cut_no_stream_and_leave_no_question_open() {
    both("away", How::Frozen, How::Killed).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes three minutes; scripts/crash runs it"]
async fn a_killed_broker_and_a_frozen_database_cut_no_stream_and_leave_no_question_open() {
    both("away-too", How::Killed, How::Frozen).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn a_broker_that_is_back_when_its_controller_gives_it_up_is_found_again() {
    let fleet = Fleet::start("edge", Brokers::One, 1).await;
    let mut load = fleet.load(SHAPE).await;
    let mut random = fastrand::Rng::with_seed(fleet.run.settings.seed);
    for round in 0..6 {
        fleet.calm(&load, BETWEEN).await;
        load.fault("the Broker is frozen for as long as its controller waits");
        fleet.parts.freeze_broker(1);
        tokio::time::sleep(Duration::from_millis(random.u64(EDGE_MS))).await;
        fleet.parts.thaw_broker(1);
        recovers(&load, Part::Broker, SHAPE.people * SHAPE.devices, round).await;
    }
    let demands = Demands { faults: 6, reconnects: 0, cuts_allowed: false, away: 6, ..Demands::HONEST };
    let judgement = fleet.judge(&mut load, &demands).await;
    assert!(judgement.holds(), "{judgement}");
}
