//! The server, the broker and the database are killed, one after the other; and who signs up while the database is away.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_client::{Answer, Client};
use tidings_tests_crash::{
    fleet::{AWAY, Fleet},
    judge::Demands,
    kcat::{self, Written},
    load::Shape,
    parts::Brokers,
    people::operator_token,
    statistics,
};
use tokio::time::{Instant, sleep};

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

/// People who sign up with another program while the database is away.
const PEOPLE: usize = 30;
/// How soon each must have a profile once it is back.
const BACK: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// Writes that somebody signed up, as another program would.
fn sign_up(fleet: &Fleet, name: &str, shown: &str) {
    let value = json!({ "userId": name, "username": name, "displayName": shown }).to_string().into_bytes();
    let record = Written { key: name.as_bytes().to_vec(), value: Some(value), headers: Vec::new() };
    kcat::write(fleet.parts.brokers(), "user.auth.signup", &record);
}

/// The profile of somebody, once there is one.
async fn profile(client: &Client, name: &str, until: Instant) -> Value {
    loop {
        let answer = client.get(&format!("/api/v1/users/{name}")).await.and_then(Answer::success);
        match answer.and_then(|answer| answer.json::<Value>()) {
            Ok(profile) if profile["status"] == "active" => return profile,
            told if Instant::now() >= until => panic!("{name} has no profile: {told:?}"),
            _not_yet => sleep(LOOK).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; scripts/crash runs it"]
async fn who_signs_up_while_the_database_is_away_has_one_profile_when_it_is_back() {
    let fleet = Fleet::start("signups", Brokers::One, 1).await;
    let client = Client::new(&fleet.run.server.base(), Some(&operator_token())).expect("it is an address");
    // The group works before anything is broken.
    sign_up(&fleet, "first", "The first");
    profile(&client, "first", Instant::now() + BACK).await;

    fleet.parts.kill_database();
    let ada = json!({ "username": "ada", "password": "correct horse battery", "display_name": "Ada" });
    let refused = client.post_once("/api/v1/signup", "ada-1", &ada).await.expect("it is answered");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "nothing was written, and it says so");
    for number in 0..PEOPLE {
        let name = format!("late-{number}");
        sign_up(&fleet, &name, &format!("Number {number}"));
        // Told twice, it is one sign-up: the first word stands.
        sign_up(&fleet, &name, "Somebody else");
    }
    sleep(AWAY).await;
    fleet.parts.restart_database();

    let until = Instant::now() + BACK;
    for number in 0..PEOPLE {
        let profile = profile(&client, &format!("late-{number}"), until).await;
        assert_eq!(profile["display_name"], format!("Number {number}"));
    }
    // The same request is one account, made now.
    let made = client.post_once("/api/v1/signup", "ada-1", &ada).await.and_then(Answer::success);
    assert_eq!(made.expect("it is taken").status, StatusCode::CREATED);
    profile(&client, "ada", until).await;
    let letters = fleet.run.server.desk().letters().await.expect("they are listed");
    assert_eq!(letters, [], "a database that is away is no record's fault");
}
