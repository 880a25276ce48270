//! The reference of the API: `OpenAPI` 3.1, written from the same declarations that serve the routes.

use std::{collections::BTreeSet, sync::Arc};

use axum::{Router, response::IntoResponse as _, routing::get};
use http::header;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema as _, openapi::OpenApi};

use crate::{
    example::{Side, example},
    page,
    problem::{Code, FieldError, Outcome, Problem, ProblemBody},
    rates,
};

/// Where the reference is served.
pub const REFERENCE_PATH: &str = "/api/v1/openapi.json";
/// Where the reference of streams and topics is served.
pub const SPOKEN_PATH: &str = "/api/v1/asyncapi.json";

/// Serves the reference of these routes beside them, that of streams and topics, and the page that shows both to people.
/// Whoever has no token may read them.
pub fn with_reference(routes: Router, declared: &OpenApi, spoken: &Value) -> Router {
    let served = |file: &Value| {
        let text: Arc<str> = file.to_string().into();
        get(async move || ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response())
    };
    let routes = routes.route(REFERENCE_PATH, served(&reference(declared)));
    routes.route(SPOKEN_PATH, served(spoken)).merge(page::routes())
}

/// What the paths of each tag are about.
const TAGS: [(&str, &str); 11] = [
    ("broadcasts", "One message to everybody, to roles, to groups, or to people; and who got it."),
    ("messages", "What an application says under types of its own."),
    ("inbox", "What was said to you, and what you did with it."),
    ("stream", "Listening: server-sent events and WebSocket, tickets and receipts."),
    ("chat", "Conversations of two and of many."),
    ("orders", "Published, acknowledged, processed, told to who ordered."),
    ("community", "People who sign up, follow each other and post; announcements."),
    ("directory", "Who there is: people, their roles, groups and channels."),
    ("ingest", "The ways in that the settings name: from HTTP to a topic."),
    ("operators", "What runs, what lies in the log, who got what. On the admin listener alone."),
    ("testing", "Failures on purpose, where `testing.faults` is set."),
];

/// What a path's parameter is, where its declaration does not say it: the path's beginning, the name, and an example.
const SEGMENTS: [(&str, &str, &str, &str); 16] = [
    ("/api/v1/broadcasts/", "id", "The broadcast.", "brd_01k3x9qk3m8v6t2n4p5r7s9w0y"),
    ("/api/v1/orders/", "id", "The order.", "ord_01k3x9qk3m8v6t2n4p5r7s9w0y"),
    ("/api/v1/conversations/", "id", "The conversation.", "cnv_01k3x9qk3m8v6t2n4p5r7s9w0y"),
    ("/api/v1/posts/", "id", "The post.", "pst_01k3x9qk3m8v6t2n4p5r7s9w0y"),
    ("/api/v1/users/", "id", "The person.", "ada"),
    ("/api/v1/directory/users/", "id", "The person.", "ada"),
    ("/api/v1/sessions/", "id", "The session.", "phone"),
    ("/api/v1/keys/", "id", "The key.", "key_01k3x9qk3m8v6t2n4p5r7s9w0y"),
    ("/api/v1/consumer-groups/", "id", "The group.", "broadcast-service-group"),
    ("/api/v1/audiences/", "name", "The list.", "canteen"),
    ("/api/v1/channels/", "name", "The channel, without `app:`.", "canteen"),
    ("/api/v1/topics/", "name", "The topic, as the log has it.", "broadcast-messages"),
    ("/api/v1/journeys/", "id", "What was said.", "brd_01k3x9qk3m8v6t2n4p5r7s9w0y"),
    ("", "message", "The message.", "msg_01k3x9qk3m8v6t2n4p5r7s9w0y"),
    ("", "user", "The person.", "ada"),
    ("", "id", "Its id.", "ntf_01k3x9qk3m8v6t2n4p5r7s9w0y"),
];

/// The trace that a problem names in examples.
const TRACE: &str = "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736";

/// The reference: what was declared, and with it the problems that every route of its kind may answer, and examples.
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
    let of_problems = [
        ("Problem", ProblemBody::schema()),
        ("FieldError", FieldError::schema()),
        ("Outcome", Outcome::schema()),
    ];
    for (name, schema) in of_problems {
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
    let problem = &mut file["components"]["schemas"]["Problem"];
    problem["properties"]["code"]["enum"] = Code::ALL.map(Code::as_str).as_slice().into();
    problem["examples"] =
        Code::ALL.map(|code| json!(Problem::new(code, code.title()).at(TRACE).body())).as_slice().into();
    let schemas = file["components"]["schemas"].clone();
    let mut tags: BTreeSet<String> = BTreeSet::new();
    let paths = file["paths"].as_object_mut().into_iter().flatten();
    for (path, operations) in paths {
        let measured = rates::are_measured(path);
        for operation in
            operations.as_object_mut().into_iter().flatten().filter_map(|(_, one)| one.as_object_mut())
        {
            tags.extend(operation.get("tags").and_then(|tags| tags[0].as_str()).map(str::to_owned));
            complete(operation, measured);
            exemplify(path, operation, &schemas);
        }
    }
    let tags = TAGS.iter().filter(|(name, _)| tags.contains(*name));
    file["tags"] = tags.map(|(name, about)| json!({ "name": name, "description": about })).collect();
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
    for (status, response) in responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5'])) {
        let code =
            Code::ALL.into_iter().find(|code| code.status().as_str() == status).unwrap_or(Code::Internal);
        let detail = response["description"].as_str().unwrap_or_default().to_owned();
        let example = json!(Problem::new(code, detail).at(TRACE).body());
        response["content"] = json!({ "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" }, "example": example,
        } });
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

/// Gives an operation examples: of what its path has, of its body, of each answer.
fn exemplify(path: &str, operation: &mut Map<String, Value>, schemas: &Value) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten();
    for parameter in parameters.filter(|parameter| parameter["in"] == "path") {
        let known = SEGMENTS.iter().find(|(of, name, ..)| path.starts_with(of) && parameter["name"] == *name);
        let (Some((.., about, example)), Some(parameter)) = (known, parameter.as_object_mut()) else {
            continue;
        };
        parameter.entry("description").or_insert_with(|| (*about).into());
        parameter.entry("example").or_insert_with(|| (*example).into());
    }
    if let Some(body) = operation.get_mut("requestBody") {
        fill(body, schemas, Side::Asked);
    }
    let responses = operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flatten();
    for (_, response) in responses {
        if let Some(response) = response.as_object_mut() {
            response.entry("description").or_insert_with(|| "what was asked for".into());
        }
        fill(response, schemas, Side::Answered);
    }
}

/// Puts an example beside each schema that has none.
fn fill(bodies: &mut Value, schemas: &Value, side: Side) {
    let media = bodies.get_mut("content").and_then(Value::as_object_mut).into_iter().flatten();
    for (_, body) in media.filter(|(media, _)| media.ends_with("json")) {
        if body.get("example").is_none() && body.get("examples").is_none() {
            body["example"] = example(&body["schema"], schemas, side);
        }
    }
}
