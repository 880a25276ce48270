//! What is said reaches every device of every member, once and in one order.

// covers C1 C2 C7 C9

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidings_log::Produce;
use tidings_testkit::{TestApp, eventually};

use super::{command, device, group, messages_of, missed, next, pair, people, say, socket};

/// Writes a record as another program would.
async fn write(app: &TestApp, key: &str, value: &[u8]) {
    let record = Produce {
        topic: app.topic("chat-messages"),
        key: Some(key.as_bytes().to_vec()),
        value: Some(value.to_vec()),
        ..Produce::default()
    };
    app.log().await.produce(record).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_each_device_of_both_and_the_sender_other_one_too() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut devices = [
        device(&alice, "phone").await,
        device(&alice, "laptop").await,
        device(&bob, "phone").await,
        device(&bob, "laptop").await,
    ];
    let mut stream = socket(&alice).await;
    let sending = json!({
        "type": "message.send", "ref": "1", "conversation_id": theirs, "content": "Coffee?", "client_id": "c-1",
    });
    let sent = command(&mut stream, sending).await.outcome.unwrap();
    assert_eq!((&sent["seq"], &sent["status"]), (&json!(1), &json!("SENT")));
    let answer = bob.try_post(&messages_of(&theirs), json!({ "content": "Tea." })).await;
    assert_eq!(answer.status, 201);
    let reply: Value = answer.json().unwrap();
    for device in &mut devices {
        let mut data = next(device, "message.created").await;
        assert!(data["created_at"].is_string(), "{data}");
        data.as_object_mut().unwrap().remove("created_at");
        assert_eq!(
            data,
            json!({
                "message_id": sent["message_id"], "conversation_id": theirs, "seq": 1, "sender_id": "alice",
                "content": "Coffee?", "client_id": "c-1",
            })
        );
        let data = next(device, "message.created").await;
        assert_eq!((&data["message_id"], &data["seq"]), (&reply["message_id"], &json!(2)));
    }
    assert_eq!(bob.get("/inbox").await["items"], json!([]), "chat has its own lists");
    assert_eq!(bob.get("/inbox/unread-count").await["unread_count"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_name_is_the_same_message_also_after_a_restart() {
    let mut app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let body = json!({ "content": "Coffee?", "client_id": "c-1" });
    let first = alice.post(&messages_of(&theirs), body.clone()).await;
    assert_eq!(alice.post(&messages_of(&theirs), body.clone()).await, first);
    app.stop().await;
    app.resume().await;
    let mut stream = socket(&alice).await;
    let sending = json!({
        "type": "message.send", "conversation_id": theirs, "content": "Coffee?", "client_id": "c-1",
    });
    assert_eq!(command(&mut stream, sending).await.outcome.unwrap(), first);
    let other = json!({ "content": "Tea?", "client_id": "c-1" });
    assert_eq!(alice.try_post(&messages_of(&theirs), other).await.status, 409);
    assert_eq!(bob.post(&messages_of(&theirs), body).await["seq"], 2, "a name is its sender's own");
    assert_eq!(bob.get(&messages_of(&theirs)).await["items"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_somebody_was_away_waits_for_them_across_a_restart() {
    let mut app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    for number in 1..=3 {
        say(&alice, &theirs, &format!("m{number}")).await;
    }
    app.stop().await;
    app.resume().await;
    let heard = eventually("all of it is pending", || async {
        let heard = missed(&bob).await;
        (heard.len() == 3).then_some(heard)
    })
    .await;
    assert_eq!(heard, ["m1", "m2", "m3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_said_at_once_have_numbers_without_holes_and_one_order_on_every_screen() {
    let app = TestApp::start().await;
    let [alice, bob, carol] = people(&app, ["alice", "bob", "carol"]).await;
    let kitchen = group(&alice, &[&bob, &carol]).await;
    let mut screens = [device(&alice, "d").await, device(&carol, "d").await];
    let talk = async |person: &tidings_testkit::Person| {
        let mut seqs = Vec::new();
        for number in 0..10 {
            let content = json!({ "content": format!("{} {number}", person.id) });
            seqs.push(person.post(&messages_of(&kitchen), content).await["seq"].as_u64().unwrap());
        }
        seqs
    };
    let (one, two, three) = tokio::join!(talk(&alice), talk(&bob), talk(&carol));
    let seqs: BTreeSet<u64> = one.into_iter().chain(two).chain(three).collect();
    assert_eq!(seqs, (1..=30).collect());
    for screen in &mut screens {
        for seq in 1..=30 {
            assert_eq!(next(screen, "message.created").await["seq"], seq);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_the_three_documented_fields_is_a_message_where_it_is_clear_who_says_it() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let (theirs, kitchen) = (pair(&alice, &bob).await, group(&alice, &[&bob]).await);
    let mut phone = device(&bob, "phone").await;
    let record = |conversation: &str, recipient: Value| {
        json!({ "content": "Hello", "recipientId": recipient, "conversationId": conversation }).to_string()
    };
    let missing = "cnv_00000000000000000000000000";
    write(&app, missing, record(missing, json!("bob")).as_bytes()).await;
    write(&app, &kitchen, record(&kitchen, Value::Null).as_bytes()).await;
    write(&app, &theirs, record(&theirs, json!("eve")).as_bytes()).await;
    write(&app, &theirs, b"not json").await;
    write(
        &app,
        &theirs,
        json!({ "content": "", "conversationId": theirs, "senderId": "alice" }).to_string().as_bytes(),
    )
    .await;
    write(&app, &theirs, record(&theirs, json!("bob")).as_bytes()).await;
    let data = next(&mut phone, "message.created").await;
    assert_eq!(
        (&data["content"], &data["sender_id"], &data["seq"]),
        (&json!("Hello"), &json!("alice"), &json!(1))
    );
    let named = json!({ "content": "Soup", "conversationId": kitchen, "senderId": "alice" }).to_string();
    write(&app, &kitchen, named.as_bytes()).await;
    assert_eq!(next(&mut phone, "message.created").await["content"], "Soup");
    assert_eq!(alice.get(&messages_of(&theirs)).await["items"][0]["content"], "Hello");
    let operator = app.operator();
    let letters = eventually("what is no message is a dead letter", || async {
        let page = operator.get("/dead-letters").await;
        page["items"].as_array().filter(|letters| letters.len() == 5).cloned()
    })
    .await;
    assert!(letters.iter().all(|letter| letter["topic"] == app.topic("chat-messages")), "{letters:?}");
    let told = serde_json::to_string(&letters).unwrap();
    for sentence in ["no conversation cnv_0", "who says it is not clear", "must say something"] {
        assert!(told.contains(sentence), "{sentence}: {told}");
    }
}
