//! Nobody comes in with a token that is not theirs, and everybody with one that is, whoever issued it.

use std::{sync::Arc, time::Duration};

use tidings_api::TokenClaims;
use tidings_model::{Clock, ManualClock, SystemClock};
use tidings_tests_security::{App, Issuer, KeyServer, forgeries};

const REST: &str = "/api/v1/inbox/unread-count";
const IN: u16 = 200;
/// What makes a request a WebSocket handshake.
pub(crate) const HANDSHAKE: [&str; 4] = [
    "Upgrade: websocket",
    "Connection: upgrade, close",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

fn claims(sub: &str) -> TokenClaims {
    let now = SystemClock.now().millis() / 1000;
    TokenClaims { exp: now + 3600, iat: Some(now), ..TokenClaims::of(sub) }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_forgery_comes_in_anywhere() {
    let app = App::start_with(|config| {
        config.auth.issuer = Some("tidings".to_owned());
        config.auth.audience = Some("tidings".to_owned());
    })
    .await;
    let now = SystemClock.now().millis() / 1000;
    let public_pem = Issuer::rs256("k").public_pem;
    let (good, forged) = forgeries(app.secret(), now, public_pem.as_bytes());
    assert_eq!(forged.len(), 35);
    assert_eq!(app.get(REST, &good).await.status, IN);
    for (name, token) in &forged {
        for (path, headers) in [(REST, &[][..]), ("/api/v1/stream", &[]), ("/api/v1/ws", &HANDSHAKE)] {
            let answer = app.send("GET", path, token, headers, b"").await;
            assert_eq!((answer.status, answer.not_a_problem()), (401, None), "{name} on {path}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{name} on {path}");
            assert!(!String::from_utf8_lossy(&answer.body).contains(token.as_str()), "{name} comes back");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_in_a_file_fixes_the_algorithm() {
    for issuer in [Issuer::rs256("a"), Issuer::es256("b"), Issuer::eddsa("c")] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        std::fs::write(&file, &issuer.public_pem).unwrap();
        let app = App::start_with(|config| {
            config.auth.hs256_secret = None;
            config.auth.public_key_file = Some(file.display().to_string());
        })
        .await;
        assert_eq!(app.get(REST, &issuer.token(&claims("alice"))).await.status, IN, "{issuer:?}");
        let (_good, forged) =
            forgeries(&issuer.public_pem, claims("x").exp - 3600, issuer.public_pem.as_bytes());
        for (name, token) in forged {
            assert_eq!(app.get(REST, &token).await.status, 401, "{name} for {issuer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_set_are_rotated_while_the_server_runs() {
    let (old, new) = (Issuer::es256("2025"), Issuer::rs256("2026"));
    let keys = KeyServer::start(&[&old]);
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let url = keys.url.clone();
    let app = App::start_at(Arc::<ManualClock>::clone(&clock), |config| {
        config.auth.hs256_secret = None;
        config.auth.jwks_url = Some(url);
    })
    .await;
    assert_eq!(app.get(REST, &old.token(&claims("alice"))).await.status, IN);
    assert_eq!(app.get(REST, &new.token(&claims("alice"))).await.status, 401);

    keys.rotate(&[&old, &new]);
    clock.advance(Duration::from_secs(11));
    assert_eq!(
        app.get(REST, &new.token(&claims("alice"))).await.status,
        IN,
        "a new key is fetched when it is met"
    );
    assert_eq!(
        app.get(REST, &old.token(&claims("alice"))).await.status,
        IN,
        "the old key holds until its end"
    );

    keys.rotate(&[&new]);
    clock.advance(Duration::from_mins(11));
    assert_eq!(app.get(REST, &new.token(&claims("alice"))).await.status, IN);
    assert_eq!(app.get(REST, &old.token(&claims("alice"))).await.status, 401, "a key that was taken back");

    let asked = keys.asked();
    for _ in 0..20 {
        assert_eq!(app.get(REST, &old.token(&claims("alice"))).await.status, 401);
    }
    assert!(keys.asked() <= asked + 1, "unknown keys do not make the server ask each time");
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_are_not_trusted_give_nothing() {
    let app = App::start_with(|config| config.auth.trust_claims = false).await;
    assert_eq!(app.get("/api/v1/broadcasts", &app.token("eve", Some(&["admin"]), None)).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_key_does_not_start_and_says_what_to_do() {
    let refused = App::refused(|config| config.auth.hs256_secret = None).await;
    assert!(refused.contains("TIDINGS_AUTH__HS256_SECRET"), "{refused}");
    let refused = App::refused(|config| config.auth.hs256_secret = Some("short".to_owned())).await;
    assert!(refused.contains("at least 32") && !refused.contains("short"), "{refused}");
    let refused = App::refused(|config| {
        config.auth.hs256_secret = None;
        config.auth.jwks_url = Some("http://192.0.2.1/keys".to_owned());
    })
    .await;
    assert!(refused.contains("https"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_may_differ_by_a_minute_and_no_more() {
    let now = SystemClock.now();
    let app = App::start_at(Arc::new(ManualClock::at(now)), |_config| {}).await;
    let seconds = now.millis() / 1000;
    let with = |exp: i64, nbf: Option<i64>| {
        app.sign(&TokenClaims {
            exp: seconds + exp,
            nbf: nbf.map(|nbf| seconds + nbf),
            ..TokenClaims::of("alice")
        })
    };
    for (exp, nbf, status) in [(-50, None, IN), (-61, None, 401), (60, Some(50), IN), (60, Some(62), 401)] {
        assert_eq!(app.get(REST, &with(exp, nbf)).await.status, status, "exp {exp}, nbf {nbf:?}");
    }
    let day = 24 * 3600;
    assert_eq!(app.get(REST, &with(day, None)).await.status, IN);
    assert_eq!(app.get(REST, &with(day + 120, None)).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_replaces_the_directorys_word_and_an_absent_one_leaves_it() {
    let app = App::start().await;
    let root = app.admin();
    let people = "{\"user_id\":\"ada\",\"roles\":[\"admin\"]}\n{\"user_id\":\"bob\",\"roles\":[\"admin\"]}\n";
    let ndjson = ["Content-Type: application/x-ndjson"];
    let put = app.send("PUT", "/api/v1/directory/users", &root, &ndjson, people.as_bytes()).await;
    assert_eq!(put.status, 200);
    let list = "/api/v1/broadcasts";
    assert_eq!(app.get(list, &app.user("ada")).await.status, 200, "the directory makes her an administrator");
    assert_eq!(
        app.get(list, &app.token("ada", Some(&[]), None)).await.status,
        403,
        "an empty claim takes it away"
    );
    assert_eq!(app.get(list, &app.token("eve", Some(&["admin"]), None)).await.status, 200);
    assert_eq!(app.get(list, &app.user("eve")).await.status, 403);
}
