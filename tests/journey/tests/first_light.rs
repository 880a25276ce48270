//! One broadcast from a POST to every screen.

use serde_json::json;
use tidings_testkit::{TestApp, eventually};

// covers B4, B11, B15
#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_a_broadcast_now_or_on_return_and_the_counts_say_so() {
    let mut app = TestApp::start().await;
    let (admin, alice, bob) = (app.admin(), app.person("alice"), app.person("bob"));
    let mut phone = alice.device("phone").await;
    // Bob is known, and away.
    bob.device("laptop").await.catch_up().await;

    let id = admin.broadcast("Hello all", json!({ "type": "all" })).await;
    assert_eq!(phone.content().await, "Hello all");
    app.stop().await;
    app.resume().await;

    let mut laptop = bob.device("laptop").await;
    assert_eq!(laptop.catch_up().await, ["Hello all"]);
    let again = alice.device_after("phone", Some(phone.cursor())).await;
    assert!(again.ready.recovered, "{:?}", again.ready);
    assert_eq!(again.ready.cursor.as_deref(), Some(phone.cursor()), "nothing twice");

    let path = format!("/broadcasts/{id}/stats");
    assert_eq!(admin.get(&path).await["delivered"], 1, "the cursor that alice came back with confirmed it");
    alice.confirm("phone", phone.cursor()).await;
    bob.confirm("laptop", laptop.cursor()).await;
    let stats = admin.get(&path).await;
    assert_eq!(
        stats,
        json!({ "targeted": 2, "delivered": 2, "read": 0, "failed": 0, "pending": 0 }),
        "the next GET shows what was confirmed"
    );
}

// covers B8
#[tokio::test(flavor = "multi_thread")]
async fn selected_people_get_it_and_nobody_else_does() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let people: Vec<_> = ["alice", "bob", "carol"].map(|id| app.person(id)).into();
    let mut devices = Vec::new();
    for person in &people {
        devices.push(person.device("d").await);
    }
    let target = json!({ "type": "selected", "ids": ["alice", "carol", "nobody"] });
    let created = admin.post("/broadcasts", json!({ "content": "For two", "target": target })).await;
    assert!(created["warnings"][0].as_str().unwrap().contains("`nobody`"), "{created}");
    assert_eq!(devices[0].content().await, "For two");
    assert_eq!(devices[2].content().await, "For two");
    // Broadcasts have no order among each other before they are deliveries; this one came after.
    admin.broadcast("For all", json!({ "type": "all" })).await;
    assert_eq!(devices[1].content().await, "For all", "nothing came to bob before it");
    let stats = admin.get(&format!("/broadcasts/{}/stats", created["id"].as_str().unwrap())).await;
    assert_eq!((&stats["targeted"], &stats["pending"]), (&json!(3), &json!(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_a_channel_and_a_person_of_two_roles_gets_it_once() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let role = |id: &str, roles: &[&str]| {
        app.signed_in(id, Some(roles.iter().map(|role| (*role).to_owned()).collect()), None)
    };
    let (both, one, none) = (role("both", &["a", "b"]), role("one", &["b"]), role("none", &[]));
    let (mut d2, mut d1, mut d0) = (both.device("d").await, one.device("d").await, none.device("d").await);
    let id = admin.broadcast("To roles", json!({ "type": "role", "ids": ["a", "b"] })).await;
    assert_eq!(d2.content().await, "To roles");
    assert_eq!(d1.content().await, "To roles");
    admin.broadcast("End", json!({ "type": "all" })).await;
    for device in [&mut d2, &mut d1, &mut d0] {
        assert_eq!(device.content().await, "End");
    }
    assert_eq!(admin.get(&format!("/broadcasts/{id}/stats")).await["targeted"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_makes_one_broadcast_also_after_a_restart() {
    let mut app = TestApp::start().await;
    let admin = app.admin();
    let body = json!({ "content": "Once", "target": { "type": "all" } });
    let first = admin.client.post_once("/api/v1/broadcasts", "k1", &body).await.unwrap();
    app.stop().await;
    app.resume().await;
    let second = admin.client.post_once("/api/v1/broadcasts", "k1", &body).await.unwrap();
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    let other = json!({ "content": "Another", "target": { "type": "all" } });
    let reused = admin.client.post_once("/api/v1/broadcasts", "k1", &other).await.unwrap();
    assert_eq!(reused.status, 422);
    let list = admin.get("/broadcasts").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

// covers B14
#[tokio::test(flavor = "multi_thread")]
async fn a_selected_audience_larger_than_a_slice_reaches_all_of_it() {
    let app = TestApp::start().await;
    let admin = app.admin();
    let ids: Vec<String> = (0..1200).map(|n| format!("user-{n:04}")).collect();
    let (first, last) = (app.person(&ids[0]), app.person(&ids[1199]));
    let (mut d0, mut d9) = (first.device("d").await, last.device("d").await);
    let id = admin.broadcast("Many", json!({ "type": "selected", "ids": ids })).await;
    assert_eq!(d0.content().await, "Many");
    assert_eq!(d9.content().await, "Many");
    // Somebody in the middle, who comes later.
    let middle = app.person("user-0600");
    let got = eventually("the middle is delivered", async || {
        let got = middle.device("d").await.catch_up().await;
        (!got.is_empty()).then_some(got)
    })
    .await;
    assert_eq!(got, ["Many"]);
    assert_eq!(admin.get(&format!("/broadcasts/{id}/stats")).await["targeted"], 1200);
}
