//! Who types is shown to the others while they do, and to nobody later.

// covers C4

use std::{fs, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_client::{Frame, ListenOptions, Transport};
use tidings_model::{ManualClock, SystemClock};
use tidings_testkit::{Device, LIMIT, Pair, Person, TestApp};

use super::{command, device, group, next, pair, people, say, socket};

/// A server whose clock stands still.
async fn standing() -> (TestApp, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(tidings_model::Clock::now(&SystemClock)));
    (TestApp::with(|_config| {}, Arc::<ManualClock>::clone(&clock)).await, clock)
}

async fn types(person: &Person, conversation: &str, is_typing: bool) {
    let path = format!("/conversations/{conversation}/typing");
    person.post(&path, json!({ "is_typing": is_typing })).await;
}

/// The data of the next signal of typing, before which nothing else happened.
async fn typing(device: &mut Device) -> Value {
    let (data, before) = device.signal("typing").await;
    assert_eq!(before, Vec::<Value>::new(), "{data}");
    data
}

/// Who is shown, and whether they type.
fn who(data: &Value) -> (&str, bool) {
    (data["user_id"].as_str().unwrap(), data["is_typing"].as_bool().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_types_is_shown_to_the_others_and_on_no_device_of_their_own() {
    Box::pin(to_the_others_alone()).await;
}

pub(super) async fn to_the_others_alone() {
    let app = TestApp::start().await;
    let [alice, bob, carol] = people(&app, ["alice", "bob", "carol"]).await;
    let (kitchen, theirs) = (group(&alice, &[&bob, &carol]).await, pair(&bob, &carol).await);
    let (mut hers, mut his) = (device(&alice, "phone").await, device(&bob, "phone").await);
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut laptop = Device::open(&carol.client, options).await;
    laptop.catch_up().await;
    let options =
        ListenOptions { channels: vec![format!("conversation:{kitchen}")], ..ListenOptions::default() };
    let mut narrowed = Device::open(&bob.client, options).await;
    narrowed.catch_up().await;

    types(&alice, &kitchen, true).await;
    for device in [&mut his, &mut laptop] {
        let data = typing(device).await;
        assert!(data["timestamp"].as_str().unwrap().ends_with('Z'), "{data}");
        let wanted = json!({
            "conversation_id": kitchen, "user_id": "alice", "is_typing": true, "timestamp": data["timestamp"],
        });
        assert_eq!(data, wanted);
    }
    types(&alice, &kitchen, false).await;
    for device in [&mut his, &mut laptop] {
        assert_eq!(who(&typing(device).await), ("alice", false));
    }

    let mut stream = socket(&bob).await;
    let typed = json!({ "type": "typing", "ref": "1", "conversation_id": kitchen, "is_typing": true });
    assert_eq!(command(&mut stream, typed).await.outcome.unwrap(), json!({}));
    assert_eq!(who(&typing(&mut laptop).await), ("bob", true));
    // One conversation's signals come in their order: her own would have come before.
    assert_eq!(who(&typing(&mut hers).await), ("bob", true), "who types is not shown it");

    // Nor is who has no part in it.
    types(&carol, &theirs, true).await;
    assert_eq!(who(&typing(&mut his).await), ("carol", true));
    types(&carol, &kitchen, true).await;
    assert_eq!(typing(&mut hers).await["conversation_id"], json!(kitchen));
    // A device that asked for one conversation is shown that one alone.
    for wanted in [("alice", true), ("alice", false), ("carol", true)] {
        let data = typing(&mut narrowed).await;
        assert_eq!((who(&data), &data["conversation_id"]), (wanted, &json!(kitchen)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_shown_once_in_two_seconds_and_ends_by_itself_after_six() {
    let (app, clock) = standing().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut phone = device(&bob, "phone").await;
    for is_typing in [true, true, true, false, true] {
        types(&alice, &theirs, is_typing).await;
    }
    clock.advance(Duration::from_secs(2));
    types(&alice, &theirs, true).await;
    for is_typing in [true, false, true] {
        assert_eq!(who(&typing(&mut phone).await), ("alice", is_typing));
    }
    clock.advance(Duration::from_secs(6));
    assert_eq!(who(&typing(&mut phone).await), ("alice", false), "nobody said so");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_words_of_it_at_once_are_one_and_hold_nobody_up() {
    let (app, _clock) = standing().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut phone = device(&bob, "phone").await;
    let mut stream = socket(&alice).await;
    for number in 0..1000 {
        let typed = json!({
            "type": "typing", "ref": number.to_string(), "conversation_id": theirs, "is_typing": true,
        });
        stream.command(&typed).await.unwrap();
    }
    let mut answered = 0;
    while answered < 1000 {
        if let Frame::Reply(reply) = tokio::time::timeout(LIMIT, stream.next()).await.unwrap().unwrap() {
            assert_eq!(reply.outcome, Ok(json!({})));
            answered += 1;
        }
    }
    say(&alice, &theirs, "Done").await;
    assert_eq!(who(&typing(&mut phone).await), ("alice", true));
    types(&alice, &theirs, false).await;
    let (data, before) = phone.signal("typing").await;
    assert_eq!(who(&data), ("alice", false), "nothing else was shown");
    // It takes another way, so either may be first.
    let said = if before.is_empty() { next(&mut phone, "message.created").await } else { before[0].clone() };
    assert_eq!(said["content"], "Done");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_is_never_shown_it_and_no_cursor_moves() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let (mut phone, mut laptop) = (device(&bob, "phone").await, device(&bob, "laptop").await);
    say(&alice, &theirs, "Coffee?").await;
    next(&mut phone, "message.created").await;
    next(&mut laptop, "message.created").await;
    let cursor = laptop.cursor().to_owned();
    drop(laptop);
    let before = phone.cursor().to_owned();
    types(&alice, &theirs, true).await;
    assert_eq!(who(&typing(&mut phone).await), ("alice", true));
    assert_eq!(phone.cursor(), before, "a signal moves no cursor");
    say(&alice, &theirs, "Now").await;
    next(&mut phone, "message.created").await;
    for mut back in [bob.device_after("laptop", Some(&cursor)).await, bob.device("tablet").await] {
        loop {
            let frame = back.frame().await;
            let typing = matches!(&frame, Frame::Signal(signal) if signal.signal_type == "typing");
            assert!(!typing, "{frame:?} came later");
            if matches!(frame, Frame::Event { event, .. } if event.data["content"] == "Now") {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_never_on_the_disk() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut phone = device(&bob, "phone").await;
    types(&alice, &theirs, true).await;
    typing(&mut phone).await;
    say(&alice, &theirs, "which is kept").await;
    next(&mut phone, "message.created").await;
    let files = fs::read_dir(app.folder()).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    let files: Vec<u8> = files.flatten().collect();
    let has = |text: &str| files.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!has("isTyping"));
    // What is looked for would be found; PostgreSQL keeps its rows elsewhere.
    assert!(has("which is kept") || matches!(app.pair(), Pair::Postgres(_)), "the message is on the disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_word_is_shown_and_a_stale_one_is_not() {
    let app = TestApp::start().await;
    if app.pair() == &Pair::Embedded {
        // A topic in memory belongs to its process: nobody else writes to it.
        return;
    }
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut phone = device(&bob, "phone").await;
    let log = app.log().await;
    let now = tidings_model::Clock::now(&SystemClock).millis();
    let word = |user: &str, at: i64| {
        let word = json!({ "conversationId": theirs, "userId": user, "isTyping": true, "timestamp": at });
        word.to_string()
    };
    for value in ["no json".to_owned(), word("carol", now - 11_000), word("alice", now)] {
        let record = tidings_log::Produce {
            topic: app.topic("typing-events"),
            key: Some(theirs.clone().into_bytes()),
            value: Some(value.into_bytes()),
            ..tidings_log::Produce::default()
        };
        log.produce(record).await.unwrap();
    }
    assert_eq!(who(&typing(&mut phone).await), ("alice", true));
}
