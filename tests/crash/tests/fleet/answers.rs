//! Acknowledgements that are lost on their way from the broker: what was written is sent again, and readers see each
//! once, in order.

use std::time::Duration;

use tidings_tests_crash::{
    device::Habits,
    fleet::Fleet,
    judge::{Demands, Judgement, Rule},
    kcat,
    load::Shape,
    parts::Brokers,
    run::say,
    statistics,
};

/// Messages a second, to devices that stay: whatever is on the wire twice shows.
const SHAPE: Shape = Shape { habits: |_every| Habits::CALM, ..Shape::restless(40) };
/// How long answers are lost.
const LOST: Duration = Duration::from_secs(3);
/// Messages that are taken between two faults.
const BETWEEN: usize = 100;
/// The most rounds until chance has sent a delivery again.
const MOST_ROUNDS: u64 = 10;

/// Loses answers, ends the server while they are lost, and lets its successor send again what it cannot know about.
async fn lose_answers(fleet: &mut Fleet, load: &tidings_tests_crash::load::Load, planted: Option<&str>) {
    fleet.lose_answers(load, LOST).await;
    fleet.calm(load, BETWEEN).await;
    // A node that was killed is missed by its groups for a while, in which there is nothing to acknowledge.
    fleet.passes("message was seen", || load.field().views()).await;
    load.fault("acknowledgements are lost, and the server is killed meanwhile");
    fleet.acknowledgements_are_lost();
    tokio::time::sleep(LOST).await;
    fleet.run.server.kill().expect("the server can be killed");
    fleet.answers_are_lost(false);
    fleet.run.start(planted).await;
    fleet.calm(load, BETWEEN).await;
}

/// Records that came more than once into the log that every stream follows: repeats of what leads there are dropped by
/// its consumers, and would prove nothing about streams.
fn repeats_in_the_log(fleet: &Fleet) -> usize {
    kcat::repeated_numbers(fleet.parts.brokers(), "tidings-deliveries")
}

async fn run(
    name: &'static str,
    rounds: u64,
    planted: Option<&str>,
    acknowledged: usize,
) -> (Fleet, Judgement) {
    let mut fleet = Fleet::prepare(name, Brokers::Proxied, 1, &[]).await;
    fleet.start_nodes(planted).await;
    let mut load = fleet.load(SHAPE).await;
    let mut done = 0;
    while done < rounds || (repeats_in_the_log(&fleet) == 0 && done < MOST_ROUNDS) {
        lose_answers(&mut fleet, &load, planted).await;
        done += 1;
    }
    let demands = Demands { faults: 2 * rounds, acknowledged, repeats_allowed: false, ..Demands::HONEST };
    let judgement = fleet.judge(&mut load, &demands).await;
    if planted.is_none() {
        let wrong = statistics::wrong_counts(load.field(), 200).await;
        assert_eq!(wrong, Vec::<String>::new());
    }
    (fleet, judgement)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more; scripts/crash runs it"]
async fn what_is_sent_again_because_its_acknowledgement_was_lost_is_seen_once() {
    let (fleet, judgement) = run("answers", 3, None, Demands::HONEST.acknowledged).await;
    let repeats = repeats_in_the_log(&fleet);
    say(&format!(
        "answers: {} bytes of answers were lost, {repeats} deliveries are in the log twice",
        fleet.lost()
    ));
    assert!(judgement.holds(), "{judgement}");
    assert!(repeats > 0, "nothing was sent again, so nothing was proved");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute; scripts/crash runs it"]
async fn a_feed_that_takes_repeats_turns_the_judge_red() {
    let (_fleet, judgement) = run("answers-planted", 2, Some("repeats_taken"), 400).await;
    assert_eq!(judgement.void, Vec::<String>::new());
    assert!(judgement.breaks(Rule::R9), "{judgement}");
}
