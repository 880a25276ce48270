//! Mutes and quiet hours: what they withhold is nowhere lost, comes when they end, and has a reason.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_client::{Event, Frame};
use tidings_model::{Clock as _, SystemClock};
use tidings_testkit::{Device, Person, TestApp, eventually};

async fn say(admin: &Person, content: &str, category: &str, priority: &str) -> String {
    let body = json!({ "content": content, "target": { "type": "all" }, "category": category, "priority": priority });
    admin.post("/broadcasts", body).await["id"].as_str().expect("an id").to_owned()
}

async fn prefer(person: &Person, preferences: Value) {
    let put = person.client.put("/api/v1/preferences", &preferences).await.expect("an answer");
    assert!(put.status.is_success(), "{put:?}");
    assert_eq!(person.get("/preferences").await, preferences);
}

async fn event(device: &mut Device) -> Event {
    loop {
        if let Frame::Event { event, .. } = device.frame().await {
            return event;
        }
    }
}

fn content(event: &Event) -> String {
    let data = serde_json::to_value(&event.data).expect("JSON");
    data["content"].as_str().unwrap_or_default().to_owned()
}

/// Waits until somebody's journey of a message is in this state, for this reason.
async fn stands(app: &TestApp, message: &str, user: &str, wanted: (&str, Option<&str>)) {
    let look = || async move {
        let journey = app.operator().get(&format!("/journeys/{message}?user_id={user}")).await;
        (journey["state"] == wanted.0 && journey["reason"].as_str() == wanted.1).then_some(())
    };
    eventually(&format!("{message} is {wanted:?} for {user}"), look).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_muted_is_withheld_until_it_is_wanted_again_and_urgent_comes_all_the_same() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut phone = alice.device("phone").await;
    phone.catch_up().await;
    let mut laptop = alice.device("laptop").await;
    laptop.catch_up().await;
    prefer(&alice, json!({ "muted_categories": ["news"], "quiet_hours": null })).await;
    let muted = say(&admin, "Muted news", "news", "normal").await;
    say(&admin, "Urgent news", "news", "urgent").await;
    say(&admin, "Sport", "sport", "normal").await;
    for device in [&mut phone, &mut laptop] {
        let mut got = [device.content().await, device.content().await];
        got.sort();
        assert_eq!(got, ["Sport", "Urgent news"]);
    }
    alice.confirm("phone", phone.cursor()).await;
    stands(&app, &muted, "alice", ("withheld", Some("muted"))).await;
    let inbox = alice.get("/inbox").await;
    assert_eq!(inbox["items"].as_array().map(Vec::len), Some(2), "what is muted does not lie in the inbox");
    prefer(&alice, json!({ "muted_categories": [], "quiet_hours": null })).await;
    for device in [&mut phone, &mut laptop] {
        let late = event(device).await;
        assert_eq!((content(&late).as_str(), late.late), ("Muted news", true));
    }
    alice.confirm("phone", phone.cursor()).await;
    let stats = admin.get(&format!("/broadcasts/{muted}/stats")).await;
    assert_eq!(stats["delivered"], 1);
    stands(&app, &muted, "alice", ("delivered", None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_quiet_hours_is_shown_when_they_are_over() {
    let app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut phone = alice.device("phone").await;
    phone.catch_up().await;
    let now = SystemClock.now();
    let time = |time: tidings_model::Timestamp| {
        let text = time.to_string();
        text.get(11..19).expect("2026-01-01T10:20:30Z").to_owned()
    };
    let (start, end) = (time(now.minus(Duration::from_hours(1))), time(now.plus(Duration::from_secs(10))));
    let quiet = json!({ "start": start, "end": end, "time_zone": "UTC" });
    prefer(&alice, json!({ "muted_categories": [], "quiet_hours": quiet })).await;
    let quiet = say(&admin, "By night", "news", "normal").await;
    say(&admin, "Fire", "news", "urgent").await;
    assert_eq!(phone.content().await, "Fire");
    stands(&app, &quiet, "alice", ("withheld", Some("quiet_hours"))).await;
    let inbox = alice.get("/inbox").await;
    assert_eq!(inbox["items"].as_array().map(Vec::len), Some(2), "whoever looks sees it");
    // A device that comes in the quiet hours is not shown it either, and is when they are over.
    let mut laptop = alice.device("laptop").await;
    assert_eq!(laptop.catch_up().await, ["Fire"]);
    for device in [&mut phone, &mut laptop] {
        let late = event(device).await;
        assert_eq!((content(&late).as_str(), late.late), ("By night", true));
    }
    assert!(SystemClock.now() >= now.plus(Duration::from_secs(9)), "not before they are over");
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_that_cannot_be_kept_are_refused_and_survive_a_restart() {
    let mut app = TestApp::start().await;
    let alice = app.person("alice");
    let wrong = json!({ "muted_categories": [], "quiet_hours": { "start": "22:00", "end": "07:00", "time_zone": "Mars/Base" } });
    let refused = alice.client.put("/api/v1/preferences", &wrong).await.unwrap();
    assert_eq!(refused.status, 400);
    let problem: Value = refused.json().unwrap();
    assert_eq!(problem["errors"][0]["pointer"], "/quiet_hours");
    let quiet = json!({ "start": "22:00", "end": "07:00", "time_zone": "Europe/Berlin" });
    let wanted = json!({ "muted_categories": ["a", "b"], "quiet_hours": quiet });
    prefer(&alice, wanted.clone()).await;
    app.stop().await;
    app.resume().await;
    assert_eq!(alice.get("/preferences").await, wanted);
}
