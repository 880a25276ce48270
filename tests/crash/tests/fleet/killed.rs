//! The server, the broker and the database are killed, one after the other.

use tidings_tests_crash::{fleet::Fleet, judge::Demands, load::Shape, parts::Brokers, statistics};

/// Messages a second: three systems and forty devices share the machine.
const RATE: u32 = 40;
/// Messages that are taken between two faults.
const BETWEEN: usize = 100;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn a_server_a_broker_and_a_database_that_are_killed_lose_nothing() {
    let mut fleet = Fleet::start("fleet", Brokers::One, 1).await;
    let mut load = fleet.load(Shape::restless(RATE)).await;

    let rounds = if fleet.run.settings.long { 10 } else { 2 };
    for _ in 0..rounds {
        fleet.run.kill(&load, 2, None).await;
        fleet.calm(&load, BETWEEN).await;
        fleet.kill_broker(&load, 1).await;
        fleet.calm(&load, BETWEEN).await;
        fleet.kill_database(&load).await;
        fleet.calm(&load, BETWEEN).await;
    }
    let demands = Demands { faults: 4 * rounds, ..Demands::HONEST };
    let judgement = fleet.judge(&mut load, &demands).await;
    assert!(judgement.holds(), "{judgement}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}
