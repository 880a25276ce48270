//! Three brokers, of which two must have a record before it counts as written: one of them is killed, also the one that
//! leads the delivery log.

use tidings_tests_crash::{fleet::Fleet, judge::Demands, kcat, load::Shape, parts::Brokers, statistics};

/// Messages a second: three brokers write each of its records.
const RATE: u32 = 30;
/// Messages that are taken between two faults.
const BETWEEN: usize = 100;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn one_of_three_brokers_that_is_killed_costs_nobody_anything() {
    let fleet = Fleet::start("brokers", Brokers::Three, 1).await;
    let deliveries = kcat::partitions(fleet.parts.brokers(), "tidings-deliveries");
    assert!(deliveries.iter().all(|partition| partition.replicas == 3), "{deliveries:?}");
    let mut load = fleet.load(Shape::restless(RATE)).await;
    fleet.calm(&load, BETWEEN).await;
    let kills = 4;
    for time in 0..kills {
        // Each other time the leader of the log that everybody reads.
        let leader =
            kcat::partitions(fleet.parts.brokers(), "tidings-deliveries").first().map(|found| found.leader);
        let leader = leader.expect("the delivery log has a leader");
        let broker = if time % 2 == 0 { leader } else { leader % 3 + 1 };
        fleet.kill_broker(&load, broker).await;
        fleet.calm(&load, BETWEEN).await;
    }
    let judgement = fleet.judge(&mut load, &Demands { faults: kills, ..Demands::HONEST }).await;
    assert!(judgement.holds(), "{judgement}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}
