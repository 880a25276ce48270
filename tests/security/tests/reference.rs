//! Every route answers as the reference says: generated from the reference itself, so that none is forgotten.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tidings_api::TokenClaims;
use tidings_model::{Clock as _, ManualClock, SystemClock};
use tidings_tests_security::{Answer, App};

const JSON: &str = "Content-Type: application/json";

/// A route as the reference names it.
struct Operation {
    method: String,
    path: String,
    declared: Value,
}

impl Operation {
    /// Its path, with an id of nobody in it.
    fn path(&self) -> String {
        let path = self.path.replace("{name}", "nothing").replace("{user}", "nobody");
        let path = path.replace("{message}", "nothing");
        let kinds =
            [("/broadcasts/", "brd"), ("/orders/", "ord"), ("/conversations/", "cnv"), ("/keys/", "key")];
        let id = match kinds.into_iter().find(|(of, _)| path.contains(of)) {
            Some((_, kind)) => format!("{kind}_{:026}", 0),
            None => "nothing".to_owned(),
        };
        path.replace("{id}", &id)
    }

    /// Its path, with every parameter that it must have.
    fn whole_path(&self) -> String {
        let parameters = self.declared["parameters"].as_array().into_iter().flatten();
        let needed =
            parameters.filter(|parameter| parameter["in"] == "query" && parameter["required"] == true);
        let names = needed.filter_map(|parameter| parameter["name"].as_str());
        names.fold(format!("{}?", self.path()), |path, name| path + name + "=nobody&")
    }

    fn has_parameter(&self, name: &str) -> bool {
        let parameters = self.declared["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
    }

    fn takes_json(&self) -> bool {
        self.declared["requestBody"]["content"]["application/json"].is_object()
    }

    fn is_anonymous(&self) -> bool {
        self.declared["security"][0].as_object().is_some_and(serde_json::Map::is_empty)
    }

    fn scope(&self) -> Option<&str> {
        self.declared["security"][0]["token"][0].as_str()
    }

    /// Streams do not end by themselves.
    fn is_a_stream(&self) -> bool {
        matches!(self.path.as_str(), "/api/v1/stream" | "/api/v1/ws")
    }

    /// Why an answer is none that the reference knows, if it is none.
    fn undocumented(&self, answer: &Answer) -> Option<String> {
        let status = answer.status.to_string();
        let told =
            || format!("{} {}: {status} {}", self.method, self.path, String::from_utf8_lossy(&answer.body));
        if answer.status >= 500 || self.declared["responses"][&status].is_null() {
            return Some(told());
        }
        if answer.status < 400 { None } else { answer.not_a_problem().map(|_why| told()) }
    }
}

async fn operations(app: &App) -> Vec<Operation> {
    let reference = app.admin_get("/api/v1/openapi.json", "").await.json();
    assert_eq!(reference["openapi"], "3.1.0");
    let mut operations = Vec::new();
    for (path, methods) in reference["paths"].as_object().expect("paths") {
        for (method, declared) in methods.as_object().expect("methods") {
            let (method, path, declared) = (method.to_uppercase(), path.clone(), declared.clone());
            operations.push(Operation { method, path, declared });
        }
    }
    assert!(operations.len() >= 25, "{}", operations.len());
    operations
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_reference_names_no_operators_route_and_knows_problems() {
    let app = App::start().await;
    let public = app.get("/api/v1/openapi.json", "").await.json();
    let paths = public["paths"].as_object().unwrap();
    assert!(paths.contains_key("/api/v1/broadcasts") && !paths.contains_key("/api/v1/topics"));
    assert!(public["components"]["schemas"]["Problem"]["properties"]["code"].is_object());
    assert_eq!(public["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    let mut ids: Vec<&str> = paths
        .values()
        .flat_map(|path| path.as_object().unwrap().values())
        .map(|operation| {
            assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{operation}");
            operation["operationId"].as_str().unwrap()
        })
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_whom_the_reference_names_and_nobody_else() {
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let app = App::start_at(Arc::<ManualClock>::clone(&clock), |_config| {}).await;
    let expired = app.sign(&TokenClaims { exp: 1_000_000_000, ..TokenClaims::of("alice") });
    let (id, revoked) = app.made(&json!({ "name": "r", "roles": ["admin"] })).await;
    assert_eq!(app.revoke(&id).await, 204);
    let end = clock.now().plus(Duration::from_secs(1));
    let (_, over) = app.made(&json!({ "name": "e", "roles": ["admin"], "expires_at": end })).await;
    clock.advance(Duration::from_secs(1));
    let (_, everything) = app.made(&json!({ "name": "a", "roles": ["admin"] })).await;
    let (_, other) = app.key(&["something:else"]).await;
    for operation in operations(&app).await {
        let call = async |token: &str| {
            app.admin_send(&operation.method, &operation.whole_path(), token, &[JSON], b"null").await
        };
        let name = format!("{} {}", operation.method, operation.path);
        if operation.is_anonymous() {
            let answer = call("").await;
            assert_eq!(answer.status, if operation.takes_json() { 400 } else { 200 }, "{name}");
            assert_eq!(operation.undocumented(&answer), None);
            continue;
        }
        if operation.path == "/api/v1/ws" {
            assert_eq!(call("").await.status, 426, "{name}");
            continue;
        }
        for token in ["", "a.b.c", &expired, &revoked, &over, "tdk_", &format!("{everything}x")] {
            let answer = call(token).await;
            assert_eq!((answer.status, answer.not_a_problem()), (401, None), "{name}");
        }
        let answer = call(&other).await;
        assert_eq!((answer.status, answer.not_a_problem()), (403, None), "{name}: a key without its scope");
        if operation.scope().is_none() {
            let answer = call(&everything).await;
            assert_eq!((answer.status, answer.not_a_problem()), (403, None), "{name}: a key among people");
        }
        if operation.is_a_stream() {
            continue;
        }
        if let Some(scope) = operation.scope() {
            let (_, key) = app.key(&[scope]).await;
            for (token, allowed) in [
                (app.user("alice"), false),
                (app.token("bob", Some(&["editor"]), Some("inbox:read")), false),
                (app.token("carol", Some(&[]), Some(scope)), true),
                (app.admin(), true),
                (key, true),
                (everything.clone(), true),
            ] {
                let answer = call(&token).await;
                assert_eq!(answer.status != 403, allowed, "{name}");
                assert_eq!(operation.undocumented(&answer), None);
            }
        } else {
            let answer = call(&app.user("alice")).await;
            assert!(answer.status != 401 && answer.status != 403, "{name}");
            assert_eq!(operation.undocumented(&answer), None);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_makes_a_route_answer_what_the_reference_does_not_know() {
    let app = App::start().await;
    let admin = app.admin();
    let deep = "[".repeat(10_000);
    let large = " ".repeat(2 << 20);
    let bodies = [
        "",
        "null",
        "[]",
        "\"\"",
        "true",
        "0",
        "-0",
        "1e400",
        "NaN",
        "9223372036854775808",
        "18446744073709551616",
        "{",
        "{}x",
        "{\"a\":1,\"a\":2}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud800\"}",
        "\u{feff}{}",
        "{\"content\":1.0}",
        &deep,
        &large,
    ];
    for operation in operations(&app).await.iter().filter(|operation| operation.takes_json()) {
        let path = operation.path();
        for body in bodies {
            let answer = app.admin_send(&operation.method, &path, &admin, &[JSON], body.as_bytes()).await;
            let shown: String = body.chars().take(40).collect();
            assert!((400..500).contains(&answer.status), "{shown} on {path}: {}", answer.status);
            assert_eq!(operation.undocumented(&answer), None, "{shown}");
        }
        for (headers, status) in [
            (&["Content-Type: text/plain"][..], 415),
            (&["Content-Type: application/json; charset=utf-16"], 415),
            (&[], 415),
            (&[JSON, "Content-Encoding: gzip"], 415),
        ] {
            let answer = app.admin_send(&operation.method, &path, &admin, headers, b"{}").await;
            assert_eq!(answer.status, status, "{headers:?} on {path}");
            assert_eq!(operation.undocumented(&answer), None);
        }
        let broken =
            app.admin_send(&operation.method, &path, &admin, &[JSON], b"{\"content\":\"\xc0\xaf\"}").await;
        assert_eq!(broken.status, 400, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_and_no_query_makes_a_route_answer_what_the_reference_does_not_know() {
    let app = App::start().await;
    let admin = app.admin();
    let segments = [
        "1e20",
        "..%2f..%2fetc%2fpasswd",
        "%252e%252e",
        "x;y=1",
        "BRD_1",
        "%00",
        "%F0%9F%92%A9",
        "'%20OR%201=1--",
    ];
    let many = "&a=1".repeat(2000);
    for operation in operations(&app).await.iter().filter(|operation| !operation.is_a_stream()) {
        let send = async |path: &str| app.admin_send(&operation.method, path, &admin, &[JSON], b"null").await;
        if operation.path.contains('{') {
            for segment in segments {
                let path = operation
                    .path
                    .replace("{id}", segment)
                    .replace("{name}", segment)
                    .replace("{user}", segment);
                assert_eq!(operation.undocumented(&send(&path).await), None, "{path}");
            }
        }
        let path = operation.path();
        for query in ["%00", "a=%FF&b=%c0%af", "&&==&", &many] {
            assert_eq!(operation.undocumented(&send(&format!("{path}?{query}")).await), None, "{query}");
        }
        for (name, values) in [
            ("limit", &["0", "-1", "1000000000", "x", "1&limit=2", "1.0", "%00"][..]),
            ("cursor", &["x", "%00", "bnVsbA", "WyJvdGhlciIsIDFd", "-1"]),
            ("status", &["nothing", "%00"]),
            ("state", &["nothing", "%00"]),
        ] {
            for value in values.iter().filter(|_| operation.has_parameter(name)) {
                // A topic that is missing is said to be so first.
                let answer = send(&format!("{path}?{name}={value}")).await;
                assert!([400, 404].contains(&answer.status), "{name}={value} on {path}: {}", answer.status);
                assert_eq!(operation.undocumented(&answer), None, "{name}={value}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_a_path_does_not_have_is_refused_with_those_it_has() {
    let app = App::start().await;
    let operations = operations(&app).await;
    let has = |method: &str, path: &str| {
        operations.iter().any(|operation| operation.method == method && operation.path == path)
    };
    for operation in &operations {
        for method in ["TRACE", "FOO", "PATCH"].into_iter().filter(|method| !has(method, &operation.path)) {
            let answer = app.admin_send(method, &operation.path(), &app.admin(), &[], b"").await;
            assert_eq!((answer.status, answer.not_a_problem()), (405, None), "{method} {}", operation.path);
            assert!(
                answer.header("allow").unwrap().contains(&operation.method),
                "{method} {}",
                operation.path
            );
        }
    }
}
