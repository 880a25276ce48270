//! Posts: who follows the author is told, and the author's count follows.

// covers W2 W3 W8 W9

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

use serde_json::{Value, json};
use tidings_log::Produce;
use tidings_model::header;
use tidings_testkit::{Device, Person, TestApp, eventually};

const POSTS: &str = "/api/v1/posts";
const TOPIC: &str = "post.created";

fn engine() -> Value {
    json!({ "title": "On the engine", "content": "It weaves algebraical patterns." })
}

async fn write(app: &TestApp, topic: &str, key: &str, value: &Value) {
    let (topic, key) = (app.topic(topic), Some(key.as_bytes().to_vec()));
    let value = Some(value.to_string().into_bytes());
    app.log().await.produce(Produce { topic, key, value, ..Produce::default() }).await.unwrap();
}

/// Somebody who signed up elsewhere, and is known here.
async fn author(app: &TestApp, id: &str) -> Person {
    write(app, "user.auth.signup", id, &json!({ "userId": id, "username": id, "displayName": id })).await;
    let author = app.person(id);
    posts(&author, 0).await;
    author
}

/// Looks until somebody has so many posts.
async fn posts(person: &Person, count: u64) {
    eventually("the posts are counted", || async {
        let answer = person.client.get(&format!("/api/v1/users/{}", person.id)).await.unwrap();
        (answer.json::<Value>().unwrap()["counts"]["posts"] == count).then_some(())
    })
    .await;
}

/// All frames up to the next announcement.
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

/// The next frame of a type.
async fn next(device: &mut Device, wanted: &str) -> Value {
    loop {
        let (frame_type, data) = device.event().await;
        if frame_type == wanted {
            return data;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_reaches_who_follows_its_author_then_and_nobody_else() {
    let app = TestApp::start().await;
    let ada = author(&app, "ada").await;
    let (bob, cyd) = (app.person("bob"), app.person("cyd"));
    ada.post("/posts", json!({ "title": "Before", "content": "Nobody follows." })).await;
    posts(&ada, 1).await;
    bob.post("/users/ada/follow", json!({})).await;
    let (mut phone, mut other) = (bob.device("phone").await, cyd.device("phone").await);
    let mut own = ada.device("phone").await;
    let created = ada.post("/posts", engine()).await;
    let told = next(&mut phone, "post.created").await;
    let expected = json!({
        "post_id": created["post_id"], "author_id": "ada", "title": "On the engine",
        "excerpt": "It weaves algebraical patterns.", "created_at": created["created_at"],
    });
    assert_eq!(told, expected, "and not what was posted before");
    let counted = next(&mut own, "profile.updated").await;
    assert_eq!(
        counted,
        json!({ "user_id": "ada", "counts": { "followers": 1, "following": 0, "posts": 2 } })
    );
    assert_eq!(up_to_now(&app, &mut other).await, []);
    let inbox = bob.get("/inbox?kind=post").await;
    let items = inbox["items"].as_array().unwrap();
    assert_eq!(
        (items.len(), &items[0]["id"], &items[0]["sender_id"]),
        (1, &created["post_id"], &json!("ada"))
    );
    assert_eq!((&items[0]["title"], &items[0]["content"]), (&told["title"], &told["excerpt"]));

    bob.client.delete("/api/v1/users/ada/follow").await.unwrap();
    ada.post("/posts", json!({ "title": "After", "content": "Bob follows no more." })).await;
    posts(&ada, 3).await;
    let frames = up_to_now(&app, &mut phone).await;
    assert!(frames.iter().all(|(frame_type, _)| frame_type != "post.created"), "{frames:?}");

    let records = app.records(TOPIC).await;
    assert_eq!(records.len(), 3);
    let value: Value = serde_json::from_slice(records[1].value.as_deref().unwrap()).unwrap();
    let fields = ["postId", "authorId", "title", "excerpt", "timestamp"];
    let frame = ["post_id", "author_id", "title", "excerpt", "created_at"];
    for (field, of_frame) in fields.into_iter().zip(frame) {
        assert_eq!(value[field], told[of_frame]);
    }
    assert_eq!(
        (records[1].key.as_deref(), records[1].header(header::TYPE)),
        (Some(&b"ada"[..]), Some("PostCreated"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_is_removed_leaves_counts_lists_inboxes_and_screens() {
    let app = TestApp::start().await;
    let (ada, bob) = (author(&app, "ada").await, app.person("bob"));
    bob.post("/users/ada/follow", json!({})).await;
    let mut phone = bob.device("phone").await;
    let created = ada.post("/posts", engine()).await;
    let path = format!("{POSTS}/{}", created["post_id"].as_str().unwrap());
    next(&mut phone, "post.created").await;
    posts(&ada, 1).await;
    let nobody = tidings_client::Client::new(&app.url(), None).unwrap();
    assert_eq!(nobody.delete(&path).await.unwrap().status, 401);
    assert_eq!(bob.client.delete(&path).await.unwrap().status, 404, "somebody else's looks missing");
    for _again in 0..2 {
        assert_eq!(ada.client.delete(&path).await.unwrap().status, 204);
    }
    let removed = next(&mut phone, "post.removed").await;
    assert_eq!(removed["post_id"], created["post_id"]);
    posts(&ada, 0).await;
    assert_eq!(bob.get("/posts?author=ada").await["items"], json!([]));
    assert_eq!(bob.get("/inbox?kind=post").await["items"], json!([]));
    assert_eq!(bob.device("tablet").await.catch_up().await, Vec::<String>::new(), "it is not caught up on");
    // The same record again, as another program may write it, brings nothing back.
    let records = app.records(TOPIC).await;
    let again: Value = serde_json::from_slice(records[0].value.as_deref().unwrap()).unwrap();
    write(&app, TOPIC, "ada", &again).await;
    ada.post("/posts", json!({ "title": "Next", "content": "There is more." })).await;
    assert_eq!(next(&mut phone, "post.created").await["title"], "Next");
    posts(&ada, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_of_another_program_are_told_and_counted_once() {
    let app = TestApp::start().await;
    let (ada, bob) = (author(&app, "ada").await, app.person("bob"));
    bob.post("/users/ada/follow", json!({})).await;
    let mut phone = bob.device("phone").await;
    let post =
        json!({ "postId": "p-17", "authorId": "ada", "title": "Elsewhere", "excerpt": "It was written" });
    let other = json!({ "postId": "p-17", "authorId": "eve", "title": "Not hers", "excerpt": "" });
    let none = json!({ "postId": "p-18", "authorId": "ada", "title": " ", "excerpt": "x" });
    for value in [&post, &post, &json!({ "postId": "p-19" }), &none] {
        write(&app, TOPIC, "ada", value).await;
    }
    let told = next(&mut phone, "post.created").await;
    assert_eq!((&told["post_id"], &told["excerpt"]), (&json!("p-17"), &json!("It was written")));
    write(&app, TOPIC, "ada", &other).await;
    let operator = app.operator();
    eventually("what is no post is a dead letter of both groups", || async {
        let page = operator.get("/dead-letters").await;
        page["items"].as_array().filter(|letters| letters.len() == 4).cloned()
    })
    .await;
    ada.post("/posts", engine()).await;
    assert_eq!(next(&mut phone, "post.created").await["title"], "On the engine", "it was told once");
    posts(&ada, 2).await;
    assert_eq!(bob.get("/posts?author=eve").await["items"], json!([]));
    assert_eq!(ada.client.delete(&format!("{POSTS}/p-17")).await.unwrap().status, 204);
    posts(&ada, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_posts_once_and_what_is_no_post_is_said_with_pointers() {
    let app = TestApp::start().await;
    let ada = author(&app, "ada").await;
    let once = async |body: &Value| ada.client.post_once(POSTS, "k", body).await.unwrap();
    let first = once(&engine()).await;
    assert_eq!(first.status, 201);
    assert_eq!(once(&engine()).await.body, first.body);
    assert_eq!(once(&json!({ "title": "Other", "content": "x" })).await.status, 422);
    for (body, status, pointer) in [
        (json!({ "title": "x" }), 400, json!("")),
        (json!({ "title": " ", "content": "x" }), 400, json!("/title")),
        (json!({ "title": "x", "content": "" }), 400, json!("/content")),
        (json!({ "title": "x", "content": "y", "author_id": "eve" }), 400, json!("/author_id")),
        (json!({ "title": "x", "content": "y".repeat(64 << 10) }), 413, Value::Null),
    ] {
        let refused = ada.try_post("/posts", body).await;
        let told: Value = refused.json().unwrap();
        assert_eq!((refused.status.as_u16(), &told["errors"][0]["pointer"]), (status, &pointer), "{told}");
    }
    let nobody = tidings_client::Client::new(&app.url(), None).unwrap();
    assert_eq!(nobody.post(POSTS, &engine()).await.unwrap().status, 401);
    assert_eq!(nobody.get(POSTS).await.unwrap().status, 401);
    posts(&ada, 1).await;
    assert_eq!(app.records(TOPIC).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_are_listed_by_author_newest_first_in_pages() {
    let app = TestApp::start().await;
    let (ada, eve) = (author(&app, "ada").await, author(&app, "eve").await);
    for number in 0..5 {
        for person in [&ada, &eve] {
            person
                .post("/posts", json!({ "title": format!("{} {number}", person.id), "content": "x" }))
                .await;
        }
    }
    let titles = |page: &Value| -> Vec<String> {
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|post| post["title"].as_str().unwrap().to_owned())
            .collect()
    };
    let (mut path, mut found) = ("/posts?author=ada&limit=2".to_owned(), Vec::new());
    loop {
        let page = eve.get(&path).await;
        found.extend(titles(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/posts?author=ada&limit=2&cursor={cursor}");
    }
    assert_eq!(found, ["ada 4", "ada 3", "ada 2", "ada 1", "ada 0"]);
    assert_eq!(titles(&eve.get("/posts").await).len(), 10);
    assert_eq!(eve.client.get(&format!("{POSTS}?author={}", "x".repeat(257))).await.unwrap().status, 400);
}
