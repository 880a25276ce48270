//! The reference of the API: `OpenAPI` 3.1, written from the same declarations that serve the routes.

use axum::{Router, response::IntoResponse, routing::get};
use http::header;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema as _, openapi::OpenApi};

use crate::{
    problem::{FieldError, ProblemBody},
    rates,
};

/// Where the reference is served.
pub const REFERENCE_PATH: &str = "/api/v1/openapi.json";

/// Serves the reference of these routes beside them. Whoever has no token may read it.
pub fn with_reference(routes: Router, declared: &OpenApi) -> Router {
    let text = reference(declared).to_string();
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], text).into_response() };
    routes.route(REFERENCE_PATH, get(answer))
}

/// The reference: what was declared, and with it the problems that every route of its kind may answer.
fn reference(declared: &OpenApi) -> Value {
    let mut file = serde_json::to_value(declared).unwrap_or_default();
    file["openapi"] = json!("3.1.0");
    file["info"] = json!({
        "title": "Tidings",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Carries a message to an audience, and can prove who got it.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    file["components"]["securitySchemes"] = json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "The JWT of a person, or on routes that name a scope a service key (`tdk_…`).",
        },
    });
    for (name, schema) in [("Problem", ProblemBody::schema()), ("FieldError", FieldError::schema())] {
        file["components"]["schemas"][name] = serde_json::to_value(schema).unwrap_or_default();
    }
    file["components"]["headers"] = json!({
        "RateLimit": {
            "description": "What is left of each policy: `r` of its quota, `t` seconds until all of it is back, or the next one where nothing is left.",
            "schema": { "type": "string" }, "example": "\"requests\";r=99;t=1",
        },
        "RateLimit-Policy": {
            "description": "How much may be asked: a quota of `q`, which comes back within `w` seconds.",
            "schema": { "type": "string" }, "example": "\"requests\";q=100;w=2",
        },
        "Retry-After": { "description": "Seconds to wait.", "schema": { "type": "integer" } },
    });
    for (path, operations) in file["paths"].as_object_mut().into_iter().flatten() {
        let measured = rates::are_measured(path);
        for (_, operation) in operations.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete(operation, measured);
            }
        }
    }
    file
}

/// Adds what follows from an operation's shape: who may call it, and which problems it may answer.
fn complete(operation: &mut Map<String, Value>, measured: bool) {
    let security = operation.entry("security").or_insert_with(|| json!([{ "token": [] }])).clone();
    let anonymous = security[0].as_object().is_none_or(Map::is_empty);
    let given = |place: &str| {
        let parameters = operation.get("parameters").and_then(Value::as_array);
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter["in"] == place))
    };
    let body = operation.contains_key("requestBody");
    let problems = [
        ("400", body || given("query"), "the request is not as documented"),
        ("401", !anonymous, "no token, or one that does not hold"),
        ("403", !anonymous, "the token does not allow this"),
        ("404", given("path"), "missing, or somebody else's"),
        ("413", body, "the body is too large"),
        ("415", body, "the body is not of this media type"),
        ("429", measured, "too much of it; wait as long as `Retry-After` says"),
        ("500", !anonymous || body, "our fault"),
        ("503", !anonymous || body, "something that is needed is away; try again soon"),
    ];
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for (status, applies, description) in problems {
        if applies {
            responses.entry(status).or_insert_with(|| json!({ "description": description }));
        }
    }
    let content =
        json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        response["content"] = content.clone();
    }
    let header = |name: &str| json!({ "$ref": format!("#/components/headers/{name}") });
    for (status, response) in responses.iter_mut().filter(|_| measured) {
        for name in ["RateLimit", "RateLimit-Policy"] {
            response["headers"][name] = header(name);
        }
        if status == "429" {
            response["headers"]["Retry-After"] = header("Retry-After");
        }
    }
}
