//! The community: announcements.

// covers W1 W5 W9

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use serde_json::{Value, json};
use tidings_client::{Frame, ListenOptions, Reply, Stream, Transport};
use tidings_log::Produce;
use tidings_testkit::{LIMIT, Person, TestApp, eventually};

const ANNOUNCEMENTS: &str = "/api/v1/announcements";

fn drill() -> Value {
    json!({ "title": "Fire drill", "content": "At noon." })
}

/// Somebody who may announce something.
fn speaker(app: &TestApp) -> Person {
    app.signed_in("sue", None, Some("announce:write".to_owned()))
}

/// Opens a WebSocket of somebody.
async fn socket(person: &Person) -> Stream {
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    person.client.listen(&options).await.unwrap()
}

/// Says a command and reads past frames until its answer.
async fn say(stream: &mut Stream, command: Value) -> Reply {
    stream.command(&command).await.unwrap();
    loop {
        if let Frame::Reply(reply) = tokio::time::timeout(LIMIT, stream.next()).await.unwrap().unwrap() {
            return reply;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_reaches_everybody_who_is_connected_and_whoever_comes_later() {
    let app = TestApp::start().await;
    let (sue, alice, bob) = (speaker(&app), app.person("alice"), app.person("bob"));
    let (mut phone, mut laptop) = (alice.device("phone").await, bob.device("laptop").await);
    let created = sue.post("/announcements", drill()).await;
    for device in [&mut phone, &mut laptop] {
        let (frame_type, data) = device.event().await;
        assert_eq!((frame_type.as_str(), &data["id"]), ("announcement.created", &created["id"]));
        assert_eq!((&data["title"], &data["content"]), (&json!("Fire drill"), &json!("At noon.")));
        assert_eq!((&data["kind"], &data["created_at"]), (&json!("announcement"), &created["created_at"]));
    }
    let carol = app.person("carol");
    assert_eq!(carol.device("tablet").await.catch_up().await, ["At noon."]);
    let page = carol.get("/inbox?kind=announcement").await;
    assert_eq!(page["items"][0]["id"], created["id"], "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_announces_once() {
    let app = TestApp::start().await;
    let (sue, mut phone) = (speaker(&app), app.person("alice").device("phone").await);
    let once = async || sue.client.post_once(ANNOUNCEMENTS, "k", &drill()).await.unwrap();
    let first = once().await;
    assert_eq!(first.status, 201);
    assert_eq!(once().await.body, first.body);
    sue.post("/announcements", json!({ "title": "All clear", "content": "It is over." })).await;
    assert_eq!([phone.content().await, phone.content().await], ["At noon.", "It is over."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_over_a_websocket_is_heard_like_one_over_http() {
    let app = TestApp::start().await;
    let mut phone = app.person("alice").device("phone").await;
    let mut stream = socket(&speaker(&app)).await;
    let command =
        |content: &str| json!({ "type": "announce", "ref": "1", "title": "Drill", "content": content });
    let reply = say(&mut stream, command("At noon.")).await;
    assert_eq!(reply.reference.as_deref(), Some("1"));
    let id = reply.outcome.unwrap()["id"].clone();
    let (frame_type, data) = phone.event().await;
    assert_eq!((frame_type.as_str(), &data["id"]), ("announcement.created", &id));
    let refused = say(&mut stream, command(" ")).await.outcome.unwrap_err();
    assert_eq!((&refused["status"], &refused["errors"][0]["pointer"]), (&json!(400), &json!("/content")));
    let unknown = json!({ "type": "announce", "ref": "2", "title": "Drill", "content": "x", "to": "all" });
    assert_eq!(say(&mut stream, unknown).await.outcome.unwrap_err()["errors"][0]["pointer"], "/to");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_scope_announces_nothing_until_a_new_token_gives_it() {
    let app = TestApp::start().await;
    let (sue, alice) = (speaker(&app), app.person("alice"));
    assert_eq!(alice.try_post("/announcements", drill()).await.status, 403);
    for wrong in [json!({}), json!({ "title": "x" }), json!({ "title": "x", "content": "" })] {
        assert_eq!(sue.try_post("/announcements", wrong).await.status, 400);
    }
    let long = json!({ "title": "x", "content": "y".repeat(64 << 10) });
    assert_eq!(sue.try_post("/announcements", long).await.status, 413);

    let mut stream = socket(&alice).await;
    let command = json!({ "type": "announce", "ref": "1", "title": "Drill", "content": "At noon." });
    assert_eq!(say(&mut stream, command.clone()).await.outcome.unwrap_err()["code"], "forbidden");
    let other = app.signed_in("alice", None, Some("announce:write".to_owned())).client.token().unwrap();
    let renewed = say(&mut stream, json!({ "type": "auth", "ref": "2", "token": &*other })).await;
    assert!(renewed.outcome.is_ok(), "{renewed:?}");
    assert!(say(&mut stream, command).await.outcome.is_ok(), "the newest token counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_program_is_an_announcement_and_a_bad_one_stops_no_other() {
    let app = TestApp::start().await;
    let mut phone = app.person("alice").device("phone").await;
    for value in [&b"not json"[..], br#"{"title":"x"}"#, br#"{"title":"Fire drill","content":"At noon."}"#] {
        let topic = app.topic("notification.broadcast");
        let record = Produce { topic, value: Some(value.to_vec()), ..Produce::default() };
        app.log().await.produce(record).await.unwrap();
    }
    assert_eq!(phone.content().await, "At noon.");
    let operator = app.operator();
    eventually("what is no announcement is a dead letter", || async {
        let page = operator.get("/dead-letters").await;
        page["items"].as_array().filter(|letters| letters.len() == 2).cloned()
    })
    .await;
}
