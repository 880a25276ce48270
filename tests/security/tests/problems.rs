//! Whatever a request is, its answer is a problem that says what is wrong.

use serde_json::json;
use tidings_tests_security::App;

const JSON: &str = "Content-Type: application/json";

fn broadcast() -> String {
    json!({ "content": "hi", "target": { "type": "all" } }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_takes_is_a_problem() {
    let app = App::start().await;
    let missing = app.get("/api/v1/nothing", "").await;
    assert_eq!((missing.status, missing.not_a_problem()), (404, None));
    let wrong_method = app.send("DELETE", "/api/v1/broadcasts", &app.admin(), &[], b"").await;
    assert_eq!((wrong_method.status, wrong_method.not_a_problem()), (405, None));
    let allow = wrong_method.header("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    for path in [
        "/api/v1/broadcasts/..%2f..%2fetc",
        "/api/v1/broadcasts/%00",
        "/api/v1/broadcasts/",
        "/api/v1/broadcasts/BRD_1;x",
    ] {
        let answer = app.get(path, &app.admin()).await;
        assert_eq!((answer.status, answer.not_a_problem()), (404, None), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers_of_safety_and_names_its_trace() {
    let app = App::start().await;
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let bad = app.send("GET", "/api/v1/broadcasts?limit=0", &app.admin(), &[trace], b"").await;
    assert_eq!(bad.json()["instance"], "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736");
    let good = app.get("/api/v1/broadcasts", &app.admin()).await;
    for answer in [&bad, &good] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
    let token = format!("Authorization: Bearer {}", app.user("alice"));
    let stream = app.stream("", &[&token]).await.until("event: ready").await;
    assert!(stream.contains("cache-control: no-cache, no-store, no-transform"), "{stream}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_before_it_is_read_and_one_byte_less_is_not() {
    let app = App::start().await;
    let admin = app.admin();
    let sized = |bytes: usize| {
        let start = r#"{"content":"hi","target":{"type":"all"}}"#;
        format!("{start}{}", " ".repeat(bytes - start.len()))
    };
    let limit = 256 << 10;
    let fits = app.send("POST", "/api/v1/broadcasts", &admin, &[JSON], sized(limit).as_bytes()).await;
    assert_eq!(fits.status, 201);
    let over = app.send("POST", "/api/v1/broadcasts", &admin, &[JSON], sized(limit + 1).as_bytes()).await;
    assert_eq!((over.status, over.not_a_problem()), (413, None));
    let announced = format!(
        "POST /api/v1/receipts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {admin}\r\n{JSON}\r\nContent-Length: 99999999\r\n\r\n"
    );
    let answer = app.raw(announced.as_bytes()).await;
    assert_eq!((answer.status, answer.not_a_problem()), (413, None));
    let chunks = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(20);
    let chunked = format!(
        "POST /api/v1/receipts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {admin}\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    );
    let answer = app.raw(chunked.as_bytes()).await;
    assert_eq!((answer.status, answer.not_a_problem()), (413, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_type_that_is_not_json_in_utf_8_is_refused() {
    let app = App::start().await;
    let admin = app.admin();
    for headers in [
        &[][..],
        &["Content-Type: text/plain"],
        &["Content-Type: multipart/form-data; boundary=x"],
        &["Content-Type: application/json; charset=utf-16"],
        &[JSON, "Content-Encoding: gzip"],
    ] {
        let answer = app.send("POST", "/api/v1/broadcasts", &admin, headers, broadcast().as_bytes()).await;
        assert_eq!((answer.status, answer.not_a_problem()), (415, None), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_as_documented_is_refused_with_the_place() {
    let app = App::start().await;
    let admin = app.admin();
    let cases = [
        ("", ""),
        ("null", ""),
        ("[]", ""),
        (r#"{"content":"hi","target":{"type":"all"}"#, ""),
        (r#"{"content":"hi","target":{"type":"all"}} x"#, ""),
        (r#"{"content":"hi","content":"ho","target":{"type":"all"}}"#, ""),
        (r#"{"content":"hi","target":{"type":"nobody"}}"#, "/target/type"),
        (r#"{"content":"a\u0000","target":{"type":"all"}}"#, "/content"),
        (r#"{"content":"hi","data":{"a":1e400},"target":{"type":"all"}}"#, "/data/a"),
        (r#"{"content":"hi","target":{"type":"all"},"sender_id":"eve"}"#, "/sender_id"),
        (r#"{"content":"hi","target":{"type":"selected","ids":[1.0]}}"#, "/target/ids/0"),
    ];
    for (body, pointer) in cases {
        let answer = app.send("POST", "/api/v1/broadcasts", &admin, &[JSON], body.as_bytes()).await;
        assert_eq!((answer.status, answer.not_a_problem()), (400, None), "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}: {}", answer.json());
    }
    let kept = app.get("/api/v1/broadcasts", &admin).await;
    assert_eq!(kept.json()["items"], json!([]));
}
