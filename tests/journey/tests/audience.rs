//! Who is meant: channels and exceptions, lists, late joiners, those who are online; and who got it, by name.

use http::{Method, header};
use serde_json::{Value, json};
use tidings_client::Answer;
use tidings_testkit::{Person, TestApp, eventually};

/// Enters people with their roles and groups.
async fn enter(admin: &Person, people: &[(&str, &[&str], &[&str])]) {
    for (id, roles, groups) in people {
        let person = json!({ "roles": roles, "groups": groups });
        let put =
            admin.client.put(&format!("/api/v1/directory/users/{id}"), &person).await.expect("an answer");
        assert!(put.status.is_success(), "{put:?}");
    }
}

async fn say(admin: &Person, body: Value) -> String {
    admin.post("/broadcasts", body).await["id"].as_str().expect("an id").to_owned()
}

/// Who got a broadcast, as `name state`.
async fn states(admin: &Person, id: &str) -> Vec<String> {
    let page = admin.get(&format!("/broadcasts/{id}/deliveries")).await;
    let line = |row: &Value| {
        format!("{} {}", row["user_id"].as_str().expect("a person"), row["state"].as_str().expect("a state"))
    };
    page["items"].as_array().expect("a page").iter().map(line).collect()
}

async fn put_lines(admin: &Person, path: &str, lines: String) -> Answer {
    let media = [(header::CONTENT_TYPE, "application/x-ndjson")];
    let path = format!("/api/v1{path}");
    admin.client.send(Method::PUT, &path, &media, Some(lines.into())).await.expect("an answer")
}

async fn put_list(admin: &Person, name: &str, lines: String) -> Answer {
    put_lines(admin, &format!("/audiences/{name}"), lines).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_import_enters_everybody_once_and_the_last_line_of_somebody_holds() {
    const PEOPLE: usize = 1000;
    let app = TestApp::start().await;
    let admin = app.admin();
    let line =
        |number: usize, group: &str| format!("{{\"user_id\":\"p{number}\",\"groups\":[\"{group}\"]}}\n");
    let mut lines: String = (0..PEOPLE).map(|number| line(number, "first")).collect();
    // The same people again: two of them at once, and one while their first line may still be on its way.
    lines.extend([line(7, "second"), line(7, "third"), line(PEOPLE - 1, "second")]);
    let answer = put_lines(&admin, "/directory/users", lines).await;
    let said: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((&said["accepted"], &said["failed_count"]), (&json!(PEOPLE + 3), &json!(0)), "{said}");
    for (group, count) in [("first", PEOPLE - 2), ("second", 1), ("third", 1)] {
        let target = json!({ "type": "group", "ids": [group] });
        let preview = admin.post("/audiences/preview", json!({ "target": target })).await;
        assert_eq!(preview["count"], count, "{group}: {preview}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_name_who_is_meant_and_who_is_not() {
    let app = TestApp::start().await;
    let admin = app.admin();
    enter(&admin, &[("alice", &["editor"], &[]), ("bob", &["editor"], &["night"]), ("carol", &[], &["day"])])
        .await;
    let target = json!({ "any": ["role:editor", "group:day"], "none": ["group:night"] });
    let preview = admin.post("/audiences/preview", json!({ "target": target })).await;
    assert_eq!(preview, json!({ "count": 2, "sample": ["alice", "carol"] }));
    let mut alice = app.person("alice").device("d").await;
    let mut bob = app.person("bob").device("d").await;
    let id = say(&admin, json!({ "content": "By day", "target": target })).await;
    assert_eq!(alice.content().await, "By day");
    admin.broadcast("Everybody", json!({ "type": "all" })).await;
    assert_eq!(bob.content().await, "Everybody", "who is excepted is not told");
    alice.until("Everybody").await;
    app.person("alice").confirm("d", alice.cursor()).await;
    assert_eq!(states(&admin, &id).await, ["alice delivered", "carol pending"]);
    let stats = admin.get(&format!("/broadcasts/{id}/stats")).await;
    assert_eq!(stats, json!({ "targeted": 2, "delivered": 1, "read": 0, "failed": 0, "pending": 1 }));
    let answered = admin.get(&format!("/broadcasts/{id}")).await;
    assert_eq!(answered["target"], target, "a target is answered as it was asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_reaches_the_people_it_had_when_the_broadcast_was_said() {
    let app = TestApp::start().await;
    let admin = app.admin();
    enter(&admin, &[("p0001", &[], &[]), ("p0699", &[], &[])]).await;
    // More than one slice, some of them twice, one line that is none.
    let line = |n: u32| format!("{{\"user_id\":\"p{n:04}\"}}\n");
    let mut lines: String = (0..700).map(line).collect();
    lines.push_str("{\"user_id\":\"p0001\"}\nnobody\n");
    let put = put_list(&admin, "testers", lines).await;
    let put: Value = put.success().unwrap().json().unwrap();
    assert_eq!(
        (&put["people"], &put["unknown_count"], &put["failed_count"]),
        (&json!(700), &json!(698), &json!(1))
    );
    assert_eq!(put["failed"][0]["line"], 702);
    let target = json!({ "type": "list", "ids": ["testers"] });
    let mut first = app.person("p0001").device("d").await;
    let mut last = app.person("p0699").device("d").await;
    let id = say(&admin, json!({ "content": "For testers", "target": target })).await;
    let fewer = put_list(&admin, "testers", "{\"user_id\":\"p0001\"}\n".to_owned()).await;
    assert!(fewer.status.is_success());
    assert_eq!(first.content().await, "For testers");
    assert_eq!(last.content().await, "For testers");
    assert_eq!(admin.get(&format!("/broadcasts/{id}/stats")).await["targeted"], 700);
    let id = say(&admin, json!({ "content": "For fewer", "target": target })).await;
    assert_eq!(admin.get(&format!("/broadcasts/{id}/stats")).await["targeted"], 1);
    assert_eq!(first.content().await, "For fewer");
    let listed = admin.get("/audiences").await;
    assert_eq!(listed["items"][0]["people"], 1);
    let gone = admin.client.delete("/api/v1/audiences/testers").await.unwrap();
    assert_eq!(gone.status, 204);
    let refused = admin.try_post("/broadcasts", json!({ "content": "x", "target": target })).await;
    assert_eq!(refused.status, 400);
    let problem: Value = refused.json().unwrap();
    assert_eq!(problem["errors"][0]["pointer"], "/target/ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_late_joiners_reaches_nobody_who_joins_later() {
    let app = TestApp::start().await;
    let admin = app.admin();
    enter(&admin, &[("alice", &["editor"], &[]), ("bob", &[], &[])]).await;
    let mut alice = app.person("alice").device("d").await;
    let mut bob = app.person("bob").device("d").await;
    let target = json!({ "type": "role", "ids": ["editor"] });
    let id = say(&admin, json!({ "content": "Only now", "target": target, "late_joiners": false })).await;
    assert_eq!(alice.content().await, "Only now");
    enter(&admin, &[("bob", &["editor"], &[])]).await;
    say(&admin, json!({ "content": "Next", "target": target })).await;
    assert_eq!(bob.content().await, "Next");
    let inbox = app.person("bob").get("/inbox").await;
    let contents: Vec<&Value> =
        inbox["items"].as_array().unwrap().iter().map(|item| &item["content"]).collect();
    assert_eq!(contents, ["Next"]);
    assert_eq!(admin.get(&format!("/broadcasts/{id}/stats")).await["targeted"], 1);
    assert_eq!(states(&admin, &id).await, ["alice pending"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fired_and_forgotten_is_seen_by_who_is_online_and_by_nobody_else() {
    let app = TestApp::start().await;
    let admin = app.admin();
    enter(&admin, &[("alice", &[], &[]), ("bob", &[], &[])]).await;
    let alice = app.person("alice");
    let mut online = alice.device("d").await;
    online.catch_up().await;
    let cursor = online.cursor().to_owned();
    let body = json!({ "content": "Now or never", "target": { "type": "all" }, "fire_and_forget": true });
    let id = say(&admin, body).await;
    assert_eq!(online.content().await, "Now or never");
    assert_eq!(online.cursor(), cursor, "what is never confirmed has no cursor");
    assert_eq!(app.person("bob").device("d").await.catch_up().await, Vec::<String>::new());
    assert_eq!(alice.get("/inbox").await["items"], json!([]));
    let targeted = admin.get(&format!("/broadcasts/{id}/stats")).await;
    let known = admin.get("/directory/users").await["items"].as_array().unwrap().len();
    assert_eq!(targeted, json!({ "targeted": known, "delivered": 0, "read": 0, "failed": 0, "pending": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_broadcast_is_edited_until_it_begins() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let mut alice = app.person("alice").device("d").await;
    let body = json!({ "content": "Draft", "title": "T", "target": { "type": "all" }, "scheduled_at": "2099-01-01T00:00:00Z" });
    let id = say(&admin, body).await;
    let address = format!("/api/v1/broadcasts/{id}");
    let edit = async |body: Value| {
        let body = serde_json::to_vec(&body).unwrap();
        admin.client.send(Method::PATCH, &address, &[], Some(body.into())).await.unwrap()
    };
    let wrong = edit(json!({ "scheduled_at": "2001-01-01T00:00:00Z", "content": " " })).await;
    assert_eq!(wrong.status, 400);
    let wrong: Value = wrong.json().unwrap();
    assert_eq!(wrong["errors"].as_array().map(Vec::len), Some(2), "{wrong}");
    let edited: Value =
        edit(json!({ "content": "Final", "title": null })).await.success().unwrap().json().unwrap();
    assert_eq!(
        (&edited["content"], &edited["title"], &edited["status"]),
        (&json!("Final"), &Value::Null, &json!("scheduled"))
    );
    let begun = edit(json!({ "scheduled_at": null })).await;
    assert!(begun.status.is_success(), "{begun:?}");
    assert_eq!(alice.content().await, "Final");
    assert_eq!(edit(json!({ "content": "Too late" })).await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_got_it_is_told_by_state_and_as_a_file() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let ids = ["=cmd", "alice", "bob", "carol"];
    enter(&admin, &[("alice", &[], &[]), ("bob", &[], &[])]).await;
    let id = say(&admin, json!({ "content": "Who?", "target": { "type": "selected", "ids": ids } })).await;
    for (name, read) in [("alice", false), ("bob", true)] {
        let person = app.person(name);
        let mut device = person.device("d").await;
        let got = device.catch_up().await;
        if got.is_empty() {
            device.until("Who?").await;
        }
        person.confirm("d", device.cursor()).await;
        if read {
            person.post("/receipts", json!({ "read": [id] })).await;
        }
    }
    assert_eq!(states(&admin, &id).await, ["=cmd pending", "alice delivered", "bob read", "carol pending"]);
    let path = format!("/broadcasts/{id}/deliveries");
    let first = admin.get(&format!("{path}?state=pending&limit=1")).await;
    assert_eq!(first["items"][0]["user_id"], "=cmd");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = admin.get(&format!("{path}?state=pending&limit=1&cursor={cursor}")).await;
    assert_eq!(second["items"][0]["user_id"], "carol");
    let file = async |media: &str| {
        let accept = [(header::ACCEPT, media)];
        let answer = admin.client.send(Method::GET, &format!("/api/v1{path}"), &accept, None).await.unwrap();
        String::from_utf8(answer.success().unwrap().body.to_vec()).unwrap()
    };
    let csv = file("text/csv").await;
    let rows: Vec<&str> = csv.lines().collect();
    assert_eq!(rows[0], "user_id,state,delivered_at,read_at");
    assert_eq!(rows[1], "\"'=cmd\",pending,,");
    assert!(rows[3].starts_with("\"bob\",read,20"), "{csv}");
    assert_eq!(rows.len(), 5);
    let lines = file("application/x-ndjson").await;
    assert_eq!(lines.lines().count(), 4);
    admin.post(&format!("/broadcasts/{id}/cancel"), json!({})).await;
    assert_eq!(
        states(&admin, &id).await,
        ["=cmd cancelled", "alice delivered", "bob read", "carol cancelled"]
    );
}

// covers B5, B12
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_whose_delivery_is_a_dead_letter_has_failed_until_it_is_sent_through_again() {
    let clock = std::sync::Arc::new(tidings_model::SystemClock);
    let app = TestApp::with(|config| config.testing.faults = true, clock).await;
    let (admin, operator) = (app.admin(), app.operator());
    enter(&admin, &[("alice", &[], &[]), ("bob", &[], &[])]).await;
    let target = json!({ "type": "selected", "ids": ["alice", "bob"] });
    let body = json!({ "content": "Hard", "target": target, "simulate_failure": "permanent" });
    let id = say(&admin, body).await;
    let path = format!("/broadcasts/{id}");
    let status = async |wanted: &str| (admin.get(&path).await["status"] == wanted).then_some(());
    eventually("it has failed", || status("failed")).await;
    let counted = admin.get(&format!("{path}/stats")).await;
    assert_eq!(counted, json!({ "targeted": 2, "delivered": 0, "read": 0, "failed": 2, "pending": 0 }));
    assert_eq!(states(&admin, &id).await, ["alice failed", "bob failed"]);
    assert!(operator.client.delete("/api/v1/testing/faults").await.unwrap().status.is_success());
    let letters = operator.get("/dead-letters?state=open").await;
    let letter = letters["items"][0]["id"].as_str().unwrap().replace('/', "%2F");
    operator.post(&format!("/dead-letters/{letter}/redrive"), json!({})).await;
    eventually("it lives", || status("active")).await;
    let counted = admin.get(&format!("{path}/stats")).await;
    assert_eq!(counted, json!({ "targeted": 2, "delivered": 0, "read": 0, "failed": 0, "pending": 2 }));
    let mut alice = app.person("alice").device("d").await;
    let mut got = alice.catch_up().await;
    if got.is_empty() {
        got.push(alice.content().await);
    }
    assert_eq!(got, ["Hard"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_out_is_told_no_more_and_what_they_received_stays_counted() {
    let app = TestApp::start().await;
    let admin = app.admin();
    enter(&admin, &[("alice", &[], &[]), ("bob", &[], &[])]).await;
    let known = admin.get("/directory/users").await["items"].as_array().map(Vec::len);
    let (alice, bob) = (app.person("alice"), app.person("bob"));
    let mut device = alice.device("d").await;
    let id = say(&admin, json!({ "content": "For all", "target": { "type": "all" } })).await;
    device.until("For all").await;
    alice.confirm("d", device.cursor()).await;
    for name in ["alice", "bob"] {
        let gone = admin.client.delete(&format!("/api/v1/directory/users/{name}")).await.unwrap();
        assert_eq!(gone.status, 204);
    }
    // Their streams end.
    device.end().await;
    let missing = admin.client.get("/api/v1/directory/users/bob").await.unwrap();
    assert_eq!(missing.status, 404);
    let stats = admin.get(&format!("/broadcasts/{id}/stats")).await;
    assert_eq!(
        stats["targeted"].as_u64(),
        known.map(|known| known as u64 - 1),
        "alice received it, bob did not"
    );
    assert_eq!(stats["delivered"], 1);
    // Who comes again is somebody new.
    let mut again = bob.device("d").await;
    let mut got = again.catch_up().await;
    if got.is_empty() {
        got.push(again.content().await);
    }
    assert_eq!(got, ["For all"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_is_out_at_once_and_in_again_when_that_is_undone() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut device = alice.device("d").await;
    device.catch_up().await;
    let put = async |disabled: bool| {
        let body = json!({ "disabled": disabled });
        let put = admin.client.put("/api/v1/directory/users/alice", &body).await.unwrap();
        assert!(put.status.is_success(), "{put:?}");
    };
    put(true).await;
    device.end().await;
    let refused = async || (alice.client.get("/api/v1/inbox").await.unwrap().status == 401).then_some(());
    eventually("the token does not hold any more", refused).await;
    put(false).await;
    let admitted = async || (alice.client.get("/api/v1/inbox").await.unwrap().status == 200).then_some(());
    eventually("the token holds again", admitted).await;
}
