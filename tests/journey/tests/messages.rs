//! Messages of a caller's own type, from a POST to every screen.

use serde_json::json;
use tidings_testkit::{TestApp, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_reaches_its_channels_now_and_on_return_and_lies_in_their_inboxes() {
    let mut app = TestApp::start().await;
    let (admin, alice, bob, carol) =
        (app.admin(), app.person("alice"), app.person("bob"), app.person("carol"));
    let mut phone = alice.device("phone").await;
    carol.device("tablet").await.catch_up().await;
    bob.device("laptop").await.catch_up().await;

    let body = json!({
        "to": ["user:alice", "user:bob"], "type": "invoice.paid", "title": "Invoice 42", "content": "is paid",
        "data": { "number": 42 }, "action_url": "/invoices/42",
    });
    let id = admin.post("/messages", body).await["message_id"].clone();
    assert!(id.as_str().unwrap().starts_with("msg_"), "{id}");
    let (frame_type, data) = phone.event().await;
    assert_eq!(frame_type, "invoice.paid");
    assert!(data["created_at"].is_string(), "{data}");
    let mut shown = data.clone();
    shown.as_object_mut().unwrap().remove("created_at");
    assert_eq!(
        shown,
        json!({
            "id": id, "kind": "message", "title": "Invoice 42", "content": "is paid",
            "data": { "number": 42 }, "action_url": "/invoices/42",
        })
    );

    app.stop().await;
    app.resume().await;
    assert_eq!(bob.device("laptop").await.catch_up().await, ["is paid"]);
    let page = eventually("it lies in the inbox", || async {
        let page = bob.get("/inbox?kind=message").await;
        (page["items"] != json!([])).then_some(page)
    })
    .await;
    assert_eq!((&page["items"][0]["id"], &page["items"][0]["title"]), (&id, &json!("Invoice 42")));
    assert_eq!(page["items"][0]["data"], json!({ "number": 42 }));
    bob.post(&format!("/inbox/{}/read", id.as_str().unwrap()), json!({})).await;
    assert_eq!(bob.get("/inbox").await["items"][0]["state"], "read");
    assert_eq!(carol.get("/inbox").await["items"], json!([]), "it is not for her");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_title_it_is_in_no_inbox_and_yet_pending_until_it_is_confirmed() {
    let app = TestApp::start().await;
    let bob = app.person("bob");
    bob.device("laptop").await.catch_up().await;
    app.admin().post("/messages", json!({ "to": ["user:bob"], "type": "reload", "content": "now" })).await;
    let laptop = eventually("it is pending", || async {
        let mut laptop = bob.device("laptop").await;
        (laptop.catch_up().await == ["now"]).then_some(laptop)
    })
    .await;
    assert_eq!(bob.get("/inbox").await["items"], json!([]));
    bob.confirm("laptop", laptop.cursor()).await;
    assert_eq!(bob.device("other").await.catch_up().await, [""; 0], "confirmed is confirmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_excluded_does_not_get_it_and_what_is_over_reaches_nobody() {
    let app = TestApp::start().await;
    let editor = |id: &str| app.signed_in(id, Some(vec!["editor".to_owned()]), None);
    let (admin, alice, bob) = (app.admin(), editor("alice"), editor("bob"));
    let (mut phone, mut laptop) = (alice.device("phone").await, bob.device("laptop").await);
    let say = |content: &str, not: &[&str]| json!({ "to": ["role:editor", "user:alice"], "not": not, "type": "desk", "content": content });
    admin.post("/messages", say("not for bob", &["user:bob"])).await;
    admin.post("/messages", say("for both", &[])).await;
    assert_eq!(phone.content().await, "not for bob");
    assert_eq!(phone.content().await, "for both", "once, though she has both channels");
    assert_eq!(laptop.content().await, "for both");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_one_channel_is_seen_in_that_order() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut phone = alice.device("phone").await;
    let wanted: Vec<String> = (0..30).map(|step| format!("step {step}")).collect();
    for content in &wanted {
        admin
            .post("/messages", json!({ "to": ["user:alice"], "type": "progress", "content": content }))
            .await;
    }
    for content in &wanted {
        assert_eq!(&phone.content().await, content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_says_one_message_also_after_a_restart() {
    let mut app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut phone = alice.device("phone").await;
    let say = |content: &str| json!({ "to": ["user:alice"], "type": "note", "content": content });
    let first = admin.client.post_once("/api/v1/messages", "k1", &say("once")).await.unwrap();
    assert_eq!(phone.content().await, "once");
    app.stop().await;
    app.resume().await;
    let second = admin.client.post_once("/api/v1/messages", "k1", &say("once")).await.unwrap();
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert_eq!(admin.client.post_once("/api/v1/messages", "k1", &say("other")).await.unwrap().status, 422);
    admin.post("/messages", say("end")).await;
    let mut phone = alice.device_after("phone", Some(phone.cursor())).await;
    assert_eq!(phone.content().await, "end", "nothing twice");
}
