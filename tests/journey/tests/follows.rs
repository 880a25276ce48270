//! Follows: who is followed is told, and both can count on their counts.

// covers W2 W6 W9

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use serde_json::{Value, json};
use tidings_log::Produce;
use tidings_model::header;
use tidings_testkit::{Device, Person, TestApp, eventually};

const TOPIC: &str = "user-notifications";

/// People who signed up elsewhere.
async fn people<const N: usize>(app: &TestApp, ids: [&str; N]) -> [Person; N] {
    let log = app.log().await;
    for id in ids {
        let value = json!({ "userId": id, "username": id, "displayName": id }).to_string();
        let topic = app.topic("user.auth.signup");
        let record = Produce {
            topic,
            key: Some(id.as_bytes().to_vec()),
            value: Some(value.into_bytes()),
            ..Produce::default()
        };
        log.produce(record).await.unwrap();
    }
    let people = ids.map(|id| app.person(id));
    for person in &people {
        counts(person, &person.id, [0, 0]).await;
    }
    people
}

/// Looks until somebody has so many followers and follows so many.
async fn counts(viewer: &Person, id: &str, [followers, following]: [u64; 2]) {
    eventually("the counts are right", || async {
        let answer = viewer.client.get(&format!("/api/v1/users/{id}")).await.unwrap();
        let counts = answer.json::<Value>().unwrap()["counts"].clone();
        (counts["followers"] == followers && counts["following"] == following).then_some(())
    })
    .await;
}

/// The next frame of a type; those before it are passed over.
async fn next(device: &mut Device, wanted: &str) -> Value {
    loop {
        let (frame_type, data) = device.event().await;
        if frame_type == wanted {
            return data;
        }
    }
}

/// All frames up to the next announcement, which comes after everything that was said before it.
async fn up_to_now(app: &TestApp, device: &mut Device) -> Vec<(String, Value)> {
    let sue = app.signed_in("sue", None, Some("announce:write".to_owned()));
    sue.post("/announcements", json!({ "title": "Now", "content": "Now." })).await;
    let mut frames = Vec::new();
    loop {
        let frame = device.event().await;
        if frame.0 == "announcement.created" {
            return frames;
        }
        frames.push(frame);
    }
}

async fn write(app: &TestApp, event_type: Option<&str>, value: &Value) {
    let topic = app.topic(TOPIC);
    let headers = event_type.map(|event_type| (header::TYPE.to_owned(), event_type.as_bytes().to_vec()));
    let record = Produce {
        topic,
        key: value["followeeId"].as_str().map(|id| id.as_bytes().to_vec()),
        value: Some(value.to_string().into_bytes()),
        headers: headers.into_iter().collect(),
        ..Produce::default()
    };
    app.log().await.produce(record).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_followed_is_told_once_and_counts_follow_the_last_word() {
    let app = TestApp::start().await;
    let [ada, bob] = people(&app, ["ada", "bob"]).await;
    let mut phone = ada.device("phone").await;
    for _again in 0..2 {
        assert_eq!(
            bob.post("/users/ada/follow", json!({})).await,
            json!({ "user_id": "ada", "following": true })
        );
    }
    let told = next(&mut phone, "user.followed").await;
    assert_eq!((&told["follower_id"], told["created_at"].is_string()), (&json!("bob"), true));
    assert_eq!(ada.get("/users/ada").await["counts"], json!({ "followers": 1, "following": 0, "posts": 0 }));
    assert_eq!(ada.get("/users/bob").await["counts"], json!({ "followers": 0, "following": 1, "posts": 0 }));
    let inbox = ada.get("/inbox?kind=follow").await;
    let items = inbox["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["data"]["follower_id"]), (1, &json!("bob")));

    for _again in 0..2 {
        let ended = bob.client.delete("/api/v1/users/ada/follow").await.unwrap();
        assert_eq!(ended.status, 204);
    }
    counts(&bob, "ada", [0, 0]).await;
    let frames = up_to_now(&app, &mut phone).await;
    assert!(frames.iter().all(|(frame_type, _)| frame_type == "profile.updated"), "silent: {frames:?}");
    assert_eq!(
        frames.last().unwrap().1,
        json!({ "user_id": "ada", "counts": { "followers": 0, "following": 0, "posts": 0 } })
    );

    let records = app.records(TOPIC).await;
    let types: Vec<_> = records.iter().map(|record| record.header(header::TYPE).unwrap()).collect();
    assert_eq!(types, ["UserFollowed", "UserUnfollowed"], "what changed nothing is no event");
    assert!(records.iter().all(|record| record.key.as_deref() == Some(b"ada")), "the one told is the key");
    let value: Value = serde_json::from_slice(records[0].value.as_deref().unwrap()).unwrap();
    assert_eq!((&value["followerId"], &value["followeeId"]), (&json!("bob"), &json!("ada")));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_follow_at_once_and_each_other_are_all_counted() {
    let app = TestApp::start().await;
    let people = people(&app, ["ada", "bob", "cyd", "dan"]).await;
    let follow = async |from: &Person, to: &Person| {
        let path = format!("/api/v1/users/{}/follow", to.id);
        // A change of the same person that is on its way may make it late.
        eventually("the follow is in force", || async {
            let answer = from.client.post(&path, &json!({})).await.unwrap();
            (answer.status != 503).then(|| assert_eq!(answer.status, 200))
        })
        .await;
    };
    let [ada, bob, cyd, dan] = &people;
    tokio::join!(
        async { tokio::join!(follow(ada, bob), follow(bob, ada), follow(ada, bob), follow(cyd, ada)) },
        async { tokio::join!(follow(dan, ada), follow(dan, bob), follow(bob, cyd), follow(ada, cyd)) },
    );
    for (person, expected) in people.iter().zip([[3, 2], [2, 2], [2, 1], [0, 2]]) {
        counts(ada, &person.id, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_follows_themselves_or_somebody_who_is_not_there_or_without_a_token() {
    let app = TestApp::start().await;
    let [ada] = people(&app, ["ada"]).await;
    let nobody = tidings_client::Client::new(&app.url(), None).unwrap();
    for (path, status) in [("ada", 400), ("nobody", 404), ("%00", 404)] {
        let path = format!("/api/v1/users/{path}/follow");
        assert_eq!(ada.client.post(&path, &json!({})).await.unwrap().status, status, "{path}");
        assert_eq!(ada.client.delete(&path).await.unwrap().status, status, "{path}");
        assert_eq!(nobody.post(&path, &json!({})).await.unwrap().status, 401, "{path}");
    }
    assert!(app.records(TOPIC).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_of_another_program_is_one_whatever_comes_twice() {
    let app = TestApp::start().await;
    let [ada, bob] = people(&app, ["ada", "bob"]).await;
    let mut phone = ada.device("phone").await;
    let follow = json!({ "followerId": "bob", "followeeId": "ada" });
    for event_type in [None, Some("UserFollowed"), Some("SomethingElse")] {
        write(&app, event_type, &follow).await;
    }
    write(&app, None, &json!({ "followerId": "ada", "followeeId": "ada" })).await;
    counts(&bob, "ada", [1, 0]).await;
    counts(&bob, "bob", [0, 1]).await;
    bob.post("/users/ada/follow", json!({})).await;
    let operator = app.operator();
    eventually("who would follow themselves is a dead letter", || async {
        let page = operator.get("/dead-letters").await;
        page["items"].as_array().filter(|letters| letters.len() == 1).cloned()
    })
    .await;
    let frames = up_to_now(&app, &mut phone).await;
    let followed = frames.iter().filter(|(frame_type, _)| frame_type == "user.followed").count();
    assert_eq!(followed, 1, "{frames:?}");
    counts(&bob, "ada", [1, 0]).await;

    write(&app, Some("UserUnfollowed"), &follow).await;
    counts(&bob, "ada", [0, 0]).await;
    counts(&bob, "bob", [0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_out_of_the_directory_follows_again_by_saying_so_again() {
    let app = TestApp::start().await;
    let [ada, bob] = people(&app, ["ada", "bob"]).await;
    bob.post("/users/ada/follow", json!({})).await;
    let gone = app.admin().client.delete("/api/v1/directory/users/bob").await.unwrap();
    assert!(gone.status.is_success(), "{gone:?}");
    bob.post("/users/ada/follow", json!({})).await;
    let mut phone = bob.device("phone").await;
    ada.post("/posts", json!({ "title": "Back", "content": "Bob hears it." })).await;
    assert_eq!(next(&mut phone, "post.created").await["title"], "Back");
    counts(&bob, "ada", [1, 0]).await;
}
