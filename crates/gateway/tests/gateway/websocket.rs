//! Conversations over a WebSocket.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tidings_client::{ClientError, Frame, ListenOptions, Reply, Stream, Transport};
use tidings_model::SystemClock;
use tidings_testkit::{Device, LIMIT, Person, TestApp, eventually};
use tokio::{io::AsyncReadExt as _, net::TcpStream};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

fn options(session: &str) -> ListenOptions {
    ListenOptions {
        session: Some(session.parse().unwrap()),
        transport: Transport::WebSocket,
        ..ListenOptions::default()
    }
}

async fn open(person: &Person, session: &str) -> Stream {
    person.client.listen(&options(session)).await.unwrap()
}

/// Reads past frames until the answer to a command.
async fn reply(stream: &mut Stream) -> Reply {
    loop {
        if let Frame::Reply(reply) = tokio::time::timeout(LIMIT, stream.next()).await.unwrap().unwrap() {
            return reply;
        }
    }
}

/// Reads until a broadcast was shown and a cursor covers it: its own, or, in a catch-up, the one that ends it.
async fn offered(stream: &mut Stream, id: &str) -> String {
    let mut shown = false;
    loop {
        let covers = match tokio::time::timeout(LIMIT, stream.next()).await.expect("a frame in time").unwrap()
        {
            Frame::Event { cursor, event } => {
                shown |= event.subject == id;
                cursor
            }
            Frame::Cursor { cursor } => Some(cursor),
            Frame::Ready(_)
            | Frame::Signal(_)
            | Frame::Digest(_)
            | Frame::TokenExpiring { .. }
            | Frame::Shutdown { .. }
            | Frame::Reply(_)
            | Frame::Unknown { .. } => None,
        };
        if let Some(cursor) = covers.filter(|_| shown) {
            return cursor;
        }
    }
}

/// Reads past frames until the end, and answers the close code.
async fn end(stream: &mut Stream) -> u16 {
    loop {
        match tokio::time::timeout(LIMIT, stream.next()).await.expect("an end in time") {
            Ok(_frame) => {}
            Err(ClientError::Closed { code, .. }) => return code,
            Err(other) => panic!("ended without a code: {other:?}"),
        }
    }
}

/// A socket on which nothing was said yet.
async fn silent(app: &TestApp) -> WebSocketStream<TcpStream> {
    let host = app.url().trim_start_matches("http://").to_owned();
    let io = TcpStream::connect(&host).await.unwrap();
    tokio_tungstenite::client_async(format!("ws://{host}/api/v1/ws"), io).await.unwrap().0
}

/// What ends a socket.
async fn close_code(socket: &mut WebSocketStream<TcpStream>) -> u16 {
    loop {
        match tokio::time::timeout(LIMIT, socket.next()).await.expect("an end in time") {
            Some(Ok(Message::Close(Some(close)))) => return close.code.into(),
            Some(Ok(_other)) => {}
            other => panic!("ended without a code: {other:?}"),
        }
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn both_transports_show_the_same_events_with_the_same_cursors_and_go_on_from_each_other() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut phone = Device::open(&alice.client, options("phone")).await;
    let mut laptop = alice.device("laptop").await;
    phone.catch_up().await;
    laptop.catch_up().await;
    for text in ["one", "two"] {
        admin.broadcast(text, json!({ "type": "all" })).await;
    }
    for _ in 0..2 {
        assert_eq!(phone.event().await, laptop.event().await);
    }
    assert_eq!(phone.cursor(), laptop.cursor());
    let cursor = phone.cursor().to_owned();
    drop(phone);
    admin.broadcast("three", json!({ "type": "all" })).await;
    let back = ListenOptions { cursor: Some(cursor), ..options("phone") };
    let mut phone = Device::open(&alice.client, back).await;
    assert!(phone.ready.recovered);
    assert_eq!(phone.content().await, "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_answered_by_their_reference_and_errors_do_not_end_the_conversation() {
    let app = TestApp::start().await;
    let alice = app.person("alice");
    let mut stream = open(&alice, "phone").await;
    stream.command(&json!({ "type": "ping", "ref": "1" })).await.unwrap();
    assert_eq!(reply(&mut stream).await, Reply { reference: Some("1".to_owned()), outcome: Ok(json!({})) });
    for command in [
        json!({ "type": "fly", "ref": "2" }),
        json!({ "type": "ack", "ref": "2", "cursor": "x" }),
        json!({ "type": "ack", "ref": "2", "cursor": "AQAAAAAAAAAHAAAAAAAAACo" }),
        json!({ "type": "read", "ref": "2" }),
        json!({ "type": "hello", "ref": "2" }),
        json!({ "type": "auth", "ref": "2", "token": "x" }),
    ] {
        stream.command(&command).await.unwrap();
        let Reply { reference, outcome } = reply(&mut stream).await;
        assert_eq!(reference.as_deref(), Some("2"), "{command}");
        assert!(outcome.unwrap_err()["detail"].as_str().is_some_and(|text| text.len() > 10), "{command}");
    }
    let bob = app.person("bob").client.token().unwrap();
    stream.command(&json!({ "type": "auth", "ref": "3", "token": &*bob })).await.unwrap();
    assert_eq!(reply(&mut stream).await.outcome.unwrap_err()["code"], "forbidden");
    let same = alice.client.token().unwrap();
    stream.command(&json!({ "type": "auth", "ref": "4", "token": &*same })).await.unwrap();
    assert!(reply(&mut stream).await.outcome.unwrap()["expires_at"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ack_confirms_delivery_and_a_read_is_counted_before_it_is_answered() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut stream = open(&alice, "phone").await;
    let id = admin.broadcast("hi", json!({ "type": "all" })).await;
    let cursor = offered(&mut stream, &id).await;
    let count =
        async |which: &str| admin.get(&format!("/broadcasts/{id}/stats")).await[which].as_u64().unwrap();
    assert_eq!(count("delivered").await, 0);
    stream.ack(&cursor).await.unwrap();
    eventually("the ack is counted", async || (count("delivered").await == 1).then_some(())).await;
    stream.command(&json!({ "type": "read", "ref": "r", "ids": [id] })).await.unwrap();
    assert_eq!(reply(&mut stream).await.outcome, Ok(json!({})));
    assert_eq!(count("read").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_ack_is_kept_although_its_client_leaves_at_once() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut stream = open(&alice, "phone").await;
    let id = admin.broadcast("hi", json!({ "type": "all" })).await;
    let cursor = offered(&mut stream, &id).await;
    stream.ack(&cursor).await.unwrap();
    stream.close().await.unwrap();
    eventually("the ack is counted", async || {
        (admin.get(&format!("/broadcasts/{id}/stats")).await["delivered"] == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_twenty_first_error_of_a_minute_ends_the_conversation_for_good() {
    let app = TestApp::start().await;
    let mut stream = open(&app.person("alice"), "phone").await;
    for _ in 0..21 {
        stream.command(&json!({ "type": "fly" })).await.unwrap();
    }
    assert_eq!(end(&mut stream).await, 3501);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_the_wrong_thing_first_is_sent_away_with_the_documented_code() {
    let app =
        TestApp::with(|config| config.gateway.first_frame_secs = 1, std::sync::Arc::new(SystemClock)).await;
    let mut socket = silent(&app).await;
    assert_eq!(close_code(&mut socket).await, 3501, "no hello in time");
    for (text, code) in [
        ("hi", 3501),
        (r#"{"type":"ping"}"#, 3501),
        (r#"{"type":"hello"}"#, 3500),
        (r#"{"type":"hello","token":"x"}"#, 3500),
    ] {
        let mut socket = silent(&app).await;
        say(&mut socket, text).await;
        assert_eq!(close_code(&mut socket).await, code, "{text}");
    }
    let token = app.person("alice").client.token().unwrap();
    let mut socket = silent(&app).await;
    let hello = json!({ "type": "hello", "token": &*token, "channels": ["nobody"] });
    say(&mut socket, &hello.to_string()).await;
    assert_eq!(close_code(&mut socket).await, 3501, "a bad channel");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_64_kib_ends_the_conversation_with_1009() {
    let app = TestApp::start().await;
    let mut stream = open(&app.person("alice"), "phone").await;
    stream.command(&json!({ "type": "ping", "pad": "x".repeat(60 << 10) })).await.unwrap();
    assert!(reply(&mut stream).await.outcome.is_ok());
    stream.command(&json!({ "type": "ping", "pad": "x".repeat(64 << 10) })).await.unwrap();
    assert_eq!(end(&mut stream).await, 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_answers_no_ping_is_ended_with_3012() {
    let change = |config: &mut tidings_testkit::Config| {
        config.gateway.ping_secs = 1;
        config.gateway.pong_secs = 1;
    };
    let app = TestApp::with(change, std::sync::Arc::new(SystemClock)).await;
    let token = app.person("alice").client.token().unwrap();
    let host = app.url().trim_start_matches("http://").to_owned();
    let mut io = TcpStream::connect(&host).await.unwrap();
    let (mut socket, _) =
        tokio_tungstenite::client_async(format!("ws://{host}/api/v1/ws"), &mut io).await.unwrap();
    {
        let hello = json!({ "type": "hello", "token": &*token }).to_string();
        socket.send(Message::text(hello)).await.unwrap();
    }
    drop(socket);
    // Read without answering anything, until the close frame with its code.
    let mut bytes = Vec::new();
    let wanted = [0x88, 2 + u8::try_from("no_pong".len()).unwrap(), 0x0b, 0xc4];
    let reading = async {
        while !bytes.windows(4).any(|four| four == wanted) {
            assert!(io.read_buf(&mut bytes).await.unwrap() > 0, "ended without a close frame");
        }
    };
    tokio::time::timeout(LIMIT, reading).await.expect("3012 in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_session_hears_only_its_channels_on_both_transports() {
    let app = TestApp::start().await;
    let (admin, editor) = (app.admin(), app.signed_in("eve", Some(vec!["editor".to_owned()]), None));
    for transport in [Transport::Sse, Transport::WebSocket] {
        let narrowed = ListenOptions {
            channels: vec!["role:editor".to_owned(), "role:nobody".to_owned()],
            transport,
            ..ListenOptions::default()
        };
        let mut device = Device::open(&editor.client, narrowed).await;
        device.catch_up().await;
        admin.broadcast("for all", json!({ "type": "all" })).await;
        admin.broadcast("for editors", json!({ "type": "role", "ids": ["editor"] })).await;
        assert_eq!(device.content().await, "for editors", "{transport:?}");
    }
    let refused = editor.client.get("/api/v1/stream?channels=nobody").await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(
        refused.json::<Value>().unwrap()["detail"].as_str().unwrap().contains("`nobody` is not a channel")
    );
}
