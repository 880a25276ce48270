//! Planted bugs: a suite that cannot turn red proves nothing by being green.

use tidings_tests_crash::{
    judge::{Demands, Rule},
    load::Shape,
    run::Run,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute; scripts/crash runs it"]
async fn a_gateway_that_drops_one_delivery_in_a_thousand_turns_the_judge_red() {
    let mut run = Run::new("drop", &[]);
    let planted = Some("drop_1_in_1000");
    run.start(planted).await;
    let mut load = run.load(Shape::restless(run.settings.rate)).await;
    load.send();
    run.kill(&load, 3, planted).await;
    let judgement = run.judge(&mut load, &Demands::HONEST).await;
    assert_eq!(judgement.void, Vec::<String>::new());
    assert!(judgement.breaks(Rule::R1), "{judgement}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute; scripts/crash runs it"]
async fn a_store_that_answers_before_it_commits_turns_the_judge_red() {
    let mut run = Run::new("ack-before-fsync", &[]);
    let planted = Some("ack_before_fsync");
    run.start(planted).await;
    let mut load = run.load(Shape::restless(run.settings.rate)).await;
    load.send();
    run.kill(&load, 10, planted).await;
    let judgement = run.judge(&mut load, &Demands::HONEST).await;
    assert_eq!(judgement.void, Vec::<String>::new());
    assert!(judgement.breaks(Rule::R1), "{judgement}");
}
