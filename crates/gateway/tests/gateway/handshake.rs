//! WebSocket handshakes, one by one.

use tidings_testkit::TestApp;

use crate::raw::{Raw, bearer, host};

const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_holds_only_from_an_own_page_and_by_the_letter() {
    let app = TestApp::start().await;
    let (token, me) = (bearer(&app.person("alice")), format!("http://{}", host(&app)));
    let base = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        KEY,
        ("Authorization", token.as_str()),
    ];
    let port: u16 = me.rsplit_once(':').unwrap().1.parse().unwrap();
    let (prefix, other_port) = (format!("{me}.evil.example"), format!("http://127.0.0.1:{}", port ^ 1));
    let scheme = me.replace("http", "ftp");
    let with = |changes: &[(&'static str, &str)], without: &str| -> Vec<(String, String)> {
        let kept = base.iter().filter(|(name, _)| *name != without);
        kept.chain(changes.iter()).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let long = "y".repeat(100_000);
    for (what, line, headers, wanted) in [
        ("same origin", "GET", with(&[("Origin", &me)], ""), 101),
        ("no origin", "GET", with(&[], ""), 101),
        ("another origin", "GET", with(&[("Origin", "https://evil.example")], ""), 403),
        ("null origin", "GET", with(&[("Origin", "null")], ""), 403),
        ("prefix trick", "GET", with(&[("Origin", &prefix)], ""), 403),
        ("suffix trick", "GET", with(&[("Origin", "http://evil127.0.0.1")], ""), 403),
        ("another port", "GET", with(&[("Origin", &other_port)], ""), 403),
        ("another scheme", "GET", with(&[("Origin", &scheme)], ""), 403),
        ("two origins", "GET", with(&[("Origin", &me), ("Origin", "https://evil.example")], ""), 403),
        (
            "a name as host",
            "GET",
            with(&[("Host", "evil.example"), ("Origin", "http://evil.example")], ""),
            403,
        ),
        ("a bad token", "GET", with(&[("Authorization", "Bearer x.y.z")], "Authorization"), 401),
        ("version 12", "GET", with(&[("Sec-WebSocket-Version", "12")], "Sec-WebSocket-Version"), 426),
        ("no key", "GET", with(&[], "Sec-WebSocket-Key"), 400),
        ("short key", "GET", with(&[("Sec-WebSocket-Key", "YQ==")], "Sec-WebSocket-Key"), 400),
        ("no upgrade", "GET", with(&[], "Upgrade"), 426),
        ("POST", "POST", with(&[("Content-Length", "0")], ""), 405),
        ("a head of 100 KB", "GET", with(&[("X", &long)], ""), 431),
    ] {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let status =
            Raw::request(&app, &format!("{line} /api/v1/ws HTTP/1.1"), &headers).await.status().await;
        assert_eq!(status, wanted, "{what}");
    }
    let old = Raw::request(&app, "GET /api/v1/ws HTTP/1.0", &base).await.status().await;
    assert_eq!(old, 400, "HTTP/1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_hundred_headers_are_refused() {
    let app = TestApp::start().await;
    let names: Vec<String> = (0..101).map(|n| format!("X-{n}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(Raw::request(&app, "GET /api/v1/stream HTTP/1.1", &headers).await.status().await, 431);
}
