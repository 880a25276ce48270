//! The delivery log is made anew: a new generation begins by itself, and what was shown is shown to be old.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};
use serde_json::{Value, json};
use tidings_testkit::{Device, Fleet, Node, Person, Role};

use crate::world::{PATIENCE, Screen, within};

/// The delivery log, by the name features know it by.
const DELIVERIES: &str = "tidings-deliveries";

/// Who may make topics and forget them.
struct Topics<'a> {
    fleet: &'a Fleet,
    admin: AdminClient<DefaultClientContext>,
}

impl<'a> Topics<'a> {
    fn of(fleet: &'a Fleet) -> Self {
        let admin = ClientConfig::new().set("bootstrap.servers", fleet.brokers().join(",")).create();
        Self { fleet, admin: admin.expect("a client") }
    }

    /// Whether the broker knows the delivery log.
    fn is_there(&self) -> bool {
        let known = self.admin.inner().fetch_metadata(None, Duration::from_secs(10)).expect("an answer");
        known.topics().iter().any(|topic| topic.name() == self.fleet.topic(DELIVERIES))
    }

    async fn forget(&self) {
        let topic = self.fleet.topic(DELIVERIES);
        self.admin.delete_topics(&[&topic], &AdminOptions::new()).await.expect("an answer");
        within(PATIENCE, "the topic is gone", async || (!self.is_there()).then_some(())).await;
    }

    async fn make(&self) {
        let topic = self.fleet.topic(DELIVERIES);
        within(PATIENCE, "the topic is made", async || {
            let wanted = NewTopic::new(&topic, 1, TopicReplication::Fixed(1));
            let made = self.admin.create_topics(&[wanted], &AdminOptions::new()).await.expect("an answer");
            made.iter().all(Result::is_ok).then_some(())
        })
        .await;
    }
}

/// How many items the inbox of somebody has.
async fn items(person: &Person) -> usize {
    let page: Value = person.get("/inbox?state=all&limit=200").await;
    page["items"].as_array().expect("a page").len()
}

/// A device that was shown `content` and is told that nothing follows from its cursor.
async fn begins_anew(node: &Node, (user, cursor): (&str, &str), content: &[&str]) -> Device {
    let mut device = node.person(user).device_after("tablet", Some(cursor)).await;
    assert_eq!((device.ready.recovered, device.ready.reason.as_deref()), (false, Some("other_generation")));
    assert_eq!(
        device.catch_up().await,
        content,
        "all of it is pending: a cursor of another log confirms nothing"
    );
    device
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_log_that_was_made_anew_begins_a_generation_by_itself() {
    let Some(fleet) = Fleet::fresh() else { return };
    let topics = Topics::of(&fleet);
    let mut all = fleet.node("all", &Role::ALL).await;
    let mut gateway = fleet.node("gateway", &[Role::Gateway]).await;
    let screens = [(&all, "phone"), (&gateway, "laptop")]
        .map(|(node, device)| Screen::open(&node.person("alice"), device));
    let mut tablet = gateway.person("bob").device("tablet").await;
    tablet.catch_up().await;
    let mut said = vec!["one", "two", "three"];
    for content in &said {
        all.admin().broadcast(content, json!({ "type": "all" })).await;
        assert_eq!(tablet.content().await, *content);
    }
    let first = tablet.cursor().to_owned();
    // What is in the log and not in rows yet would be lost with it.
    within(PATIENCE, "all is in the inbox", async || (items(&all.person("bob")).await == 3).then_some(()))
        .await;

    // Under those who read it.
    topics.forget().await;
    topics.make().await;
    said.push("four");
    all.admin().broadcast("four", json!({ "type": "all" })).await;
    for screen in &screens {
        screen.shows("four").await;
    }
    tablet.end().await;
    let mut tablet = begins_anew(&gateway, ("bob", &first), &said).await;
    said.push("five");
    all.admin().broadcast("five", json!({ "type": "all" })).await;
    assert_eq!(tablet.content().await, "five");
    let second = tablet.cursor().to_owned();
    within(PATIENCE, "all is in the inbox", async || (items(&all.person("bob")).await == 5).then_some(()))
        .await;

    // While nobody reads it; it is made by who starts.
    all.kill();
    gateway.kill();
    topics.forget().await;
    all.start().await;
    gateway.start().await;
    said.push("six");
    all.admin().broadcast("six", json!({ "type": "all" })).await;
    for screen in &screens {
        screen.shows("six").await;
    }
    for cursor in [&first, &second] {
        drop(begins_anew(&gateway, ("bob", cursor), &said).await);
    }

    // In its own generation a cursor holds, at both, before and behind a restart.
    let mut tablet = all.person("carol").device("tablet").await;
    assert_eq!(tablet.catch_up().await, said);
    let third = tablet.cursor().to_owned();
    drop(tablet);
    gateway.kill();
    gateway.start().await;
    all.admin().broadcast("seven", json!({ "type": "all" })).await;
    let mut tablet = gateway.person("carol").device_after("tablet", Some(&third)).await;
    assert!(tablet.ready.recovered);
    assert_eq!(tablet.content().await, "seven");
    for screen in &screens {
        screen.shows("seven").await;
    }
}
