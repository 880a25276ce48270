//! Why: the journey's reason, compared with what a driver did to bring it about, person by person and message by
//! message. The driver never asks the verdict; it knows what it did (`people`, `messages`, `truth`).

mod messages;
mod people;
mod slow;
mod truth;
mod witness;
mod world;

use std::{io::Write as _, sync::Arc};

use serde_json::{Value, json};
use tidings_model::SystemClock;
use tidings_testkit::{Person, TestApp, eventually};

use self::world::{Size, World};

/// Pairs that are compared where the environment names no other number, with `TIDINGS_WHY_PAIRS`.
const PAIRS: usize = 400;

/// How many pairs: those that were asked for, or few. None where a broker makes even few of them a matter of minutes,
/// unless somebody asks; the reasons are worked out by the same code on every pair of keepers.
fn pairs() -> Option<usize> {
    let named = |name: &str| std::env::var_os(name).and_then(|text| text.into_string().ok());
    let asked = named("TIDINGS_WHY_PAIRS").and_then(|text| text.parse().ok());
    let has_broker = matches!(named("TIDINGS_TEST_PAIR").as_deref(), Some("kafka" | "postgres"));
    asked.or((!has_broker).then_some(PAIRS))
}

/// Says something on the way of a long run.
fn tell(text: &str) {
    drop(writeln!(std::io::stderr(), "why: {text}"));
}

/// Compares so many pairs; answers those whose reason is another than the driver's.
async fn differing(pairs: usize) -> Vec<String> {
    let seed = fastrand::u64(..);
    tell(&format!("{pairs} pairs of seed {seed}"));
    let world = Box::pin(World::made(Size::of_pairs(pairs), seed)).await;
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
    let Some(pairs) = pairs() else {
        return tell("no pairs are compared beside a broker; TIDINGS_WHY_PAIRS asks for them");
    };
    let differing = Box::pin(differing(pairs)).await;
    tell(&format!("{} of {pairs} reasons are as the driver knows them", pairs - differing.len()));
    assert!(differing.is_empty(), "{} of {pairs}:\n{}", differing.len(), differing.join("\n"));
}

/// Where a message stands for somebody: `state`, or `state (reason)`.
async fn standing(operator: &Person, message: &str, user: &str) -> String {
    let journey = operator.get(&format!("/journeys/{message}?user_id={user}")).await;
    let reason = journey["reason"].as_str().map(|reason| format!(" ({reason})"));
    format!("{}{}", journey["state"].as_str().expect("a state"), reason.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_behind_a_dead_letter_is_told_apart_from_those_who_got_it_and_from_strangers() {
    let app = TestApp::with(|config| config.testing.faults = true, Arc::new(SystemClock)).await;
    let (admin, operator) = (app.admin(), app.operator());
    let fault = json!({ "topic": "broadcast-user-service-selected", "key": "bob", "failure": "permanent" });
    operator.post("/testing/faults", fault).await;
    let target = json!({ "type": "selected", "ids": ["alice", "bob"] });
    let id = admin.broadcast("For two", target).await;
    for (user, wanted) in [
        ("alice", "pending (not_connected)"),
        ("bob", "failed (dead_letter)"),
        ("carol", "not_addressed (stranger)"),
    ] {
        eventually(&format!("{wanted} for {user}"), || async {
            (standing(&operator, &id, user).await == wanted).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_time_says_so_to_those_who_are_meant() {
    let app = TestApp::start().await;
    let (admin, operator) = (app.admin(), app.operator());
    let target = json!({ "type": "selected", "ids": ["alice"] });
    let body = json!({ "content": "Then", "target": target, "scheduled_at": "2099-01-01T00:00:00Z" });
    let said: Value = admin.post("/broadcasts", body).await;
    let id = said["id"].as_str().expect("an id");
    assert_eq!(standing(&operator, id, "alice").await, "on_its_way (scheduled)");
    assert_eq!(standing(&operator, id, "bob").await, "not_addressed (stranger)");
    admin.post(&format!("/broadcasts/{id}/cancel"), json!({})).await;
    assert_eq!(standing(&operator, id, "alice").await, "ended (cancelled)");
}

#[cfg(feature = "planted-bugs")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
async fn a_planted_wrong_reason_turns_the_comparison_red() {
    tidings_model::planted::choose("wrong_reason");
    let differing = differing(PAIRS).await;
    assert!(!differing.is_empty(), "one reason in a hundred was wrong, and nothing differed");
}
