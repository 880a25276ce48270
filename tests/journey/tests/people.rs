//! People of the community: they sign up, have a profile when the event of it came out of the log, and log in.

// covers W4 W9 W10

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_client::{Answer, Client};
use tidings_log::Produce;
use tidings_model::{ManualClock, SystemClock};
use tidings_testkit::{Config, Person, TestApp, eventually};

const SIGN_UP: &str = "/api/v1/signup";
const LOG_IN: &str = "/api/v1/login";
const PASSWORD: &str = "correct horse battery";

/// Somebody who has not shown who they are.
fn nobody(app: &TestApp) -> Client {
    Client::new(&app.url(), None).unwrap()
}

fn account(name: &str) -> Value {
    json!({ "username": name, "password": PASSWORD, "display_name": format!("The {name}") })
}

async fn log_in(app: &TestApp, name: &str, password: &str) -> Answer {
    nobody(app).post(LOG_IN, &json!({ "username": name, "password": password })).await.unwrap()
}

/// Writes a record of a sign-up as another program would.
async fn signed_up(app: &TestApp, value: &Value) {
    let key = value["userId"].as_str().map(|id| id.as_bytes().to_vec());
    let (topic, value) = (app.topic("user.auth.signup"), Some(value.to_string().into_bytes()));
    app.log().await.produce(Produce { topic, key, value, ..Produce::default() }).await.unwrap();
}

/// Somebody's profile, once it is made.
async fn active(viewer: &Person, id: &str) -> Value {
    eventually("the profile is made", || async {
        let answer = viewer.client.get(&format!("/api/v1/users/{id}")).await.unwrap();
        answer.json::<Value>().ok().filter(|profile| profile["status"] == "active")
    })
    .await
}

fn pointers(answer: &Answer) -> Vec<String> {
    let body: Value = answer.json().unwrap();
    let errors = body["errors"].as_array().into_iter().flatten();
    errors.map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_up_has_a_profile_when_the_event_came_out_of_the_log_and_logs_in() {
    let faults = |config: &mut Config| config.testing.faults = true;
    let app = TestApp::with(faults, Arc::new(SystemClock)).await;
    // The database is away for the first two attempts, as the consumer sees it.
    let fault = json!({ "topic": "user.auth.signup", "failure": "transient" });
    app.operator().post("/testing/faults", fault).await;
    let made = nobody(&app).post(SIGN_UP, &account("ada")).await.unwrap();
    assert_eq!(made.status, 201);
    let made: Value = made.json().unwrap();
    assert_eq!((&made["user_id"], &made["status"]), (&json!("ada"), &json!("pending")));

    let answer: Value = log_in(&app, "ada", PASSWORD).await.json().unwrap();
    let client = Client::new(&app.url(), answer["token"].as_str()).unwrap();
    let ada = Person { id: "ada".to_owned(), client };
    assert_eq!(ada.get("/users/ada").await["status"], "pending");
    let profile = active(&ada, "ada").await;
    assert_eq!((&profile["display_name"], &profile["created_at"]), (&json!("The ada"), &made["created_at"]));

    let admin = app.admin();
    eventually("the directory knows how they are shown", || async {
        let listed = admin.client.get("/api/v1/directory/users/ada").await.unwrap();
        listed.json::<Value>().ok().filter(|listed| listed["display_name"] == "The ada")
    })
    .await;
    assert_eq!(app.operator().get("/dead-letters").await["items"], json!([]), "nothing was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_given_once_and_none_that_the_directory_knows() {
    let app = TestApp::start().await;
    let put = json!({ "display_name": "Boss" });
    assert!(app.admin().client.put("/api/v1/directory/users/boss", &put).await.unwrap().status.is_success());
    signed_up(&app, &json!({ "userId": "bob", "username": "bob", "displayName": "Bob" })).await;
    active(&app.person("viewer"), "bob").await;
    let both = tokio::join!(
        async { nobody(&app).post(SIGN_UP, &account("ada")).await.unwrap().status.as_u16() },
        async { nobody(&app).post(SIGN_UP, &account("ada")).await.unwrap().status.as_u16() }
    );
    assert!(matches!(both, (201, 409) | (409, 201)), "{both:?}");
    for taken in ["ada", "boss", "bob"] {
        let refused = nobody(&app).post(SIGN_UP, &account(taken)).await.unwrap();
        assert_eq!(refused.status, 409, "{taken}");
    }
    assert_eq!(log_in(&app, "boss", PASSWORD).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_one_account_and_another_body_under_it_is_refused() {
    let app = TestApp::start().await;
    let client = nobody(&app);
    let once = async |body: &Value| client.post_once(SIGN_UP, "k", body).await.unwrap();
    let first = once(&account("ada")).await;
    assert_eq!(first.status, 201);
    assert_eq!(once(&account("ada")).await.body, first.body);
    for (field, value) in [("password", "another horse"), ("display_name", "Another")] {
        let mut other = account("ada");
        other[field] = json!(value);
        assert_eq!(once(&other).await.status, 422, "{field}");
    }
    assert_eq!(once(&account("bob")).await.status, 201, "another person may have chosen the same key");
    assert_eq!(client.post_once(SIGN_UP, "l", &account("ada")).await.unwrap().status, 409);
    let kept = |tx: tidings_store::Tx| async move {
        let rows = tx.query("SELECT password FROM community_accounts ORDER BY user_id", &[]).await?;
        rows.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>()
    };
    let kept = app.server().store().read::<_, tidings_store::StoreError, _, _>(kept).await.unwrap();
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_account_is_said_with_pointers() {
    let app = TestApp::start().await;
    for (field, value) in [
        ("username", json!("")),
        ("username", json!(" ada")),
        ("username", json!("x".repeat(65))),
        ("password", json!("1234567")),
        ("password", json!("x".repeat(257))),
        ("password", json!(7)),
        ("display_name", json!(" ")),
        ("display_name", json!("x".repeat(129))),
        ("role", json!("admin")),
    ] {
        let mut body = account("ada");
        body[field] = value;
        let refused = nobody(&app).post(SIGN_UP, &body).await.unwrap();
        assert_eq!((refused.status.as_u16(), pointers(&refused)), (400, vec![format!("/{field}")]));
        let told = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(!told.contains(PASSWORD) && !told.contains("1234567"), "{told}");
    }
    let all =
        nobody(&app).post(SIGN_UP, &json!({ "username": "", "password": "", "display_name": "" })).await;
    assert_eq!(pointers(&all.unwrap()), ["/username", "/password", "/display_name"]);
    assert_eq!(nobody(&app).get("/api/v1/users/ada").await.unwrap().status, 401);
    assert_eq!(app.person("bob").client.get("/api/v1/users/ada").await.unwrap().status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_hears_the_same_for_nobody_and_for_a_wrong_password_and_soon_has_to_wait() {
    let clock = Arc::new(ManualClock::at(tidings_model::Clock::now(&SystemClock)));
    let limits = |config: &mut Config| config.limits.logins_per_minute = 4;
    let app = TestApp::with(limits, Arc::<ManualClock>::clone(&clock)).await;
    assert_eq!(nobody(&app).post(SIGN_UP, &account("ada")).await.unwrap().status, 201);
    let (wrong, unknown) =
        (log_in(&app, "ada", "wrong horse").await, log_in(&app, "nobody", "wrong horse").await);
    let told = |answer: &Answer| {
        let mut body: Value = answer.json().unwrap();
        body["instance"] = Value::Null;
        (answer.status.as_u16(), body)
    };
    assert_eq!(told(&wrong), told(&unknown));
    assert_eq!(wrong.status, 401);
    for _attempt in 0..2 {
        assert_eq!(log_in(&app, "ada", "wrong horse").await.status, 401);
    }
    let limited = log_in(&app, "ada", PASSWORD).await;
    assert_eq!(limited.status, 429);
    let wait: u64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=16).contains(&wait), "{wait}");
    clock.advance(Duration::from_secs(wait));
    assert_eq!(log_in(&app, "ada", PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_makes_no_tokens_says_so_and_one_that_gives_accounts_by_hand_too() {
    let closed = TestApp::with(|config| config.auth.signup = false, Arc::new(SystemClock)).await;
    let refused = nobody(&closed).post(SIGN_UP, &account("ada")).await.unwrap();
    assert_eq!(refused.status, 409);
    assert!(String::from_utf8_lossy(&refused.body).contains("auth.signup"));

    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    // The public key of RFC 8037.
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    std::fs::write(&keys, json!({ "keys": [key] }).to_string()).unwrap();
    let elsewhere = |config: &mut Config| {
        config.auth.hs256_secret = None;
        config.auth.jwks_file = Some(keys.display().to_string());
    };
    let app = TestApp::with(elsewhere, Arc::new(SystemClock)).await;
    for answer in
        [nobody(&app).post(SIGN_UP, &account("ada")).await.unwrap(), log_in(&app, "ada", PASSWORD).await]
    {
        assert_eq!(answer.status, 409);
        assert!(String::from_utf8_lossy(&answer.body).contains("auth.hs256_secret"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_login_says_what_the_rules_of_the_server_ask_for() {
    let rules = |config: &mut Config| {
        config.auth.issuer = Some("tidings".to_owned());
        config.auth.audience = Some("people".to_owned());
    };
    let app = TestApp::with(rules, Arc::new(SystemClock)).await;
    assert_eq!(nobody(&app).post(SIGN_UP, &account("ada")).await.unwrap().status, 201);
    let answer: Value = log_in(&app, "ada", PASSWORD).await.json().unwrap();
    let ada = Client::new(&app.url(), answer["token"].as_str()).unwrap();
    assert_eq!(ada.get("/api/v1/users/ada").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_of_another_program_makes_one_profile_however_often_it_comes() {
    let app = TestApp::start().await;
    let viewer = app.person("viewer");
    signed_up(&app, &json!({ "userId": "eve" })).await;
    let eve = json!({ "userId": "eve", "username": "eve", "displayName": "Eve", "timestamp": "2026-01-02T03:04:05.000Z" });
    for record in [&eve, &json!({ "displayName": "Nobody" }), &eve] {
        signed_up(&app, record).await;
    }
    let bob = json!({ "userId": "bob", "username": "bob", "displayName": "Bob", "timestamp": "2026-01-02T03:04:05.000Z" });
    signed_up(&app, &bob).await;
    assert_eq!(active(&viewer, "bob").await["created_at"], bob["timestamp"]);
    assert_eq!(active(&viewer, "eve").await["display_name"], "eve", "the first one made it");
    let operator = app.operator();
    eventually("what names nobody is a dead letter", || async {
        let page = operator.get("/dead-letters").await;
        page["items"].as_array().filter(|letters| letters.len() == 1).cloned()
    })
    .await;
}
