//! Who is there is shown to the people they speak with.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_model::{Clock, ManualClock, SystemClock};
use tidings_store::{StoreError, params};
use tidings_testkit::{Device, Person, TestApp, eventually};

use super::{device, group, pair, people};

/// A server whose clock stands still.
async fn standing() -> (TestApp, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Clock::now(&SystemClock)));
    (TestApp::with(|_config| {}, Arc::<ManualClock>::clone(&clock)).await, clock)
}

/// The data of the next signal of presence.
async fn presence(device: &mut Device) -> Value {
    device.signal("presence").await.0
}

/// What somebody is shown of their only partner.
async fn partner(person: &Person) -> (bool, Value) {
    let list = person.get("/conversations").await;
    let shown = &list["items"][0]["partner"];
    (shown["online"].as_bool().unwrap(), shown["last_seen_at"].clone())
}

/// Waits until the server has noted that somebody's streams are closed, or that they came back.
async fn noted(app: &TestApp, user: &'static str, away: bool) {
    eventually("it is noted", || async {
        let row = app.server().store().read(move |tx| async move {
            let statement = "SELECT COALESCE(gone_at, last_seen_at, 0) FROM people_seen WHERE user_id = $1";
            let row = tx.optional(statement, params![user]).await?;
            row.map(|row| row.get::<i64>(0)).transpose()
        });
        let since: Result<Option<i64>, StoreError> = row.await;
        since.unwrap().filter(|since| (*since != 0) == away)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_who_is_gone_is_shown_to_those_they_speak_with() {
    let (app, clock) = standing().await;
    let [alice, bob, eve] = people(&app, ["alice", "bob", "eve"]).await;
    let theirs = pair(&alice, &bob).await;
    // In two conversations, but shown once.
    group(&alice, &[&bob]).await;
    assert_eq!(bob.get(&format!("/conversations/{theirs}")).await["partner"]["online"], false);
    let (mut hers, mut other) = (device(&alice, "phone").await, device(&eve, "phone").await);
    let phone = device(&bob, "phone").await;
    assert_eq!(presence(&mut hers).await, json!({ "user_id": "bob", "online": true, "last_seen_at": null }));
    let shown = alice.get(&format!("/conversations/{theirs}")).await;
    let wanted = json!({ "user_id": "bob", "display_name": "BOB", "online": true, "last_seen_at": null });
    assert_eq!(shown["partner"], wanted);

    drop(phone);
    noted(&app, "bob", true).await;
    let closed = clock.now();
    clock.advance(Duration::from_secs(10));
    let gone = json!({ "user_id": "bob", "online": false, "last_seen_at": closed });
    assert_eq!(presence(&mut hers).await, gone, "once, and with the moment in which his stream closed");
    let shown = alice.get(&format!("/conversations/{theirs}")).await;
    assert_eq!(shown["partner"]["last_seen_at"], json!(closed));

    // Eve speaks with neither of them until now.
    let hers_and_eves = pair(&alice, &eve).await;
    drop(hers);
    noted(&app, "alice", true).await;
    clock.advance(Duration::from_secs(10));
    let first = presence(&mut other).await;
    assert_eq!((&first["user_id"], &first["online"]), (&json!("alice"), &json!(false)), "{hers_and_eves}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_within_ten_seconds_was_never_gone() {
    Box::pin(ten_seconds()).await;
}

pub(super) async fn ten_seconds() {
    let (app, clock) = standing().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    pair(&alice, &bob).await;
    let mut hers = device(&alice, "phone").await;
    let phone = device(&bob, "phone").await;
    assert_eq!(presence(&mut hers).await["online"], true);

    drop(phone);
    noted(&app, "bob", true).await;
    clock.advance(Duration::from_millis(9999));
    assert_eq!(partner(&alice).await, (true, Value::Null), "he may be coming back");
    let phone = device(&bob, "phone").await;
    noted(&app, "bob", false).await;
    clock.advance(Duration::from_mins(1));
    // One of two devices is enough.
    let laptop = device(&bob, "laptop").await;
    drop(phone);
    clock.advance(Duration::from_mins(1));
    drop(laptop);
    noted(&app, "bob", true).await;
    let closed = clock.now();
    clock.advance(Duration::from_secs(10));
    let gone = json!({ "user_id": "bob", "online": false, "last_seen_at": closed });
    assert_eq!(presence(&mut hers).await, gone, "he was gone only once");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_somebody_was_last_seen_is_known_after_a_restart() {
    let (mut app, clock) = standing().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    pair(&alice, &bob).await;
    let phone = device(&bob, "phone").await;
    eventually("he is there", || async { partner(&alice).await.0.then_some(()) }).await;
    app.stop().await;
    drop(phone);
    app.resume().await;
    noted(&app, "bob", true).await;
    clock.advance(Duration::from_secs(10));
    let last_seen = eventually("he did not come back", || async {
        let (online, last_seen_at) = partner(&alice).await;
        (!online).then_some(last_seen_at)
    })
    .await;
    assert!(last_seen.is_string(), "{last_seen}");
    app.stop().await;
    app.resume().await;
    assert_eq!(partner(&alice).await, (false, last_seen));
}
