//! Chat: conversations, what is said in them, and how far their members have come.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod conversations;
mod limits;
mod messages;
mod notices;
#[cfg(feature = "planted-bugs")]
mod planted;
mod presence;
mod receipts;
mod typing;

use serde_json::{Value, json};
use tidings_client::{Frame, ListenOptions, Reply, Stream, Transport};
use tidings_testkit::{Device, LIMIT, Person, TestApp};

/// People whom the directory knows.
async fn people<const N: usize>(app: &TestApp, names: [&str; N]) -> [Person; N] {
    let admin = app.admin().client;
    for name in names {
        let body = json!({ "display_name": name.to_uppercase(), "roles": [], "groups": [] });
        let put = admin.put(&format!("/api/v1/directory/users/{name}"), &body).await.unwrap();
        assert!(put.status.is_success(), "{put:?}");
    }
    names.map(|name| app.person(name))
}

/// The conversation of somebody and another.
async fn pair(one: &Person, other: &Person) -> String {
    id(&one.post("/conversations", json!({ "members": [other.id] })).await)
}

/// A group that somebody makes.
async fn group(one: &Person, others: &[&Person]) -> String {
    let members: Vec<&str> = others.iter().map(|other| other.id.as_str()).collect();
    id(&one.post("/conversations", json!({ "members": members, "title": "Kitchen" })).await)
}

fn id(conversation: &Value) -> String {
    conversation["conversation_id"].as_str().unwrap().to_owned()
}

/// Says something; answers the message's id.
async fn say(person: &Person, conversation: &str, content: &str) -> String {
    let said = person.post(&messages_of(conversation), json!({ "content": content })).await;
    said["message_id"].as_str().unwrap().to_owned()
}

fn messages_of(conversation: &str) -> String {
    format!("/conversations/{conversation}/messages")
}

/// A device of somebody that has caught up.
async fn device(person: &Person, session: &str) -> Device {
    let mut device = person.device(session).await;
    device.catch_up().await;
    device
}

/// Reads until a message of this content came; answers the data of the frames before it that have another type.
async fn until(device: &mut Device, content: &str) -> Vec<Value> {
    let mut others = Vec::new();
    loop {
        let (frame_type, data) = device.event().await;
        if frame_type != "message.created" {
            others.push(data);
        } else if data["content"] == content {
            return others;
        }
    }
}

/// What somebody missed of what was said, as a new device of theirs is told it.
async fn missed(person: &Person) -> Vec<String> {
    let mut device = person.device("new").await;
    let mut said = Vec::new();
    // Where nothing is pending there is no catch-up, either.
    while device.ready.cursor.is_none() {
        let frame = device.frame().await;
        if let Frame::Cursor { .. } = frame {
            break;
        }
        if let Frame::Event { event, .. } = frame
            && event.event_type == "message.created"
        {
            let data = serde_json::to_value(&event.data).unwrap();
            said.push(data["content"].as_str().unwrap().to_owned());
        }
    }
    said
}

/// The data of the next frame, which must be of this type.
async fn next(device: &mut Device, wanted: &str) -> Value {
    let (frame_type, data) = device.event().await;
    assert_eq!(frame_type, wanted, "{data}");
    data
}

/// Opens a WebSocket of somebody.
async fn socket(person: &Person) -> Stream {
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    person.client.listen(&options).await.unwrap()
}

/// Says a command and reads past frames until its answer.
async fn command(stream: &mut Stream, command: Value) -> Reply {
    stream.command(&command).await.unwrap();
    loop {
        if let Frame::Reply(reply) = tokio::time::timeout(LIMIT, stream.next()).await.unwrap().unwrap() {
            return reply;
        }
    }
}
