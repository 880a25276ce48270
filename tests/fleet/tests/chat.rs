//! People who are connected to different nodes speak with each other as if there were one.

// covers C14

use serde_json::{Value, json};
use tidings_client::{Frame, ListenOptions, Stream, Transport};
use tidings_testkit::{Device, Fleet, LIMIT, Person, Role, eventually};

/// Enters somebody in the directory.
async fn enter(admin: &Person, name: &str) {
    let body = json!({ "display_name": name, "roles": [], "groups": [] });
    let put = admin.client.put(&format!("/api/v1/directory/users/{name}"), &body).await.expect("an answer");
    assert!(put.status.is_success(), "{put:?}");
}

/// The data of the next frame, which must be of this type.
async fn next(device: &mut Device, wanted: &str) -> Value {
    let (frame_type, data) = device.event().await;
    assert_eq!(frame_type, wanted, "{data}");
    data
}

/// Says a command on a WebSocket and reads past frames until its answer.
async fn answered(stream: &mut Stream, command: Value) -> Value {
    stream.command(&command).await.expect("it is sent");
    loop {
        let frame = tokio::time::timeout(LIMIT, stream.next()).await.expect("an answer in time");
        if let Frame::Reply(reply) = frame.expect("a frame") {
            return reply.outcome.expect("ok");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_on_two_nodes_hear_each_other_and_of_each_others_receipts() {
    let Some(fleet) = Fleet::fresh() else { return };
    let all = fleet.node("all", &Role::ALL).await;
    let gateway = fleet.node("gateway", &[Role::Gateway]).await;
    for name in ["alice", "bob"] {
        enter(&all.admin(), name).await;
    }
    let (alice, bob) = (all.person("alice"), gateway.person("bob"));
    let theirs = alice.post("/conversations", json!({ "members": ["bob"] })).await["conversation_id"].clone();
    let (mut hers, mut his) = (alice.device("phone").await, bob.device("phone").await);
    let mut other = gateway.person("alice").device("laptop").await;
    for device in [&mut hers, &mut his, &mut other] {
        device.catch_up().await;
    }

    let path = format!("/conversations/{}/messages", theirs.as_str().expect("an id"));
    let said = alice.post(&path, json!({ "content": "Coffee?" })).await;
    for device in [&mut hers, &mut his, &mut other] {
        assert_eq!(next(device, "message.created").await["message_id"], said["message_id"]);
    }
    bob.confirm("phone", his.cursor()).await;
    for device in [&mut hers, &mut other] {
        let status = next(device, "message.status").await;
        assert_eq!((&status["status"], &status["user_id"]), (&json!("DELIVERED"), &json!("bob")));
    }
    // A node that holds streams alone takes what is said on them.
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut stream = bob.client.listen(&options).await.expect("a stream");
    let read =
        json!({ "type": "message.read", "ref": "1", "conversation_id": theirs, "up_to": said["message_id"] });
    answered(&mut stream, read).await;
    let send = json!({
        "type": "message.send", "ref": "2", "conversation_id": theirs, "content": "Tea.", "client_id": "b-1",
    });
    let reply = answered(&mut stream, send).await;
    assert_eq!(reply["seq"], 2);
    for device in [&mut hers, &mut other] {
        // Two topics, so either may be first.
        let mut types = [device.event().await.0, device.event().await.0];
        types.sort();
        assert_eq!(types, ["message.created", "message.status"]);
    }
    assert_eq!(next(&mut his, "message.created").await["message_id"], reply["message_id"]);
    let notified = all.person("bob").get("/notifications").await;
    assert_eq!(notified["items"], json!([]), "he is connected, if elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_types_on_one_node_is_shown_on_another() {
    let Some(fleet) = Fleet::fresh() else { return };
    let all = fleet.node("all", &Role::ALL).await;
    let api = fleet.node("api", &[Role::Api]).await;
    let gateway = fleet.node("gateway", &[Role::Gateway]).await;
    for name in ["alice", "bob"] {
        enter(&all.admin(), name).await;
    }
    let (alice, bob) = (api.person("alice"), gateway.person("bob"));
    let theirs = alice.post("/conversations", json!({ "members": ["bob"] })).await["conversation_id"].clone();
    let (mut hers, mut his) = (all.person("alice").device("phone").await, bob.device("phone").await);
    for device in [&mut hers, &mut his] {
        device.catch_up().await;
    }

    let path = format!("/conversations/{}/typing", theirs.as_str().expect("an id"));
    for is_typing in [true, false] {
        // A process that holds no streams takes it, too.
        alice.post(&path, json!({ "is_typing": is_typing })).await;
        let (data, _before) = his.signal("typing").await;
        assert_eq!(data["user_id"], "alice");
        assert_eq!(data["is_typing"], is_typing);
    }
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut stream = bob.client.listen(&options).await.expect("a stream");
    let typing = json!({ "type": "typing", "ref": "1", "conversation_id": theirs, "is_typing": true });
    answered(&mut stream, typing).await;
    let (data, _before) = hers.signal("typing").await;
    assert_eq!(data["user_id"], "bob", "and no word of her own");
    // He says nothing more: each gateway ends it by itself.
    let (data, _before) = hers.signal("typing").await;
    assert_eq!((&data["user_id"], &data["is_typing"]), (&json!("bob"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_is_known_across_nodes_also_after_one_was_killed() {
    let Some(fleet) = Fleet::fresh() else { return };
    let all = fleet.node("all", &Role::ALL).await;
    let mut gateway = fleet.node("gateway", &[Role::Gateway]).await;
    for name in ["alice", "bob"] {
        enter(&all.admin(), name).await;
    }
    let (alice, bob) = (all.person("alice"), gateway.person("bob"));
    alice.post("/conversations", json!({ "members": ["bob"] })).await;
    let mut hers = alice.device("phone").await;
    hers.catch_up().await;
    let phone = bob.device("phone").await;
    let online = json!({ "user_id": "bob", "online": true, "last_seen_at": null });
    assert_eq!(hers.signal("presence").await.0, online);
    assert_eq!(alice.get("/conversations").await["items"][0]["partner"]["online"], true);

    // With a stream on another node he is there, whatever becomes of this one.
    let laptop = all.person("bob").device("laptop").await;
    gateway.kill();
    drop(phone);
    let operator = all.operator();
    eventually("its streams are taken for closed", || async {
        let open = operator.get("/connections").await;
        (open["items"].as_array().is_some_and(|lines| lines.len() == 2)).then_some(())
    })
    .await;
    drop(laptop);
    let (gone, _before) = hers.signal("presence").await;
    assert_eq!((&gone["user_id"], &gone["online"]), (&json!("bob"), &json!(false)));
    let shown = alice.get("/conversations").await["items"][0]["partner"].clone();
    assert_eq!((&shown["online"], &shown["last_seen_at"]), (&json!(false), &gone["last_seen_at"]));
}
