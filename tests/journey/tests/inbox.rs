//! The inbox of a person: what is there, in which order, and what happens to it.

use serde_json::{Value, json};
use tidings_testkit::{Person, TestApp, eventually};

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn contents(page: &Value) -> Vec<&str> {
    items(page).iter().map(|item| item["content"].as_str().unwrap_or_default()).collect()
}

async fn when_all_are_there(person: &Person, count: usize) -> Value {
    eventually("the inbox fills", || async {
        let page = person.get("/inbox?limit=200").await;
        (items(&page).len() == count).then_some(page)
    })
    .await
}

async fn say(app: &TestApp, content: &str, priority: &str, target: Value) -> String {
    let body = json!({ "content": content, "priority": priority, "target": target });
    app.admin().post("/broadcasts", body).await["id"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_pressing_comes_first_and_then_the_newest_over_all_pages() {
    let app = TestApp::start().await;
    let editor = app.signed_in("alice", Some(vec!["editor".to_owned()]), None);
    let all = json!({ "type": "all" });
    let mut count = 0;
    for (content, priority, target) in [
        ("old", "normal", all.clone()),
        ("fire", "urgent", all.clone()),
        ("for editors", "normal", json!({ "type": "role", "ids": ["editor"] })),
        ("rumour", "low", all.clone()),
        ("for alice", "high", json!({ "type": "selected", "ids": ["alice"] })),
        ("new", "normal", all),
    ] {
        say(&app, content, priority, target).await;
        count += 1;
        when_all_are_there(&editor, count).await;
    }
    let order = ["fire", "for alice", "new", "for editors", "old", "rumour"];
    let page = editor.get("/inbox").await;
    assert_eq!(contents(&page), order);
    assert_eq!(page["next_cursor"], Value::Null);
    let (mut cursor, mut walked) = (String::new(), Vec::new());
    loop {
        let page = editor.get(&format!("/inbox?limit=2&cursor={cursor}")).await;
        walked.extend(contents(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next_cursor"].as_str() else { break };
        next.clone_into(&mut cursor);
    }
    assert_eq!(walked, order);
    let bob = app.person("bob");
    assert_eq!(contents(&when_all_are_there(&bob, 4).await), ["fire", "new", "old", "rumour"]);
}

// covers C9
#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_told_to_the_persons_other_devices_and_counts_once() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut laptop = alice.device("laptop").await;
    let first = admin.broadcast("one", json!({ "type": "all" })).await;
    // Broadcasts have no order among each other before they are deliveries.
    laptop.until("one").await;
    admin.broadcast("two", json!({ "type": "all" })).await;
    laptop.until("two").await;
    when_all_are_there(&alice, 2).await;
    assert_eq!(alice.get("/inbox/unread-count").await, json!({ "unread_count": 2 }));

    for _repeat in 0..2 {
        alice.post(&format!("/inbox/{first}/read"), json!({})).await;
    }
    let told = loop {
        let (kind, data) = laptop.event().await;
        if kind == "receipt.read" {
            break data;
        }
    };
    assert_eq!(told, json!({ "ids": [first], "unread_count": 1 }));
    assert_eq!(contents(&alice.get("/inbox?state=unread").await), ["two"]);
    assert_eq!(alice.get("/inbox").await["items"][1]["state"], "read");
    assert_eq!(admin.get(&format!("/broadcasts/{first}/stats")).await["read"], 1);

    alice.post("/inbox/read-all", json!({})).await;
    let (kind, data) = laptop.event().await;
    assert_eq!(
        (kind.as_str(), &data["unread_count"]),
        ("receipt.read", &json!(0)),
        "the repeat told nothing"
    );
    assert_eq!(alice.get("/inbox/unread-count").await, json!({ "unread_count": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_cancelled_or_confirmed_leaves_its_list() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let gone = admin.broadcast("removed", json!({ "type": "all" })).await;
    let cancelled = admin.broadcast("cancelled", json!({ "type": "all" })).await;
    let kept = admin.broadcast("kept", json!({ "type": "all" })).await;
    when_all_are_there(&alice, 3).await;
    let removed = alice.client.delete(&format!("/api/v1/inbox/{gone}")).await.unwrap();
    assert_eq!(removed.status, 204);
    admin.post(&format!("/broadcasts/{cancelled}/cancel"), json!({})).await;
    assert_eq!(contents(&alice.get("/inbox").await), ["kept"]);
    assert_eq!(contents(&alice.get("/inbox?state=pending").await), ["kept"]);
    alice.post("/receipts", json!({ "delivered": [kept] })).await;
    assert_eq!(contents(&alice.get("/inbox?state=pending").await), [""; 0]);
    assert_eq!(contents(&alice.get("/inbox?kind=broadcast").await), ["kept"]);
    assert_eq!(contents(&alice.get("/notifications").await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_item_and_a_missing_one_look_the_same() {
    let app = TestApp::start().await;
    let (alice, eve) = (app.person("alice"), app.person("eve"));
    let id = say(&app, "for alice", "normal", json!({ "type": "selected", "ids": ["alice"] })).await;
    when_all_are_there(&alice, 1).await;
    let missing = "brd_00000000000000000000000000";
    for path in ["/inbox/ID/read", "/notifications/ID/read"] {
        let foreign = eve.try_post(&path.replace("ID", &id), json!({})).await;
        let absent = eve.try_post(&path.replace("ID", missing), json!({})).await;
        let told = |answer: &tidings_client::Answer| {
            let mut body: Value = answer.json().unwrap();
            body["instance"].take();
            (answer.status, body)
        };
        assert_eq!(told(&foreign), told(&absent));
        assert_eq!(foreign.status, 404);
    }
    eve.post("/receipts", json!({ "read": [id], "delivered": [missing] })).await;
    assert_eq!(alice.get("/inbox").await["items"][0]["state"], "pending");
    assert_eq!(contents(&eve.get("/inbox").await), [""; 0]);
}
