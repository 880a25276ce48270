//! The bytes of a stream, judged by the rules that clients and proxies in use depend on.

use serde_json::json;
use tidings_testkit::TestApp;

use crate::raw::{Raw, bearer};

/// Text that breaks clients which split lines by other rules than the standard's.
const NASTY: &str = "a\rb\nc\r\nd\u{2028}e\u{2029}f\u{85}g\u{b}h\u{c}i ü 😀\u{feff}";

/// The body of a chunked answer, without its chunk lines.
fn unchunk(mut body: &str) -> String {
    let mut joined = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        let Some(chunk) = rest.get(..size) else { break };
        joined.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    joined
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_all_rules_of_the_wire() {
    let app = TestApp::with(
        |config| config.gateway.heartbeat_secs = 1,
        std::sync::Arc::new(tidings_model::SystemClock),
    )
    .await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let begun = std::time::Instant::now();
    let mut stream = Raw::request(
        &app,
        "GET /api/v1/stream HTTP/1.1",
        &[("Authorization", &bearer(&alice)), ("Accept", "text/event-stream"), ("Accept-Encoding", "gzip")],
    )
    .await;
    stream.until("the head, before any event", |text| text.contains("\r\n\r\n")).await;
    let head_after = begun.elapsed();
    stream.until("ready", |text| text.contains("event: ready")).await;
    admin.broadcast(NASTY, json!({ "type": "all" })).await;
    admin.broadcast("last", json!({ "type": "all" })).await;
    let text = stream
        .until("both events and a heartbeat", |text| {
            text.contains(r#""content":"last""#) && text.contains(": hb\n\n")
        })
        .await;
    std::str::from_utf8(&stream.bytes).expect("rule 11: UTF-8");

    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"), "rule 1");
    let headers: Vec<(String, &str)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let header = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| *value);
    assert!(header("content-type").unwrap().starts_with("text/event-stream"), "rule 2");
    assert!(header("cache-control").unwrap().contains("no-cache"), "rule 3");
    assert!(header("cache-control").unwrap().contains("no-transform"), "rule 4");
    assert_eq!(header("x-accel-buffering"), Some("no"), "rule 5");
    assert_eq!(header("content-encoding"), None, "rule 6");
    assert_eq!(header("content-length"), None, "rule 7");
    assert!(head_after < std::time::Duration::from_secs(1), "rule 8: the head came after {head_after:?}");

    let body = unchunk(body);
    assert!(!body.starts_with('\u{feff}'), "rule 9: no byte order mark");
    assert!(!body.contains('\r'), "rule 10: lines end with LF alone");
    assert!(
        !body.contains(['\u{2028}', '\u{2029}', '\u{85}', '\u{b}', '\u{c}']),
        "rule 10: nothing else ends a line"
    );
    let (complete, _beginning) = body.rsplit_once("\n\n").unwrap();
    let (mut ids, mut comments, mut retries) = (Vec::new(), 0, Vec::new());
    for block in complete.split("\n\n") {
        let fields: Vec<(&str, &str)> = block
            .lines()
            .filter(|line| !line.starts_with(':'))
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name, value.strip_prefix(' ').unwrap_or(value)))
            .collect();
        comments += block.lines().filter(|line| line.starts_with(':')).count();
        let field = |wanted: &str| fields.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        for (name, _) in &fields {
            assert!(["data", "event", "id", "retry"].contains(name), "rule 12: unknown field in {block:?}");
        }
        if fields.is_empty() {
            continue;
        }
        let data = field("data").unwrap_or_else(|| panic!("rule 15: no data in {block:?}"));
        serde_json::from_str::<serde_json::Value>(data).expect("one line of JSON");
        let of_session = ["ready", "digest", "token.expiring", "shutdown"].contains(&field("event").unwrap());
        assert!(of_session || field("id").is_some(), "rule 13: no id in {block:?}");
        if let Some(id) = field("id") {
            assert!(!id.is_empty() && !id.contains(['\0', ' ']), "rule 13: {id:?}");
            ids.push(id);
        }
        retries.extend(field("retry"));
    }
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(all >= 2 && ids.len() == all, "rule 14: ids differ on one connection");
    assert!(
        matches!(retries[..], [ms] if (2000..=5000).contains(&ms.parse::<u32>().unwrap())),
        "rule 16: {retries:?}"
    );
    assert!(comments > 0, "rule 17: heartbeats are comments");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_opened_with_get_and_a_token() {
    let app = TestApp::start().await;
    let alice = bearer(&app.person("alice"));
    let status =
        async |line: &str, headers: &[(&str, &str)]| Raw::request(&app, line, headers).await.status().await;
    assert_eq!(status("HEAD /api/v1/stream HTTP/1.1", &[("Authorization", &alice)]).await, 405);
    assert_eq!(
        status("POST /api/v1/stream HTTP/1.1", &[("Authorization", &alice), ("Content-Length", "0")]).await,
        405
    );
    assert_eq!(status("GET /api/v1/stream HTTP/1.1", &[]).await, 401);
    assert_eq!(
        status(
            "GET /api/v1/stream HTTP/1.1",
            &[("Authorization", &alice), ("Origin", "https://evil.example")]
        )
        .await,
        403
    );
}
