//! What cannot be said is refused with a sentence, and the connection stays.

use serde_json::{Value, json};
use tidings_testkit::TestApp;

use super::{command, messages_of, pair, people, say, socket};

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_command_is_answered_with_its_reference_and_the_connection_stays() {
    let app = TestApp::start().await;
    let [alice, bob, eve] = people(&app, ["alice", "bob", "eve"]).await;
    let (theirs, others) = (pair(&alice, &bob).await, pair(&bob, &eve).await);
    let foreign = say(&bob, &others, "not yours").await;
    let mut stream = socket(&alice).await;
    let send = |conversation: &str, content: &str, client_id: Value| {
        json!({ "type": "message.send", "ref": "7", "conversation_id": conversation, "content": content,
                "client_id": client_id })
    };
    let read = |conversation: &str, up_to: &str| json!({ "type": "message.read", "ref": "7", "conversation_id": conversation, "up_to": up_to });
    let typing = |conversation: &str| json!({ "type": "typing", "ref": "7", "conversation_id": conversation, "is_typing": true });
    let long = "x".repeat(129);
    for (said, code) in [
        (
            json!({ "type": "message.send", "ref": "7", "conversation_id": theirs, "content": "x" }),
            "bad_request",
        ),
        (send(&theirs, "", json!("1")), "bad_request"),
        (send(&theirs, "x", json!("")), "bad_request"),
        (send(&theirs, "x", json!(long)), "bad_request"),
        (send(&theirs, "a\0b", json!("1")), "bad_request"),
        (send(&others, "x", json!("1")), "not_found"),
        (send("cnv_00000000000000000000000000", "x", json!("1")), "not_found"),
        (send("x", "x", json!("1")), "not_found"),
        (read(&theirs, &foreign), "bad_request"),
        (read(&theirs, "x"), "bad_request"),
        (read(&others, &foreign), "not_found"),
        (json!({ "type": "typing", "ref": "7", "conversation_id": theirs }), "bad_request"),
        (typing("x"), "not_found"),
        (typing(&others), "not_found"),
    ] {
        let reply = command(&mut stream, said.clone()).await;
        assert_eq!(reply.reference.as_deref(), Some("7"));
        let problem = reply.outcome.unwrap_err();
        assert_eq!(problem["code"], code, "{said} {problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    let first = command(&mut stream, send(&theirs, "x", json!("1"))).await.outcome.unwrap();
    assert_eq!(first["seq"], 1);
    let other = command(&mut stream, send(&theirs, "y", json!("1"))).await.outcome.unwrap_err();
    assert_eq!(other["code"], "conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_one_byte_to_64_kib() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let path = messages_of(&pair(&alice, &bob).await);
    let status =
        async |content: &str| alice.try_post(&path, json!({ "content": content })).await.status.as_u16();
    assert_eq!(status("").await, 400);
    assert_eq!(status("x").await, 201);
    assert_eq!(status(&"x".repeat(64 << 10)).await, 201);
    assert_eq!(status(&"x".repeat((64 << 10) + 1)).await, 413);
    assert_eq!(bob.get(&path).await["items"][0]["content"].as_str().unwrap().len(), 64 << 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_too_fast_is_told_to_wait_and_nobody_else_is() {
    let slow = |config: &mut tidings_testkit::Config| config.limits.messages_per_second = 1;
    let app = TestApp::with(slow, std::sync::Arc::new(tidings_model::SystemClock)).await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let path = messages_of(&theirs);
    let mut refused = None;
    // A slow machine earns a message a second meanwhile.
    for number in 0..200 {
        let answer = alice.try_post(&path, json!({ "content": format!("m{number}") })).await;
        if answer.status == 429 {
            refused = Some((number, answer));
            break;
        }
    }
    let (number, answer) = refused.expect("somebody who does not stop is stopped");
    assert!(number >= 2, "twice a second's messages at once");
    let told: Value = answer.json().unwrap();
    assert_eq!(told["code"], "too_many_requests", "{told}");
    assert_eq!(bob.try_post(&path, json!({ "content": "and I" })).await.status, 201);
    let said = bob.get(&path).await["items"].as_array().unwrap().len();
    assert_eq!(said, number + 1, "what was refused was not said");
}
