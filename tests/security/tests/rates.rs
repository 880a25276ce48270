//! Who asks for too much is told to wait, by name or by address, and costs nobody else anything.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_model::{Clock as _, ManualClock, SystemClock};
use tidings_tests_security::{Answer, App};

const ASKED: &str = "/api/v1/inbox/unread-count";
const OPEN: &str = "/api/v1/openapi.json";
const BROADCASTS: &str = "/api/v1/broadcasts";

/// A server on which a person asks 5 times a second and says 3 broadcasts a minute, a service more; its time stands
/// still until it is moved.
async fn slow() -> (App, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let app = App::start_at(Arc::<ManualClock>::clone(&clock), |config| {
        config.limits.requests_per_second = 5;
        config.limits.key_requests_per_second = 10;
        config.limits.broadcasts_per_minute = 3;
        config.limits.key_broadcasts_per_minute = 6;
    });
    (app.await, clock)
}

/// How many requests of a kind are answered with this status, until one is refused as too much.
async fn until_refused(status: u16, ask: impl AsyncFn() -> Answer) -> (usize, Answer) {
    for count in 0..100 {
        let answer = ask().await;
        if answer.status == 429 {
            return (count, answer);
        }
        assert_eq!(answer.status, status, "{}", answer.json());
    }
    panic!("nothing was refused");
}

fn heads(answer: &Answer) -> [Option<&str>; 3] {
    ["ratelimit-policy", "ratelimit", "retry-after"].map(|name| answer.header(name))
}

fn said() -> Value {
    json!({ "content": "hi", "target": { "type": "all" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_asks_too_much_is_told_how_much_is_left_and_when_there_is_more() {
    let (app, clock) = slow().await;
    let alice = app.user("alice");
    let first = app.get(ASKED, &alice).await;
    assert_eq!(heads(&first), [Some("\"requests\";q=10;w=2"), Some("\"requests\";r=9;t=1"), None]);
    let foreign = app.get("/api/v1/broadcasts", &alice).await;
    assert_eq!((foreign.status, foreign.header("ratelimit")), (403, Some("\"requests\";r=8;t=1")));
    let missing = app.send("PATCH", ASKED, &alice, &[], b"").await;
    assert_eq!((missing.status, missing.header("ratelimit")), (405, Some("\"requests\";r=7;t=1")));
    let (more, refused) = until_refused(200, async || app.get(ASKED, &alice).await).await;
    assert_eq!((more, refused.not_a_problem()), (7, None));
    assert_eq!(refused.json()["code"], "too_many_requests");
    let sentence = "5 requests a second are what one person may ask of this process (limits.requests_per_second); wait 1 second, then try again";
    assert_eq!(refused.json()["detail"], sentence);
    let left = [Some("\"requests\";q=10;w=2"), Some("\"requests\";r=0;t=1"), Some("1")];
    assert_eq!(heads(&refused), left);
    assert_eq!(app.admin_get(ASKED, &alice).await.status, 429, "whichever listener they ask");
    assert_eq!(app.get(ASKED, &app.user("bob")).await.status, 200, "nobody pays for another");
    clock.advance(Duration::from_secs(1));
    let (back, _) = until_refused(200, async || app.get(ASKED, &alice).await).await;
    assert_eq!(back, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_name_shares_the_rate_of_an_address() {
    let (app, _clock) = slow().await;
    let (anonymous, _) = until_refused(200, async || app.get(OPEN, "").await).await;
    assert_eq!(anonymous, 10);
    for token in ["", "a.b.c", "tdk_nothing"] {
        assert_eq!(app.get(ASKED, token).await.status, 429, "a token that does not hold is no name");
    }
    let forwarded = ["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7"];
    assert_eq!(app.send("GET", OPEN, "", &forwarded, b"").await.status, 429, "a header is no address");
    assert_eq!(app.get(ASKED, &app.user("alice")).await.status, 200, "who has a name has a rate");
    for path in ["/healthz", "/readyz"] {
        let answer = app.get(path, "").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None), "{path}");
    }
    assert_eq!(app.admin_get("/metrics", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn broadcasts_are_counted_and_a_service_key_has_more() {
    let (app, clock) = slow().await;
    let sue = app.token("sue", Some(&[]), Some("broadcast:write broadcast:read"));
    let (_, key) = app.key(&["broadcast:write"]).await;
    let say =
        async |token: &str| until_refused(201, async || app.post(BROADCASTS, token, &said()).await).await;
    let (of_sue, refused) = say(&sue).await;
    assert_eq!(of_sue, 3);
    let sentence = "3 broadcasts a minute are what one person may say at this process (limits.broadcasts_per_minute); wait 20 seconds, then try again";
    assert_eq!((&refused.json()["detail"], refused.header("retry-after")), (&json!(sentence), Some("20")));
    let policies = "\"requests\";q=10;w=2, \"broadcasts\";q=3;w=60";
    assert_eq!(refused.header("ratelimit-policy"), Some(policies));
    assert_eq!(app.get(BROADCASTS, &sue).await.json()["items"].as_array().map(Vec::len), Some(3));
    let (of_key, refused) = say(&key).await;
    assert_eq!((of_key, refused.header("retry-after")), (6, Some("10")));
    assert!(refused.json()["detail"].as_str().unwrap().contains("(limits.key_broadcasts_per_minute)"));
    clock.advance(Duration::from_secs(20));
    assert_eq!((say(&sue).await.0, say(&key).await.0), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_flight_goes_on_and_one_without_a_name_in_its_head_is_the_gateways_to_judge() {
    let (app, _clock) = slow().await;
    let alice = app.user("alice");
    let ticket = app.post("/api/v1/stream-tickets", &alice, &json!({})).await.json()["ticket"].clone();
    let mut stream = app.stream("", &[&format!("Authorization: Bearer {alice}")]).await;
    let head = stream.until("event: ready").await;
    assert!(head.contains("ratelimit: \"requests\";r=8;t=1"), "{head}");
    until_refused(200, async || app.get(ASKED, &alice).await).await;
    until_refused(200, async || app.get(OPEN, "").await).await;
    let another = app.get("/api/v1/stream", &alice).await;
    assert_eq!((another.status, another.not_a_problem()), (429, None));
    let query = format!("?ticket={}", ticket.as_str().unwrap());
    app.stream(&query, &[]).await.until("event: ready").await;
    assert_eq!(app.get("/api/v1/ws", "").await.status, 426, "it says who it is with `hello`");
    assert_eq!(app.post(BROADCASTS, &app.admin(), &said()).await.status, 201);
    stream.until(r#""content":"hi""#).await;
}
