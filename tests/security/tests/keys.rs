//! A service key opens what its scopes name, until it is revoked, and nobody learns it from us.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_api::service_keys;
use tidings_model::{Clock as _, KeyId, ManualClock, SystemClock};
use tidings_tests_security::{Answer, App};

use crate::identity::HANDSHAKE;

const KEYS: &str = "/api/v1/keys";
const BROADCASTS: &str = "/api/v1/broadcasts";
const JSON: &str = "Content-Type: application/json";

async fn create(app: &App, token: &str, body: &Value) -> Answer {
    app.admin_send("POST", KEYS, token, &[JSON], body.to_string().as_bytes()).await
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemClock.now()))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_a_key_what_they_do_not_have() {
    let app = App::start().await;
    let body = |scopes: &[&str], roles: &[&str]| json!({ "name": "n", "scopes": scopes, "roles": roles });
    let maker = app.token("mia", Some(&[]), Some("keys:write message:write"));
    let made = create(&app, &maker, &body(&["keys:write", "message:write"], &[])).await;
    assert_eq!((made.status, &made.json()["created_by"]), (201, &json!("mia")), "{}", made.json());
    let key = made.json()["key"].as_str().unwrap().to_owned();
    for token in [&maker, &key] {
        for (asked, status) in [
            (body(&["message:write"], &[]), 201),
            (body(&["message:write", "broadcast:write"], &[]), 403),
            (body(&["keys:read"], &[]), 403),
            (body(&["message:write"], &["admin"]), 403),
        ] {
            let answer = create(&app, token, &asked).await;
            assert_eq!(answer.status, status, "{asked}: {}", answer.json());
            assert_eq!(answer.not_a_problem().is_some(), status == 201);
        }
    }
    let all = create(&app, &app.admin(), &body(&[], &["admin"])).await.json();
    assert_eq!((&all["roles"], &all["state"]), (&json!(["admin"]), &json!("valid")), "{all}");
    let all = all["key"].as_str().unwrap().to_owned();
    assert_eq!(create(&app, &all, &body(&["anything:at-all"], &["admin"])).await.status, 201);
    let public = app.post(KEYS, &app.admin(), &body(&["message:write"], &[])).await;
    assert_eq!(public.status, 404, "keys are made on the admin listener alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_is_refused_with_what_is_wrong() {
    let app = App::start().await;
    let many: Vec<String> = (0..65).map(|number| format!("s{number}")).collect();
    for (body, pointer) in [
        (json!({ "name": "", "scopes": ["a"] }), "/name"),
        (json!({ "name": "x".repeat(101), "scopes": ["a"] }), "/name"),
        (json!({ "name": "a\u{7}", "scopes": ["a"] }), "/name"),
        (json!({ "name": "n" }), "/scopes"),
        (json!({ "name": "n", "scopes": ["a b"] }), "/scopes"),
        (json!({ "name": "n", "scopes": [""] }), "/scopes"),
        (json!({ "name": "n", "scopes": ["x".repeat(65)] }), "/scopes"),
        (json!({ "name": "n", "scopes": many }), "/scopes"),
        (json!({ "name": "n", "scopes": ["a"], "roles": ["editor"] }), "/roles"),
        (json!({ "name": "n", "scopes": ["a"], "expires_at": "2020-01-01T00:00:00Z" }), "/expires_at"),
        (json!({ "name": "n", "scopes": ["a"], "key": "tdk_mine" }), "/key"),
    ] {
        let answer = create(&app, &app.admin(), &body).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (400, &json!(pointer)), "{body}");
    }
    let headers = [JSON, "Idempotency-Key: once"];
    let body = json!({ "name": "n", "scopes": ["a"] }).to_string();
    let kept = app.admin_send("POST", KEYS, &app.admin(), &headers, body.as_bytes()).await;
    assert_eq!((kept.status, kept.not_a_problem()), (400, None), "its answer must be kept nowhere");
    assert_eq!(app.admin_get(KEYS, &app.admin()).await.json()["items"], json!([]), "none of them was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_out_within_five_seconds_also_where_it_was_just_in_use() {
    let clock = clock();
    let app = App::start_at(Arc::<ManualClock>::clone(&clock), |_config| {}).await;
    let ((id, key), (other, kept)) = (app.key(&["broadcast:read"]).await, app.key(&["broadcast:read"]).await);
    let of = async |key: &str| app.get(BROADCASTS, key).await.status;
    assert_eq!((of(&key).await, of(&kept).await), (200, 200));
    // As another process revokes it: nobody tells this one.
    let (revoked, now): (KeyId, _) = (id.parse().unwrap(), clock.now());
    let told =
        app.server().store().transact(move |tx| async move { service_keys::revoke(&tx, revoked, now).await });
    assert_eq!(told.await.unwrap(), Some(true));
    clock.advance(Duration::from_secs(5));
    assert_eq!((of(&key).await, of(&kept).await), (401, 200));
    assert_eq!(app.revoke(&id).await, 204, "again");
    assert_eq!(app.revoke(&format!("key_{:026}", 0)).await, 404);
    let listed = app.admin_get(KEYS, &app.admin()).await.json();
    let state = |id: &str| {
        let items = listed["items"].as_array().unwrap();
        items.iter().find(|item| item["id"] == id).unwrap()["state"].clone()
    };
    assert_eq!((state(&id), state(&other)), (json!("revoked"), json!("valid")), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_it_was_to_end_also_where_it_is_remembered() {
    let clock = clock();
    let app = App::start_at(Arc::<ManualClock>::clone(&clock), |_config| {}).await;
    let end = clock.now().plus(Duration::from_secs(1));
    let body = json!({ "name": "n", "scopes": ["broadcast:read"], "expires_at": end });
    let (_, key) = app.made(&body).await;
    assert_eq!(app.get(BROADCASTS, &key).await.status, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(app.get(BROADCASTS, &key).await.status, 401);
    assert_eq!(app.admin_get(KEYS, &app.admin()).await.json()["items"][0]["state"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_noted_once_a_minute() {
    let clock = clock();
    let app = App::start_at(Arc::<ManualClock>::clone(&clock), |_config| {}).await;
    let (_, key) = app.key(&["broadcast:read"]).await;
    let noted = async || app.admin_get(KEYS, &app.admin()).await.json()["items"][0]["last_used_at"].clone();
    let used = async || {
        assert_eq!(app.get(BROADCASTS, &key).await.status, 200);
        noted().await
    };
    assert_eq!(noted().await, json!(null));
    let first = used().await;
    assert_eq!(first, json!(clock.now()));
    clock.advance(Duration::from_secs(59));
    assert_eq!(used().await, first);
    clock.advance(Duration::from_secs(10));
    assert_eq!(used().await, json!(clock.now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_named_in_the_audit_and_what_it_says_once_is_its_own() {
    let app = App::start().await;
    let (first, key) = app.key(&["broadcast:write", "broadcast:read"]).await;
    let (_, second) = app.key(&["broadcast:write", "keys:write"]).await;
    let body = json!({ "content": "hi", "target": { "type": "all" } }).to_string();
    let say = async |key: &str| {
        let headers = [JSON, "Idempotency-Key: once"];
        let answer = app.send("POST", BROADCASTS, key, &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        answer.json()["id"].clone()
    };
    let said = say(&key).await;
    assert_eq!(said, say(&key).await);
    assert_ne!(said, say(&second).await, "keys of requests are each caller's own");
    let revoking = app.admin_send("DELETE", &format!("{KEYS}/{first}"), &second, &[], b"").await;
    assert_eq!(revoking.status, 204);
    let entries = app.admin_get("/api/v1/audit", &app.admin()).await.json()["items"].clone();
    let acts: Vec<_> = entries.as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(acts, ["key.revoke", "key.create", "key.create"]);
    let who = entries[0]["who"].as_str().unwrap();
    assert!(who.starts_with("key_") && who != first, "{who}");
    assert_eq!((&entries[0]["subject"], &entries[2]["subject"]), (&json!(first), &json!(first)));
    assert_eq!(entries[2]["who"], "root");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_told_before_the_upgrade_that_it_has_no_stream() {
    let app = App::start().await;
    let (_, key) = app.made(&json!({ "name": "n", "roles": ["admin"] })).await;
    let answer = app.send("GET", "/api/v1/ws", &key, &HANDSHAKE, b"").await;
    assert_eq!((answer.status, answer.not_a_problem()), (403, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_cannot_take_the_name_of_a_key() {
    let app = App::start().await;
    let (id, _) = app.key(&["broadcast:read"]).await;
    let answer = app.get(BROADCASTS, &app.token(&id, Some(&["admin"]), None)).await;
    assert_eq!((answer.status, answer.not_a_problem()), (401, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_holds_no_key_that_could_be_used() {
    let app = App::start().await;
    let (_, key) = app.key(&["broadcast:read"]).await;
    assert!(key.starts_with("tdk_") && key.len() == 47, "{key}");
    assert_eq!(app.get(BROADCASTS, &key).await.status, 200);
    let listed = app.admin_get(KEYS, &app.admin()).await;
    let secret = key.strip_prefix("tdk_").unwrap().as_bytes();
    let held = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
    assert!(!held(&listed.body), "{}", listed.json());
    for file in std::fs::read_dir(app.folder.path()).unwrap().filter_map(Result::ok) {
        assert!(!held(&std::fs::read(file.path()).unwrap_or_default()), "{:?}", file.path());
    }
}
