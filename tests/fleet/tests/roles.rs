//! Each role in a process of its own: together they are the server, and any of them may be killed.

use http::StatusCode;
use serde_json::json;
use tidings_testkit::{Fleet, Node, Role};

use crate::world::{PATIENCE, Screen, Sender, Sent, within};

/// Messages that are taken between two kills.
const BETWEEN: usize = 20;
/// People who listen.
const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// The four processes, each with one role.
struct Four {
    api: Node,
    relay: Node,
    consumers: Node,
    gateway: Node,
}

impl Four {
    async fn start(fleet: &Fleet) -> Self {
        Self {
            api: fleet.node("api", &[Role::Api]).await,
            relay: fleet.node("relay", &[Role::Relay]).await,
            consumers: fleet.node("consumers", &[Role::Consumers]).await,
            gateway: fleet.node("gateway", &[Role::Gateway]).await,
        }
    }

    fn each(&mut self) -> [&mut Node; 4] {
        [&mut self.api, &mut self.relay, &mut self.consumers, &mut self.gateway]
    }

    /// Confirms messages for somebody at the gateway, and waits until the api counts `people` for each.
    async fn counts(&self, sent: &[Sent], people: &[&str]) {
        let admin = self.api.admin();
        for Sent { id, .. } in sent {
            let path = format!("/broadcasts/{id}/stats");
            for name in people {
                self.gateway.person(name).post("/receipts", json!({ "delivered": [id] })).await;
            }
            within(PATIENCE, "what was confirmed is counted", async || {
                let stats = admin.get(&path).await;
                let count = |what: &str| stats[what].as_u64().unwrap_or_default();
                let all = [count("targeted"), count("delivered"), count("pending")];
                (all == [PEOPLE.len() as u64, people.len() as u64, (PEOPLE.len() - people.len()) as u64])
                    .then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_with_a_role_each_carry_a_message_and_its_receipts() {
    let Some(fleet) = Fleet::fresh() else { return };
    let mut four = Four::start(&fleet).await;
    let mut devices = Vec::new();
    for name in PEOPLE {
        let mut device = four.gateway.person(name).device("phone").await;
        device.catch_up().await;
        devices.push(device);
    }
    let id = four.api.admin().broadcast("Hello", json!({ "type": "all" })).await;
    for device in &mut devices {
        assert_eq!(device.content().await, "Hello");
    }
    four.counts(&[Sent { id, content: "Hello".to_owned() }], &PEOPLE[..2]).await;

    for (node, role) in four.each().into_iter().zip(["api", "relay", "consumers", "gateway"]) {
        let ready = node.operator().client.get("/readyz").await.unwrap();
        let ready: serde_json::Value = ready.json().unwrap();
        assert_eq!(ready, json!({ "status": "ok", "roles": { role: "ok" } }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_says_which_role_serves_what_it_does_not() {
    let Some(fleet) = Fleet::fresh() else { return };
    let api = fleet.node("api", &[Role::Api]).await;
    let gateway = fleet.node("gateway", &[Role::Gateway]).await;
    let relay = fleet.node("relay", &[Role::Relay]).await;
    for (person, path, role) in [
        (api.admin(), "/api/v1/stream", "gateway"),
        (api.admin(), "/api/v1/ws", "gateway"),
        (gateway.admin(), "/api/v1/broadcasts", "api"),
        (gateway.admin(), "/api/v1/inbox", "api"),
        (gateway.operator(), "/api/v1/topics", "api"),
        (relay.admin(), "/api/v1/broadcasts", "api"),
        (relay.operator(), "/api/v1/stream", "gateway"),
    ] {
        let answer = person.client.get(path).await.unwrap();
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        let problem: serde_json::Value = answer.json().unwrap();
        let detail = problem["detail"].as_str().unwrap().to_owned();
        assert!(detail.ends_with(&format!("the role `{role}`")), "{path}: {detail}");
    }
    // On the public listener operators' routes are nothing at all, whatever the role.
    let hidden = gateway.admin().client.get("/api/v1/topics").await.unwrap();
    let hidden: serde_json::Value = hidden.json().unwrap();
    assert!(hidden["detail"].as_str().unwrap().starts_with("no such path"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_four_is_killed_and_comes_back_and_nothing_is_lost() {
    let Some(fleet) = Fleet::fresh() else { return };
    let mut four = Four::start(&fleet).await;
    let screens: Vec<Screen> =
        PEOPLE.iter().map(|name| Screen::open(&four.gateway.person(name), "phone")).collect();
    for name in PEOPLE {
        // Whoever is counted is known before.
        drop(four.gateway.person(name).device("tablet").await);
    }
    let sender = Sender::start(four.api.admin());
    sender.takes(BETWEEN).await;
    for at in 0..4 {
        let [api, relay, consumers, gateway] = four.each();
        let node = match at {
            0 => api,
            1 => relay,
            2 => consumers,
            _last => gateway,
        };
        node.kill();
        // The api alone is who takes messages.
        if at > 0 {
            sender.takes(BETWEEN).await;
        }
        node.start().await;
        sender.takes(BETWEEN).await;
        let newest = sender.taken().pop().unwrap();
        for screen in &screens {
            screen.shows(&newest.content).await;
        }
    }
    let sent = sender.stop();
    let order: Vec<String> = sent.iter().map(|sent| sent.content.clone()).collect();
    for screen in &screens {
        screen.shows(order.last().unwrap()).await;
        let shown = screen.shown();
        let missing: Vec<&String> = order.iter().filter(|content| !shown.contains(content)).collect();
        assert_eq!(missing, Vec::<&String>::new());
        let mut once = shown.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), shown.len(), "nothing is shown twice");
        assert_eq!(shown, screens[0].shown()[..shown.len()], "everybody sees one order");
    }
    four.counts(&sent, &PEOPLE).await;
}
