//! Ways in: from HTTP to a topic, answered with the place, and on to a screen.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::{path::PathBuf, sync::Arc};

use serde_json::{Value, json};
use tidings_client::Answer;
use tidings_log::TopicPartition;
use tidings_model::{Record, SystemClock};
use tidings_testkit::{Config, IngestSettings, Person, RouteSettings, TestApp};

const CLICKS: &str = "/api/v1/clicks";

/// A server that takes clicks; they match a schema, and each is shown to who clicked.
async fn start() -> (TestApp, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let schema: PathBuf = folder.path().join("clicks.schema.json");
    let text = json!({
        "type": "object", "required": ["user_id"], "additionalProperties": false,
        "properties": { "user_id": { "type": "string" }, "button": { "enum": ["a", "b"] } },
    });
    std::fs::write(&schema, text.to_string()).unwrap();
    let way = IngestSettings {
        path: "/clicks".to_owned(),
        topic: "clicks".to_owned(),
        key: Some("/user_id".to_owned()),
        schema: Some(schema.to_str().unwrap().to_owned()),
        scope: "clicks:write".to_owned(),
    };
    let route = RouteSettings {
        topic: "clicks".to_owned(),
        to: vec!["user:{/user_id}".to_owned()],
        r#type: "clicked".to_owned(),
        content: Some("{/button}".to_owned()),
        ..RouteSettings::default()
    };
    let set = move |config: &mut Config| (config.ingest, config.routes) = (vec![way], vec![route]);
    (TestApp::with(set, Arc::new(SystemClock)).await, folder)
}

async fn lines(person: &Person, text: &str) -> Answer {
    let headers = [
        ("content-type".parse().unwrap(), "application/x-ndjson"),
        ("idempotency-key".parse().unwrap(), "lines"),
    ];
    let body = text.to_owned().into();
    person.client.send("POST".parse().unwrap(), CLICKS, &headers, Some(body)).await.unwrap()
}

/// The record at a place that was answered.
async fn record_at(app: &TestApp, place: &Value) -> Record {
    let number = |field: &str| place[field].as_u64().unwrap();
    let partition = TopicPartition {
        topic: place["topic"].as_str().unwrap().to_owned(),
        partition: u32::try_from(number("partition")).unwrap(),
    };
    let records = app.log().await.records(partition, number("offset"), 1).await.unwrap();
    records.into_iter().next().expect("a record lies where the answer said")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_answered_with_its_place_and_reaches_a_screen() {
    let (app, _folder) = start().await;
    let (admin, mut phone) = (app.admin(), app.person("alice").device("phone").await);
    let place = admin.post("/clicks", json!({ "user_id": "alice", "button": "a" })).await;
    assert_eq!(place["topic"], app.topic("clicks"));
    let record = record_at(&app, &place).await;
    assert_eq!(record.key.as_deref(), Some(&b"alice"[..]));
    assert_eq!(record.value.as_deref(), Some(&br#"{"button":"a","user_id":"alice"}"#[..]));
    assert_eq!(record.header("ce_source"), Some(CLICKS));
    assert!(record.header("traceparent").is_some());
    assert_eq!(phone.content().await, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schema_refuses_is_said_with_pointers_and_not_written() {
    let (app, _folder) = start().await;
    let admin = app.admin();
    for (value, pointer) in [
        (json!({ "button": "a" }), ""),
        (json!({ "user_id": 7 }), "/user_id"),
        (json!({ "user_id": "alice", "button": "c" }), "/button"),
        (json!({ "user_id": "alice", "x": 1 }), ""),
    ] {
        let answer = admin.try_post("/clicks", value).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json::<Value>().unwrap()["errors"][0]["pointer"], pointer);
    }
    let topics = app.log().await.topics().await.unwrap();
    let clicks = topics.iter().find(|topic| topic.name == app.topic("clicks")).unwrap();
    assert!(clicks.partitions.iter().all(|partition| partition.next_offset == 0), "{clicks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_answered_and_good_ones_are_written_in_their_order() {
    let (app, _folder) = start().await;
    let (admin, mut phone) = (app.admin(), app.person("alice").device("phone").await);
    let body = "{\"user_id\":\"alice\",\"button\":\"a\"}\n\n{\"user_id\":7}\nnot json\r\n\
                {\"user_id\":\"alice\",\"button\":\"b\"}\n";
    let answer = lines(&admin, body).await;
    assert_eq!(answer.status, 200);
    let told: Value = answer.json().unwrap();
    assert_eq!((&told["accepted"], &told["refused"]), (&json!(2), &json!(2)), "{told}");
    let items = told["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| item["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3, 4, 5]);
    assert_eq!(items[1]["problem"]["errors"][0]["pointer"], "/user_id");
    assert_eq!(items[2]["problem"]["status"], 400);
    assert_eq!(items[0]["partition"], items[3]["partition"], "one key, one partition");
    assert_eq!(items[0]["offset"].as_u64().unwrap() + 1, items[3]["offset"].as_u64().unwrap());
    assert_eq!([phone.content().await, phone.content().await], ["a", "b"]);

    let again = lines(&admin, body).await;
    assert_eq!(again.body, answer.body, "the same key, the same places");
    assert_eq!(lines(&admin, "{}").await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_writes_once_also_after_a_restart() {
    let (mut app, _folder) = start().await;
    let admin = app.admin();
    let click = json!({ "user_id": "alice", "button": "a" });
    let first = admin.client.post_once(CLICKS, "k1", &click).await.unwrap();
    assert_eq!(first.status, 201);
    app.stop().await;
    app.resume().await;
    let second = admin.client.post_once(CLICKS, "k1", &click).await.unwrap();
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    let place: Value = first.json().unwrap();
    let next = admin.post("/clicks", click).await;
    assert_eq!(
        next["offset"].as_u64().unwrap(),
        place["offset"].as_u64().unwrap() + 1,
        "nothing lies between"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_too_large_or_of_another_type_is_refused() {
    let (app, _folder) = start().await;
    let admin = app.admin();
    let send = async |media: &'static str, body: String| {
        let headers = [("content-type".parse().unwrap(), media)];
        let sent = admin.client.send("POST".parse().unwrap(), CLICKS, &headers, Some(body.into())).await;
        sent.unwrap().status
    };
    assert_eq!(send("text/plain", "{}".to_owned()).await, 415);
    assert_eq!(send("application/json", " ".repeat((256 << 10) + 1)).await, 413);
    assert_eq!(send("application/x-ndjson", "1\n".repeat(1001)).await, 413);
    assert_eq!(send("application/x-ndjson", "\n".repeat((1 << 20) + 1)).await, 413);
    assert_eq!(send("application/x-ndjson", "\n\n".to_owned()).await, 400);
}
