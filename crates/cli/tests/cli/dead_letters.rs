//! `dead-letters`: what groups gave up, sent through again, forgotten.

use serde_json::{Value, json};
use tidings_client::Client;

use crate::running::{Demo, Folder, eventually};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|cause| panic!("{cause}: {text}"))
}

/// Asks the operators' listener as the demo's administrator.
fn operator(demo: &Demo, method: &str, path: &str, body: &Value) {
    let token = demo.run(["token", "--sub", "admin"]).succeeds();
    let client = Client::new(&demo.admin, Some(token.trim())).expect("an address");
    let body = Some(body.to_string().into_bytes().into()).filter(|_| method == "POST");
    let asking = client.send(method.parse().expect("a method"), path, &[], body);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(asking).expect("an answer");
    assert!(answer.status.is_success(), "{path}: {answer:?}");
}

#[test]
fn dead_letters_are_listed_shown_sent_through_again_and_forgotten() {
    let demo = Demo::start_with(Folder::new(), &[("TIDINGS_TESTING__FAULTS", "true")]);
    let fault = json!({ "topic": "broadcast-messages", "failure": "permanent" });
    operator(&demo, "POST", "/api/v1/testing/faults", &fault);
    demo.run(["send", "Given up", "--to", "all"]).succeeds();
    let listed = eventually("a dead letter", || {
        let listed = parsed(&demo.run(["dead-letters", "list", "--state", "open", "--json"]).succeeds());
        listed["items"][0].is_object().then_some(listed)
    });
    let id = listed["items"][0]["id"].as_str().unwrap();
    let shown = demo.run(["dead-letters", "list", "--topic", "broadcast-messages"]).succeeds();
    assert!(shown.contains(id) && shown.contains("a permanent fault on purpose"), "{shown}");
    let shown = demo.run(["dead-letters", "show", id]).succeeds();
    assert!(shown.contains("Given up") && shown.contains("ce_id: evt_"), "{shown}");

    let dry = demo.run(["dead-letters", "redrive", "--all", "--dry-run"]).succeeds();
    assert!(dry.contains("1 of 1 would be sent"), "{dry}");
    let refused = demo.run(["dead-letters", "redrive"]).fails(2);
    assert!(refused.contains("--all"), "{refused}");
    operator(&demo, "DELETE", "/api/v1/testing/faults", &Value::Null);
    let done = demo.run(["dead-letters", "redrive", "--cause", "on purpose"]).succeeds();
    assert!(done.contains("1 of 1 sent: 1 handled, 0 failed"), "{done}");
    let again = demo.run(["dead-letters", "redrive", id]);
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(again.out.contains("it is handled; only what is open can be sent through again"), "{again:?}");

    assert!(demo.run(["dead-letters", "purge"]).fails(2).contains("name dead letters"));
    let purged = demo.run(["dead-letters", "purge", "--topic", "broadcast-messages"]).succeeds();
    assert!(purged.contains("1 forgotten"), "{purged}");
    let left = parsed(&demo.run(["dead-letters", "list", "--json"]).succeeds());
    assert_eq!(left["items"], json!([]));
}
