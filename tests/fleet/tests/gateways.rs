//! Two gateways serve one person: one order, one inbox, one limit; and operators see who is connected to which.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_client::{ClientError, ListenOptions, Transport};
use tidings_testkit::{Device, Fleet, Node, Person, Role};

use crate::world::within;

/// How soon the nodes agree on who is connected.
const AGREED: Duration = Duration::from_secs(5);
/// How soon the connections of a node that was killed are gone.
const GONE: Duration = Duration::from_secs(15);

/// A node that does everything, and one that holds streams alone.
async fn two(fleet: &Fleet) -> (Node, Node) {
    (fleet.node("all", &Role::ALL).await, fleet.node("gateway", &[Role::Gateway]).await)
}

/// How many connections somebody has, as an operator sees it.
async fn connections(operator: &Person, user: &str) -> u64 {
    let people = operator.get("/connections/people").await;
    let people = people["items"].as_array().expect("a page").clone();
    let found = people.iter().find(|person| person["user_id"] == user);
    found.map_or(0, |person| person["connections"].as_u64().expect("a count"))
}

async fn agree(limit: Duration, operator: &Person, user: &str, count: u64) {
    let what = format!("{user} has {count} connections");
    within(limit, &what, async || (connections(operator, user).await == count).then_some(())).await;
}

async fn refused(person: &Person, transport: Transport) -> ClientError {
    let options = ListenOptions { transport, ..ListenOptions::default() };
    match person.client.listen(&options).await {
        Err(refused) => refused,
        Ok(mut stream) => loop {
            if let Err(closed) = stream.next().await {
                break closed;
            }
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_on_two_gateways_see_one_order_and_each_others_reads() {
    let Some(fleet) = Fleet::fresh() else { return };
    let (all, gateway) = two(&fleet).await;
    let mut phone = all.person("alice").device("phone").await;
    let mut laptop = gateway.person("alice").device("laptop").await;
    phone.catch_up().await;
    laptop.catch_up().await;
    let admin = all.admin();
    let mut ids = Vec::new();
    for number in 0..40 {
        ids.push(admin.broadcast(&format!("number {number}"), json!({ "type": "all" })).await);
    }
    let mut orders = [Vec::new(), Vec::new()];
    for (device, order) in [&mut phone, &mut laptop].into_iter().zip(&mut orders) {
        for _ in 0..40 {
            order.push(device.content().await);
        }
    }
    assert_eq!(orders[0], orders[1]);

    gateway.person("alice").post("/receipts", json!({ "read": [ids[3]] })).await;
    for device in [&mut phone, &mut laptop] {
        let (kind, data) = device.event().await;
        assert_eq!((kind.as_str(), &data["ids"]), ("receipt.read", &json!([ids[3]])));
        assert_eq!(data["unread_count"], 39, "what was shown is counted");
    }
    // A cursor of one node is confirmed at the other, and goes on there.
    all.person("alice").confirm("laptop", laptop.cursor()).await;
    let cursor = phone.cursor().to_owned();
    let mut moved = gateway.person("alice").device_after("phone", Some(&cursor)).await;
    assert!(moved.ready.recovered);
    admin.broadcast("after the move", json!({ "type": "all" })).await;
    assert_eq!(moved.content().await, "after the move");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_connections_and_the_list_of_them_hold_across_nodes() {
    let Some(fleet) = Fleet::fresh() else { return };
    let (all, gateway) = two(&fleet).await;
    let operator = all.operator();
    let mut open: Vec<Device> = Vec::new();
    for number in 0..10 {
        let node = if number % 2 == 0 { &all } else { &gateway };
        open.push(node.person("alice").device(&format!("device-{number}")).await);
    }
    for node in [&all, &gateway] {
        let sse = refused(&node.person("alice"), Transport::Sse).await;
        assert!(matches!(&sse, ClientError::Refused(refusal) if refusal.status == 429), "{sse}");
        let websocket = refused(&node.person("alice"), Transport::WebSocket).await;
        assert!(websocket.to_string().contains("3504"), "{websocket}");
        drop(node.person("bob").device("phone").await);
    }
    agree(AGREED, &operator, "alice", 10).await;

    let list = operator.get("/connections?user_id=alice&limit=200").await;
    let items = list["items"].as_array().unwrap();
    let held_by = |node: &Node| {
        let address = node.address().to_string();
        let on = |item: &&Value| item["node"].as_str().unwrap().ends_with(&address);
        items.iter().filter(on).count()
    };
    assert_eq!((items.len(), held_by(&all), held_by(&gateway)), (10, 5, 5));
    for item in items {
        assert_eq!((&item["user_id"], &item["transport"]), (&json!("alice"), &json!("sse")));
        assert!(item["session_id"].as_str().unwrap().starts_with("device-") && item["since"].is_string());
    }
    let page = operator.get("/connections?user_id=alice&limit=7").await;
    let next = page["next_cursor"].as_str().unwrap();
    let rest = operator.get(&format!("/connections?user_id=alice&limit=7&cursor={next}")).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (3, &Value::Null));

    // One that closes makes room, on whichever node.
    drop(open.remove(0));
    agree(AGREED, &operator, "alice", 9).await;
    open.push(gateway.person("alice").device("one-more").await);
    agree(AGREED, &operator, "alice", 10).await;
    agree(AGREED, &operator, "bob", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_of_a_node_that_is_killed_vanish() {
    let Some(fleet) = Fleet::fresh() else { return };
    let (all, mut gateway) = two(&fleet).await;
    let operator = all.operator();
    let open = all.person("alice").device("phone").await;
    let mut lost = Vec::new();
    for number in 0..9 {
        lost.push(gateway.person("alice").device(&format!("device-{number}")).await);
    }
    agree(AGREED, &operator, "alice", 10).await;
    gateway.kill();
    agree(GONE, &operator, "alice", 1).await;

    // Who comes back to the same address replaces who was there, without a wait: nobody is refused because of
    // connections that the dead process had.
    gateway.start().await;
    for number in 0..9 {
        lost.push(gateway.person("alice").device(&format!("device-{number}")).await);
    }
    gateway.kill();
    gateway.start().await;
    let mut back = Vec::new();
    for number in 0..9 {
        back.push(gateway.person("alice").device(&format!("device-{number}")).await);
    }
    agree(AGREED, &operator, "alice", 10).await;
    drop((open, lost, back));
}
