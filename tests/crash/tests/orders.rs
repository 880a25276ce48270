//! Orders while everything that takes and processes them is killed: what was acknowledged is there once, processed, and
//! its customer was told once; what is no order stops nobody.

use std::time::Duration;

use http::{Method, header};
use serde_json::{Value, json};
use tidings_client::Answer;
use tidings_tests_crash::{
    fleet::Fleet,
    judge::{Demands, Rule},
    kcat::{self, Written},
    letters::Letter,
    load::{Load, Shape},
    orders,
    parts::Brokers,
    poison::{self, Poison},
    run::Run,
    talk::About,
};

const TOPIC: &str = "coffee_orders";
/// Orders a second: alone, and where three systems share the machine.
const RATE: u32 = 100;
const FLEET_RATE: u32 = 40;
/// Between which steps of an order's way the server ends, and among how many passes of the point one is chosen.
const POINTS: [(&str, u64); 5] = [
    ("before_publish", 50),
    // In the log, and not answered.
    ("after_publish", 50),
    ("before_handle", 50),
    ("after_handle", 50),
    ("before_commit", 100),
];
/// How soon what was written to the topic must be processed or a dead letter.
const DIGESTED: Duration = Duration::from_mins(2);
/// Orders that are taken between two faults.
const BETWEEN: usize = 100;
/// Where the embedded log is written to, as it has no other way in for what is no order.
const WAY_IN: &str = r#"
[[ingest]]
path  = "/raw-orders"
topic = "coffee_orders"
scope = "orders:raw"
"#;

fn orders_of(rate: u32) -> Shape {
    Shape { about: About::Orders, ..Shape::restless(rate) }
}

/// A run whose embedded log can be written to.
async fn alone(name: &'static str, planted: Option<&str>) -> (Run, Load) {
    let mut run = Run::new(name, &[]);
    std::fs::write(run.folder().join("tidings.toml"), WAY_IN).expect("the settings can be written");
    run.start(planted).await;
    let rate = run.settings.rate_or(RATE);
    let mut load = run.load(orders_of(rate)).await;
    load.send();
    (run, load)
}

/// Writes what is no order, each followed by an order of another program: the names of these, and the values that are none.
async fn write_raw(load: &Load) -> (Vec<String>, Vec<Value>) {
    let none = [json!({}), json!([]), json!("coffee"), json!({ "customer_name": 7 })];
    let (mut names, mut lines) = (Vec::new(), Vec::new());
    for (at, poison) in none.iter().enumerate() {
        let name = format!("raw-{at}");
        lines.push(poison.to_string());
        lines.push(json!({ "customer_name": name, "coffee_type": "Mocha" }).to_string());
        names.push(name);
    }
    load.fault("poison among the orders");
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    let body = Some(lines.join("\n").into());
    let written = load.field().operator(0).send(Method::POST, "/api/v1/raw-orders", &kind, body).await;
    written.and_then(Answer::success).expect("the log takes any JSON");
    (names, none.to_vec())
}

/// The values of dead letters, in an order of their own.
fn values(letters: &[Letter]) -> Vec<String> {
    let mut values: Vec<String> = letters.iter().filter_map(|letter| letter.value.clone()).collect();
    values.sort_unstable();
    values
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; scripts/crash runs it"]
async fn a_server_that_is_killed_anywhere_processes_each_order_once() {
    let (mut run, mut load) = alone("orders", None).await;
    let (names, none) = write_raw(&load).await;
    let times = if run.settings.long { 40 } else { 8 };
    run.kill(&load, times, None).await;
    for point in POINTS {
        run.end_at(&load, point, None).await;
    }
    let faults = 1 + u64::from(times) + POINTS.len() as u64;
    let judgement = run.judge(&mut load, &Demands { faults, ..Demands::HONEST }).await;
    assert!(judgement.holds(), "{judgement}");
    assert!(orders::all_are_there(load.field(), &names, DIGESTED).await, "orders behind poison do not come");
    assert_eq!(orders::wrong_rows(load.field(), &names).await, Vec::<String>::new());
    let letters = run.server.desk().letters_when(DIGESTED, |letters| letters.len() >= none.len()).await;
    let mut wanted: Vec<String> = none.iter().map(Value::to_string).collect();
    wanted.sort_unstable();
    assert_eq!(values(&letters), wanted);
}

/// Writes poison of each kind, each followed by an order of another program.
fn dose(fleet: &Fleet, load: &Load, tag: &str) -> (Vec<Poison>, Vec<String>) {
    let (brokers, poisons) = (fleet.parts.brokers(), poison::poisons(TOPIC, tag));
    let mut names = Vec::new();
    for poison in &poisons {
        load.fault(format!("poison: {}", poison.name));
        poison.write(brokers);
        let name = format!("behind-{}", poison.name);
        let order = json!({ "customer_name": name, "coffee_type": "Mocha" }).to_string().into_bytes();
        let key = poison.record.key.clone();
        kcat::write(brokers, TOPIC, &Written { key, value: Some(order), headers: Vec::new() });
        names.push(name);
    }
    (poisons, names)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes two minutes; scripts/crash runs it"]
async fn a_fleet_that_is_killed_part_by_part_processes_each_order_once() {
    let mut fleet = Fleet::start("orders-fleet", Brokers::One, 2).await;
    let rate = fleet.run.settings.rate_or(FLEET_RATE);
    let mut load = fleet.load(orders_of(rate)).await;
    fleet.calm(&load, BETWEEN).await;
    let rounds = if fleet.run.settings.long { 10 } else { 1 };
    let (mut poisons, mut names) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let (written, behind) = dose(&fleet, &load, &round.to_string());
        poisons.extend(written);
        names.extend(behind);
        for node in 0..2 {
            fleet.kill_node(&load, node).await;
            fleet.calm(&load, BETWEEN).await;
        }
        fleet.kill_broker(&load, 1).await;
        fleet.calm(&load, BETWEEN).await;
        fleet.kill_database(&load).await;
        fleet.calm(&load, BETWEEN).await;
    }
    let judgement = fleet.judge(&mut load, &Demands { faults: 4 * rounds, ..Demands::HONEST }).await;
    assert!(judgement.holds(), "{judgement}");
    assert!(orders::all_are_there(load.field(), &names, DIGESTED).await, "orders behind poison do not come");
    assert_eq!(orders::wrong_rows(load.field(), &names).await, Vec::<String>::new());
    let desk = fleet.run.server.desk();
    let letters = desk.letters_when(DIGESTED, |letters| poison::all_are_dead(&poisons, letters)).await;
    assert_eq!(poison::wrong_letters(&poisons, &letters), Vec::<String>::new());
    assert_eq!(poison::wrong_records(fleet.parts.brokers(), &poisons), Vec::<String>::new());
}

/// Ends a load around a server with a planted bug: the rules that are broken, and what is wrong with the list.
async fn red(run: &Run, load: &mut Load) -> (Vec<Rule>, Vec<String>) {
    let demands = Demands { acknowledged: 5 * BETWEEN, faults: 1, ..Demands::HONEST };
    let judgement = run.judge(load, &demands).await;
    assert_eq!(judgement.void, Vec::<String>::new());
    let rules = judgement.violations.iter().map(|violation| violation.rule).collect();
    (rules, orders::wrong_rows(load.field(), &[]).await)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; scripts/crash runs it"]
async fn a_handler_that_passes_over_one_order_in_fifty_turns_the_judge_red() {
    let bug = Some("order_passed_over");
    let (mut run, mut load) = alone("orders-passed-over", bug).await;
    run.kill(&load, 2, bug).await;
    let (rules, list) = red(&run, &mut load).await;
    assert!(rules.contains(&Rule::R1), "{rules:?}");
    assert!(list.iter().any(|wrong| wrong.contains("no order is there")), "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute; scripts/crash runs it"]
async fn a_handler_that_tells_of_one_order_in_fifty_twice_turns_the_judge_red() {
    let bug = Some("order_told_twice");
    let (mut run, mut load) = alone("orders-told-twice", bug).await;
    run.kill(&load, 2, bug).await;
    let (rules, _list) = red(&run, &mut load).await;
    assert!(rules.contains(&Rule::R2), "{rules:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes half a minute; scripts/crash runs it"]
async fn an_order_that_was_not_answered_and_is_another_one_later_turns_the_list_red() {
    let (mut run, mut load) = alone("orders-key-forgotten", None).await;
    run.end_at(&load, ("after_publish", 20), Some("order_key_forgotten")).await;
    let (_rules, list) = red(&run, &mut load).await;
    assert!(list.iter().any(|wrong| wrong.contains("was ordered")), "{list:?}");
}
