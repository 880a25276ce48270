//! The fleet's set-up, Kafka and PostgreSQL, under load: the server, the broker and the database are killed, and what
//! was acknowledged is there, once, in order, and the counts are true.

use std::time::Duration;

use tidings_tests_crash::{judge::Demands, load::Shape, parts::Parts, run::Run, statistics};

/// Messages a second: three systems and forty devices share the machine.
const RATE: u32 = 40;
/// How long a broker or a database stays away.
const AWAY: Duration = Duration::from_secs(3);
/// How soon a server must answer: its topics are looked at first, and its producer is warmed up.
const READY: Duration = Duration::from_mins(1);
/// Messages that are sent between two faults.
const BETWEEN: usize = 100;
/// How soon they must be taken, whatever was killed before.
const TAKEN: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn a_server_a_broker_and_a_database_that_are_killed_lose_nothing() {
    let parts = Parts::start(&format!("crash-{}", std::process::id()));
    let mut run = Run::new("fleet", &parts.settings());
    run.server.patience = READY;
    run.start(None).await;
    let mut load = run.load(Shape::restless(RATE)).await;
    load.send();

    let rounds = if run.settings.long { 10 } else { 2 };
    for round in 0..rounds {
        run.kill(&load, 2, None).await;
        calm(&run, &load).await;
        load.fault(format!("the broker is killed, {round}"));
        parts.kill_broker();
        tokio::time::sleep(AWAY).await;
        parts.restart_broker();
        calm(&run, &load).await;
        load.fault(format!("the database is killed, {round}"));
        parts.kill_database();
        tokio::time::sleep(AWAY).await;
        parts.restart_database();
        calm(&run, &load).await;
    }
    let demands = Demands { faults: 4 * rounds, ..Demands::HONEST };
    let judgement = run.judge(&mut load, &demands).await;
    assert!(judgement.holds(), "{judgement}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}

/// Waits until the server takes messages again.
async fn calm(run: &Run, load: &tidings_tests_crash::load::Load) {
    let taken = load.field().acknowledged_count() + BETWEEN;
    if !load.acknowledges(taken, TAKEN).await {
        run.keep();
        panic!("the server did not take {BETWEEN} messages within {TAKEN:?}");
    }
}
