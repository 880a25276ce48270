//! Who speaks with whom.

// covers C1

use serde_json::{Value, json};
use tidings_client::Answer;
use tidings_testkit::{Person, TestApp};

use super::{device, group, id, messages_of, next, pair, people, say, until};

fn problem(answer: &Answer) -> Value {
    answer.json().unwrap()
}

async fn get(person: &Person, path: &str) -> Answer {
    person.client.get(&format!("/api/v1{path}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_have_one_conversation_whoever_asks_and_when_both_ask_at_once() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let (hers, his) = tokio::join!(
        alice.try_post("/conversations", json!({ "members": ["bob"] })),
        bob.try_post("/conversations", json!({ "members": ["alice", "bob", "alice"] })),
    );
    let mut statuses = [hers.status.as_u16(), his.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 201]);
    let (hers, his): (Value, Value) = (hers.json().unwrap(), his.json().unwrap());
    assert_eq!(hers["conversation_id"], his["conversation_id"]);
    let bob_alone = json!({ "user_id": "bob", "display_name": "BOB", "online": false, "last_seen_at": null });
    assert_eq!(hers["partner"], bob_alone);
    assert_eq!(his["partner"]["user_id"], "alice");
    assert_eq!(pair(&alice, &bob).await, id(&his));
    let whole = alice.get(&format!("/conversations/{}", id(&his))).await;
    assert_eq!((&whole["member_ids"], &whole["members"]), (&json!(["alice", "bob"]), &json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_be_spoken_with_is_named() {
    let app = TestApp::start().await;
    let [alice, _bob] = people(&app, ["alice", "bob"]).await;
    for (body, pointer) in [
        (json!({ "members": ["alice"] }), "/members"),
        (json!({ "members": [] }), "/members"),
        (json!({ "members": ["bob", "nobody"] }), "/members/1"),
        (json!({ "members": ["bob"], "title": "a\nb" }), "/title"),
        (json!({ "members": ["bob"], "title": "" }), "/title"),
        (json!({ "members": (0..1001).map(|n| format!("u{n}")).collect::<Vec<_>>() }), "/members"),
    ] {
        let answer = alice.try_post("/conversations", body).await;
        assert_eq!(answer.status, 400);
        let told = problem(&answer);
        assert_eq!(told["errors"][0]["pointer"], pointer, "{told}");
    }
    let told = problem(&alice.try_post("/conversations", json!({ "members": ["nobody"] })).await);
    assert!(told["detail"].as_str().unwrap().contains("`nobody`"), "{told}");
    assert_eq!(alice.get("/conversations").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn to_a_stranger_a_conversation_looks_like_a_missing_one() {
    let app = TestApp::start().await;
    let [alice, bob, eve] = people(&app, ["alice", "bob", "eve"]).await;
    let theirs = pair(&alice, &bob).await;
    let message = say(&alice, &theirs, "a secret").await;
    let missing = "cnv_00000000000000000000000000";
    let (said, read) = (json!({ "content": "let me in" }), json!({ "up_to": message }));
    let typing = json!({ "is_typing": true });
    let look = async |id: &str| {
        let path = format!("/conversations/{id}");
        let receipts = format!("{path}/messages/{message}/receipts");
        let member = format!("/api/v1{path}/members/eve");
        let answers = [
            get(&eve, &path).await,
            get(&eve, &messages_of(id)).await,
            get(&eve, &format!("{path}/stats")).await,
            get(&eve, &receipts).await,
            eve.try_post(&messages_of(id), said.clone()).await,
            eve.try_post(&format!("{path}/read"), read.clone()).await,
            eve.try_post(&format!("{path}/typing"), typing.clone()).await,
            eve.client.put(&member, &json!({})).await.unwrap(),
            eve.client.delete(&member).await.unwrap(),
        ];
        answers.map(|answer| {
            let mut told = problem(&answer);
            // It names the one request.
            told.as_object_mut().unwrap().remove("instance");
            (answer.status.as_u16(), told.to_string().replace(id, "it"))
        })
    };
    let (foreign, nothing) = (look(&theirs).await, look(missing).await);
    assert_eq!(foreign, nothing);
    assert!(foreign.iter().all(|(status, _)| *status == 404), "{foreign:?}");
    assert_eq!(eve.get("/conversations").await["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_a_group_hears_what_follows_and_who_leaves_hears_nothing_more() {
    let app = TestApp::start().await;
    let [alice, bob, carol] = people(&app, ["alice", "bob", "carol"]).await;
    let kitchen = group(&alice, &[&bob]).await;
    let (mut phone, mut tablet) = (device(&bob, "phone").await, device(&carol, "tablet").await);
    let first = say(&alice, &kitchen, "before carol").await;
    assert_eq!(next(&mut phone, "message.created").await["content"], "before carol");

    let member = |who: &str| format!("/api/v1/conversations/{kitchen}/members/{who}");
    let put = async |one: &Person, who: &str| one.client.put(&member(who), &json!({})).await.unwrap().status;
    assert_eq!(put(&bob, "carol").await, 204);
    assert_eq!(put(&bob, "carol").await, 204, "a member stays one");
    assert_eq!(put(&bob, "nobody").await, 404);
    say(&alice, &kitchen, "with carol").await;
    assert_eq!(next(&mut tablet, "message.created").await["content"], "with carol");
    let hers = carol.get(&messages_of(&kitchen)).await;
    assert_eq!(hers["items"].as_array().unwrap().len(), 1, "{hers}");
    let earlier = format!("/conversations/{kitchen}/messages/{first}/receipts");
    assert_eq!(get(&carol, &earlier).await.status, 404);

    let delete = async |one: &Person, who: &str| one.client.delete(&member(who)).await.unwrap().status;
    assert_eq!(delete(&carol, "bob").await, 403);
    assert_eq!(delete(&alice, "bob").await, 204);
    assert_eq!(delete(&alice, "bob").await, 404);
    assert_eq!(delete(&carol, "carol").await, 204);
    say(&alice, &kitchen, "alone").await;
    let theirs = pair(&alice, &bob).await;
    say(&alice, &theirs, "just you").await;
    assert!(until(&mut phone, "just you").await.is_empty());
    let heard = bob.get("/conversations").await;
    assert_eq!(heard["items"].as_array().unwrap().len(), 1, "{heard}");
    let mut again = bob.device("laptop").await;
    assert!(!again.catch_up().await.contains(&"alone".to_owned()));

    let two = |who: &str| format!("/api/v1/conversations/{theirs}/members/{who}");
    assert_eq!(alice.client.put(&two("carol"), &json!({})).await.unwrap().status, 409);
    assert_eq!(alice.client.delete(&two("alice")).await.unwrap().status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_group() {
    let app = TestApp::start().await;
    let [alice, _bob] = people(&app, ["alice", "bob"]).await;
    let body = json!({ "members": ["bob"], "title": "Kitchen" });
    let once = async || alice.client.post_once("/api/v1/conversations", "k", &body).await.unwrap();
    let first = once().await;
    assert_eq!(first.status, 201);
    assert_eq!(once().await.body, first.body);
    assert_eq!(alice.get("/conversations").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_shows_what_was_said_last_and_how_much_was_not_read() {
    let app = TestApp::start().await;
    let [alice, bob, carol] = people(&app, ["alice", "bob", "carol"]).await;
    let (with_bob, with_carol) = (pair(&alice, &bob).await, pair(&alice, &carol).await);
    say(&bob, &with_bob, "one").await;
    say(&bob, &with_bob, "two").await;
    say(&carol, &with_carol, "three").await;
    say(&alice, &with_bob, "four").await;
    let list = alice.get("/conversations").await;
    let rows: Vec<Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            json!({
                "id": item["conversation_id"], "said": item["last_message"]["content"],
                "unread": item["unread_count"], "with": item["partner"]["user_id"],
            })
        })
        .collect();
    assert_eq!(
        rows,
        [
            json!({ "id": with_bob, "said": "four", "unread": 2, "with": "bob" }),
            json!({ "id": with_carol, "said": "three", "unread": 1, "with": "carol" }),
        ]
    );
    let first = alice.get("/conversations?limit=1").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = alice.get(&format!("/conversations?limit=1&cursor={cursor}")).await;
    assert_eq!(second["items"][0]["conversation_id"], json!(with_carol));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_backwards() {
    let app = TestApp::start().await;
    let [alice, bob] = people(&app, ["alice", "bob"]).await;
    let theirs = pair(&alice, &bob).await;
    let mut ids = Vec::new();
    for number in 1..=5 {
        ids.push(say(&alice, &theirs, &format!("m{number}")).await);
    }
    let contents = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["content"].as_str().unwrap().to_owned()).collect()
    };
    let path = messages_of(&theirs);
    let page = bob.get(&format!("{path}?limit=2&before={}", ids[4])).await;
    assert_eq!(contents(&page), ["m4", "m3"]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = bob.get(&format!("{path}?limit=2&cursor={cursor}")).await;
    assert_eq!(contents(&page), ["m2", "m1"]);
    let all = bob.get(&path).await;
    assert_eq!((contents(&all).len(), &all["items"][0]["seq"]), (5, &json!(5)));
    assert_eq!(get(&bob, &format!("{path}?before=msg_00000000000000000000000000")).await.status, 404);
    assert_eq!(get(&bob, &format!("{path}?before=x")).await.status, 400);
}
