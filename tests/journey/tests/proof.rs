//! A proof says who got a broadcast, person by person, as the lists and `why` say it; signed, so that anybody can check it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tidings_model::SystemClock;
use tidings_proof::{Broken, PublicKey, verify};
use tidings_testkit::{Person, TestApp, eventually};

/// Made with `openssl genpkey -algorithm ed25519`.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIMkw4OPf4XMOtM8gYXkAv3maF5ANPwYJOyO2C01KhTvY
-----END PRIVATE KEY-----
";

async fn signing() -> TestApp {
    TestApp::with(|config| config.proof.signing_key = Some(KEY.to_owned()), Arc::new(SystemClock)).await
}

async fn fetch(person: &Person, id: &str) -> String {
    let answer = person.client.get(&format!("/api/v1/broadcasts/{id}/proof")).await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    String::from_utf8(answer.body.to_vec()).expect("text")
}

async fn keys(app: &TestApp) -> Vec<PublicKey> {
    // Nobody has to be somebody for this.
    let anybody = tidings_client::Client::new(&app.url(), None).expect("an address");
    let answer = anybody.get("/api/v1/proof-keys").await.expect("an answer");
    PublicKey::read(&String::from_utf8_lossy(&answer.body)).expect("keys")
}

/// The people of a proof: state and reason.
fn people(proof: &str) -> BTreeMap<String, (String, Option<String>)> {
    let lines = proof.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    lines
        .filter_map(|line| Some((text(&line["user_id"])?, (text(&line["state"])?, text(&line["reason"])))))
        .collect()
}

async fn enter(admin: &Person, ids: &[&str]) {
    for id in ids {
        let path = format!("/api/v1/directory/users/{id}");
        let answer = admin.client.put(&path, &json!({ "display_name": id })).await.expect("an answer");
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_says_what_the_lists_and_why_say_and_holds() {
    let app = signing().await;
    let admin = app.admin();
    enter(&admin, &["alice", "bob", "carol", "dave"]).await;
    let dave = app.person("dave");
    let muted = dave.client.put("/api/v1/preferences", &json!({ "muted_categories": ["news"] })).await;
    assert!(muted.unwrap().status.is_success());
    let ids = ["alice", "bob", "carol", "dave", "erin"];
    let body = json!({
        "content": "Fire drill", "category": "news", "target": { "type": "selected", "ids": ids }
    });
    let id = admin.post("/broadcasts", body).await["id"].as_str().unwrap().to_owned();
    for (person, word) in [("alice", "read"), ("bob", "delivered")] {
        let mut device = app.person(person).device("phone").await;
        device.until("Fire drill").await;
        app.person(person).post("/receipts", json!({ word: [id] })).await;
    }
    // A device that was offered it, and says nothing.
    app.person("carol").device("phone").await.until("Fire drill").await;

    let operator = app.operator();
    let path = format!("/broadcasts/{id}/deliveries");
    eventually("all of it was delivered", || async {
        let why = operator.get(&format!("/journeys/{id}?user_id=erin")).await;
        (why["reason"] == "not_connected").then_some(())
    })
    .await;
    let proof = fetch(&admin, &id).await;
    let keys = keys(&app).await;
    let verified = verify(proof.as_bytes(), &keys).expect("it holds");
    assert_eq!((verified.message_id.as_str(), verified.people), (id.as_str(), 5));

    let told = people(&proof);
    let listed = admin.get(&path).await;
    for delivery in listed["items"].as_array().expect("items") {
        let user = delivery["user_id"].as_str().expect("a user");
        let why = operator.get(&format!("/journeys/{id}?user_id={user}")).await;
        let (state, reason) = &told[user];
        assert_eq!(delivery["state"], **state, "{user}");
        assert_eq!(why["reason"].as_str(), reason.as_deref(), "{user}: {why}");
    }
    let expected = [
        ("alice", "read", None),
        ("bob", "delivered", None),
        ("carol", "pending", Some("unconfirmed")),
        ("dave", "pending", Some("muted")),
        ("erin", "pending", Some("not_connected")),
    ];
    let expected = expected
        .map(|(user, state, reason)| (user.to_owned(), (state.to_owned(), reason.map(str::to_owned))));
    assert_eq!(told, BTreeMap::from(expected));

    let head: Value = serde_json::from_str(proof.lines().next().expect("a head")).expect("JSON");
    assert_eq!(head["audience"], json!({ "type": "selected", "ids": ids }));
    assert_eq!(head["stats"], json!({ "targeted": 5, "delivered": 2, "read": 1, "failed": 0, "pending": 3 }));
    assert_eq!(head["status"], "active");

    let forged = proof.replace("\"muted\"", "\"unconfirmed\"");
    assert!(matches!(verify(forged.as_bytes(), &keys), Err(Broken::Line { line: 5, .. })));

    admin.post(&format!("/broadcasts/{id}/cancel"), json!({})).await;
    let proof = fetch(&admin, &id).await;
    verify(proof.as_bytes(), &keys).expect("it holds");
    assert_eq!(people(&proof)["erin"], ("cancelled".to_owned(), Some("cancelled".to_owned())));
    assert_eq!(people(&proof)["alice"].0, "read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_proof_names_everybody_once() {
    let app = signing().await;
    let admin = app.admin();
    let ids: Vec<String> = (0..160).map(|number| format!("user-{number:03}")).collect();
    let id = admin.broadcast("To many", json!({ "type": "selected", "ids": ids })).await;
    let proof = fetch(&admin, &id).await;
    let verified = verify(proof.as_bytes(), &keys(&app).await).expect("it holds");
    assert_eq!(verified.people, 160);
    assert!(people(&proof).keys().eq(&ids));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_it_is_said_how_to_make_one() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let id = admin.broadcast("Unsigned", json!({ "type": "all" })).await;
    let answer = admin.client.get(&format!("/api/v1/broadcasts/{id}/proof")).await.unwrap();
    assert_eq!(answer.status, 409);
    let problem: Value = answer.json().unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("openssl genpkey") && detail.contains("proof.signing_key_file"), "{detail}");
    assert_eq!(admin.get("/proof-keys").await, json!({ "keys": [] }));
    let stranger =
        app.person("stranger").client.get(&format!("/api/v1/broadcasts/{id}/proof")).await.unwrap();
    assert_eq!(stranger.status, 403);
}
