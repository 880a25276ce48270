//! Draining: streams end with a word, and their clients go on without loss.

use std::time::Duration;

use serde_json::json;
use tidings_client::{ClientError, Frame, ListenOptions, Listener, Transport, Waits};
use tidings_testkit::{Device, LIMIT, TestApp};

use crate::raw::{Raw, bearer};

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_tells_when_to_come_back_and_ends_each_stream_by_its_transport() {
    let mut app = TestApp::start().await;
    let alice = app.person("alice");
    let mut sse = alice.device("laptop").await;
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut socket = Device::open(&alice.client, options).await;
    sse.catch_up().await;
    socket.catch_up().await;
    let ready = app.server().ready();
    let begun = std::time::Instant::now();
    let listening = async {
        for device in [&mut sse, &mut socket] {
            assert!(matches!(device.frame().await, Frame::Shutdown { reconnect_ms: 500..=5000 }));
        }
        assert!(matches!(sse.end().await, ClientError::Ended));
        assert!(matches!(socket.end().await, ClientError::Closed { code: 3001, .. }));
    };
    tokio::join!(app.stop(), listening);
    assert!(begun.elapsed() < Duration::from_secs(1), "the drain took {:?}", begun.elapsed());
    assert!(!*ready.borrow());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_hear_everything_once_across_drains_and_restarts() {
    let mut app = TestApp::start().await;
    let waits = Waits { first: Duration::from_millis(20), max: Duration::from_millis(50) };
    let mut listeners: Vec<Listener> = [Transport::Sse, Transport::WebSocket]
        .into_iter()
        .map(|transport| {
            let options = ListenOptions { transport, ..ListenOptions::default() };
            Listener::new(app.person("alice").client, options, waits, 7)
        })
        .collect();
    let mut heard = [Vec::new(), Vec::new()];
    let mut said = Vec::new();
    for round in 0..4 {
        for (listener, heard) in listeners.iter_mut().zip(&mut heard) {
            // Let everybody be back before the next restart, so that each goes through each of them.
            while !matches!(next(listener, heard).await, Frame::Ready(_)) {}
        }
        for n in 0..5 {
            let text = format!("{round}.{n}");
            app.admin().broadcast(&text, json!({ "type": "all" })).await;
            said.push(text);
        }
        // They listen on while the server goes and comes.
        let [sse, socket] = &mut listeners[..] else { panic!("two listeners") };
        let [heard_sse, heard_socket] = &mut heard;
        let restarting = async {
            app.stop().await;
            app.resume().await;
        };
        tokio::select! {
            () = restarting => {}
            () = listen(sse, heard_sse) => {}
            () = listen(socket, heard_socket) => {}
        }
    }
    for (listener, heard) in listeners.iter_mut().zip(&mut heard) {
        while heard.len() < said.len() {
            next(listener, heard).await;
        }
        let mut sorted = heard.clone();
        sorted.sort();
        assert_eq!(sorted, said, "each once");
    }
    assert_eq!(heard[0], heard[1], "in one order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_the_request_in_hand_and_waits_for_no_silent_client() {
    let mut app = TestApp::start().await;
    let admin = bearer(&app.admin());
    let body = json!({ "content": "last words", "target": { "type": "all" } }).to_string();
    let (begun, rest) = body.split_at(10);
    let length = body.len().to_string();
    let headers = [
        ("Authorization", admin.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Length", &length),
        ("Expect", "100-continue"),
    ];
    let mut request = Raw::request(&app, "POST /api/v1/broadcasts HTTP/1.1", &headers).await;
    // The server asks for the body: the request is in its hands.
    request.until("100 Continue", |text| text.starts_with("HTTP/1.1 100")).await;
    request.send(begun).await;
    let upgrade = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut silent = Raw::request(&app, "GET /api/v1/ws HTTP/1.1", &upgrade).await;
    silent.until("an open socket", |text| text.contains("101")).await;

    let mut ready = app.server().ready();
    let finishing = async {
        ready.wait_for(|ready| !ready).await.unwrap();
        silent.until("a close frame", |text| text.ends_with("shutdown")).await;
        drop(silent);
        request.send(rest).await;
        let answer = request.end().await;
        assert!(answer.contains("HTTP/1.1 201"), "{answer}");
    };
    let started = std::time::Instant::now();
    tokio::join!(app.stop(), finishing);
    assert!(started.elapsed() < Duration::from_secs(2), "the drain took {:?}", started.elapsed());
}

/// Hears what comes, for as long as the caller waits.
async fn listen(listener: &mut Listener, heard: &mut Vec<String>) {
    loop {
        next(listener, heard).await;
    }
}

async fn next(listener: &mut Listener, heard: &mut Vec<String>) -> Frame {
    let frame = tokio::time::timeout(LIMIT, listener.next()).await.expect("a frame in time").unwrap();
    if let Frame::Event { event, .. } = &frame {
        heard.push(event.data["content"].as_str().unwrap().to_owned());
    }
    frame
}
