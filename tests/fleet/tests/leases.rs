//! What a node held moves to another one when it is killed: shards of the outbox, partitions of groups, the projection.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_testkit::{Fleet, Node, Person, Role};

use crate::world::{PATIENCE, within};

/// How soon everything has moved, as is promised.
const MOVED: Duration = Duration::from_secs(15);
/// The groups whose partitions move.
const GROUPS: [&str; 3] =
    ["broadcast-service-group-lifecycle", "broadcast-service-group-selected", "broadcast-service-group"];

/// The process ids of those that hold something: the outbox's shards and the groups' partitions; 0 for nobody.
async fn holders(operator: &Person) -> Vec<u32> {
    let outbox = operator.get("/outbox").await;
    let shards = outbox["shards"].as_array().expect("shards").clone();
    assert_eq!(shards.len(), 4);
    let of = |holder: &Value, split: fn(&str) -> Option<&str>| {
        holder.as_str().and_then(split).and_then(|id| id.parse().ok()).unwrap_or(0)
    };
    let mut holders: Vec<u32> =
        shards.iter().map(|shard| of(&shard["holder"], |name| name.split('-').next())).collect();
    for group in GROUPS {
        let answer =
            operator.client.get(&format!("/api/v1/consumer-groups/{group}")).await.expect("an answer");
        let Ok(group) = answer.json::<Value>() else { continue };
        let partitions = group["partitions"].as_array().cloned().unwrap_or_default();
        holders.extend(
            partitions.iter().map(|partition| of(&partition["owner"], |name| name.split('/').nth(1))),
        );
    }
    holders
}

/// Sends to everybody and to somebody, until every partition of every topic has had a record.
async fn send(node: &Node, round: &str) -> Vec<String> {
    let admin = node.admin();
    let mut contents = Vec::new();
    for number in 0..12 {
        let content = format!("{round} {number}");
        let target = match number % 2 {
            0 => json!({ "type": "all" }),
            _ => json!({ "type": "selected", "ids": ["alice"] }),
        };
        admin.broadcast(&content, target).await;
        contents.push(content);
    }
    contents
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_killed_node_held_moves_to_the_other_one() {
    let Some(fleet) = Fleet::fresh() else { return };
    // The first one holds everything before the second one comes, and keeps the shards and the projection then.
    let mut first = fleet.node("first", &Role::ALL).await;
    let mut device = first.person("alice").device("phone").await;
    device.catch_up().await;
    let mut sent = send(&first, "before").await;
    let mut seen = Vec::new();
    while seen.len() < sent.len() {
        seen.push(device.content().await);
    }
    let second = fleet.node("second", &Role::ALL).await;
    let operator = second.operator();
    within(PATIENCE, "both nodes own partitions", async || {
        let holders = holders(&operator).await;
        (holders.contains(&first.id()) && holders.contains(&second.id()) && !holders.contains(&0))
            .then_some(())
    })
    .await;

    let mut device = second.person("alice").device("laptop").await;
    device.catch_up().await;
    first.kill();
    let survivor = second.id();
    let sending = send(&second, "after");
    let moved = within(MOVED, "the other node holds everything", async || {
        holders(&operator).await.iter().all(|holder| *holder == survivor).then_some(())
    });
    let (after, ()) = tokio::join!(sending, moved);
    sent.extend(after.clone());
    let mut seen = Vec::new();
    while seen.len() < after.len() {
        seen.push(device.content().await);
    }
    seen.sort_unstable();
    let mut after = after;
    after.sort_unstable();
    assert_eq!(seen, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_tells_what_waits_and_who_relays_it() {
    let Some(fleet) = Fleet::fresh() else { return };
    let api = fleet.node("api", &[Role::Api]).await;
    let operator = api.operator();
    for number in 0..5 {
        api.admin().broadcast(&format!("waits {number}"), json!({ "type": "all" })).await;
    }
    let outbox = operator.get("/outbox").await;
    let sum = |outbox: &Value, what: &str| -> u64 {
        outbox["shards"]
            .as_array()
            .expect("shards")
            .iter()
            .map(|shard| shard[what].as_u64().unwrap_or(0))
            .sum()
    };
    assert_eq!((sum(&outbox, "rows"), sum(&outbox, "records")), (5, 5), "{outbox}");
    assert!(sum(&outbox, "bytes") > 0 && outbox["set_aside"] == json!([]), "{outbox}");
    assert!(outbox["shards"].as_array().expect("shards").iter().all(|shard| {
        shard["holder"].is_null() && shard["oldest_age_ms"].is_number() == (shard["rows"] != 0)
    }));
    let metrics = operator.client.get("/metrics").await.unwrap();
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("tidings_outbox_rows{shard=\"0\"}"), "{metrics}");
    assert!(metrics.contains("tidings_outbox_lease_held{shard=\"3\"} 0"), "{metrics}");

    let relay = fleet.node("relay", &[Role::Relay]).await;
    let outbox = within(PATIENCE, "the outbox is empty", async || {
        let outbox = operator.get("/outbox").await;
        (sum(&outbox, "rows") == 0).then_some(outbox)
    })
    .await;
    for shard in outbox["shards"].as_array().expect("shards") {
        assert!(shard["holder"].as_str().unwrap().starts_with(&format!("{}-", relay.id())), "{shard}");
        assert!(shard["until"].is_string() && shard["oldest_age_ms"].is_null(), "{shard}");
    }
}
