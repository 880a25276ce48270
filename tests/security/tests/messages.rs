//! Messages and ways in: who may say something, and what is said about a body that is not right.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use serde_json::{Value, json};
use tidings_config::{Config, IngestSettings};
use tidings_tests_security::App;

const MESSAGES: &str = "/api/v1/messages";

/// The pointers of what is wrong with a message.
async fn pointers(app: &App, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut body = json!({ "to": ["user:alice"], "type": "note", "content": "hi" });
    change(&mut body);
    let answer = app.post(MESSAGES, &app.admin(), &body).await;
    assert_eq!((answer.status, answer.not_a_problem()), (400, None), "{body}");
    let problem = answer.json();
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_message_is_said_where_it_is() {
    let app = App::start().await;
    assert_eq!(pointers(&app, |body| body["to"] = json!([])).await, ["/to"]);
    assert_eq!(pointers(&app, |body| body["to"] = json!(["all", "someone"])).await, ["/to/1"]);
    assert_eq!(pointers(&app, |body| body["to"] = json!(["conversation:c"])).await, ["/to/0"]);
    assert_eq!(pointers(&app, |body| body["not"] = json!(["author:a"])).await, ["/not/0"]);
    assert_eq!(pointers(&app, |body| body["to"] = json!(vec!["all"; 101])).await, ["/to"]);
    assert_eq!(pointers(&app, |body| body["type"] = json!("broadcast.created")).await, ["/type"]);
    assert_eq!(pointers(&app, |body| body["type"] = json!("a\nid: 7")).await, ["/type"]);
    assert_eq!(pointers(&app, |body| body["title"] = json!(" ")).await, ["/title"]);
    assert_eq!(
        pointers(&app, |body| body["action_url"] = json!("javascript:alert(1)")).await,
        ["/action_url"]
    );
    assert_eq!(
        pointers(&app, |body| body["expires_at"] = json!("2001-01-01T00:00:00Z")).await,
        ["/expires_at"]
    );
    assert_eq!(pointers(&app, |body| body["sender_id"] = json!("root")).await, ["/sender_id"]);
    assert_eq!(
        pointers(&app, |body| (body["to"], body["type"]) = (json!(["x"]), json!(""))).await,
        ["/to/0", "/type"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_64_kib() {
    let app = App::start().await;
    let say = async |bytes: usize| {
        let body = json!({ "to": ["all"], "type": "note", "content": "x".repeat(bytes) });
        app.post(MESSAGES, &app.admin(), &body).await.status
    };
    assert_eq!([say(64 << 10).await, say((64 << 10) + 1).await, say(300 << 10).await], [201, 413, 413]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_needs_its_scope_and_no_other() {
    let app = App::start().await;
    let body = json!({ "to": ["user:bob"], "type": "note", "content": "hi" });
    for (token, status) in [
        (app.user("alice"), 403),
        (app.token("alice", Some(&["editor"]), Some("broadcast:write")), 403),
        (app.token("alice", Some(&[]), Some("message:write")), 201),
        (String::new(), 401),
    ] {
        assert_eq!(app.post(MESSAGES, &token, &body).await.status, status);
    }
}

fn way(path: &str) -> impl FnOnce(&mut Config) {
    let path = path.to_owned();
    move |config| {
        config.ingest = vec![IngestSettings {
            path,
            topic: "clicks".to_owned(),
            scope: "clicks:write".to_owned(),
            ..IngestSettings::default()
        }];
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_in_needs_the_scope_that_the_settings_name() {
    let app = App::start_with(way("/clicks")).await;
    let path = "/api/v1/clicks";
    let reference = app.get("/api/v1/openapi.json", "").await.json();
    assert_eq!(reference["paths"][path]["post"]["security"][0]["token"], json!(["clicks:write"]));
    for (token, status) in [
        (app.user("alice"), 403),
        (app.token("alice", Some(&[]), Some("message:write clicks:read")), 403),
        (app.token("alice", Some(&[]), Some("clicks:write")), 201),
        (app.admin(), 201),
        (String::new(), 401),
    ] {
        assert_eq!(app.post(path, &token, &json!({ "a": 1 })).await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_in_that_leads_somewhere_else_already_is_refused_at_the_start() {
    for path in ["/messages", "/inbox", "/inbox/clicks", "/topics", "/dead-letters/all"] {
        let refused = App::refused(way(path)).await;
        assert!(refused.contains(&format!("`{path}`")), "{refused}");
        assert!(refused.contains("leads somewhere else already"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_routes_that_do_not_hold_are_refused_at_the_start() {
    let refused = App::refused(|config| {
        config.routes = vec![tidings_config::RouteSettings {
            topic: "invoices".to_owned(),
            to: vec!["user:{customer}".to_owned()],
            ..tidings_config::RouteSettings::default()
        }];
    });
    let sentence =
        "routes[0].to[0] `{customer}` is no JSON Pointer: it begins with a slash, as in `{/customer_id}`";
    assert_eq!(refused.await, sentence);
}
