//! Why: the journey's reason, compared with what a driver did to bring it about, person by person and message by
//! message. The driver never asks the verdict; it knows what it did (`people`, `messages`, `truth`).

mod messages;
mod people;
mod slow;
mod truth;
mod world;

use std::io::Write as _;

use self::world::{Size, World};

/// Pairs that are compared where the environment names no other number, with `TIDINGS_WHY_PAIRS`.
const PAIRS: usize = 400;

fn pairs() -> usize {
    let wanted = std::env::var_os("TIDINGS_WHY_PAIRS").and_then(|text| text.into_string().ok()?.parse().ok());
    wanted.unwrap_or(PAIRS)
}

/// Says something on the way of a long run.
fn tell(text: &str) {
    drop(writeln!(std::io::stderr(), "why: {text}"));
}

/// Compares so many pairs; answers those whose reason is another than the driver's.
async fn differing(pairs: usize) -> Vec<String> {
    let seed = fastrand::u64(..);
    tell(&format!("{pairs} pairs of seed {seed}"));
    let world = World::made(Size::of_pairs(pairs), seed).await;
    let sample = world.sample(pairs);
    assert_eq!(sample.len(), pairs, "there are as many pairs");
    let mut differing = Vec::new();
    for (person, message) in sample {
        let (told, known) = (world.told(person, message).await, world.known(person, message));
        if told != known {
            differing.push(format!("{person:?} of {message:?}: told {told:?}, known {known:?}"));
        }
    }
    differing
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_every_sampled_person_and_message_is_the_one_that_the_driver_knows() {
    let pairs = pairs();
    let differing = differing(pairs).await;
    tell(&format!("{} of {pairs} reasons are as the driver knows them", pairs - differing.len()));
    assert!(differing.is_empty(), "{} of {pairs}:\n{}", differing.len(), differing.join("\n"));
}

#[cfg(feature = "planted-bugs")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
async fn a_planted_wrong_reason_turns_the_comparison_red() {
    tidings_model::planted::choose("wrong_reason");
    let differing = differing(PAIRS).await;
    assert!(!differing.is_empty(), "one reason in a hundred was wrong, and nothing differed");
}
