//! What is said on streams and topics is what the reference of them says: every word that there is, and nothing else.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};
use tidings_client::{Frame, ListenOptions, Reply, Transport};
use tidings_log::{Produce, TopicPartition};
use tidings_model::SystemClock;
use tidings_testkit::{
    Config, Device, LIMIT, Pair, Person, REFERENCE, RouteSettings, TestApp, Words, eventually,
};

async fn words(person: &Person) -> Words {
    Words::of(person.client.get(REFERENCE).await.unwrap().json().unwrap())
}

/// The part of a reference that a `$ref` names.
fn named<'a>(reference: &'a Value, name: &Value) -> &'a Value {
    reference.pointer(name["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap()
}

/// The names of the messages of a channel.
fn messages_of(reference: &Value, channel: &str) -> BTreeSet<String> {
    reference["channels"][channel]["messages"].as_object().unwrap().keys().cloned().collect()
}

/// The commands that clients may say.
fn commands(reference: &Value) -> BTreeSet<String> {
    let operations = reference["operations"].as_object().unwrap();
    operations.keys().filter_map(|name| name.strip_prefix("say.")).map(str::to_owned).collect()
}

fn with_a_route_and_a_webhook(config: &mut Config) {
    config.routes = vec![RouteSettings {
        topic: "invoices".to_owned(),
        to: vec!["user:{/customer}".to_owned()],
        r#type: "invoice.sent".to_owned(),
        title: Some("Invoice {/number}".to_owned()),
        keep: "1d".to_owned(),
        ..RouteSettings::default()
    }];
    // Nobody is called: everybody has confirmed long before.
    config.webhook.url = Some("https://hooks.example/pending".to_owned());
    config.webhook.secret = Some(format!("whsec_{}", "A".repeat(32)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_has_an_example_that_is_as_its_schema_says() {
    let app = TestApp::with(with_a_route_and_a_webhook, Arc::new(SystemClock)).await;
    for (person, operators) in [(app.person("alice"), false), (app.operator(), true)] {
        let words = words(&person).await;
        let reference = words.reference();
        assert_eq!(reference["asyncapi"], "3.0.0");
        let messages = reference["components"]["messages"].as_object().unwrap();
        let shown = |channel: &str| messages_of(reference, channel);
        let used: BTreeSet<String> =
            reference["channels"].as_object().unwrap().keys().flat_map(|channel| shown(channel)).collect();
        assert_eq!(used, messages.keys().cloned().collect(), "each message is in a channel");
        for (key, message) in messages {
            assert!(message["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{key}: {message}");
            words.check(key, &message["examples"][0]["payload"]);
            if message["headers"].is_object() {
                let headers = &message["examples"][0]["headers"];
                assert!(jsonschema::is_valid(&message["headers"], headers), "{key}: {headers}");
                assert!(headers["ce_id"].is_string() && headers["ce_type"] == message["name"], "{headers}");
            }
        }
        for channel in reference["channels"].as_object().unwrap().values() {
            for message in channel["messages"].as_object().unwrap().values() {
                named(reference, message);
            }
        }
        for operation in reference["operations"].as_object().unwrap().values() {
            let replies = operation["reply"]["messages"].as_array().into_iter().flatten();
            for message in operation["messages"].as_array().unwrap().iter().chain(replies) {
                named(reference, message);
            }
        }
        let own = shown("stream");
        assert_eq!(own.contains("invoice.sent"), operators, "what the settings name is for operators");
        assert_eq!(words.has("tidings-deliveries.Delivery"), operators);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_topic_of_the_server_is_documented_as_it_is() {
    let app = TestApp::with(with_a_route_and_a_webhook, Arc::new(SystemClock)).await;
    let operator = app.operator();
    let words = words(&operator).await;
    let channels = words.reference()["channels"].as_object().unwrap();
    let topics = operator.get("/topics").await;
    let topics = topics["items"].as_array().unwrap();
    assert!(topics.len() > 20, "{topics:?}");
    let documented: BTreeSet<&str> = channels
        .values()
        .filter(|channel| channel["bindings"]["kafka"].is_object())
        .map(|channel| channel["address"].as_str().unwrap())
        .collect();
    for topic in topics {
        let name = topic["name"].as_str().unwrap();
        if !documented.contains(name) {
            // A broker may have topics of others.
            let shared = matches!(app.pair(), Pair::Kafka(_) | Pair::Postgres(_));
            assert!(shared, "{topic} is not documented");
            continue;
        }
        let channel = channels.values().find(|channel| channel["address"] == name).unwrap();
        assert!(!channel["messages"].as_object().unwrap().is_empty(), "{channel}");
        let partitions = topic["partitions"].as_array().unwrap().len();
        assert_eq!(channel["bindings"]["kafka"]["partitions"], partitions, "{topic}");
    }
    let there: BTreeSet<&str> = topics.iter().map(|topic| topic["name"].as_str().unwrap()).collect();
    assert!(documented.is_subset(&there), "{documented:?} {there:?}");
    let read = words.reference()["operations"]["read.coffee_orders.coffee-consumer-group"].clone();
    assert_eq!(read["bindings"]["kafka"]["groupId"]["const"], "coffee-consumer-group");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_caller_makes_up_a_type_that_is_documented() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let words = words(&admin).await;
    let reserved = messages_of(words.reference(), "stream").into_iter().chain(["ok".into(), "error".into()]);
    for name in reserved.filter(|name| name != "made-up") {
        let said = json!({ "to": ["all"], "type": name, "content": "x" });
        let refused = admin.try_post("/messages", said).await;
        assert_eq!(refused.status, 400, "{name}");
    }
    let mine = json!({ "to": ["all"], "type": "my.word", "content": "x" });
    assert_eq!(admin.try_post("/messages", mine).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_documented_with_its_answer_and_no_other_is_understood() {
    let app = TestApp::start().await;
    let admin = app.admin();
    admin
        .client
        .put("/api/v1/directory/users/bob", &json!({ "display_name": "Bob", "roles": [], "groups": [] }))
        .await
        .unwrap();
    let conversation = admin.post("/conversations", json!({ "members": ["bob"] })).await;
    let words = words(&admin).await;
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut stream = admin.client.listen(&options).await.unwrap();
    let (mut cursor, mut message) = (String::new(), String::new());
    let mut reply = async |command: &Value| -> Reply {
        stream.command(command).await.unwrap();
        let answered = async {
            loop {
                match stream.next().await.unwrap() {
                    Frame::Reply(reply) => return reply,
                    Frame::Cursor { cursor: newest } => cursor = newest,
                    Frame::Ready(ready) => cursor = ready.cursor.unwrap_or_default(),
                    Frame::Event { .. }
                    | Frame::Signal(_)
                    | Frame::Digest(_)
                    | Frame::TokenExpiring { .. }
                    | Frame::Shutdown { .. }
                    | Frame::Unknown { .. } => {}
                }
            }
        };
        tokio::time::timeout(LIMIT, answered).await.unwrap()
    };
    let unknown = reply(&json!({ "type": "fly" })).await.outcome.unwrap_err();
    let detail = unknown["detail"].as_str().unwrap();
    let (_, listed) = detail.split_once("there are ").unwrap();
    let mut listed: BTreeSet<String> = listed.split(", ").map(str::to_owned).collect();
    listed.insert("hello".to_owned());
    assert_eq!(listed, commands(words.reference()));
    for name in ["ping", "read", "auth", "announce", "message.send", "message.read", "typing"] {
        let documented = &words.reference()["components"]["messages"][format!("say.{name}")];
        let mut command = documented["examples"][0]["payload"].clone();
        command["ref"] = name.into();
        if command["token"].is_string() {
            command["token"] = admin.client.token().unwrap().as_ref().into();
        }
        if command["conversation_id"].is_string() {
            command["conversation_id"] = conversation["conversation_id"].clone();
        }
        if command["up_to"].is_string() {
            command["up_to"] = message.clone().into();
        }
        words.check(&format!("say.{name}"), &command);
        let Reply { reference, outcome } = reply(&command).await;
        let data = outcome.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        if let Some(id) = data["message_id"].as_str() {
            message = id.to_owned();
        }
        words.check(&format!("say.{name}.ok"), &json!({ "type": "ok", "ref": reference, "data": data }));
    }
}

/// Makes the people of these tests.
async fn sign_up(app: &TestApp) {
    let admin = app.admin();
    for name in ["alice", "bob", "carol"] {
        let account = json!({ "username": name, "password": "correct horse battery", "display_name": name });
        admin.post("/signup", account).await;
        eventually("the profile is made", || async {
            let profile = admin.client.get(&format!("/api/v1/users/{name}")).await.unwrap();
            (profile.json::<Value>().ok()?["status"] == "active").then_some(())
        })
        .await;
    }
}

/// Does all that makes frames and records; answers the device of who came last, who is there as long as it is held.
async fn say_everything(app: &TestApp) -> Device {
    let (admin, alice) = (app.admin(), app.person("alice"));
    for name in ["alice", "bob", "dave"] {
        let body = json!({ "display_name": name, "roles": ["editor"], "groups": [] });
        admin.client.put(&format!("/api/v1/directory/users/{name}"), &body).await.unwrap();
    }
    let bob = app.person("bob");
    // Broadcasts: now, to a role, cancelled; to somebody; later, edited.
    let id = admin.broadcast("Now", json!({ "type": "role", "ids": ["editor"] })).await;
    eventually("it is active", || async {
        (admin.get(&format!("/broadcasts/{id}/stats")).await["targeted"].as_u64()? > 0).then_some(())
    })
    .await;
    admin.post(&format!("/broadcasts/{id}/cancel"), json!({})).await;
    admin.broadcast("You", json!({ "type": "selected", "ids": ["alice"] })).await;
    let later = json!({
        "content": "Later", "target": { "type": "all" }, "scheduled_at": "2100-01-01T00:00:00Z",
        "expires_at": "2100-01-02T00:00:00Z",
    });
    let later = admin.post("/broadcasts", later).await;
    let path = format!("/api/v1/broadcasts/{}", later["id"].as_str().unwrap());
    let edit = serde_json::to_vec(&json!({ "content": "Later, indeed" })).unwrap();
    let edited = admin.client.send(http::Method::PATCH, &path, &[], Some(edit.into())).await.unwrap();
    assert!(edited.status.is_success(), "{edited:?}");
    // Chat, of two and of three: said, read, written.
    for (members, client_id) in [(json!(["bob"]), "1"), (json!(["bob", "dave"]), "2")] {
        let made = alice.post("/conversations", json!({ "members": members })).await;
        let of = format!("/conversations/{}", made["conversation_id"].as_str().unwrap());
        let said = json!({ "content": "Coffee?", "client_id": client_id });
        let said = alice.post(&format!("{of}/messages"), said).await;
        alice.post(&format!("{of}/typing"), json!({ "is_typing": true })).await;
        eventually("it can be confirmed", || async {
            bob.post("/receipts", json!({ "delivered": [said["message_id"]] })).await;
            let receipts = format!("{of}/messages/{}/receipts", said["message_id"].as_str()?);
            let receipts = alice.get(&receipts).await;
            (receipts["delivered"].as_u64()? > 0).then_some(())
        })
        .await;
        bob.post(&format!("{of}/read"), json!({ "up_to": said["message_id"] })).await;
    }
    // Orders, messages, announcements.
    let barista = app.signed_in("alice", None, Some("orders:write".to_owned()));
    barista.post("/orders", json!({ "customer_name": "Ada", "coffee_type": "Flat white" })).await;
    let paid =
        json!({ "to": ["user:alice"], "type": "invoice.paid", "title": "Paid", "data": { "number": 7 } });
    let paid = admin.post("/messages", paid).await;
    admin.post("/announcements", json!({ "title": "Fire drill", "content": "At noon." })).await;
    // People: who follows, posts, removes, and stops following.
    alice.post("/users/bob/follow", json!({})).await;
    bob.post("/users/alice/follow", json!({})).await;
    let post = bob.post("/posts", json!({ "title": "On coffee", "content": "It is good." })).await;
    eventually("alice was told", || async {
        let inbox = alice.get("/inbox?limit=200").await;
        let items = inbox["items"].as_array()?.clone();
        items.iter().find(|item| item["kind"] == "post").cloned()
    })
    .await;
    let path = format!("/api/v1/posts/{}", post["post_id"].as_str().unwrap());
    assert!(bob.client.delete(&path).await.unwrap().status.is_success());
    assert!(bob.client.delete("/api/v1/users/alice/follow").await.unwrap().status.is_success());
    // Another program notifies somebody.
    let notice = json!({ "userId": "alice", "title": "Bob", "content": "Coffee?", "type": "NEW_MESSAGE" });
    let record = Produce {
        topic: app.topic("notifications"),
        key: Some(b"alice".to_vec()),
        value: Some(notice.to_string().into_bytes()),
        ..Produce::default()
    };
    app.log().await.produce(record).await.unwrap();
    // Somebody comes whom somebody speaks with.
    alice.post("/conversations", json!({ "members": ["dave"] })).await;
    let there = app.person("dave").device("watch").await;
    // Something read on another device.
    eventually("it is read", || async {
        let path = format!("/api/v1/inbox/{}/read", paid["message_id"].as_str().unwrap());
        alice.client.post(&path, &json!({})).await.unwrap().status.is_success().then_some(())
    })
    .await;
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_frame_is_shown_to_somebody() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.person("alice"), app.person("bob"));
    let words = words(&alice).await;
    let mut wanted = messages_of(words.reference(), "stream");
    // Suites of their own make these: many pending, a token that ends, a server that stops.
    for name in ["digest", "token.expiring", "shutdown"] {
        wanted.remove(name);
    }
    // These are seen below.
    for name in ["ready", "cursor"] {
        wanted.remove(name);
    }
    sign_up(&app).await;
    // Each frame is judged as it is read; here it is seen that all of them come.
    let (mut phone, mut laptop) = (alice.device("phone").await, bob.device("laptop").await);
    let mut read = async |wanted: &mut BTreeSet<String>| {
        while !wanted.is_empty() {
            let frame = tokio::select! { frame = phone.frame() => frame, frame = laptop.frame() => frame };
            let name = match frame {
                Frame::Event { event, .. } => event.event_type,
                Frame::Signal(signal) => signal.signal_type,
                Frame::Ready(_)
                | Frame::Cursor { .. }
                | Frame::Digest(_)
                | Frame::TokenExpiring { .. }
                | Frame::Shutdown { .. }
                | Frame::Reply(_)
                | Frame::Unknown { .. } => continue,
            };
            wanted.remove(if words.has(&name) { name.as_str() } else { "made-up" });
        }
    };
    let reading = tokio::time::timeout(LIMIT, read(&mut wanted));
    let (done, _dave) = tokio::join!(reading, say_everything(&app));
    assert!(done.is_ok(), "these never came: {wanted:?}");
    let mut tablet = bob.device("tablet").await;
    assert!(tablet.cursor.is_none() && !tablet.catch_up().await.is_empty(), "a cursor ends what was pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_lies_in_its_topic_as_documented() {
    let app = TestApp::start().await;
    let words = words(&app.operator()).await;
    let channels = words.reference()["channels"].as_object().unwrap();
    // Deadlines of their own make these, and lists of hundreds of people.
    let mut elsewhere = vec!["broadcast-messages.BroadcastSlice", "broadcast-messages.BroadcastExpired"];
    if matches!(app.pair(), Pair::Embedded | Pair::TwoFiles) {
        // These lie in the memory of the server.
        elsewhere.extend(["typing-events.Typing", "tidings-signals.Presence"]);
    }
    let of_topics = channels.iter().filter(|(_, channel)| channel["bindings"]["kafka"].is_object());
    let of_topics = of_topics.filter(|(alias, _)| !alias.ends_with("-dlt"));
    let wanted: BTreeSet<String> = of_topics
        .flat_map(|(_, channel)| channel["messages"].as_object().unwrap().keys().cloned())
        .filter(|key| !elsewhere.contains(&key.as_str()))
        .collect();
    let wanted = RefCell::new(wanted);
    sign_up(&app).await;
    let _there = app.person("bob").device("laptop").await;
    let _dave = say_everything(&app).await;
    let log = app.log().await;
    eventually("all of it lies in the log", || async {
        let topics: BTreeSet<String> = wanted
            .borrow()
            .iter()
            .filter_map(|key| key.rsplit_once('.'))
            .map(|(alias, _)| alias.to_owned())
            .collect();
        for alias in topics {
            let partitions = channels[&alias]["bindings"]["kafka"]["partitions"].as_u64().unwrap();
            for partition in 0..u32::try_from(partitions).unwrap() {
                let partition = TopicPartition { topic: app.topic(&alias), partition };
                for record in log.records(partition, 0, 1000).await.unwrap() {
                    let value: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
                    let only = || messages_of(words.reference(), &alias).into_iter().next().unwrap();
                    let key = record.header("ce_type").map_or_else(only, |name| format!("{alias}.{name}"));
                    words.check(&key, &value);
                    let message = &words.reference()["components"]["messages"][&key];
                    let headers = message["headers"]["properties"].as_object();
                    // The relay numbers what is internal, too.
                    for (name, _) in &record.headers {
                        assert!(
                            name == "tidings-seq" || headers.is_some_and(|known| known.contains_key(name)),
                            "{key}: {name}"
                        );
                    }
                    assert_eq!(
                        record.key.is_some(),
                        message["bindings"]["kafka"]["key"].is_object(),
                        "{key}"
                    );
                    wanted.borrow_mut().remove(&key);
                }
            }
        }
        wanted.borrow().is_empty().then_some(())
    })
    .await;
}
