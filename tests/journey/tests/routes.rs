//! Routes: records of other programs, brought to screens by configuration.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use serde_json::{Value, json};
use tidings_log::Produce;
use tidings_model::SystemClock;
use tidings_testkit::{Config, Person, RouteSettings, TestApp, eventually};

/// Headers and value of a record, and what is said of it.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [u8], &'a str);

/// The route of the documentation.
fn invoices() -> RouteSettings {
    RouteSettings {
        topic: "invoices.paid".to_owned(),
        to: vec!["user:{/customer_id}".to_owned()],
        r#type: "invoice.paid".to_owned(),
        title: Some("Invoice {/number} is paid".to_owned()),
        data: Some("/".to_owned()),
        ..RouteSettings::default()
    }
}

async fn start(routes: Vec<RouteSettings>) -> TestApp {
    let set = move |config: &mut Config| config.routes = routes;
    TestApp::with(set, std::sync::Arc::new(SystemClock)).await
}

/// Writes a record as another program would, all with one key; answers its place, as dead letters name it.
async fn write(app: &TestApp, headers: &[(&str, &str)], value: &[u8]) -> String {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    let record = Produce {
        topic: app.topic("invoices.paid"),
        key: Some(b"one".to_vec()),
        headers: headers.collect(),
        value: Some(value.to_vec()),
        ..Produce::default()
    };
    let place = app.log().await.produce(record).await.unwrap();
    format!("{}/{}/{}", place.topic, place.partition, place.offset)
}

async fn paid(app: &TestApp, customer: &str, number: u32) {
    let value = json!({ "customer_id": customer, "number": number }).to_string();
    write(app, &[], value.as_bytes()).await;
}

/// The items of somebody's inbox, once there are any.
async fn inbox(person: &Person) -> Vec<Value> {
    eventually("the inbox has something", || async {
        let page = person.get("/inbox").await;
        page["items"].as_array().filter(|items| !items.is_empty()).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_reaches_who_is_connected_and_is_pending_for_who_is_away() {
    let mut app = start(vec![invoices()]).await;
    let (alice, bob) = (app.person("alice"), app.person("bob"));
    let mut phone = alice.device("phone").await;
    bob.device("laptop").await.catch_up().await;
    paid(&app, "alice", 1).await;
    paid(&app, "bob", 2).await;
    let (frame_type, data) = phone.event().await;
    assert_eq!((frame_type.as_str(), &data["title"]), ("invoice.paid", &json!("Invoice 1 is paid")));
    assert_eq!(
        (&data["kind"], &data["data"]),
        (&json!("event"), &json!({ "customer_id": "alice", "number": 1 }))
    );

    app.stop().await;
    app.resume().await;
    let page = eventually("it is pending", || async {
        let page = bob.get("/inbox?state=pending").await;
        (page["items"] != json!([])).then_some(page)
    })
    .await;
    assert_eq!(page["items"][0]["title"], "Invoice 2 is paid");
    let mut laptop = bob.device("laptop").await;
    assert_eq!(laptop.catch_up().await, [""], "it has a title and no content");
    assert_eq!(inbox(&alice).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudevents_in_either_mode_are_one_message_each() {
    let app = start(vec![invoices()]).await;
    let mut phone = app.person("alice").device("phone").await;
    let value = br#"{"customer_id":"alice","number":1}"#;
    let binary = [("ce_id", "7"), ("ce_source", "billing"), ("ce_type", "paid"), ("ce_specversion", "1.0")];
    // The same event comes twice: it has an id of its own.
    write(&app, &binary, value).await;
    assert_eq!(phone.event().await.1["title"], "Invoice 1 is paid");
    write(&app, &binary, value).await;
    let structured = json!({
        "specversion": "1.0", "id": "8", "source": "billing", "type": "paid",
        "data": { "customer_id": "alice", "number": 2 },
    });
    let media = [("content-type", "application/cloudevents+json; charset=utf-8")];
    write(&app, &media, structured.to_string().as_bytes()).await;
    assert_eq!(phone.event().await.1["title"], "Invoice 2 is paid", "the repeat was none");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_of_a_topic_shows_its_records_in_its_own_way() {
    let ledger = RouteSettings {
        to: vec!["role:accountant".to_owned()],
        r#type: "ledger.changed".to_owned(),
        title: None,
        data: Some("/number".to_owned()),
        keep: "change".to_owned(),
        ..invoices()
    };
    let blink = RouteSettings { r#type: "blink".to_owned(), keep: "signal".to_owned(), ..ledger.clone() };
    let app = start(vec![invoices(), ledger, blink]).await;
    let ann = app.signed_in("ann", Some(vec!["accountant".to_owned()]), None);
    let mut desk = ann.device("desk").await;
    let mut away = ann.device("away").await;
    away.catch_up().await;
    let cursor = away.cursor().to_owned();
    drop(away);
    paid(&app, "ann", 5).await;
    let mut seen = Vec::new();
    for _each in 0..3 {
        let (frame_type, data) = desk.event().await;
        seen.push((frame_type, data["title"].clone(), data["data"].clone()));
    }
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    let value = json!({ "customer_id": "ann", "number": 5 });
    let wanted: [(String, Value, Value); 3] = [
        ("blink".to_owned(), Value::Null, json!(5)),
        ("invoice.paid".to_owned(), json!("Invoice 5 is paid"), value),
        ("ledger.changed".to_owned(), Value::Null, json!(5)),
    ];
    assert_eq!(seen, wanted);
    // Who was away resumes: the change is there, the signal was for who was online.
    let mut back = ann.device_after("away", Some(&cursor)).await;
    let mut types = [back.event().await.0, back.event().await.0];
    types.sort();
    assert_eq!(types, ["invoice.paid", "ledger.changed"]);
    assert_eq!(inbox(&ann).await.len(), 1, "one of them has a title");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_does_not_fit_is_a_dead_letter_with_a_sentence_and_others_flow() {
    let app = start(vec![invoices()]).await;
    let mut phone = app.person("alice").device("phone").await;
    let media = [("content-type", "application/avro")];
    let mut wanted = Vec::new();
    let cases: [Case<'_>; 5] = [
        (&[], b"\x00\x00\x00\x00\x01paid", "its value is no JSON"),
        (&media, b"{}", "its `content-type` is `application/avro`"),
        (&[], b"{\"number\":1}", "to = \"user:{/customer_id}\": the value has nothing at `/customer_id`"),
        (&[], b"{\"customer_id\":\"a\\u0000\",\"number\":1}", "is not a channel"),
        (&[], b"{\"customer_id\":\"alice\"}", "the value has nothing at `/number`"),
    ];
    for (headers, value, sentence) in cases {
        wanted.push((write(&app, headers, value).await, sentence));
    }
    paid(&app, "alice", 9).await;
    assert_eq!(phone.event().await.1["title"], "Invoice 9 is paid", "the good one is not held up");

    let operator = app.operator();
    let letters = eventually("all of them are dead letters", || async {
        let page = operator.get("/dead-letters?limit=100").await;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        (items.len() == wanted.len()).then_some(items)
    })
    .await;
    for (place, sentence) in wanted {
        let id = format!("{place}@route-invoices.paid-invoice.paid");
        let letter = letters.iter().find(|letter| letter["id"] == *id);
        let letter = letter.unwrap_or_else(|| panic!("{id} among {letters:?}"));
        let cause = letter["causes"][0].as_str().unwrap();
        assert!(cause.contains("route `route-invoices.paid-invoice.paid` cannot show the record"), "{cause}");
        assert!(cause.contains(sentence), "{cause}");
        assert_eq!(letter["attempts"], 1, "what cannot be decoded is not tried again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journey_of_a_routed_message_names_the_record_that_it_was() {
    let app = start(vec![invoices()]).await;
    let mut phone = app.person("alice").device("phone").await;
    let value = br#"{"customer_id":"alice","number":3}"#;
    let place = write(&app, &[], value).await;
    let id = phone.event().await.1["id"].as_str().unwrap().to_owned();
    let operator = app.operator();
    let journey = eventually("the journey shows its delivery", || async {
        let journey = operator.get(&format!("/journeys/{id}?user_id=alice")).await;
        (journey["state"] == "pending").then_some(journey)
    })
    .await;
    let (topic, rest) = place.split_once('/').unwrap();
    let (partition, offset) = rest.split_once('/').unwrap();
    assert_eq!(journey["steps"][3]["place"], format!("{topic}/{partition}@{offset}"), "{journey}");
    let stranger = operator.get(&format!("/journeys/{id}?user_id=bob")).await;
    assert_eq!(stranger["state"], "not_addressed");
}
