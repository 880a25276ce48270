//! `kill -9` of the server, again and again, under load: what was acknowledged is there, once, in order, and the
//! counts are true.

use tidings_tests_crash::{judge::Demands, load::Shape, run::Run, statistics};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more; scripts/crash runs it"]
async fn a_server_that_is_killed_twenty_times_loses_nothing_and_shows_nothing_twice() {
    let mut run = Run::new("kill", &[]);
    run.start(None).await;
    let mut load = run.load(Shape::restless(run.settings.rate)).await;
    load.send();
    let times = if run.settings.long { 100 } else { 20 };
    run.kill(&load, times, None).await;
    let judgement = run.judge(&mut load, &Demands { faults: u64::from(times), ..Demands::HONEST }).await;
    assert!(judgement.holds(), "{judgement}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}
