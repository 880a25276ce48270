//! The reference of streams and topics: `AsyncAPI` 3, written from what features, delivery and gateway say of their words.

mod headers;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tidings_api::{Code, Problem, ProblemBody, Spoken, SpokenCommand, SpokenFrame, SpokenRecord};
use tidings_log::{Durability, TopicConfig};
use tidings_model::{Kind, Timestamp};

use crate::words::{SpokenTopic, Words};
use headers::{given_up, headers, meaning, shown};

/// The longest `ref` of a command.
const REFERENCE_BYTES: usize = 64;
/// What an example of a record has for its event's id and time.
const EVENT: &str = "evt_01k3x9qk3m8v6t2n4p5r7s9w0y";
const AT: Timestamp = Timestamp(1_769_851_800_000);
/// What an example has for a cursor.
const CURSOR: &str = "3kq7v2m9x1.1042";

/// The reference while it is written.
#[derive(Default)]
struct Page {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
}

impl Words {
    /// The reference for everybody, and that for operators, which also has what is internal and what the settings name.
    pub(crate) fn references(&self) -> (Value, Value) {
        (self.reference(false), self.reference(true))
    }

    fn reference(&self, operators: bool) -> Value {
        let mut page = Page::default();
        self.streams(&mut page, operators);
        for topic in &self.topics {
            let of = topic.dead_letters_of.as_ref().unwrap_or(&topic.made.alias);
            let records = self.records.iter().filter(|record| record.topic == of.as_str());
            let mut known: Vec<&SpokenRecord> = records.filter(|record| operators || record.public).collect();
            // What the settings name says nothing where a feature says more.
            if known.iter().any(|record| record.public) {
                known.retain(|record| record.public);
            }
            if !known.is_empty() && (operators || topic.dead_letters_of.is_none()) {
                topic.written(&mut page, &known);
            }
        }
        let Page { channels, operations, messages, schemas } = page;
        json!({
            "asyncapi": "3.0.0",
            "info": {
                "title": "Tidings",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "What streams show, what clients say on them, and what lies on topics.",
                "license": { "name": "Apache-2.0" },
            },
            "defaultContentType": "application/json",
            "channels": channels,
            "operations": operations,
            "components": { "messages": messages, "schemas": schemas },
        })
    }

    fn streams(&self, page: &mut Page, operators: bool) {
        let (mut shown, mut told) = (Vec::new(), Vec::new());
        for word in &self.session {
            shown.push(page.message(&word.name, word, word.shape.clone().into_value(), word.example.clone()));
            let schema =
                object(&[("type", json!({ "const": word.name })), ("data", word.shape.clone().into_value())]);
            let example = json!({ "type": word.name, "data": word.example });
            told.push(page.message(&format!("ws.{}", word.name), word, schema, example));
        }
        let known: Vec<&str> =
            self.frames.iter().filter(|frame| frame.public && !frame.made_up).map(name).collect();
        let mut frames: BTreeMap<&str, &SpokenFrame> = BTreeMap::new();
        for frame in self.frames.iter().filter(|frame| operators || frame.public) {
            frames.entry(name(frame)).or_insert(frame);
        }
        for frame in frames.into_values() {
            let (key, schema, example) = one(frame, &known);
            page.schemas.insert(key.clone(), schema);
            let schema = json!({ "$ref": format!("#/components/schemas/{key}") });
            shown.push(page.message(&key, &frame.word, schema.clone(), example.clone()));
            let mut fields = object(&[("type", json!({ "const": "event" })), ("event", schema)]);
            let mut wrapped = json!({ "type": "event", "event": example });
            if frame.kind != Kind::Signal {
                let meaning = "Everything up to here was offered. Absent in a catch-up.";
                fields["properties"]["cursor"] = json!({ "type": "string", "description": meaning });
                wrapped["cursor"] = CURSOR.into();
            }
            told.push(page.message(&format!("ws.{key}"), &frame.word, fields, wrapped));
        }
        let reference = json!({ "type": ["string", "null"], "maxLength": REFERENCE_BYTES });
        let problem = Problem::new(Code::BadRequest, "there is no command `fly`");
        let refused = Spoken::of::<ProblemBody<'static>>(
            "error",
            "A command was not done; the problem says why.",
            json!({ "type": "error", "ref": "1", "problem": problem.body() }),
        );
        let fields = [
            ("type", json!({ "const": "error" })),
            ("ref", reference.clone()),
            ("problem", refused.shape.clone().into_value()),
        ];
        told.push(page.message("error", &refused, object(&fields), refused.example.clone()));
        let understood: Vec<String> = self
            .commands
            .iter()
            .map(|command| {
                let (key, answer) = page.command(command, &reference);
                told.extend(answer);
                key
            })
            .collect();
        page.channel(
            "stream",
            json!({
                "address": "/api/v1/stream", "title": "Server-sent events",
                "description": "`event:` is the type of a frame and `data:` its JSON, in one line. `id:` is a cursor: everything up to here was offered; it comes back as `Last-Event-ID`. `: hb` shows that the line is alive.",
            }),
            &shown,
        );
        page.operate(
            "listen",
            "send",
            "stream",
            ("Listen to everything that is meant for you.", &shown),
            json!({
                "http": { "method": "GET", "bindingVersion": "0.3.0" },
            }),
        );
        let both: Vec<String> = told.iter().chain(&understood).cloned().collect();
        page.channel(
            "ws",
            json!({
                "address": "/api/v1/ws", "title": "WebSocket",
                "description": "Subprotocol `tidings.v1`, JSON texts. `hello` is the first word of a client, `ready` that of the server.",
                "bindings": { "ws": { "method": "GET", "bindingVersion": "0.1.0" } },
            }),
            &both,
        );
        page.operate(
            "listen.ws",
            "send",
            "ws",
            ("Listen to everything that is meant for you.", &told),
            json!({}),
        );
    }
}

impl SpokenTopic {
    fn written(&self, page: &mut Page, records: &[&SpokenRecord]) {
        let TopicConfig { alias, name, partitions, retention, durability, .. } = &self.made;
        let keys: Vec<String> = records.iter().map(|record| self.record(page, record)).collect();
        let kept = match durability {
            Durability::Durable => "",
            Durability::Memory => {
                " It is kept in memory alone where the log is embedded, and lost with the process."
            }
        };
        let description = match &self.dead_letters_of {
            Some(of) => {
                format!("What was given up on `{of}`, with the headers that Spring Kafka gives dead letters.")
            }
            None => format!("Keyed by: {}.{kept}", self.key),
        };
        page.channel(
            alias,
            json!({
                "address": name, "title": alias, "description": description,
                "bindings": { "kafka": {
                    "topic": name, "partitions": partitions,
                    "topicConfiguration": { "retention.ms": u64::try_from(retention.as_millis()).unwrap_or(u64::MAX) },
                    "bindingVersion": "0.5.0",
                } },
            }),
            &keys,
        );
        page.operate(&format!("write.{alias}"), "send", alias, ("Written by Tidings.", &keys), json!({}));
        for group in &self.groups {
            let bindings = json!({ "kafka": {
                "groupId": { "type": "string", "const": group }, "bindingVersion": "0.5.0",
            } });
            let summary = format!("Read by the group `{group}`.");
            page.operate(&format!("read.{alias}.{group}"), "receive", alias, (&summary, &keys), bindings);
        }
    }

    fn record(&self, page: &mut Page, record: &SpokenRecord) -> String {
        let key = format!("{}.{}", self.made.alias, record.word.name);
        let shape = record.word.shape.clone().into_value();
        page.message(&key, &record.word, shape, record.word.example.clone());
        let message = &mut page.messages[&key];
        // Only what is announced has an id; a signal has nothing but its value, and so has the delivery log.
        if self.made.durability == Durability::Durable && self.made.alias != tidings_delivery::DELIVERIES {
            let mut headers = headers(&record.word.name);
            if self.dead_letters_of.is_some() {
                headers = given_up(record, headers);
            }
            let named: Map<String, Value> =
                headers.iter().map(|(name, value)| (name.clone(), meaning(name, value))).collect();
            let example: Map<String, Value> =
                headers.iter().map(|(name, value)| (name.clone(), shown(value).into())).collect();
            message["headers"] = json!({ "type": "object", "properties": named });
            message["examples"][0]["headers"] = Value::Object(example);
        }
        if let Some(key) = record.key {
            let schema = json!({ "type": "string", "description": self.key, "examples": [key] });
            message["bindings"] = json!({ "kafka": { "key": schema, "bindingVersion": "0.5.0" } });
        }
        key
    }
}

impl Page {
    /// Adds a message; answers its name.
    fn message(&mut self, key: &str, word: &Spoken, payload: Value, example: Value) -> String {
        let mut message = json!({ "name": word.name, "title": key, "summary": word.summary });
        message["payload"] = payload;
        message["examples"] = json!([{ "name": "example" }]);
        message["examples"][0]["payload"] = example;
        self.messages.insert(key.to_owned(), message);
        key.to_owned()
    }

    /// Adds a command; answers its name, and that of its answer.
    fn command(&mut self, command: &SpokenCommand, reference: &Value) -> (String, Option<String>) {
        let word = &command.word;
        let (mut schema, mut replies) = (word.shape.clone().into_value(), Vec::new());
        schema["properties"]["ref"] = reference.clone();
        let summary = match command.scope {
            Some(scope) => format!("{} Scope: `{scope}`.", word.summary),
            None => word.summary.to_string(),
        };
        let said = Spoken { summary: summary.into(), ..word.clone() };
        let key = self.message(&format!("say.{}", word.name), &said, schema, word.example.clone());
        let answer = command.answer.as_ref().map(|(shape, example)| {
            let fields = [
                ("type", json!({ "const": "ok" })),
                ("ref", reference.clone()),
                ("data", shape.clone().into_value()),
            ];
            let summary = format!("`{}` was done.", word.name);
            let answer = Spoken { name: "ok".into(), summary: summary.into(), ..word.clone() };
            let example = json!({ "type": "ok", "ref": word.example["ref"], "data": example });
            self.message(&format!("{key}.ok"), &answer, object(&fields), example)
        });
        if let Some(answer) = &answer {
            replies.push(in_channel("ws", answer));
        } else if word.name == "hello" {
            replies.push(in_channel("ws", "ws.ready"));
        }
        replies.push(in_channel("ws", "error"));
        let operation = json!({
            "action": "receive", "channel": { "$ref": "#/channels/ws" }, "summary": said.summary,
            "messages": [in_channel("ws", &key)],
            "reply": { "channel": { "$ref": "#/channels/ws" }, "messages": replies },
        });
        self.operations.insert(key.clone(), operation);
        (key, answer)
    }

    /// Adds a channel of messages.
    fn channel(&mut self, key: &str, mut channel: Value, messages: &[String]) {
        let messages: Map<String, Value> = messages
            .iter()
            .map(|message| (message.clone(), json!({ "$ref": format!("#/components/messages/{message}") })))
            .collect();
        channel["messages"] = Value::Object(messages);
        self.channels.insert(key.to_owned(), channel);
    }

    /// Adds an operation on messages of a channel.
    fn operate(
        &mut self,
        key: &str,
        action: &str,
        channel: &str,
        (summary, messages): (&str, &[String]),
        bindings: Value,
    ) {
        let messages: Vec<Value> = messages.iter().map(|message| in_channel(channel, message)).collect();
        let mut operation = json!({
            "action": action, "channel": { "$ref": format!("#/channels/{channel}") }, "summary": summary,
            "messages": messages,
        });
        operation["bindings"] = bindings;
        self.operations.insert(key.to_owned(), operation);
    }
}

/// A message, as a channel has it.
fn in_channel(channel: &str, message: &str) -> Value {
    json!({ "$ref": format!("#/channels/{channel}/messages/{message}") })
}

/// An object that has all of these fields.
fn object(fields: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    let fields: Map<String, Value> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "properties": fields, "required": names })
}

fn name(frame: &SpokenFrame) -> &str {
    &frame.word.name
}

/// What a frame is called here, its schema, and an example of it. `known` are the types that no caller makes up.
fn one(frame: &SpokenFrame, known: &[&str]) -> (String, Value, Value) {
    let (word, signal) = (&frame.word, frame.kind == Kind::Signal);
    let of = if signal { tidings_delivery::signal_shape() } else { tidings_delivery::event_shape() };
    let (key, kind) = if frame.made_up {
        ("made-up".to_owned(), json!({ "type": "string", "not": { "enum": known } }))
    } else {
        (word.name.to_string(), json!({ "const": word.name }))
    };
    let schema = of.with("type", kind).with("data", word.shape.clone().into_value()).into_value();
    let mut example = json!({
        "type": word.name, "channel": frame.channel, "time": AT.to_string(), "data": word.example,
    });
    if !signal {
        example["id"] = EVENT.into();
        example["subject"] = frame.subject.as_ref().into();
        example["late"] = false.into();
    }
    (key, schema, example)
}
