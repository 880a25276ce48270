//! What the server says that it says, as a judge of what it says: each frame that a device is shown must be as the
//! reference of streams has it, and nothing in it may be missing there.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};
use tidings_client::{Client, Frame};
use tokio::sync::OnceCell;

/// Where the reference is.
pub const REFERENCE: &str = "/api/v1/asyncapi.json";
/// What frames are called here whose types callers make up.
const MADE_UP: &str = "made-up";

/// The documented messages.
#[derive(Debug)]
pub struct Words {
    messages: BTreeMap<String, Validator>,
    reference: Value,
}

impl Words {
    /// Reads a reference.
    pub fn of(reference: Value) -> Self {
        let schemas = &reference["components"]["schemas"];
        let messages = reference["components"]["messages"].as_object().unwrap();
        let messages = messages.iter().map(|(key, message)| {
            let mut schema = json!({ "allOf": [message["payload"]], "components": { "schemas": schemas } });
            close(&mut schema);
            (key.clone(), jsonschema::validator_for(&schema).unwrap())
        });
        Self { messages: messages.collect(), reference }
    }

    /// What a client's server says; asked once, for all servers of a process say the same.
    pub(crate) async fn known(client: &Client) -> &'static Self {
        static WORDS: OnceCell<Words> = OnceCell::const_new();
        let ask = || async {
            let answer = client.get(REFERENCE).await.unwrap();
            Self::of(answer.json().unwrap())
        };
        WORDS.get_or_init(ask).await
    }

    /// The reference itself.
    pub fn reference(&self) -> &Value {
        &self.reference
    }

    /// Whether a message is documented.
    pub fn has(&self, key: &str) -> bool {
        self.messages.contains_key(key)
    }

    /// Panics where something is not as the message of this name.
    #[track_caller]
    pub fn check(&self, key: &str, value: &Value) {
        let message = self.messages.get(key).unwrap_or_else(|| panic!("`{key}` is not documented: {value}"));
        let errors: Vec<String> =
            message.iter_errors(value).map(|error| format!("{} {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "`{key}` is not as documented: {value}: {errors:#?}");
    }

    /// Panics where a frame is not as documented.
    pub(crate) fn judge(&self, frame: &Frame) {
        match frame {
            Frame::Ready(ready) => self.check("ready", &without_null(json!(ready), "reason")),
            Frame::Event { event, .. } => {
                let key = if self.has(&event.event_type) { event.event_type.as_str() } else { MADE_UP };
                self.check(key, &json!(event));
            }
            Frame::Signal(signal) => self.check(&signal.signal_type, &json!(signal)),
            Frame::Cursor { cursor } => self.check("cursor", &json!({ "cursor": cursor })),
            Frame::Digest(digest) => self.check("digest", &json!(digest)),
            Frame::TokenExpiring { expires_at } => {
                self.check("token.expiring", &json!({ "expires_at": expires_at }));
            }
            Frame::Shutdown { reconnect_ms } => {
                self.check("shutdown", &json!({ "reconnect_ms": reconnect_ms }));
            }
            Frame::Reply(reply) => {
                if let Err(problem) = &reply.outcome {
                    let said = json!({ "type": "error", "ref": reply.reference, "problem": problem });
                    self.check("error", &said);
                }
            }
            Frame::Unknown { frame_type } => panic!("`{frame_type}` is not documented"),
        }
    }
}

/// A frame as it came: the client keeps a place for what was left out.
fn without_null(mut value: Value, field: &str) -> Value {
    if let Some(fields) = value.as_object_mut().filter(|fields| fields[field].is_null()) {
        fields.remove(field);
    }
    value
}

/// Forbids what a schema does not name, wherever it names anything.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let whole = fields.contains_key("allOf");
            if whole && !fields.contains_key("components") {
                fields.insert("unevaluatedProperties".to_owned(), false.into());
            } else if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            for (name, inner) in fields.iter_mut() {
                // The parts of a whole name only what is theirs.
                match inner.as_array_mut().filter(|_| name == "allOf" && whole) {
                    Some(parts) if parts.len() > 1 => {
                        parts.iter_mut().filter_map(|part| part.get_mut("properties")).for_each(close);
                    }
                    Some(_) | None => close(inner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
