//! The references are whole: everything in them says what it is and has an example that is as its schema says; and the
//! page that shows them loads nothing from anywhere else.

use serde_json::{Value, json};
use tidings_tests_security::App;

/// What is wrong with an example.
fn wrong(example: &Value, schema: &Value, components: &Value) -> Option<String> {
    let whole = json!({ "allOf": [schema], "components": components });
    let validator = jsonschema::validator_for(&whole).expect("a schema");
    let errors: Vec<String> =
        validator.iter_errors(example).map(|error| format!("{} {error}", error.instance_path())).collect();
    (!errors.is_empty()).then(|| format!("{errors:?}"))
}

/// Whether something in it is no more than a text, because neither its schema nor its name says anything.
fn says_nothing(example: &Value) -> bool {
    match example {
        Value::Object(fields) => fields.values().any(says_nothing),
        Value::Array(items) => items.iter().any(says_nothing),
        Value::String(text) => text == "text",
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// All that is missing in the bodies of a request or an answer.
fn missing(bodies: &Value, components: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    for (media, body) in bodies["content"].as_object().into_iter().flatten() {
        let example = &body["example"];
        if example.is_null() {
            missing.push(format!("no example of {media}"));
        } else if says_nothing(example) {
            missing.push(format!("the example of {media} says nothing: {example}"));
        } else if let Some(wrong) = wrong(example, &body["schema"], components) {
            missing.push(format!("the example of {media}: {wrong}"));
        }
    }
    missing
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_says_what_it_does_and_shows_each_body_by_an_example() {
    let app = App::start().await;
    let public = app.get("/api/v1/openapi.json", "").await.json();
    let admin = app.admin_get("/api/v1/openapi.json", "").await.json();
    let mut missing_in_all = Vec::new();
    for reference in [public, admin] {
        let components = &reference["components"];
        for (path, operations) in reference["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let mut lacks = missing(&operation["requestBody"], components);
                let tag = &operation["tags"][0];
                if operation["summary"].as_str().is_none_or(|summary| summary.len() < 5) {
                    lacks.push("a summary".to_owned());
                }
                let known = reference["tags"].as_array().expect("tags");
                if !known.iter().any(|known| known["name"] == *tag && known["description"].is_string()) {
                    lacks.push(format!("the tag {tag} is not described"));
                }
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let (name, schema) = (&parameter["name"], &parameter["schema"]);
                    if parameter["description"].as_str().is_none_or(str::is_empty) {
                        lacks.push(format!("what {name} is"));
                    }
                    if parameter["in"] == "path" && wrong(&parameter["example"], schema, components).is_some()
                    {
                        lacks.push(format!("an example of {name}"));
                    }
                }
                let responses = operation["responses"].as_object().expect("responses");
                for (status, response) in responses {
                    lacks.extend(missing(response, components));
                    if response["description"].as_str().is_none_or(str::is_empty) {
                        lacks.push(format!("what {status} means"));
                    }
                    let empty = ["101", "204"].contains(&status.as_str());
                    if response["content"].is_object() == empty {
                        lacks.push(format!("the body of {status}"));
                    }
                }
                if !responses.keys().any(|status| status.starts_with(['1', '2'])) {
                    lacks.push("an answer that is no problem".to_owned());
                }
                missing_in_all.extend(lacks.into_iter().map(|lack| format!("{method} {path}: {lack}")));
            }
        }
        for example in components["schemas"]["Problem"]["examples"].as_array().expect("examples") {
            assert_eq!(wrong(example, &components["schemas"]["Problem"], components), None);
        }
    }
    assert!(missing_in_all.is_empty(), "{missing_in_all:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_served_on_both_listeners_and_loads_nothing_from_anywhere_else() {
    let app = App::start().await;
    for path in ["/docs", "/docs/page.css", "/docs/page.js"] {
        for answer in [app.get(path, "").await, app.admin_get(path, "").await] {
            assert_eq!(answer.status, 200, "{path}");
            let policy = answer.header("content-security-policy").expect("a policy");
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe"), "{policy}");
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            for elsewhere in ["http://", "https://", "//cdn", "innerHTML", "eval(", "style=", " onclick"] {
                assert!(!text.contains(elsewhere), "{path} has {elsewhere}");
            }
            assert!(!text.contains("<script>") && !text.contains("<style"), "{path} has something inline");
        }
    }
    // What problems name is there.
    let refused = app.get("/api/v1/broadcasts", "").await.json();
    assert_eq!(refused["type"], "/docs#unauthorized");
    let reference = app.get("/api/v1/openapi.json", "").await.json();
    let problems = reference["components"]["schemas"]["Problem"]["examples"].as_array().expect("examples");
    assert!(problems.iter().any(|problem| problem["type"] == refused["type"]), "{problems:?}");
}
