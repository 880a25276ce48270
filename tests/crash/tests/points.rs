//! Crash points: the server ends itself between each two steps of a message's way, under load, and comes back.

use tidings_tests_crash::{judge::Demands, load::Shape, run::Run, statistics};

/// Between which steps, and among how many passes of the point one is chosen.
///
/// *create* and *store* and *relay* are one commit here; so are *consume* and *deliver* with the progress past
/// them, and a receipt with its counts. Each point stands before or after one of these, or inside it.
const POINTS: [(&str, u64); 10] = [
    // 1–4: the request's rows and its record, committed together; after it the answer leaves
    ("before_commit", 150),
    ("after_commit", 150),
    // 5: a record is read, nothing is done yet; or all is committed and the group's offset is not yet copied
    ("before_handle", 200),
    ("after_handle", 200),
    // 6: inside the handler's transaction, around the delivery record and its rows
    ("before_deliver", 100),
    ("after_deliver", 100),
    // 7: the gateway has read the record, and has offered it to its connections
    ("before_push", 50),
    ("after_push", 50),
    // 9: a cursor's receipts and counts are written, and committed, but not answered
    ("before_receipt", 20),
    ("after_receipt", 20),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more; scripts/crash runs it"]
async fn a_server_that_ends_between_any_two_steps_loses_nothing_and_shows_nothing_twice() {
    let mut run = Run::new("points", &[]);
    run.start(None).await;
    let mut load = run.load(Shape::restless(run.settings.rate)).await;
    load.send();
    let rounds = if run.settings.long { 10 } else { 2 };
    for _ in 0..rounds {
        for point in POINTS {
            run.end_at(&load, point, None).await;
        }
    }
    let faults = rounds * u64::try_from(POINTS.len()).unwrap_or(u64::MAX);
    let judgement = run.judge(&mut load, &Demands { faults, ..Demands::HONEST }).await;
    assert!(judgement.holds(), "{judgement}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}
