//! Cursors that no server of ours gave: never others' events, never everything by accident.

use tidings_testkit::TestApp;

use crate::raw::{Raw, bearer};

/// Where the cursor comes from.
enum By {
    Header,
    Query,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_does_not_hold_is_told_so_whatever_its_bytes() {
    let app = TestApp::start().await;
    let token = bearer(&app.person("alice"));
    let long = "A".repeat(8 << 10);
    for (what, by, cursor, wanted) in [
        ("empty header", By::Header, "", "no_cursor"),
        ("empty query", By::Query, "", "no_cursor"),
        ("8 KiB", By::Header, long.as_str(), "unknown_cursor"),
        ("emoji", By::Header, "😀", "unknown_cursor"),
        ("emoji in the query", By::Query, "%F0%9F%98%80", "unknown_cursor"),
        ("NUL in the query", By::Query, "%00", "unknown_cursor"),
        ("minus one", By::Header, "-1", "unknown_cursor"),
        ("a float", By::Query, "1.5", "unknown_cursor"),
        ("SQL", By::Query, "1%27%20OR%201%3D1--", "unknown_cursor"),
        ("another generation", By::Header, "AQAAAAAAAAAHAAAAAAAAACo", "other_generation"),
    ] {
        let (line, header) = match by {
            By::Header => ("GET /api/v1/stream HTTP/1.1".to_owned(), Some(("Last-Event-ID", cursor))),
            By::Query => (format!("GET /api/v1/stream?last_event_id={cursor} HTTP/1.1"), None),
        };
        let mut headers = vec![("Authorization", token.as_str())];
        headers.extend(header);
        let mut stream = Raw::request(&app, &line, &headers).await;
        let text =
            stream.until(what, |text| text.contains("event: ready") && text.ends_with("\n\n\r\n")).await;
        assert!(
            text.contains(r#""recovered":false"#) && text.contains(&format!(r#""reason":"{wanted}""#)),
            "{what}: {text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_not_as_documented_is_refused() {
    let app = TestApp::start().await;
    let token = bearer(&app.person("alice"));
    let repeated = "last_event_id=a&last_event_id=b";
    let many = "x=1&".repeat(3000);
    for (query, wanted) in
        [(repeated, 400), ("session=", 400), ("channels=nobody", 400), (many.as_str(), 200)]
    {
        let line = format!("GET /api/v1/stream?{query} HTTP/1.1");
        let status = Raw::request(&app, &line, &[("Authorization", &token)]).await.status().await;
        assert_eq!(status, wanted, "{query:.40}");
    }
    // A NUL in a header is no HTTP at all.
    let nul = [("Authorization", token.as_str()), ("Last-Event-ID", "a\0b")];
    assert_eq!(Raw::request(&app, "GET /api/v1/stream HTTP/1.1", &nul).await.status().await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_wins_over_the_query() {
    let app = TestApp::start().await;
    let alice = app.person("alice");
    let mut device = alice.device("phone").await;
    device.catch_up().await;
    let cursor = device.cursor().to_owned();
    let token = bearer(&alice);
    let headers = [("Authorization", token.as_str()), ("Last-Event-ID", cursor.as_str())];
    let mut stream = Raw::request(&app, "GET /api/v1/stream?last_event_id=old HTTP/1.1", &headers).await;
    let text =
        stream.until("ready", |text| text.contains("event: ready") && text.ends_with("\n\n\r\n")).await;
    assert!(text.contains(r#""recovered":true"#), "{text}");
}
