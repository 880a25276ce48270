//! Who is away is notified, once until they have read.

// covers C5

use serde_json::{Value, json};
use tidings_log::Produce;
use tidings_model::{Clock as _, SystemClock};
use tidings_testkit::{Person, TestApp, eventually};

use super::{device, group, next, pair, people, say, until};

/// Somebody's notifications, once there are so many.
async fn notices(person: &Person, count: usize) -> Vec<Value> {
    eventually("they are notified", || async {
        let page = person.get("/notifications").await;
        page["items"].as_array().filter(|items| items.len() >= count).cloned()
    })
    .await
}

async fn read(person: &Person, conversation: &str, up_to: &str) {
    person.post(&format!("/conversations/{conversation}/read"), json!({ "up_to": up_to })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_is_notified_once_until_they_have_read_and_who_is_there_is_not() {
    let app = TestApp::start().await;
    let [alice, bob, carol] = people(&app, ["alice", "bob", "carol"]).await;
    let kitchen = group(&alice, &[&bob, &carol]).await;
    let mut tablet = device(&carol, "tablet").await;
    for content in ["Soup!", "Come!"] {
        say(&alice, &kitchen, content).await;
    }
    let first = notices(&bob, 1).await;
    assert_eq!(
        (&first[0]["title"], &first[0]["kind"]),
        (&json!("Kitchen"), &json!("notification")),
        "{first:?}"
    );
    assert_eq!(first[0]["data"], json!({ "type": "NEW_MESSAGE", "related_entity_id": kitchen }));
    let mut phone = bob.device("phone").await;
    let shown = phone.catch_up().await;
    assert_eq!(
        shown.iter().filter(|content| *content == "Soup!").count(),
        2,
        "the message and its notification"
    );
    drop(phone);
    let operator = app.operator();
    eventually("his stream is closed", || async {
        let open = operator.get("/connections").await;
        let his = open["items"].as_array().unwrap().iter().any(|line| line["user_id"] == "bob");
        (!his).then_some(())
    })
    .await;

    let third = say(&alice, &kitchen, "It gets cold.").await;
    assert_eq!(until(&mut tablet, "It gets cold.").await, Vec::<Value>::new(), "who is there sees it");
    read(&bob, &kitchen, &third).await;
    assert_eq!(notices(&bob, 1).await[0]["state"], "read", "with the conversation");
    say(&alice, &kitchen, "Too late.").await;
    let both = notices(&bob, 2).await;
    assert_eq!(
        (both.len(), &both[0]["content"], &both[0]["state"]),
        (2, &json!("Too late."), &json!("pending"))
    );
    assert_eq!(carol.get("/notifications").await["items"], json!([]));
    assert_eq!(alice.get("/notifications").await["items"], json!([]), "nor is who speaks");
    // Of two people, the other one is the title.
    say(&carol, &pair(&carol, &bob).await, "Psst").await;
    assert_eq!(notices(&bob, 3).await[0]["title"], "CAROL");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_notification_is_an_item_of_the_inbox() {
    let app = TestApp::start().await;
    let [bob] = people(&app, ["bob"]).await;
    let mut phone = device(&bob, "phone").await;
    let now = SystemClock.now();
    for value in [
        json!({ "userId": "bob", "title": " ", "content": "x", "type": "X" }).to_string(),
        "not json".to_owned(),
        json!({ "id": "7", "userId": "bob", "title": "Rota", "content": "You are on", "type": "ROTA",
                "relatedEntityId": "w-12", "read": false, "createdAt": now })
        .to_string(),
    ] {
        let topic = app.topic("notifications");
        let record =
            Produce { topic, key: Some(b"bob".to_vec()), value: Some(value.into()), ..Produce::default() };
        app.log().await.produce(record).await.unwrap();
    }
    let data = next(&mut phone, "notification.created").await;
    assert_eq!(
        (&data["title"], &data["content"], &data["kind"]),
        (&json!("Rota"), &json!("You are on"), &json!("notification"))
    );
    assert_eq!(data["data"], json!({ "type": "ROTA", "related_entity_id": "w-12" }));
    assert_eq!(notices(&bob, 1).await[0]["id"], data["id"]);
    let operator = app.operator();
    eventually("what is none is a dead letter", || async {
        let page = operator.get("/dead-letters").await;
        page["items"].as_array().filter(|letters| letters.len() == 2).cloned()
    })
    .await;
}
