//! What operators see, and that nobody else sees it.

use serde_json::json;
use tidings_model::{Clock as _, SystemClock};
use tidings_store::NewRecord;
use tidings_tests_security::App;

/// The operators' routes, and the scope that opens each.
const ROUTES: [(&str, &str); 9] = [
    ("/api/v1/topics", "log:read"),
    ("/api/v1/topics/broadcast-messages/records", "log:read"),
    ("/api/v1/consumer-groups", "ops:read"),
    ("/api/v1/consumer-groups/broadcast-service-group", "ops:read"),
    ("/api/v1/connections", "ops:read"),
    ("/api/v1/connections/people", "ops:read"),
    ("/api/v1/outbox", "ops:read"),
    ("/api/v1/dead-letters", "dlt:read"),
    ("/api/v1/audit", "ops:read"),
];

#[tokio::test(flavor = "multi_thread")]
async fn operators_routes_are_on_the_admin_listener_alone_and_ask_for_their_scope() {
    let app = App::start().await;
    app.settled().await;
    for (path, scope) in ROUTES {
        let public = app.get(path, &app.admin()).await;
        assert_eq!((public.status, public.not_a_problem()), (404, None), "{path}");
        for (token, status) in [
            (String::new(), 401),
            (app.user("alice"), 403),
            (app.token("eve", Some(&["operator"]), Some("broadcast:write")), 403),
            (app.token("olga", Some(&[]), Some(scope)), 200),
            (app.admin(), 200),
        ] {
            let answer = app.admin_get(path, &token).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.json());
            assert_eq!(answer.status == 200, answer.not_a_problem().is_some(), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_serves_what_the_public_one_serves() {
    let app = App::start().await;
    for path in ["/api/v1/inbox", "/api/v1/broadcasts"] {
        assert_eq!(app.admin_get(path, &app.admin()).await.status, 200, "{path}");
        assert_eq!(app.admin_get(path, "").await.status, 401, "{path}");
    }
}

// covers O9, C12
#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_to_everybody_and_numbers_only_on_the_admin_listener() {
    let app = App::start().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(app.get(path, "").await.status, 200, "{path}");
        assert_eq!(app.admin_get(path, "").await.status, 200, "{path}");
    }
    assert_eq!(app.get("/metrics", &app.admin()).await.status, 404);
    let token = format!("Authorization: Bearer {}", app.user("alice"));
    let mut stream = app.stream("", &[&token]).await;
    stream.until("event: ready").await;
    assert_eq!(app.get("/api/v1/inbox/nothing/read", &app.user("alice")).await.status, 405);
    let metrics = app.admin_get("/metrics", "").await;
    assert_eq!(metrics.status, 200);
    let text = String::from_utf8(metrics.body).unwrap();
    for line in [
        "tidings_ready 1",
        "tidings_store_well 1",
        r#"tidings_connections{transport="sse"} 1"#,
        r#"tidings_http_requests_total{method="GET",route="/healthz",status="200"} 2"#,
        r#"tidings_http_requests_total{method="GET",route="/api/v1/inbox/{id}/read",status="405"} 1"#,
        r#"kafka_topic_partition_current_offset{topic="tidings-deliveries",partition="0"}"#,
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_says_how_far_it_is_and_a_connection_whose_it_is() {
    let app = App::start().await;
    let token = format!("Authorization: Bearer {}", app.user("alice"));
    let mut stream = app.stream("?session=phone", &[&token]).await;
    stream.until("event: ready").await;
    app.settled().await;
    let path = "/api/v1/consumer-groups/broadcast-service-group-lifecycle";
    let group = app.admin_until(path, |group| group["lag"] == 0).await;
    assert_eq!(group["id"], "broadcast-service-group-lifecycle");
    let connections = app.admin_get("/api/v1/connections?user_id=alice", &app.admin()).await.json();
    let connection = &connections["items"][0];
    assert_eq!(
        (&connection["user_id"], &connection["session_id"], &connection["transport"]),
        (&json!("alice"), &json!("phone"), &json!("sse"))
    );
    let nobody = app.admin_get("/api/v1/connections?user_id=bob", &app.admin()).await.json();
    assert_eq!(nobody, json!({ "items": [], "next_cursor": null }));
    let missing = app.admin_get("/api/v1/consumer-groups/nobody", &app.admin()).await;
    assert_eq!((missing.status, missing.not_a_problem()), (404, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_given_up_is_shown_with_its_reason() {
    let app = App::start().await;
    let broken = |tx: tidings_store::Tx| async move {
        let record = NewRecord {
            topic: "broadcast-messages",
            partition: Some(3),
            key: Some(b"k"),
            headers: &vec![("ce_id".to_owned(), b"evt_broken".to_vec())],
            value: Some(b"<b>no json</b>\xff"),
            time: SystemClock.now(),
        };
        tx.append(&record).await
    };
    app.server().store().transact(broken).await.unwrap();
    let listed = app
        .admin_until("/api/v1/dead-letters?topic=broadcast-messages", |body| body["items"][0].is_object())
        .await;
    let letter = &listed["items"][0];
    assert_eq!(letter["id"], "broadcast-messages/3/0@broadcast-service-group-lifecycle");
    assert_eq!(
        (&letter["key"], &letter["event_id"], &letter["attempts"]),
        (&json!("k"), &json!("evt_broken"), &json!(1))
    );
    assert_eq!(letter["value"], "<b>no json</b>\u{fffd}");
    assert!(letter["causes"][0].is_string(), "{letter}");
    let path = "/api/v1/dead-letters/broadcast-messages%2F3%2F0@broadcast-service-group-lifecycle";
    assert_eq!(&app.admin_get(path, &app.admin()).await.json(), letter);
    let other = app.admin_get("/api/v1/dead-letters?topic=nothing", &app.admin()).await.json();
    assert_eq!(other["items"], json!([]));
    let metrics = app.admin_get("/metrics", "").await;
    assert!(String::from_utf8_lossy(&metrics.body).contains("tidings_dead_letters 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_to_the_delivery_record() {
    let app = App::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let said = json!({ "content": "hi", "target": { "type": "all" } }).to_string();
    let headers = ["Content-Type: application/json", &format!("traceparent: {trace}")];
    let created = app.send("POST", "/api/v1/broadcasts", &app.admin(), &headers, said.as_bytes()).await;
    assert_eq!(created.status, 201);
    let delivered = "/api/v1/topics/tidings-deliveries/records";
    let delivered = app.admin_until(delivered, |body| body["items"][0].is_object()).await;
    let record: serde_json::Value =
        serde_json::from_str(delivered["items"][0]["value"].as_str().unwrap()).unwrap();
    assert_eq!(record["trace_parent"], trace);
    for topic in ["broadcast-messages", "broadcast-user-service-group"] {
        let mut found = Vec::new();
        for partition in 0..10 {
            let path = format!("/api/v1/topics/{topic}/records?partition={partition}");
            let page = app.admin_get(&path, &app.admin()).await.json();
            found.extend(page["items"].as_array().unwrap().clone());
        }
        assert_eq!(found.len(), 1, "{topic}");
        let headers = found[0]["headers"].as_array().unwrap();
        assert!(headers.contains(&json!(["traceparent", trace])), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_paused_reset_and_resumed_by_who_may_and_the_audit_knows() {
    let app = App::start().await;
    app.settled().await;
    let path = "/api/v1/consumer-groups/broadcast-service-group-lifecycle";
    let admin = app.admin();
    let said = json!({ "content": "hi", "target": { "type": "all" } }).to_string();
    let json_body = ["Content-Type: application/json"];
    let say =
        async || app.send("POST", "/api/v1/broadcasts", &admin, &json_body, said.as_bytes()).await.status;
    let group = app.admin_get(path, &admin).await.json();
    assert_eq!((&group["health"], &group["paused_at"]), (&json!("well"), &json!(null)), "{group}");
    assert_eq!(group["members"].as_array().map(Vec::len), Some(1));

    let paused = app.admin_send("POST", &format!("{path}/pause"), &admin, &[], b"").await;
    assert_eq!((paused.status, &paused.json()["health"]), (200, &json!("paused")));
    // What its owner had in hand when it was paused is finished; the rest waits.
    let mut behind = json!(null);
    while behind["lag"].as_u64().is_none_or(|lag| lag == 0) {
        assert_eq!(say().await, 201);
        behind = app.admin_get(path, &admin).await.json();
    }
    assert_eq!(behind["health"], "paused");
    let lag = behind["lag"].as_u64().unwrap();
    let skip = json!({ "to": "latest", "dry_run": true }).to_string();
    let shown = app.admin_send("POST", &format!("{path}/reset"), &admin, &json_body, skip.as_bytes()).await;
    let skipped = |answer: &serde_json::Value| {
        answer["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["skipped"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((shown.status, skipped(&shown.json())), (200, lag));
    assert_eq!(app.admin_get(path, &admin).await.json()["lag"], lag, "it was only shown");
    let skip = json!({ "to": "latest" }).to_string();
    let done = app.admin_send("POST", &format!("{path}/reset"), &admin, &json_body, skip.as_bytes()).await;
    assert_eq!((done.status, skipped(&done.json())), (200, lag));
    assert_eq!(app.admin_get(path, &admin).await.json()["lag"], 0);
    let resumed = app.admin_send("POST", &format!("{path}/resume"), &admin, &[], b"").await;
    assert_eq!((resumed.status, &resumed.json()["paused_at"]), (200, &json!(null)));
    assert_eq!(say().await, 201);
    app.admin_until("/api/v1/topics/tidings-deliveries/records", |body| body["items"][0].is_object()).await;
    for (wrong, status) in [
        (json!({}), 400),
        (json!({ "to": "latest", "offset": 3 }), 400),
        (json!({ "to": "yesterday" }), 400),
        (json!({ "offset": 0, "topic": "nothing" }), 400),
    ] {
        let wrong = wrong.to_string();
        let answer =
            app.admin_send("POST", &format!("{path}/reset"), &admin, &json_body, wrong.as_bytes()).await;
        assert_eq!((answer.status, answer.not_a_problem()), (status, None), "{wrong}");
    }
    let nobody = app.admin_send("POST", "/api/v1/consumer-groups/nobody/pause", &admin, &[], b"").await;
    assert_eq!(nobody.status, 404);
    let audit = app.admin_get("/api/v1/audit", &admin).await.json();
    let acts: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(acts, ["group.resume", "group.reset", "group.pause"]);
}
