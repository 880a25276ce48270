//! Limits: each with its word for full.

use std::sync::Arc;

use serde_json::json;
use tidings_client::{ClientError, ListenOptions, Listener, Transport, Waits};
use tidings_model::SystemClock;
use tidings_testkit::{Device, LIMIT, Person, TestApp};
use tokio::io::AsyncWriteExt as _;

use crate::raw::{Raw, host};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_ten_streams_and_the_eleventh_is_refused_until_one_ends() {
    let app = TestApp::start().await;
    let alice = app.person("alice");
    let mut open = Vec::new();
    for n in 0..10 {
        open.push(alice.device(&format!("device {n}")).await);
    }
    let refused = alice.client.get("/api/v1/stream").await.unwrap();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json::<serde_json::Value>().unwrap()["code"], "connection_limit");
    assert!(refused.headers.contains_key("retry-after"));
    let socket = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut eleventh = alice.client.listen(&socket).await.unwrap();
    let end = loop {
        if let Err(end) = tokio::time::timeout(LIMIT, eleventh.next()).await.unwrap() {
            break end;
        }
    };
    assert!(matches!(end, ClientError::Closed { code: 3504, .. }), "{end:?}");
    assert!(!end.may_reconnect());
    app.person("bob").device("phone").await;
    drop(open.pop());
    tidings_testkit::eventually("a place is free", async || {
        alice.client.listen(&ListenOptions::default()).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_too_slowly_is_cut_and_then_gets_everything_once_and_in_order() {
    let app = TestApp::with(|config| config.gateway.queue_frames = 20, Arc::new(SystemClock)).await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut witness = app.person("witness").device("w").await;
    witness.catch_up().await;
    let mut stalled = Raw::stalled(&app, &alice).await;
    let waits = Waits { max: std::time::Duration::from_millis(50), ..Waits::default() };
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut listener = Listener::new(alice.client.clone(), options, waits, 1);
    while !matches!(
        listener.next().await.unwrap(),
        tidings_client::Frame::Cursor { .. } | tidings_client::Frame::Ready(_)
    ) {}

    let mut order = Vec::new();
    let witnessing = async {
        while order.len() < SAID {
            order.push(number(&witness.content().await));
        }
    };
    tokio::join!(say(&admin), witnessing);
    let mut heard = Vec::new();
    while heard.len() < SAID {
        if let tidings_client::Frame::Event { event, .. } =
            tokio::time::timeout(LIMIT, listener.next()).await.expect("all of them in time").unwrap()
        {
            heard.push(number(event.data["content"].as_str().unwrap()));
        }
    }
    assert_eq!(heard, order, "each once, in the order of the log");
    assert!(!stalled.end().await.contains(LAST), "the stalled one was cut");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_node_runs_short_of_memory_the_largest_queue_ends_first() {
    let change = |config: &mut tidings_testkit::Config| {
        config.gateway.queue_bytes = 64 << 20;
        config.gateway.node_queue_bytes = 1 << 20;
    };
    let app = TestApp::with(change, Arc::new(SystemClock)).await;
    let mut witness = app.person("witness").device("w").await;
    witness.catch_up().await;
    let mut stalled = Raw::stalled(&app, &app.person("alice")).await;
    let all_heard = async {
        for _ in 0..SAID {
            witness.content().await;
        }
    };
    let admin = app.admin();
    tokio::join!(say(&admin), all_heard);
    assert!(!stalled.end().await.contains(LAST), "the stalled one was cut");
}

/// How many large broadcasts there are, and what begins the last one.
const SAID: usize = 50;
const LAST: &str = "\"49 x";

async fn say(admin: &Person) {
    let large = "x".repeat(60 << 10);
    for n in 0..SAID {
        admin.broadcast(&format!("{n} {large}"), json!({ "type": "all" })).await;
    }
}

fn number(content: &str) -> u32 {
    content.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_head_is_ended() {
    let app = TestApp::start().await;
    // The head of this one has no end.
    let mut unfinished = tokio::net::TcpStream::connect(host(&app)).await.unwrap();
    unfinished.write_all(b"GET /api/v1/stream HTTP/1.1\r\nX: y\r\n").await.unwrap();
    let mut silent = tokio::net::TcpStream::connect(host(&app)).await.unwrap();
    for (what, stream) in [("unfinished", &mut unfinished), ("silent", &mut silent)] {
        let mut answer = Vec::new();
        let reading = tokio::io::AsyncReadExt::read_to_end(stream, &mut answer);
        let ended = tokio::time::timeout(LIMIT, reading).await;
        ended.unwrap_or_else(|_elapsed| panic!("{what}: not ended in time")).unwrap();
        assert!(answer.is_empty(), "{what}: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_clients_than_may_catch_up_at_once_are_asked_to_come_back() {
    let app = TestApp::with(|config| config.gateway.resumes_per_second = 1, Arc::new(SystemClock)).await;
    let alice = app.person("alice");
    let mut device = alice.device("phone").await;
    device.catch_up().await;
    let cursor = device.cursor.clone();
    let mut refused = 0;
    for n in 0..8 {
        let person = app.person(&format!("person {n}"));
        let options = ListenOptions { cursor: cursor.clone(), ..ListenOptions::default() };
        match person.client.listen(&options).await {
            Ok(_open) => {}
            Err(ClientError::Refused(refusal)) => {
                assert_eq!(refusal.status, 503);
                assert!((1..=10).contains(&refusal.retry_after.unwrap().as_secs()));
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 0, "each core admits one a second");
    let waits = Waits::default();
    let options = ListenOptions { cursor, ..ListenOptions::default() };
    let mut patient = Listener::new(app.person("patient").client, options, waits, 1);
    assert!(matches!(patient.next().await.unwrap(), tidings_client::Frame::Ready(ready) if ready.recovered));
    drop(Device::open(&alice.client, ListenOptions::default()).await);
}
