//! The life of a stream: heartbeats, cursor beats, the end of its token, renewal.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidings_client::{Client, ClientError, Frame, ListenOptions, Transport};
use tidings_model::{Clock as _, ManualClock, SystemClock};
use tidings_testkit::{Device, LIMIT, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_session_is_told_how_far_it_is() {
    let app = TestApp::with(|config| config.gateway.heartbeat_secs = 1, Arc::new(SystemClock)).await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    for transport in [Transport::Sse, Transport::WebSocket] {
        let options = ListenOptions { transport, ..ListenOptions::default() };
        let mut device = Device::open(&alice.client, options).await;
        device.catch_up().await;
        let before = device.cursor().to_owned();
        // Not for alice: her place moves without a frame.
        admin.broadcast("for editors", json!({ "type": "role", "ids": ["editor"] })).await;
        assert!(
            matches!(device.frame().await, Frame::Cursor { cursor } if cursor != before),
            "{transport:?}"
        );
        let back = ListenOptions { cursor: device.cursor.clone(), transport, ..ListenOptions::default() };
        let mut again = alice.client.listen(&back).await.unwrap();
        let Frame::Ready(ready) = again.next().await.unwrap() else { panic!("no ready") };
        assert!(ready.recovered && ready.cursor == device.cursor, "{ready:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_token_is_announced_then_ends_the_stream_unless_it_is_renewed() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let app = TestApp::with(|_config| {}, Arc::<ManualClock>::clone(&clock)).await;
    let token = |life| app.mint().token("alice", None, None, life).unwrap();
    let short = Client::new(&app.url(), Some(&token(Duration::from_secs(90)))).unwrap();
    let mut sse = Device::open(&short, ListenOptions::default()).await;
    let socket_options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut socket = Device::open(&short, socket_options.clone()).await;
    let renewed_options = ListenOptions { session: Some("kept".parse().unwrap()), ..socket_options };
    let mut renewed = Device::open(&short, renewed_options).await;
    for device in [&mut sse, &mut socket, &mut renewed] {
        device.catch_up().await;
    }

    clock.advance(Duration::from_secs(35));
    for device in [&mut sse, &mut socket, &mut renewed] {
        assert!(matches!(device.frame().await, Frame::TokenExpiring { .. }));
    }
    let long = Client::new(&app.url(), Some(&token(Duration::from_hours(1)))).unwrap();
    let answer = long.post("/api/v1/sessions/kept/renew", &json!({})).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let foreign = app.person("bob").try_post("/sessions/kept/renew", json!({})).await;
    assert_eq!(foreign.status, 404);

    clock.advance(Duration::from_mins(1));
    let ended = std::time::Instant::now();
    assert!(matches!(sse.end().await, ClientError::Ended));
    assert!(matches!(socket.end().await, ClientError::Closed { code: 3005, .. }));
    assert!(
        ended.elapsed() < Duration::from_secs(5).min(LIMIT),
        "the streams ended after {:?}",
        ended.elapsed()
    );
    app.admin().broadcast("still here", json!({ "type": "all" })).await;
    assert_eq!(renewed.content().await, "still here");
}
