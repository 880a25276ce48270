//! Who sent a message is told who got it and who read it, by their clients' own word; nobody else is told.

// covers C3 C8 C10

use serde_json::{Value, json};
use tidings_log::Produce;
use tidings_testkit::{Device, Person, TestApp, eventually};

use super::{command, device, group, messages_of, missed, next, pair, people, say, socket, until};

async fn read(person: &Person, conversation: &str, up_to: &str) {
    person.post(&format!("/conversations/{conversation}/read"), json!({ "up_to": up_to })).await;
}

async fn receipts(person: &Person, conversation: &str, message: &str) -> Value {
    person.get(&format!("/conversations/{conversation}/messages/{message}/receipts")).await
}

async fn unread(person: &Person) -> Value {
    person.get("/conversations").await["items"][0]["unread_count"].clone()
}

/// The next status that somebody is told.
async fn status(device: &mut Device) -> (String, String, String) {
    let data = next(device, "message.status").await;
    let word = |name: &str| data[name].as_str().unwrap().to_owned();
    (word("status"), word("message_id"), word("user_id"))
}

fn told(status: &str, message: &str, user: &str) -> (String, String, String) {
    (status.to_owned(), message.to_owned(), user.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_is_the_clients_word_and_read_the_readers_and_only_who_sent_is_told() {
    Box::pin(by_their_own_word_and_to_who_sent_alone()).await;
}

pub(super) async fn by_their_own_word_and_to_who_sent_alone() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut hers = [device(&alice, "phone").await, device(&alice, "laptop").await];
    let (mut his, mut other) = (device(&bob, "phone").await, device(&bob, "laptop").await);
    let first = say(&alice, &theirs, "one").await;
    for device in hers.iter_mut().chain([&mut his, &mut other]) {
        next(device, "message.created").await;
    }
    // Shown to him, and not confirmed: nobody knows that he has it.
    let before = receipts(&alice, &theirs, &first).await;
    let nothing = json!([{ "user_id": "bob", "delivered_at": null, "read_at": null }]);
    assert_eq!((&before["items"], &before["delivered"]), (&nothing, &json!(0)), "he has confirmed nothing");

    // Neither is her own device's word a word of his.
    alice.confirm("phone", hers[0].cursor()).await;
    bob.confirm("phone", his.cursor()).await;
    for device in &mut hers {
        assert_eq!(status(device).await, told("DELIVERED", &first, "bob"));
    }
    let second = say(&alice, &theirs, "two").await;
    for device in &mut hers {
        next(device, "message.created").await;
    }
    read(&bob, &theirs, &second).await;
    for device in &mut hers {
        assert_eq!(status(device).await, told("READ", &second, "bob"), "who read it has it");
    }
    // What was said before moves nothing, and is told to nobody.
    read(&bob, &theirs, &first).await;
    let items = receipts(&bob, &theirs, &first).await["items"].clone();
    assert!(items[0]["delivered_at"].is_string() && items[0]["read_at"].is_string(), "{items}");
    assert_eq!(items.as_array().unwrap().len(), 1);
    say(&bob, &theirs, "three").await;
    for device in &mut hers {
        assert!(until(device, "three").await.is_empty(), "what he confirms again is told to nobody");
    }
    for device in [&mut his, &mut other] {
        assert!(until(device, "three").await.is_empty(), "who reads is not told of it");
    }
    // The topic has it all, for whoever else reads it.
    let records = app.records("message-status-events").await;
    let values =
        records.iter().map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap());
    let values: Vec<Value> = values.collect();
    let of = |message: &str| {
        let of = values.iter().filter(|value| value["messageId"] == message);
        of.map(|value| (value["status"].clone(), value["userId"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(of(&first), [(json!("SENT"), json!("alice")), (json!("DELIVERED"), json!("bob"))]);
    assert_eq!(of(&second), [(json!("SENT"), json!("alice")), (json!("READ"), json!("bob"))]);
    let stats = alice.get(&format!("/conversations/{theirs}/stats")).await;
    assert_eq!((&stats["sent"], &stats["delivered"], &stats["read"]), (&json!(3), &json!(2), &json!(2)));
    assert!(stats["median_delivered_ms"].is_u64() && stats["median_read_ms"].is_u64(), "{stats}");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_over_a_websocket_or_by_receipts_is_the_same_read() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut phone = device(&alice, "phone").await;
    let mut his = device(&bob, "phone").await;
    let mut stream = socket(&bob).await;
    let first = say(&alice, &theirs, "one").await;
    next(&mut phone, "message.created").await;
    let reading = json!({ "type": "message.read", "ref": "1", "conversation_id": theirs, "up_to": first });
    assert_eq!(command(&mut stream, reading).await.outcome.unwrap(), json!({}));
    assert_eq!(status(&mut phone).await, told("READ", &first, "bob"));
    let second = say(&alice, &theirs, "two").await;
    next(&mut phone, "message.created").await;
    until(&mut his, "two").await;
    bob.post("/receipts", json!({ "delivered": [second] })).await;
    assert_eq!(status(&mut phone).await, told("DELIVERED", &second, "bob"));
    bob.post("/receipts", json!({ "read": [second] })).await;
    assert_eq!(status(&mut phone).await, told("READ", &second, "bob"));
    assert_eq!(unread(&bob).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unread_is_true_after_a_restart_and_repeats_and_what_is_read_is_pending_no_more() {
    let mut app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let (mut phone, mut ids) = (device(&bob, "phone").await, Vec::new());
    for number in 1..=4 {
        ids.push(say(&alice, &theirs, &format!("m{number}")).await);
    }
    // What is read before it comes is shown all the same.
    until(&mut phone, "m4").await;
    assert_eq!((unread(&bob).await, unread(&alice).await), (json!(4), json!(0)));
    read(&bob, &theirs, &ids[1]).await;
    read(&bob, &theirs, &ids[1]).await;
    assert_eq!(unread(&bob).await, 2);
    app.stop().await;
    app.resume().await;
    read(&bob, &theirs, &ids[0]).await;
    assert_eq!(unread(&bob).await, 2);
    let pending = eventually("what he did not read is pending", || async {
        let pending = missed(&bob).await;
        (pending.last().map(String::as_str) == Some("m4")).then_some(pending)
    })
    .await;
    assert_eq!(pending, ["m3", "m4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_group_who_sent_is_told_how_many_got_it_and_read_it() {
    let app = TestApp::start().await;
    let [alice, bob, carol] = people(&app, ["alice", "bob", "carol"]).await;
    let kitchen = group(&alice, &[&bob, &carol]).await;
    let mut phone = device(&alice, "phone").await;
    let (mut his, mut hers) = (device(&bob, "d").await, device(&carol, "d").await);
    let soup = say(&alice, &kitchen, "Soup!").await;
    until(&mut his, "Soup!").await;
    until(&mut hers, "Soup!").await;
    next(&mut phone, "message.created").await;
    bob.confirm("d", his.cursor()).await;
    read(&carol, &kitchen, &soup).await;
    let mut last = next(&mut phone, "message.status").await;
    while last["delivered"] != 2 || last["read"] != 1 {
        last = next(&mut phone, "message.status").await;
    }
    assert_eq!((&last["of"], &last["message_id"], &last["up_to"]), (&json!(2), &json!(soup), &json!(soup)));
    let stands = receipts(&alice, &kitchen, &soup).await;
    assert_eq!((&stands["of"], &stands["delivered"], &stands["read"]), (&json!(2), &json!(2), &json!(1)));
    say(&alice, &kitchen, "More?").await;
    assert!(until(&mut his, "More?").await.is_empty(), "who reads is not told how others stand");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_status_counts_once_and_one_of_nothing_is_a_dead_letter() {
    let app = TestApp::start().await;
    let [alice, bob, _eve] = people(&app, ["alice", "bob", "eve"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut phone = device(&alice, "phone").await;
    let first = say(&alice, &theirs, "one").await;
    next(&mut phone, "message.created").await;
    let value = |status: &str, user: &str| {
        json!({ "messageId": first, "conversationId": theirs, "status": status, "userId": user,
                "timestamp": "2026-01-01T00:00:00.000Z" })
        .to_string()
    };
    let wrong = [value("READ", "eve"), value("READ", "alice"), value("SEEN", "bob")];
    let right = [value("READ", "bob"), value("READ", "bob"), value("DELIVERED", "bob"), value("SENT", "bob")];
    for value in wrong.into_iter().chain(right) {
        let topic = app.topic("message-status-events");
        let record =
            Produce { topic, key: Some(b"alice".to_vec()), value: Some(value.into()), ..Produce::default() };
        app.log().await.produce(record).await.unwrap();
    }
    assert_eq!(status(&mut phone).await, told("READ", &first, "bob"));
    assert_eq!(unread(&bob).await, 0);
    let operator = app.operator();
    eventually("what is no status is a dead letter", || async {
        let page = operator.get("/dead-letters").await;
        page["items"].as_array().filter(|letters| letters.len() == 3).cloned()
    })
    .await;
    say(&alice, &theirs, "two").await;
    assert!(until(&mut phone, "two").await.is_empty(), "told once");
    assert_eq!(alice.get(&messages_of(&theirs)).await["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_says_how_ones_own_messages_stand() {
    let app = TestApp::start().await;
    let [alice, bob, carol, dan] = people(&app, ["alice", "bob", "carol", "dan"]).await;
    let kitchen = group(&alice, &[&bob, &carol]).await;
    let first = say(&alice, &kitchen, "one").await;
    say(&bob, &kitchen, "two").await;
    let member = format!("/api/v1/conversations/{kitchen}/members/dan");
    assert_eq!(alice.client.put(&member, &json!({})).await.unwrap().status, 204);
    let third = say(&alice, &kitchen, "three").await;
    read(&bob, &kitchen, &third).await;
    read(&carol, &kitchen, &first).await;
    let history = async |person: &Person| {
        let page = person.get(&messages_of(&kitchen)).await;
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["standing"].clone()).collect::<Vec<_>>()
    };
    let standing = |status: &str, read: u64, of: u64| json!({ "status": status, "delivered": read, "read": read, "of": of });
    assert_eq!(history(&alice).await, [standing("SENT", 1, 3), Value::Null, standing("READ", 2, 2)]);
    read(&carol, &kitchen, &third).await;
    read(&dan, &kitchen, &third).await;
    assert_eq!(history(&alice).await, [standing("READ", 3, 3), Value::Null, standing("READ", 2, 2)]);
    // How others' messages stand is not hers.
    assert_eq!(history(&bob).await, [Value::Null, standing("SENT", 1, 2), Value::Null], "alice has not read");
}
