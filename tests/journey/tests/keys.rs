//! A service with a key of its own says something, and people have it.

use serde_json::json;
use tidings_client::{Client, ClientError, ListenOptions, Transport};
use tidings_testkit::{LIMIT, TestApp, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_says_something_with_its_key_until_that_is_revoked() {
    Box::pin(until_it_is_revoked()).await;
}

async fn until_it_is_revoked() {
    let mut app = TestApp::start().await;
    let bob = app.person("bob");
    let mut phone = bob.device("phone").await;
    let asked = json!({ "name": "billing", "scopes": ["message:write"] });
    let made = app.operator().post("/keys", asked).await;
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    let (id, key) = (text("id"), text("key"));
    let service = |app: &TestApp| Client::new(&app.url(), Some(&key)).expect("an address");
    let said =
        json!({ "to": ["user:bob"], "type": "invoice.paid", "title": "Invoice 42", "content": "is paid" });

    let answer = service(&app).post("/api/v1/messages", &said).await.expect("an answer");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(phone.event().await.0, "invoice.paid");
    let inbox = eventually("it lies in his inbox", || async {
        let page = bob.get("/inbox").await;
        (page["items"] != json!([])).then_some(page)
    })
    .await;
    assert_eq!(inbox["items"][0]["title"], "Invoice 42");
    let own = service(&app).get("/api/v1/inbox").await.expect("an answer");
    assert_eq!(own.status, 403, "it has no inbox");
    let refused = service(&app).listen(&ListenOptions::default()).await.expect_err("it has no stream");
    assert!(matches!(&refused, ClientError::Refused(refusal) if refusal.status == 403), "{refused}");
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut socket = service(&app).listen(&options).await.expect("a socket on which nothing was said yet");
    let ended = async {
        loop {
            if let Err(end) = socket.next().await {
                return end;
            }
        }
    };
    let end = tokio::time::timeout(LIMIT, ended).await.expect("an end in time");
    assert!(matches!(end, ClientError::Closed { code: 3501, .. }), "{end}");

    app.stop().await;
    app.resume().await;
    let listed = app.operator().get("/keys").await;
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["state"]), (&json!(id), &json!("valid")));
    assert!(listed["items"][0]["last_used_at"].is_string(), "{listed}");
    let revoked = app.operator().client.delete(&format!("/api/v1/keys/{id}")).await.expect("an answer");
    assert_eq!(revoked.status, 204);
    eventually("who has the revoked key is refused", || async {
        let answer = service(&app).post("/api/v1/messages", &said).await.expect("an answer");
        (answer.status == 401).then_some(())
    })
    .await;
}

// A fault is the whole process's, so this runs alone: `make nightly` asks for it by name.
#[cfg(feature = "planted-bugs")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "its fault is the whole process's; make nightly runs it alone"]
#[should_panic(expected = "who has the revoked key is refused")]
async fn a_planted_key_that_holds_for_ever_is_noticed() {
    tidings_model::planted::choose("revoked_keys_hold");
    Box::pin(until_it_is_revoked()).await;
}
