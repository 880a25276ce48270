//! Cancelled, expired, scheduled: a broadcast's life as people see it.

use std::time::Duration;

use serde_json::json;
use tidings_model::{Clock as _, SystemClock};
use tidings_testkit::{TestApp, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_broadcast_leaves_screens_and_catch_up() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let mut device = app.person("alice").device("d").await;
    let id = admin.broadcast("Wrong", json!({ "type": "all" })).await;
    assert_eq!(device.content().await, "Wrong");
    let cancelled = admin.post(&format!("/broadcasts/{id}/cancel"), json!({})).await;
    assert_eq!(cancelled["status"], "cancelled");
    let (kind, data) = device.event().await;
    assert_eq!((kind.as_str(), &data["reason"]), ("broadcast.removed", &json!("cancelled")));
    assert_eq!(app.person("bob").device("d").await.catch_up().await, Vec::<String>::new());
    let again = admin.post(&format!("/broadcasts/{id}/cancel"), json!({})).await;
    assert_eq!(again, cancelled, "a repeated action answers the same");
    assert_eq!(admin.get(&format!("/broadcasts/{id}/stats")).await["pending"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_broadcast_is_removed_in_time_and_a_scheduled_one_comes_in_time() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let mut device = app.person("alice").device("d").await;
    let now = SystemClock.now();
    // Time enough to be seen first, also where fifty of these tests start at once.
    let soon = |millis| now.plus(Duration::from_millis(millis)).to_string();
    let scheduled = admin
        .post(
            "/broadcasts",
            json!({ "content": "Later", "target": { "type": "all" }, "scheduled_at": soon(700), "expires_at": soon(8_000) }),
        )
        .await;
    assert_eq!(scheduled["status"], "scheduled");
    assert_eq!(device.content().await, "Later");
    assert!(SystemClock.now() >= now.plus(Duration::from_millis(700)), "never early");
    let (kind, data) = device.event().await;
    assert_eq!((kind.as_str(), &data["reason"]), ("broadcast.removed", &json!("expired")));
    let path = format!("/broadcasts/{}", scheduled["id"].as_str().unwrap());
    eventually("it is expired", async || (admin.get(&path).await["status"] == "expired").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_due_while_the_server_was_down_is_done_when_it_is_back() {
    let mut app = TestApp::start().await;
    let admin = app.admin();
    let alice = app.person("alice");
    alice.device("d").await.catch_up().await;
    let due = SystemClock.now().plus(Duration::from_millis(300));
    let body = json!({ "content": "Due", "target": { "type": "all" }, "scheduled_at": due.to_string() });
    admin.post("/broadcasts", body).await;
    app.stop().await;
    eventually("it came due", async || (SystemClock.now() > due).then_some(())).await;
    app.resume().await;
    let mut device = alice.device("d").await;
    let mut got = device.catch_up().await;
    if got.is_empty() {
        got.push(device.content().await);
    }
    assert_eq!(got, ["Due"]);
}
