//! A client that comes back goes on where it was: nothing missing, nothing twice.

use serde_json::json;
use tidings_testkit::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_in_order_from_memory_and_after_a_restart_from_the_database() {
    let mut app = TestApp::start().await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    let mut device = alice.device("phone").await;
    admin.broadcast("zero", json!({ "type": "all" })).await;
    assert_eq!(device.content().await, "zero");
    let cursor = device.cursor().to_owned();
    drop(device);

    let mut witness = app.person("witness").device("w").await;
    let mut said = Vec::new();
    for n in 1..=450 {
        said.push(format!("message {n}"));
        admin.broadcast(&said[n - 1], json!({ "type": "all" })).await;
    }
    let mut order = Vec::new();
    while order.len() < 450 {
        let next = witness.content().await;
        if next != "zero" {
            order.push(next);
        }
    }
    let mut sorted = order.clone();
    sorted.sort_by_key(|text| text.trim_start_matches("message ").parse::<u32>().unwrap());
    assert_eq!(sorted, said, "all of them, once");

    let mut again = alice.device_after("phone", Some(&cursor)).await;
    assert!(again.ready.recovered && again.ready.cursor.is_none(), "{:?}", again.ready);
    assert_eq!(again.catch_up().await, order, "the order of the log is the order on every screen");
    let newest = again.cursor().to_owned();
    drop(again);

    app.stop().await;
    app.resume().await;
    let mut from_the_database = alice.device_after("tablet", Some(&cursor)).await;
    assert!(from_the_database.ready.recovered);
    assert_eq!(from_the_database.catch_up().await, order);
    let nothing = alice.device_after("phone", Some(&newest)).await;
    assert_eq!(nothing.ready.cursor.as_deref(), Some(newest.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_does_not_hold_is_told_so_with_its_reason() {
    let app = TestApp::start().await;
    let alice = app.person("alice");
    for (cursor, reason) in [
        (None, "no_cursor"),
        (Some("junk"), "unknown_cursor"),
        (Some("AQAAAAAAAAAHAAAAAAAAACo"), "other_generation"),
    ] {
        let device = alice.device_after("phone", cursor).await;
        assert!(!device.ready.recovered);
        assert_eq!(device.ready.reason.as_deref(), Some(reason), "{cursor:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_digest_nothing_is_confirmed() {
    let app = TestApp::with(
        |config| config.gateway.catch_up_max = 3,
        std::sync::Arc::new(tidings_model::SystemClock),
    )
    .await;
    let (admin, alice) = (app.admin(), app.person("alice"));
    alice.device("old").await.catch_up().await;
    let mut witness = app.person("witness").device("w").await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(admin.broadcast(&format!("m{n}"), json!({ "type": "all" })).await);
        // One after the other, so that their order is known.
        witness.until(&format!("m{n}")).await;
    }
    let mut phone = alice.device("phone").await;
    assert_eq!(phone.catch_up().await, ["m0", "m1", "m2"]);
    alice.confirm("phone", phone.cursor()).await;
    for (n, id) in ids.iter().enumerate() {
        let delivered = &admin.get(&format!("/broadcasts/{id}/stats")).await["delivered"];
        assert_eq!(*delivered, json!(u32::from(n < 3)), "m{n}");
    }
    // A second device is given the rest: it is still pending.
    let mut tablet = alice.device("tablet").await;
    assert_eq!(tablet.catch_up().await, ["m3", "m4"]);
}
