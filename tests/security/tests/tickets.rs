//! A page on another origin opens a stream with a ticket, and nobody else does.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidings_model::{Clock as _, ManualClock, SystemClock};
use tidings_tests_security::App;

const ORIGIN: &str = "https://app.example.com";

async fn ticket(app: &App, user: &str) -> String {
    let answer = app.post("/api/v1/stream-tickets", &app.user(user), &json!({})).await;
    assert_eq!(answer.status, 201, "{}", answer.json());
    answer.json()["ticket"].as_str().expect("a ticket").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_stream_and_no_second_one() {
    let app = App::start().await;
    let ticket = ticket(&app, "alice").await;
    let query = format!("?ticket={ticket}");
    let opened = app.stream(&query, &[]).await.until("event: ready").await;
    assert!(opened.contains(r#""user_id":"alice""#), "{opened}");
    let again = app.get(&format!("/api/v1/stream{query}"), "").await;
    assert_eq!((again.status, again.not_a_problem()), (401, None));
    assert!(!String::from_utf8_lossy(&again.body).contains(&ticket), "a ticket never comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_for_a_minute_and_for_streams_only() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let app = App::start_at(Arc::<ManualClock>::clone(&clock), |_config| {}).await;
    let early = ticket(&app, "alice").await;
    assert_eq!(app.get(&format!("/api/v1/broadcasts?ticket={early}"), "").await.status, 401);
    clock.advance(Duration::from_secs(59));
    app.stream(&format!("?ticket={early}"), &[]).await.until("event: ready").await;
    let late = ticket(&app, "alice").await;
    clock.advance(Duration::from_secs(61));
    assert_eq!(app.get(&format!("/api/v1/stream?ticket={late}"), "").await.status, 401);
    assert_eq!(app.get("/api/v1/stream?ticket=", "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_holds_no_ticket_that_could_be_used() {
    let app = App::start().await;
    let ticket = ticket(&app, "alice").await;
    for file in std::fs::read_dir(app.folder.path()).unwrap().filter_map(Result::ok) {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        let held = bytes.windows(ticket.len()).any(|window| window == ticket.as_bytes());
        assert!(!held, "{:?}", file.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_listed_origins_may_call_and_others_may_not() {
    let app = App::start_with(|config| config.server.origins = vec![ORIGIN.to_owned()]).await;
    let preflight = |origin: &str| format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST");
    let answer = app.send("OPTIONS", "/api/v1/stream-tickets", "", &[&preflight(ORIGIN)], b"").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    let allowed = answer.header("access-control-allow-headers").unwrap();
    for header in ["authorization", "content-type", "idempotency-key", "last-event-id"] {
        assert!(allowed.contains(header), "{allowed}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), None);

    let token = format!("Authorization: Bearer {}", app.user("alice"));
    let origin = format!("Origin: {ORIGIN}");
    let stream = app.stream("", &[&token, &origin]).await.until("event: ready").await;
    assert!(stream.contains(&format!("access-control-allow-origin: {ORIGIN}")), "{stream}");
    let problem = app.send("GET", "/api/v1/broadcasts", &app.user("alice"), &[&origin], b"").await;
    assert_eq!(problem.header("access-control-allow-origin"), Some(ORIGIN), "pages can read problems too");
    assert!(problem.header("access-control-expose-headers").unwrap().contains("retry-after"));
    assert_eq!(problem.header("vary"), Some("origin"));

    for other in ["null", "http://app.example.com", "https://app.example.com.evil.test", "https://evil.test"]
    {
        let refused = app.send("OPTIONS", "/api/v1/stream-tickets", "", &[&preflight(other)], b"").await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None), "{other}");
        let origin = format!("Origin: {other}");
        let answer = app.send("GET", "/api/v1/broadcasts", &app.user("alice"), &[&origin], b"").await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{other}");
    }
}
