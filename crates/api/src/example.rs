//! Examples for the reference: each is made of its schema, so that it is one.
//!
//! What a field says of itself comes first. Where it says nothing, its name does: one word means one thing here, so the
//! same name has the same example everywhere.

use serde_json::{Map, Value, json};

/// The deepest nesting that is followed.
const MAX_DEPTH: usize = 16;
/// When everything happens.
const AT: &str = "2026-01-31T09:30:00.000Z";
/// The random part of ids.
const ID: &str = "01k3x9qk3m8v6t2n4p5r7s9w0y";

/// Whose example it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Of a request: what must be there, and what has an example of its own.
    Asked,
    /// Of an answer: everything.
    Answered,
}

/// Makes an example of a schema; `schemas` are those that it may name.
pub(crate) fn example(schema: &Value, schemas: &Value, side: Side) -> Value {
    of("", schema, schemas, side, 0)
}

fn of(name: &str, schema: &Value, schemas: &Value, side: Side, depth: usize) -> Value {
    if depth == MAX_DEPTH {
        return Value::Null;
    }
    let inner = |name: &str, schema: &Value| of(name, schema, schemas, side, depth + 1);
    if let Some(known) = said(schema) {
        return known;
    }
    if let Some(meant) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return inner(name, &schemas[meant]);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let fields = parts.iter().filter_map(|part| match inner(name, part) {
            Value::Object(fields) => Some(fields),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        });
        return Value::Object(fields.flatten().collect());
    }
    if let Some(one) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let some = one.iter().find(|schema| schema["type"] != "null");
        return some.map_or(Value::Null, |some| inner(name, some));
    }
    let kinds = schema["type"].as_array().map_or(std::slice::from_ref(&schema["type"]), Vec::as_slice);
    let kind = kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null");
    match kind {
        Some("object") => Value::Object(object(schema, inner, side)),
        Some("array") => json!([inner(name, &schema["items"])]),
        Some("string") => text(name, schema),
        Some("boolean") => (name == "recovered" || name == "online").into(),
        Some("integer") => number(name).max(schema["minimum"].as_u64().unwrap_or(0)).into(),
        Some("number") => json!(1.5),
        Some(_) | None => json!({ "floor": 3 }),
    }
}

/// What a schema itself says that a value may be.
fn said(schema: &Value) -> Option<Value> {
    let first = |key: &str| schema[key].get(0).cloned();
    schema
        .get("example")
        .cloned()
        .or_else(|| first("examples"))
        .or_else(|| schema.get("const").cloned())
        .or_else(|| first("enum"))
}

fn object(schema: &Value, inner: impl Fn(&str, &Value) -> Value, side: Side) -> Map<String, Value> {
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|all| all.iter().any(|required| required == name))
    };
    let fields = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Map<String, Value> = fields
        .filter(|(name, field)| side == Side::Answered || required(name) || said(field).is_some())
        .map(|(name, field)| (name.clone(), inner(name, field)))
        .collect();
    if schema["additionalProperties"].is_object() {
        fields.insert("billing".to_owned(), inner("", &schema["additionalProperties"]));
    }
    fields
}

fn text(name: &str, schema: &Value) -> Value {
    if schema["format"] == "date-time" {
        return AT.into();
    }
    let id = |kind: &str| format!("{kind}_{ID}");
    let text = match name {
        "user_id" | "customer_id" | "author_id" | "followee_id" | "username" | "who" | "key" => "ada",
        "sender_id" | "follower_id" => "bob",
        "member" | "members" | "ids" | "users" | "sample" | "people" => "carol",
        "display_name" | "customer_name" => "Ada Lovelace",
        "coffee_type" => "Flat white",
        "password" => "correct horse battery",
        "title" => "Canteen",
        "content" | "excerpt" => "The canteen closes at two today.",
        "message_id" | "up_to" | "first_unread" => return id("msg").into(),
        "broadcast_id" => return id("brd").into(),
        "conversation_id" => return id("cnv").into(),
        "order_id" => return id("ord").into(),
        "post_id" => return id("pst").into(),
        "session_id" | "session" => "phone",
        "event_id" => return id("evt").into(),
        "id" | "item_id" => return id("ntf").into(),
        "category" | "muted_categories" | "name" => "canteen",
        "action_url" => "/canteen",
        "channel" | "to" | "any" | "channels" => "role:editor",
        "not" | "none" => "group:guests",
        "roles" | "role" => "editor",
        "groups" => "building-3",
        "topic" => "broadcast-messages",
        "group" => "broadcast-service-group",
        "handler" => "broadcast-group",
        "cursor" | "next_cursor" => "3kq7v2m9x1.1042",
        "ticket" => "qN3vZx7T0mJ5",
        "token" => "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl",
        "pointer" => "/content",
        "detail" | "reason" | "cause" | "error" | "why" => "must say something",
        "priority" => "normal",
        "time_zone" => "Europe/Berlin",
        "start" => "22:00",
        "end" => "07:00",
        "client_id" => "1",
        "type" | "frame_type" | "event_type" => "broadcast.created",
        "kind" => "broadcast",
        "value" => "{\"number\":7}",
        "warnings" => "the directory does not know `dave`",
        "node" | "instance" | "member_id" | "host" | "owner" | "holder" => "node-1",
        "list_id" => return id("lst").into(),
        "unknown" | "member_ids" => "dave",
        "causes" => "the record has no value",
        "headers" => "ce_type",
        "time" | "since" | "until" => AT,
        "state" => "delivered",
        "step" => "create",
        "place" => "broadcast-messages/3@1042",
        "summary" => "ada has it since 09:30.",
        "subject" => "brd_01k3x9qk3m8v6t2n4p5r7s9w0y",
        "from" => "127.0.0.1",
        // The values of a map have no name.
        "" => "ok",
        "trace_parent" | "traceparent" => "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "transport" => "sse",
        _unknown => "text",
    };
    text.into()
}

fn number(name: &str) -> u64 {
    match name {
        "offset" | "place" | "next_offset" | "end_offset" => 1042,
        "status" => 200,
        "partition" | "failed" | "refused" => 0,
        "heartbeat_secs" => 15,
        "limit" => 50,
        _count => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_schema_says_comes_first_then_its_name_and_a_request_has_what_it_must() {
        let schemas = json!({ "Inner": {
            "type": "object", "required": ["user_id"],
            "properties": {
                "user_id": { "type": "string" }, "at": { "type": ["string", "null"], "format": "date-time" },
                "note": { "type": "string", "example": "x" },
            },
        } });
        let schema = json!({ "type": "array", "items": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Inner" }] } });
        assert_eq!(example(&schema, &schemas, Side::Asked), json!([{ "user_id": "ada", "note": "x" }]));
        let whole = json!([{ "user_id": "ada", "at": AT, "note": "x" }]);
        assert_eq!(example(&schema, &schemas, Side::Answered), whole);
        let endless = json!({ "Self": { "type": "object", "properties": { "inner": { "$ref": "#/components/schemas/Self" } } } });
        assert!(example(&endless["Self"], &endless, Side::Answered).is_object());
    }
}
