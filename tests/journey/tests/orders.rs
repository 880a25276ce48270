//! Orders: published, acknowledged, processed, told to who ordered.

// covers O1 O3 O5 O6 O7 O8

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};
use serde_json::{Value, json};
use tidings_client::Answer;
use tidings_log::Produce;
use tidings_model::SystemClock;
use tidings_testkit::{Config, Person, TestApp, eventually};

const ORDERS: &str = "/api/v1/orders";

fn flat_white() -> Value {
    json!({ "customer_name": "Ada", "coffee_type": "Flat white" })
}

/// Somebody who may order and see orders.
fn barista(app: &TestApp, id: &str) -> Person {
    app.signed_in(id, None, Some("orders:write orders:read".to_owned()))
}

/// Writes a record as another program would.
async fn write(app: &TestApp, key: &str, value: &[u8]) {
    let record = Produce {
        topic: app.topic("coffee_orders"),
        key: Some(key.as_bytes().to_vec()),
        value: Some(value.to_vec()),
        ..Produce::default()
    };
    app.log().await.produce(record).await.unwrap();
}

/// The orders that were processed, once there are so many.
async fn processed(person: &Person, count: usize) -> Vec<Value> {
    eventually("the orders are processed", || async {
        let page = person.get("/orders?limit=200").await;
        page["items"].as_array().filter(|orders| orders.len() >= count).cloned()
    })
    .await
}

fn problem(answer: &Answer) -> (u16, String) {
    let body: Value = answer.json().unwrap();
    (answer.status.as_u16(), body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_answered_with_its_place_and_its_customer_is_told_when_it_is_processed() {
    let app = TestApp::start().await;
    let ada = barista(&app, "ada");
    let mut phone = ada.device("phone").await;
    let placed = ada.post("/orders", flat_white()).await;
    assert_eq!(
        (&placed["status"], &placed["topic"]),
        (&json!("accepted"), &json!(app.topic("coffee_orders")))
    );
    let id = placed["order_id"].as_str().unwrap();
    let status = ada.get(&format!("/orders/{id}")).await["status"].clone();
    assert!(status == "accepted" || status == "processed", "who has just ordered may ask: {status}");

    let (frame_type, data) = phone.event().await;
    assert_eq!((frame_type.as_str(), &data["order_id"]), ("order.updated", &json!(id)));
    assert_eq!(data["status"], "processed");
    let stored = ada.get(&format!("/orders/{id}")).await;
    assert_eq!((&stored["status"], &stored["user_id"]), (&json!("processed"), &json!("ada")));
    for field in ["topic", "partition", "offset"] {
        assert_eq!(stored[field], placed[field]);
    }
    assert_eq!(stored["created_at"], placed["timestamp"]);

    let records = app.records("coffee_orders").await;
    let value: Value = serde_json::from_slice(records[0].value.as_deref().unwrap()).unwrap();
    assert_eq!((&value["customer_name"], &value["coffee_type"]), (&json!("Ada"), &json!("Flat white")));
    assert_eq!(records[0].key.as_deref(), Some(id.as_bytes()));
    assert_eq!(Some(records[0].offset), placed["offset"].as_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_ordered_is_said_with_pointers_and_nothing_is_written() {
    let app = TestApp::start().await;
    let ada = barista(&app, "ada");
    for (body, pointer) in [
        (json!({ "coffee_type": "Mocha" }), ""),
        (json!({ "customer_name": " ", "coffee_type": "Mocha" }), "/customer_name"),
        (json!({ "customer_name": "Ada", "coffee_type": "x".repeat(257) }), "/coffee_type"),
        (json!({ "customer_name": "Ada", "coffee_type": 7 }), "/coffee_type"),
        (json!({ "customer_name": "Ada", "coffee_type": "Mocha", "size": "L" }), "/size"),
    ] {
        let answer = ada.try_post("/orders", body).await;
        assert_eq!(problem(&answer), (400, "bad_request".to_owned()));
        let told: Value = answer.json().unwrap();
        assert_eq!(told["errors"][0]["pointer"], pointer, "{told}");
    }
    assert!(app.records("coffee_orders").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_scope_neither_orders_nor_sees_orders() {
    let app = TestApp::start().await;
    let ada = barista(&app, "ada");
    let placed = ada.post("/orders", flat_white()).await;
    let path = format!("{ORDERS}/{}", placed["order_id"].as_str().unwrap());
    for scope in [None, Some("orders:read"), Some("orders:write")] {
        let bob = app.signed_in("bob", None, scope.map(str::to_owned));
        let may = |wanted: &str, done: u16| if scope == Some(wanted) { done } else { 403 };
        assert_eq!(bob.try_post("/orders", flat_white()).await.status, may("orders:write", 201));
        assert_eq!(bob.client.get(&path).await.unwrap().status, may("orders:read", 200));
        assert_eq!(bob.client.get(ORDERS).await.unwrap().status, may("orders:read", 200));
    }
    for missing in ["ord_00000000000000000000000000", "brd_00000000000000000000000000", "x"] {
        assert_eq!(ada.client.get(&format!("{ORDERS}/{missing}")).await.unwrap().status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_one_order_also_when_its_first_answer_was_lost() {
    let mut app = TestApp::start().await;
    let ada = barista(&app, "ada");
    let once = async || ada.client.post_once(ORDERS, "k1", &flat_white()).await.unwrap();
    let first = once().await;
    assert_eq!(first.status, 201);
    assert_eq!(once().await.body, first.body);
    processed(&ada, 1).await;
    // As if the process had ended between the acknowledgement and the note of the answer.
    app.stop().await;
    app.resume().await;
    let forget = |tx: tidings_store::Tx| async move { tx.execute("DELETE FROM idempotency_keys", &[]).await };
    app.server().store().transact::<_, tidings_store::StoreError, _, _>(forget).await.unwrap();
    let second = once().await;
    assert_eq!((second.status, &second.body), (first.status, &first.body), "what the log holds");
    assert_eq!(app.records("coffee_orders").await.len(), 1);
    assert_eq!(ada.client.post_once(ORDERS, "k1", &json!({})).await.unwrap().status, 400);
    let other = json!({ "customer_name": "Ada", "coffee_type": "Mocha" });
    assert_eq!(ada.client.post_once(ORDERS, "k1", &other).await.unwrap().status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_two_documented_fields_is_an_order_and_one_that_is_none_stops_no_other() {
    let app = TestApp::start().await;
    let (ada, operator) = (barista(&app, "ada"), app.operator());
    for value in
        [&b"not json"[..], br#"{"customer_name":"Bob"}"#, br#"{"customer_name":"","coffee_type":"x"}"#]
    {
        write(&app, "bob", value).await;
    }
    write(&app, "bob", flat_white().to_string().as_bytes()).await;
    let orders = processed(&ada, 1).await;
    assert_eq!((&orders[0]["customer_name"], &orders[0]["user_id"]), (&json!("Ada"), &Value::Null));
    let letters = eventually("what is no order is a dead letter", || async {
        let page = operator.get("/dead-letters").await;
        page["items"].as_array().filter(|letters| letters.len() == 3).cloned()
    })
    .await;
    assert!(letters.iter().all(|letter| letter["topic"] == app.topic("coffee_orders")), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_lay_in_the_topic_while_the_server_was_down_are_all_processed_once() {
    let mut app = TestApp::start().await;
    let ada = barista(&app, "ada");
    for number in 0..20 {
        let order = json!({ "customer_name": "Ada", "coffee_type": format!("Mocha {number}") });
        ada.post("/orders", order).await;
    }
    app.stop().await;
    app.resume().await;
    // The same order lies there twice: another record, the same order.
    let twice = app.records("coffee_orders").await.remove(0);
    write(&app, "elsewhere", twice.value.as_deref().unwrap()).await;
    write(&app, "last", flat_white().to_string().as_bytes()).await;
    let orders = processed(&ada, 21).await;
    let coffees: BTreeSet<&str> = orders.iter().map(|order| order["coffee_type"].as_str().unwrap()).collect();
    assert_eq!((orders.len(), coffees.len()), (21, 21));
}

/// A server on a broker with these settings of its producers; none where no broker keeps the log.
#[expect(clippy::print_stdout, reason = "a test says what it passes over")]
async fn on_kafka(producer: &[(&'static str, &'static str)]) -> Option<(TestApp, String)> {
    let set = |config: &mut Config| {
        let producer = producer.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        config.kafka.producer = producer.collect();
    };
    let wanted = std::env::var_os("TIDINGS_TEST_PAIR");
    if !wanted.is_some_and(|pair| pair == "kafka" || pair == "postgres") {
        println!("passed over: TIDINGS_TEST_PAIR asks for no broker");
        return None;
    }
    let brokers = std::env::var_os("TIDINGS_TEST_KAFKA")?.into_string().ok()?;
    Some((TestApp::with(set, Arc::new(SystemClock)).await, brokers))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_brokers_refuse_is_a_500_that_says_it_was_not_written() {
    let Some((app, brokers)) = on_kafka(&[]).await else { return };
    let ada = barista(&app, "ada");
    // The topic takes no record of more than so many bytes.
    let topic = app.topic("coffee_orders");
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let takes = async |bytes: &str| {
        let change = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set("max.message.bytes", bytes);
        admin.alter_configs(&[change], &AdminOptions::new()).await.unwrap();
    };
    // The broker follows its settings a moment later.
    takes("10").await;
    let next = AtomicUsize::new(0);
    let once = async |number: usize| {
        ada.client.post_once(ORDERS, &format!("k{number}"), &flat_white()).await.unwrap()
    };
    let (number, refused) = eventually("the brokers refuse an order", || async {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let answer = once(number).await;
        (answer.status != 201).then_some((number, answer))
    })
    .await;
    assert_eq!(problem(&refused), (500, "publish_failed".to_owned()));
    assert_eq!(refused.json::<Value>().unwrap()["outcome"], "not_written");
    assert_eq!(app.records("coffee_orders").await.len(), number, "those before it, and not this one");
    takes("1048588").await;
    let placed = eventually("the brokers take it again", || async {
        let answer = once(number).await;
        (answer.status != 500).then_some(answer)
    })
    .await;
    assert_eq!(placed.status, 201);
    assert_eq!(app.records("coffee_orders").await.len(), number + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_late_is_unknown_and_its_key_later_gives_the_producers_own_word() {
    // The producer holds records back for longer than a caller waits.
    let Some((app, _brokers)) = on_kafka(&[("linger.ms", "14000")]).await else { return };
    let ada = barista(&app, "ada");
    let once = async || ada.client.post_once(ORDERS, "k", &flat_white()).await.unwrap();
    let first = once().await;
    assert_eq!(problem(&first), (500, "publish_failed".to_owned()));
    assert_eq!(first.json::<Value>().unwrap()["outcome"], "unknown");
    let second = once().await;
    assert_eq!(second.status, 201, "{second:?}");
    assert_eq!(app.records("coffee_orders").await.len(), 1, "the first one's record, and no other");
    assert_eq!(once().await.body, second.body);
}
