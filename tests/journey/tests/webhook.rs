//! Who has not confirmed a message in time is called for: once, by a signed call, whatever ends meanwhile.

#[cfg(feature = "planted-bugs")]
mod planted;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_model::{Clock as _, ManualClock, SystemClock};
use tidings_store::params;
use tidings_testkit::{TestApp, eventually};
use tidings_tests_receiver::{Call, Receiver, Says, secret};

/// A server that calls a receiver a minute after something was said.
struct World {
    app: TestApp,
    clock: Arc<ManualClock>,
    receiver: Receiver,
}

impl World {
    async fn start(says: &[Says]) -> Self {
        let receiver = Receiver::start(says).await;
        let url = receiver.url();
        Self::at(receiver, &url, "127.0.0.0/8", vec![1]).await
    }

    async fn at(receiver: Receiver, url: &str, allowed: &str, retries: Vec<u64>) -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let settings = |config: &mut tidings_testkit::Config| {
            config.webhook.url = Some(url.to_owned());
            config.webhook.secret = Some(secret());
            config.webhook.after_minutes = 1;
            config.webhook.timeout_secs = 1;
            config.webhook.retry_secs = retries;
            config.webhook.allowed_networks = vec![allowed.to_owned()];
            // Under a name of the settings it works as under its own.
            config.groups.entry("tidings-webhook-group".to_owned()).or_default().name =
                Some("callers".to_owned());
        };
        let app = TestApp::with(settings, Arc::clone(&clock) as _).await;
        let world = Self { app, clock, receiver };
        eventually("it looks from here on", || async {
            world.count("SELECT COUNT(*) FROM webhook_looked").await.filter(|rows| *rows == 1)
        })
        .await;
        world
    }

    async fn count(&self, sql: &'static str) -> Option<u64> {
        let read = self
            .app
            .server()
            .store()
            .read(move |tx| async move { tx.one(sql, params![]).await?.get::<u64>(0) });
        read.await.ok()
    }

    /// Makes people known to the directory.
    async fn enter(&self, people: &[&str]) {
        let admin = self.app.admin();
        for id in people {
            let person = json!({ "display_name": id });
            let path = format!("/api/v1/directory/users/{id}");
            assert!(admin.client.put(&path, &person).await.expect("an answer").status.is_success(), "{id}");
        }
    }

    /// Says something, and answers its id once it is delivered.
    async fn say(&self, content: &str, target: Value) -> String {
        self.say_all(json!({ "content": content, "target": target })).await
    }

    async fn say_all(&self, broadcast: Value) -> String {
        let id =
            self.app.admin().post("/broadcasts", broadcast).await["id"].as_str().expect("an id").to_owned();
        let item = id.clone();
        eventually("it is delivered", || async {
            let item = item.clone();
            let read = self.app.server().store().read(move |tx| async move {
                let sql = "SELECT COUNT(*) FROM delivery_records WHERE subject = $1";
                tx.one(sql, params![item]).await?.get::<u64>(0)
            });
            read.await.ok().filter(|records| *records > 0)
        })
        .await;
        id
    }

    /// Lets the minute pass, from when all that was delivered has been noted.
    async fn pass(&self) {
        self.clock.advance(Duration::from_secs(1));
        eventually("it is known what was said until now", || async {
            let sql = "SELECT COUNT(*) FROM webhook_heads
                       WHERE place >= (SELECT MAX(place) FROM delivery_records)";
            self.count(sql).await.filter(|notes| *notes > 0)
        })
        .await;
        self.clock.advance(Duration::from_mins(1));
    }

    /// Waits until all was looked through.
    async fn looked_through(&self) {
        eventually("all was looked through", || async {
            let sql = "SELECT COUNT(*) FROM webhook_looked
                       WHERE after_user IS NULL AND place >= (SELECT MAX(place) FROM delivery_records)";
            self.count(sql).await.filter(|rows| *rows == 1)
        })
        .await;
    }

    /// The calls, once there are so many.
    async fn calls(&self, wanted: usize) -> Vec<Call> {
        eventually("the endpoint is called", || async {
            Some(self.receiver.received()).filter(|calls| calls.len() >= wanted)
        })
        .await
    }

    async fn dead_letters(&self, wanted: usize) -> Vec<Value> {
        let operator = self.app.operator();
        eventually("there are dead letters", || async {
            let page = operator.get("/dead-letters").await;
            page["items"].as_array().filter(|letters| letters.len() == wanted).cloned()
        })
        .await
    }
}

fn users(calls: &[Call]) -> BTreeSet<&str> {
    calls.iter().map(|call| call.user.as_str()).collect()
}

async fn pending_alone() {
    let world = World::start(&[]).await;
    world.enter(&["alice", "bob", "carol", "dave"]).await;
    let mut phone = world.app.person("alice").device("phone").await;
    let dave = world.app.person("dave");
    let muted = dave.client.put("/api/v1/preferences", &json!({ "muted_categories": ["news"] })).await;
    assert!(muted.expect("an answer").status.is_success());

    let id = world
        .say_all(json!({
            "title": "Canteen", "content": "It closes at two.", "category": "news", "target": { "type": "all" }
        }))
        .await;
    let taken_back = world.say("Never mind", json!({ "type": "selected", "ids": ["bob"] })).await;
    world.app.admin().post(&format!("/broadcasts/{taken_back}/cancel"), json!({})).await;
    phone.until("It closes at two.").await;
    let cursor = phone.cursor().to_owned();
    world.app.person("alice").confirm("phone", &cursor).await;
    world.app.person("carol").post("/receipts", json!({ "read": [id] })).await;
    world.pass().await;

    let bobs = eventually("bob is called for", || async {
        world.receiver.received().into_iter().find(|call| call.user == "bob")
    })
    .await;
    assert_eq!(bobs.body["type"], "message.pending");
    let data = &bobs.body["data"];
    assert_eq!(data["message_id"], id);
    assert_eq!(data["kind"], "broadcast");
    assert_eq!(data["title"], "Canteen");
    assert_eq!(data["content"], "It closes at two.");
    assert_eq!(data["quiet_until"], Value::Null);

    // What is said behind it shows that no other call is on its way.
    world.say("The last one", json!({ "type": "selected", "ids": ["bob"] })).await;
    world.pass().await;
    let calls = eventually("the last one is called for", || async {
        let calls = world.receiver.received();
        calls.iter().any(|call| call.body["data"]["content"] == "The last one").then_some(calls)
    })
    .await;
    let of_it: Vec<&Call> = calls.iter().filter(|call| call.body["data"]["message_id"] == *id).collect();
    let called: Vec<&str> =
        of_it.iter().map(|call| call.user.as_str()).filter(|user| *user != "admin").collect();
    assert_eq!(called, ["bob"], "who has it, who muted it and who is spared it are not called for");
    assert!(calls.iter().all(|call| call.body["data"]["message_id"] != *taken_back), "it was taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_confirmed_a_message_in_time_is_called_for_and_nobody_else() {
    Box::pin(pending_alone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_are_told_and_nobody_is_called_for_twice() {
    let world = World::start(&[]).await;
    world.enter(&["alice"]).await;
    let alice = world.app.person("alice");
    let quiet = json!({ "muted_categories": [],
        "quiet_hours": { "start": "00:00", "end": "23:59", "time_zone": "UTC" } });
    assert!(alice.client.put("/api/v1/preferences", &quiet).await.unwrap().status.is_success());
    drop(alice.device("phone").await);
    world.say("Good night", json!({ "type": "selected", "ids": ["alice"] })).await;
    world.pass().await;
    let call = world.calls(1).await.remove(0);
    assert!(call.body["data"]["quiet_until"].is_string(), "{}", call.body);

    // Not quiet any more: her device gets it late, by a record of its own.
    let loud = json!({ "muted_categories": [], "quiet_hours": null });
    let alice = world.app.person("alice");
    assert!(alice.client.put("/api/v1/preferences", &loud).await.unwrap().status.is_success());
    let late = "SELECT COUNT(*) FROM delivery_records WHERE kind = 'message'";
    eventually("it is late", || async { world.count(late).await.filter(|records| *records == 2) }).await;
    world.say("Good morning", json!({ "type": "selected", "ids": ["alice"] })).await;
    world.pass().await;
    let calls = world.calls(2).await;
    let said: Vec<&Value> = calls.iter().map(|call| &call.body["data"]["content"]).collect();
    assert_eq!(said, ["Good night", "Good morning"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_of_a_large_audience_is_called_for_once() {
    let world = World::start(&[]).await;
    let people: Vec<String> = (0..130).map(|number| format!("user-{number:03}")).collect();
    let lines: Vec<String> = people.iter().map(|user| json!({ "user_id": user }).to_string()).collect();
    let lines = lines.join("\n");
    let form = [(http::header::CONTENT_TYPE, "application/x-ndjson")];
    let admin = world.app.admin().client;
    let put = admin.send(http::Method::PUT, "/api/v1/directory/users", &form, Some(lines.into()));
    let answer = put.await.unwrap();
    assert!(answer.status.is_success(), "{answer:?}");
    world.say("For all", json!({ "type": "all" })).await;
    world.pass().await;
    world.looked_through().await;
    let calls = eventually("everybody is called for", || async {
        let calls = world.receiver.received();
        people.iter().all(|user| users(&calls).contains(user.as_str())).then_some(calls)
    })
    .await;
    assert_eq!(calls.len(), users(&calls).len(), "each of them once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_is_called_again_with_the_same_id_and_one_that_is_gone_is_not() {
    let world = World::start(&[Says::Status(500)]).await;
    world.say("Once more", json!({ "type": "selected", "ids": ["alice"] })).await;
    world.pass().await;
    let calls = world.calls(2).await;
    assert_eq!(calls[0].id, calls[1].id);
    assert_eq!(calls[0].body, calls[1].body);

    world.receiver.say(&[Says::Status(410)]);
    world.say("Nobody there", json!({ "type": "selected", "ids": ["bob"] })).await;
    world.pass().await;
    let letter = world.dead_letters(1).await.remove(0);
    assert_eq!(letter["attempts"], 1, "{letter}");
    assert!(letter.to_string().contains("410 Gone"), "{letter}");

    world.receiver.say(&[Says::Redirect, Says::Status(503)]);
    world.say("Elsewhere", json!({ "type": "selected", "ids": ["carol"] })).await;
    world.pass().await;
    let letters = world.dead_letters(2).await;
    let of_carol = letters.iter().find(|letter| letter["attempts"] == 2).expect("it was tried twice");
    assert!(of_carol.to_string().contains("503"), "{of_carol}");
    assert_eq!(world.receiver.received().len(), 5, "no redirect is followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_that_gets_no_answer_keeps_back_no_other() {
    let world = World::start(&[Says::Nothing]).await;
    let people = ["alice", "bob", "carol"];
    world.say("Slow", json!({ "type": "selected", "ids": people })).await;
    world.pass().await;
    let calls = world.calls(4).await;
    assert_eq!(users(&calls), BTreeSet::from(people));
    assert!(calls[1..3].iter().all(|call| call.user != calls[0].user), "the others did not wait");
    assert_eq!(calls[3].id, calls[0].id, "it was called again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_is_called_for_after_a_restart() {
    let receiver = Receiver::start(&[Says::Status(503); 100]).await;
    let url = receiver.url();
    let mut world = World::at(receiver, &url, "127.0.0.0/8", vec![1; 20]).await;
    world.say("Found, and not taken", json!({ "type": "selected", "ids": ["alice"] })).await;
    world.pass().await;
    world.calls(1).await;
    world.say("Not yet looked for", json!({ "type": "selected", "ids": ["bob"] })).await;
    world.app.stop().await;
    let before = world.receiver.received().len();
    world.receiver.say(&[]);
    world.clock.advance(Duration::from_mins(5));
    world.app.resume().await;
    world.pass().await;
    let since = eventually("both are called for", || async {
        let since = world.receiver.received().split_off(before);
        (users(&since) == BTreeSet::from(["alice", "bob"])).then_some(since)
    })
    .await;
    assert_eq!(since.len(), 2, "{since:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_leads_into_a_private_network_is_not_called() {
    let receiver = Receiver::start(&[]).await;
    let url = format!("http://localhost:{}/hook", receiver.port());
    let world = World::at(receiver, &url, "10.0.0.0/8", vec![1]).await;
    world.say("Inside", json!({ "type": "selected", "ids": ["alice"] })).await;
    world.pass().await;
    let letter = world.dead_letters(1).await.remove(0);
    assert!(letter.to_string().contains("webhook.allowed_networks"), "{letter}");
    assert!(world.receiver.received().is_empty());
}
