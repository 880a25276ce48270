//! Topics and groups by the letter: their names, their partitions, and what lies between creating and delivering.

use std::sync::Arc;

use serde_json::{Value, json};
use tidings_config::{GroupSettings, TopicSettings};
use tidings_model::SystemClock;
use tidings_testkit::{Person, TestApp, eventually};

const LIFECYCLE: &str = "broadcast-messages";
const SELECTED: &str = "broadcast-user-service-selected";
const GROUPED: &str = "broadcast-user-service-group";

/// The values of a topic.
async fn values(app: &TestApp, topic: &str) -> Vec<Value> {
    let values = app.records(topic).await.into_iter().filter_map(|record| record.value);
    values.map(|value| serde_json::from_slice(&value).expect("JSON")).collect()
}

/// How far a group is, once all of it is done.
async fn done(operator: &Person, group: &str) -> Value {
    let path = format!("/consumer-groups/{group}");
    eventually(&format!("{group} is done"), async || {
        let answer = operator.client.get(&format!("/api/v1{path}")).await.expect("an answer");
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let (lag, partitions) = (&told["lag"], told["partitions"].as_array()?);
        (*lag == 0 && partitions.iter().any(|one| one["next_offset"] != 0)).then_some(told)
    })
    .await
}

// covers B2, B7
#[tokio::test(flavor = "multi_thread")]
async fn each_broadcast_and_each_event_of_its_delivery_is_a_record_in_one_of_ten_partitions() {
    let ten =
        |topic: &str| (topic.to_owned(), TopicSettings { partitions: Some(10), ..TopicSettings::default() });
    // On a broker that many tests share, others have fewer.
    let app = TestApp::with(
        |config| config.topics.extend([LIFECYCLE, SELECTED, GROUPED].map(ten)),
        Arc::new(SystemClock),
    )
    .await;
    let operator = app.operator();
    let topics = operator.get("/topics").await;
    for alias in [LIFECYCLE, SELECTED, GROUPED] {
        let name = app.topic(alias);
        let listed = topics["items"].as_array().unwrap().iter().find(|topic| topic["name"] == *name);
        let partitions = listed.unwrap_or_else(|| panic!("{name} is not in {topics}"))["partitions"].clone();
        assert!(partitions == 10 || partitions.as_array().is_some_and(|all| all.len() == 10), "{partitions}");
    }
    let mut device = app.person("alice").device("phone").await;
    let id = app.admin().broadcast("On record", json!({ "type": "all" })).await;
    assert_eq!(device.content().await, "On record");
    let told = done(&operator, "broadcast-service-group-lifecycle").await;
    assert_eq!(told["partitions"].as_array().unwrap().len(), 10, "all of them are consumed: {told}");
    let mut found = Vec::new();
    for partition in 0..10 {
        let path = format!("/topics/{}/records?partition={partition}&offset=0", app.topic(LIFECYCLE));
        let records = operator.get(&path).await;
        found.extend(records["items"].as_array().unwrap().iter().cloned());
    }
    assert!(found.iter().any(|record| record.to_string().contains(&id)), "{found:?}");
}

// covers B6, B9
#[tokio::test(flavor = "multi_thread")]
async fn topics_and_groups_have_the_names_of_the_settings() {
    let own = format!("own-{:08x}", fastrand::u32(..));
    let topic = |name: &str| TopicSettings {
        name: Some(format!("{own}-{name}")),
        partitions: Some(3),
        ..TopicSettings::default()
    };
    let group = |name: &str| GroupSettings { name: Some(name.to_owned()) };
    let app = TestApp::with(
        |config| {
            config.topics.insert(SELECTED.to_owned(), topic("people"));
            config.topics.insert(GROUPED.to_owned(), topic("crowds"));
            config.groups.insert("broadcast-service-group".to_owned(), group("push"));
            config.groups.insert("broadcast-service-group-selected".to_owned(), group("push-selected"));
        },
        Arc::new(SystemClock),
    )
    .await;
    let (admin, operator) = (app.admin(), app.operator());
    let mut device = app.person("alice").device("phone").await;
    admin.broadcast("For her", json!({ "type": "selected", "ids": ["alice"] })).await;
    assert_eq!(device.content().await, "For her");
    admin.broadcast("For all", json!({ "type": "all" })).await;
    assert_eq!(device.content().await, "For all");
    for (topic, name, user, group) in
        [(SELECTED, "people", json!("alice"), "push-selected"), (GROUPED, "crowds", Value::Null, "push")]
    {
        assert_eq!(app.topic(topic), format!("{own}-{name}"));
        let events = values(&app, topic).await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!((&events[0]["eventType"], &events[0]["userId"]), (&json!("CREATED"), &user));
        let told = done(&operator, group).await;
        assert_eq!(told["partitions"][0]["topic"], app.topic(topic), "{told}");
    }
    let known = operator.get("/consumer-groups").await;
    let known: Vec<_> = known["items"].as_array().unwrap().iter().map(|group| group["id"].clone()).collect();
    assert!(!known.contains(&json!("broadcast-service-group")), "nobody reads under its own name: {known:?}");
}

// covers B1, B3
#[tokio::test(flavor = "multi_thread")]
async fn what_is_created_while_nobody_delivers_is_held_and_worked_off_in_order() {
    const COUNT: u64 = 60;
    // Order is that of a partition.
    let one =
        |topic: &str| (topic.to_owned(), TopicSettings { partitions: Some(1), ..TopicSettings::default() });
    let app =
        TestApp::with(|config| config.topics.extend([LIFECYCLE, GROUPED].map(one)), Arc::new(SystemClock))
            .await;
    let (admin, operator) = (app.admin(), app.operator());
    let mut device = app.person("alice").device("phone").await;
    let group = "/consumer-groups/broadcast-service-group-lifecycle";
    eventually("the group is there, and pauses", async || {
        let paused = operator.try_post(&format!("{group}/pause"), json!({})).await;
        paused.status.is_success().then_some(())
    })
    .await;
    // The pause takes hold a moment after its answer.
    let mut said = Vec::new();
    while operator.get(group).await["lag"].as_u64().unwrap() < COUNT {
        said.push(format!("Number {}", said.len()));
        admin.broadcast(said.last().unwrap(), json!({ "type": "all" })).await;
    }
    let there = app.person("alice").get("/inbox/unread-count").await["unread_count"].as_u64().unwrap();
    assert!(
        there <= said.len() as u64 - COUNT,
        "{there} of {} are delivered although {COUNT} wait",
        said.len()
    );
    operator.post(&format!("{group}/resume"), json!({})).await;
    for content in &said {
        assert_eq!(&device.content().await, content);
    }
}
