//! What operators may do with dead letters, and that it is written down.

use serde_json::{Value, json};
use tidings_model::{Clock as _, SystemClock};
use tidings_store::NewRecord;
use tidings_tests_security::App;

const JSON: &[&str] = &["Content-Type: application/json"];
const LIST: &str = "/api/v1/dead-letters";

/// An application in which the lifecycle group has given up so many records that are no JSON.
async fn with_dead(count: usize) -> (App, Vec<Value>) {
    let app = App::start().await;
    for number in 0..count {
        let broken = move |tx: tidings_store::Tx| async move {
            let key = format!("key {number}");
            let record = NewRecord {
                topic: "broadcast-messages",
                partition: Some(3),
                key: Some(key.as_bytes()),
                headers: &vec![("ce_id".to_owned(), format!("evt_{number}").into_bytes())],
                value: Some(b"{"),
                time: SystemClock.now(),
            };
            tx.append(&record).await
        };
        app.server().store().transact(broken).await.expect("the record is written");
    }
    let all_there = |body: &Value| body["items"].as_array().is_some_and(|items| items.len() == count);
    let listed = app.admin_until(LIST, all_there).await;
    let items = listed["items"].as_array().expect("a list").clone();
    (app, items)
}

fn path(letter: &Value) -> String {
    format!("{LIST}/{}", letter["id"].as_str().expect("an id").replace('/', "%2F"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_sent_through_again_and_forgotten_and_each_step_is_in_the_audit() {
    let (app, letters) = with_dead(1).await;
    let operator = app.token("olga", Some(&[]), Some("dlt:read dlt:write ops:read"));
    let (path, redrive) = (path(&letters[0]), format!("{}/redrive", path(&letters[0])));
    assert_eq!((&letters[0]["state"], &letters[0]["redrives"]), (&json!("open"), &json!(0)));
    let sent = app.admin_send("POST", &redrive, &operator, &[], b"").await;
    assert_eq!((sent.status, &sent.json()["state"]), (200, &json!("redriven")));
    // It is no JSON still.
    let back = app.admin_until(&path, |letter| letter["state"] == "open").await;
    assert_eq!(back["redrives"], 1);
    for expected in [204, 204] {
        assert_eq!(app.admin_send("DELETE", &path, &operator, &[], b"").await.status, expected);
    }
    let purged = app.admin_get(&path, &operator).await.json();
    assert_eq!(
        (&purged["state"], &purged["value"], &purged["key"]),
        (&json!("purged"), &Value::Null, &Value::Null)
    );
    assert_eq!(app.admin_send("POST", &redrive, &operator, &[], b"").await.status, 409);
    for method in ["DELETE", "POST"] {
        let nothing =
            if method == "POST" { format!("{LIST}/nothing/redrive") } else { format!("{LIST}/nothing") };
        assert_eq!(app.admin_send(method, &nothing, &operator, &[], b"").await.status, 404);
    }
    let audit = app.admin_get("/api/v1/audit", &operator).await.json();
    let acts: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(acts, ["dead_letter.purge", "dead_letter.redrive"]);
    for entry in audit["items"].as_array().unwrap() {
        assert_eq!((&entry["who"], &entry["from"]), (&json!("olga"), &json!("127.0.0.1")));
        assert_eq!(entry["subject"], letters[0]["id"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_sent_and_forgotten_by_filter_or_by_id() {
    let (app, letters) = with_dead(3).await;
    let admin = app.admin();
    let post = async |what: &str, body: Value| {
        app.admin_send("POST", &format!("{LIST}/{what}"), &admin, JSON, body.to_string().as_bytes()).await
    };
    for (what, wrong) in [
        ("redrive", json!({})),
        ("redrive", json!({ "ids": [] })),
        ("redrive", json!({ "filter": {}, "ids": ["x"] })),
        ("redrive", json!({ "filter": {}, "rate": 0 })),
        ("redrive", json!({ "filter": { "state": "open" } })),
        ("purge", json!({})),
        ("purge", json!({ "filter": {} })),
        ("purge", json!({ "ids": [] })),
    ] {
        let refused = post(what, wrong.clone()).await;
        assert_eq!((refused.status, refused.not_a_problem()), (400, None), "{what} {wrong}");
    }
    assert_eq!(app.admin_get(&format!("{LIST}?state=lost"), &admin).await.status, 400);
    let filter = json!({ "topic": "broadcast-messages" });
    let dry = post("redrive", json!({ "filter": &filter, "dry_run": true })).await.json();
    assert_eq!((&dry["total"], &dry["sent"], &dry["failed"]), (&json!(3), &json!(3), &json!(0)));
    let none = post("redrive", json!({ "filter": { "cause": "no such cause" } })).await.json();
    assert_eq!((&none["total"], &none["sent"]), (&json!(0), &json!(0)));
    let ids = json!([letters[0]["id"], letters[1]["id"], "nothing"]);
    let done = post("redrive", json!({ "ids": ids, "rate": 100 })).await.json();
    assert_eq!(
        (&done["total"], &done["sent"], &done["failed"], &done["succeeded"]),
        (&json!(3), &json!(2), &json!(3), &json!(0)),
        "{done}"
    );
    assert_eq!(done["failures"].as_array().map(Vec::len), Some(3));

    let counted = post("purge", json!({ "filter": &filter, "dry_run": true })).await.json();
    assert_eq!(counted["purged"], 3);
    assert_eq!(post("purge", json!({ "ids": [letters[2]["id"], "nothing"] })).await.json()["purged"], 1);
    assert_eq!(post("purge", json!({ "filter": &filter })).await.json()["purged"], 2);
    assert_eq!(app.admin_get(LIST, &admin).await.json()["items"], json!([]));
    let purged = app.admin_get(&format!("{LIST}?state=purged"), &admin).await.json();
    assert_eq!(purged["items"].as_array().map(Vec::len), Some(3));
    let audit = app.admin_get("/api/v1/audit?limit=2", &admin).await.json();
    assert_eq!(audit["items"][0]["detail"]["purged"], 2);
    let cursor = audit["next_cursor"].as_str().unwrap();
    let older = app.admin_get(&format!("/api/v1/audit?cursor={cursor}"), &admin).await.json();
    let actions = older["items"].as_array().unwrap().iter().map(|entry| entry["action"].clone());
    assert!(actions.collect::<Vec<_>>().contains(&json!("dead_letters.redriven")));
}
