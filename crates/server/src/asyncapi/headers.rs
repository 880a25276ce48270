//! The headers of records, for the reference: those that a record really has, each with what it says.

use serde_json::{Value, json};
use tidings_api::SpokenRecord;
use tidings_consumer::spring;
use tidings_model::{Headers, NewEvent, Record, SOURCE, header};

use super::{AT, EVENT};

/// The trace of an example.
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The headers of a record that announces an event of a type, as it lies in a relayed log.
pub(super) fn headers(event_type: &str) -> Headers {
    let event = NewEvent {
        id: EVENT.parse().unwrap_or_else(|_limits| unreachable!("an example of an id is one")),
        topic: "",
        event_type: "",
        key: None,
        payload: Vec::new(),
        time: AT,
        trace_parent: Some(TRACE.to_owned()),
        late: false,
    };
    let mut headers = event.headers();
    for (_, value) in headers.iter_mut().filter(|(name, _)| name == header::TYPE) {
        *value = event_type.as_bytes().to_vec();
    }
    headers.push((header::SEQ.to_owned(), b"42".to_vec()));
    headers
}

/// The headers of a record that was given up.
pub(super) fn given_up(record: &SpokenRecord, headers: Headers) -> Headers {
    let record = Record {
        topic: record.topic.to_string(),
        partition: 0,
        offset: 1042,
        time: AT,
        key: None,
        headers,
        value: None,
    };
    spring::headers_of(&record, "billing", "tidings.Rejected", "the record has no value", 1)
}

/// A header's value as text; of one that is none, its bytes in hexadecimal.
pub(super) fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if !text.contains('\0') => text.to_owned(),
        Ok(_) | Err(_) => value.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
    }
}

/// What a header of a record says.
pub(super) fn meaning(name: &str, value: &[u8]) -> Value {
    let said = match name {
        header::ID => "The event's id: drop repeats by it.",
        header::TYPE => "What happened.",
        header::SOURCE => "Who made it; Tidings' own transactions are `tidings`.",
        header::SPEC_VERSION => "The version of CloudEvents.",
        header::TIME => "When it happened.",
        header::CONTENT_TYPE => "The media type of the value.",
        header::TRACE_PARENT => {
            "The trace of the request that caused it, as W3C Trace Context; absent where nobody asked for it."
        }
        header::SEQ => {
            "The number that the relay gave it in its partition; absent in the embedded log, and where nothing relayed it."
        }
        tidings_consumer::headers::ATTEMPTS => "How often it was tried.",
        _springs if shown(value).as_bytes() != value => {
            "As Spring Kafka writes it: a big-endian number; the example is hexadecimal."
        }
        _springs => "As Spring Kafka writes it.",
    };
    let mut schema = json!({ "type": "string", "description": said });
    if name == header::SOURCE {
        schema["examples"] = json!([SOURCE]);
    }
    schema
}
