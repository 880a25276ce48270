//! Failing on purpose: back-off, dead letters, redrive, and that nothing ended comes back by it.

use serde_json::{Value, json};
use tidings_client::Frame;
use tidings_testkit::{Person, TestApp, eventually};

const LETTERS: &str = "/dead-letters";

async fn testing() -> TestApp {
    TestApp::with(|config| config.testing.faults = true, std::sync::Arc::new(tidings_model::SystemClock))
        .await
}

/// A broadcast to everybody whose first step fails.
async fn failing(admin: &Person, content: &str, failure: &str) -> String {
    let body = json!({ "content": content, "target": { "type": "all" }, "simulate_failure": failure });
    admin.post("/broadcasts", body).await["id"].as_str().expect("an id").to_owned()
}

/// The only dead letter, once it is in this state.
async fn letter(operator: &Person, state: &str) -> String {
    let look = || async move {
        let listed = operator.get(&format!("{LETTERS}?state={state}")).await;
        listed["items"][0]["id"].as_str().map(str::to_owned)
    };
    eventually(&format!("a dead letter that is {state}"), look).await
}

async fn redrive(operator: &Person, id: &str) -> Value {
    operator.post(&format!("/dead-letters/{}/redrive", id.replace('/', "%2F")), json!({})).await
}

// covers B13
#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_whose_step_fails_twice_is_delivered_all_the_same() {
    let app = testing().await;
    let mut device = app.person("alice").device("phone").await;
    failing(&app.admin(), "Third time lucky", "transient").await;
    assert_eq!(device.content().await, "Third time lucky");
    let none = app.operator().get(LETTERS).await;
    assert_eq!(none["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_broadcast_is_delivered_late_unless_it_was_cancelled_meanwhile() {
    let app = testing().await;
    let (admin, operator) = (app.admin(), app.operator());
    let mut device = app.person("alice").device("phone").await;
    for (content, cancelled) in [("Taken back", true), ("Late, but there", false)] {
        let id = failing(&admin, content, "permanent").await;
        let dead = letter(&operator, "open").await;
        if cancelled {
            // Its step fails as well: the fault is about all records of the broadcast.
            admin.post(&format!("/broadcasts/{id}/cancel"), json!({})).await;
        }
        assert!(operator.client.delete("/api/v1/testing/faults").await.unwrap().status.is_success());
        assert_eq!(redrive(&operator, &dead).await["state"], "redriven");
        letter(&operator, "handled").await;
        let purge = json!({ "filter": { "group": "broadcast-service-group-lifecycle" } });
        operator.post("/dead-letters/purge", purge).await;
    }
    loop {
        let Frame::Event { event, .. } = device.frame().await else { continue };
        let data = serde_json::to_value(&event.data).unwrap();
        assert_ne!(data["content"], "Taken back", "what was taken back does not come back");
        if data["content"] == "Late, but there" {
            assert!(event.late, "it says that it is late");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_on_purpose_where_it_is_not_allowed() {
    let app = TestApp::start().await;
    let body = json!({ "content": "x", "target": { "type": "all" }, "simulate_failure": "transient" });
    let refused = app.admin().try_post("/broadcasts", body).await;
    assert_eq!(refused.status, 400);
    let missing = app.operator().try_post("/testing/faults", json!({ "failure": "permanent" })).await;
    assert_eq!(missing.status, 404);
}
