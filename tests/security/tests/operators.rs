//! What operators see, and that nobody else sees it.

use serde_json::json;
use tidings_tests_security::App;

/// The operators' routes, and the scope that opens each.
const ROUTES: [(&str, &str); 5] = [
    ("/api/v1/topics", "log:read"),
    ("/api/v1/topics/broadcast-messages/records", "log:read"),
    ("/api/v1/consumer-groups", "ops:read"),
    ("/api/v1/consumer-groups/broadcast-service-group", "ops:read"),
    ("/api/v1/connections", "ops:read"),
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
    let group =
        app.admin_get("/api/v1/consumer-groups/broadcast-service-group-lifecycle", &app.admin()).await;
    let group = group.json();
    assert_eq!(
        (&group["id"], &group["lag"]),
        (&json!("broadcast-service-group-lifecycle"), &json!(0)),
        "{group}"
    );
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
