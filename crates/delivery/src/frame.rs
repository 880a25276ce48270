//! Frames: a delivery as clients get it, encoded once for all of them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_api::Shape;
use tidings_delivery_core as core;
use tidings_delivery_core::{Cursor, GenerationId, Narrowing, Place, Removal};
use tidings_model::{Channel, EventId, Kind, Timestamp, UserId};
use utoipa::ToSchema;

use crate::{
    DeliveryRecord, MEMBERSHIP, Origin,
    membership::{Change, Changes},
};

/// A delivery at its place, with its frame. Handles are cheap to clone; they share what was encoded.
#[derive(Clone, Debug)]
pub struct Delivery(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    facts: core::DeliveryRecord,
    generation: GenerationId,
    frame_type: String,
    trace_parent: Option<String>,
    origin: Option<Origin>,
    json: Bytes,
    // What a gateway needs to know and clients do not: the changes of people's channels.
    changes: Vec<Change>,
    sse: OnceLock<Bytes>,
    sse_without_id: OnceLock<Bytes>,
    websocket: OnceLock<Bytes>,
    websocket_without_cursor: OnceLock<Bytes>,
}

impl AsRef<core::DeliveryRecord> for Delivery {
    fn as_ref(&self) -> &core::DeliveryRecord {
        &self.0.facts
    }
}

/// Something that happened, for this reader.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
struct Frame<'a> {
    /// The same event keeps its id, however often it comes: drop repeats by it.
    #[schema(value_type = String)]
    id: &'a EventId,
    /// What happened.
    #[serde(rename = "type")]
    kind: &'a str,
    /// What it happened to; receipts name it.
    subject: &'a str,
    /// By which channel it came.
    #[schema(value_type = Option<String>, required)]
    channel: Option<&'a Channel>,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Whether it comes later than its place among others.
    late: bool,
    /// The rest, by type.
    #[schema(value_type = serde_json::Value)]
    data: &'a RawValue,
}

/// The shape of an event, whatever its type.
pub fn event_shape() -> Shape {
    Shape::of::<Frame<'static>>()
}

impl Delivery {
    /// The delivery of a record; `data` is the record's own or that of its item.
    pub fn new(
        place: Place,
        generation: GenerationId,
        record: &DeliveryRecord,
        removal: Option<Removal>,
        data: &RawValue,
    ) -> Self {
        let frame = Frame {
            id: &record.event_id,
            kind: &record.frame_type,
            subject: &record.subject,
            channel: record.said_to.as_ref().unwrap_or(&record.audience).any.first(),
            time: record.time,
            late: record.late,
            data,
        };
        let json = escape_separators(serde_json::to_vec(&frame).unwrap_or_default());
        let changes = if record.frame_type == MEMBERSHIP {
            serde_json::from_str(data.get()).unwrap_or_else(|_cause| Changes::default()).changes
        } else {
            Vec::new()
        };
        Self(Arc::new(Inner {
            facts: record.facts(place, removal),
            generation,
            frame_type: record.frame_type.clone(),
            trace_parent: record.trace_parent.clone(),
            origin: record.origin.clone(),
            json,
            changes,
            sse: OnceLock::new(),
            sse_without_id: OnceLock::new(),
            websocket: OnceLock::new(),
            websocket_without_cursor: OnceLock::new(),
        }))
    }

    /// What the verdict judges.
    pub fn facts(&self) -> &core::DeliveryRecord {
        &self.0.facts
    }

    /// Where it lies.
    pub fn place(&self) -> Place {
        self.0.facts.place
    }

    /// The frame: one line of JSON.
    pub fn json(&self) -> &Bytes {
        &self.0.json
    }

    /// The changes of people's channels that it carries; clients are not shown them.
    pub fn changes(&self) -> &[Change] {
        &self.0.changes
    }

    /// The change of one person that it carries.
    pub fn change_of(&self, user: &UserId) -> Option<&Change> {
        self.0.changes.iter().find(|change| change.user_id == *user)
    }

    /// The frame's type: `broadcast.created`.
    pub fn frame_type(&self) -> &str {
        &self.0.frame_type
    }

    /// The trace of the request that caused it, as W3C `traceparent`; none where nobody asked for it.
    pub fn trace_parent(&self) -> Option<&str> {
        self.0.trace_parent.as_deref()
    }

    /// The record that it follows from; none where its subject leads there.
    pub fn origin(&self) -> Option<&Origin> {
        self.0.origin.as_ref()
    }

    /// The cursor that names this place.
    pub fn cursor(&self, narrowing: Narrowing) -> Cursor {
        Cursor { generation: self.0.generation, place: self.0.facts.place, narrowing }
    }

    /// The SSE block with its id, the same bytes for every session that is not narrowed.
    pub fn sse(&self) -> Bytes {
        self.0.sse.get_or_init(|| self.sse_with(Some(Narrowing::NONE))).clone()
    }

    /// The SSE block without an id, for catch-up: the same bytes for every session.
    pub fn sse_without_id(&self) -> Bytes {
        self.0.sse_without_id.get_or_init(|| self.sse_with(None)).clone()
    }

    /// The SSE block of a narrowed session, or without an id.
    pub fn sse_with(&self, narrowing: Option<Narrowing>) -> Bytes {
        let mut block = Vec::with_capacity(self.0.json.len() + 96);
        if let Some(narrowing) = narrowing.filter(|_| self.0.facts.kind != Kind::Signal) {
            block.extend_from_slice(b"id: ");
            block.extend_from_slice(self.cursor(narrowing).encode().as_bytes());
            block.push(b'\n');
        }
        block.extend_from_slice(b"event: ");
        block.extend_from_slice(self.0.frame_type.as_bytes());
        block.extend_from_slice(b"\ndata: ");
        block.extend_from_slice(&self.0.json);
        block.extend_from_slice(b"\n\n");
        block.into()
    }

    /// The WebSocket frame with its cursor, the same bytes for every session that is not narrowed.
    pub fn websocket(&self) -> Bytes {
        self.0.websocket.get_or_init(|| self.websocket_with(Some(Narrowing::NONE))).clone()
    }

    /// The WebSocket frame without a cursor, for catch-up: the same bytes for every session.
    pub fn websocket_without_cursor(&self) -> Bytes {
        self.0.websocket_without_cursor.get_or_init(|| self.websocket_with(None)).clone()
    }

    /// The WebSocket frame of a narrowed session, or without a cursor.
    pub fn websocket_with(&self, narrowing: Option<Narrowing>) -> Bytes {
        let mut text = Vec::with_capacity(self.0.json.len() + 96);
        text.extend_from_slice(b"{\"type\":\"event\",");
        if let Some(narrowing) = narrowing.filter(|_| self.0.facts.kind != Kind::Signal) {
            text.extend_from_slice(b"\"cursor\":\"");
            text.extend_from_slice(self.cursor(narrowing).encode().as_bytes());
            text.extend_from_slice(b"\",");
        }
        text.extend_from_slice(b"\"event\":");
        text.extend_from_slice(&self.0.json);
        text.push(b'}');
        websocket_frame(WEBSOCKET_TEXT, &text)
    }
}

/// The first byte of a WebSocket frame that holds a whole text.
pub const WEBSOCKET_TEXT: u8 = 0x81;

/// A WebSocket frame as a server sends it: in one piece, not masked (RFC 6455, 5.2).
pub fn websocket_frame(first_byte: u8, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(first_byte);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => frame.push(short),
        (_, Ok(medium)) => {
            frame.push(126);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        (_, Err(_larger)) => {
            frame.push(127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame.into()
}

/// The data of a frame that was encoded before.
pub(crate) fn data(json: &[u8]) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Data {
        data: Box<RawValue>,
    }
    serde_json::from_slice::<Data>(json).ok().map(|frame| frame.data)
}

/// Escapes the characters that some SSE clients take for line ends: U+2028, U+2029, U+0085.
///
/// JSON itself escapes control characters below U+0020 (line feed, vertical tab, form feed among them).
pub(crate) fn escape_separators(json: Vec<u8>) -> Bytes {
    let Ok(text) = std::str::from_utf8(&json) else { return json.into() };
    if !text.contains(['\u{2028}', '\u{2029}', '\u{85}']) {
        return json.into();
    }
    text.replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .replace('\u{85}', "\\u0085")
        .into_bytes()
        .into()
}

#[cfg(test)]
mod tests {
    use tidings_model::Audience;

    use super::*;

    #[test]
    fn a_websocket_frame_tells_its_length_in_the_shortest_form() {
        let head = |length: usize| {
            websocket_frame(WEBSOCKET_TEXT, &vec![b'x'; length])[..10.min(length + 2)].to_vec()
        };
        assert_eq!(head(0), [0x81, 0]);
        assert_eq!(head(125)[..2], [0x81, 125]);
        assert_eq!(head(126)[..4], [0x81, 126, 0, 126]);
        assert_eq!(head(65_535)[..4], [0x81, 126, 255, 255]);
        assert_eq!(head(65_536)[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_block_is_one_line_of_json_whatever_the_text_contains() {
        let data = RawValue::from_string(
            serde_json::json!({ "content": "a\r\nb\u{2028}c\u{2029}d\u{85}e\u{b}f\u{c}" }).to_string(),
        )
        .unwrap();
        let record = DeliveryRecord::change(
            "evt_1".parse().unwrap(),
            "broadcast.created",
            "brd_1",
            Audience::of(Channel::All),
            Timestamp(0),
            data.clone(),
        );
        let delivery = Delivery::new(Place(3), GenerationId(7), &record, None, &data);
        let block = String::from_utf8(delivery.sse().to_vec()).unwrap();
        let lines: Vec<&str> =
            block.split_inclusive(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']).collect();
        assert_eq!(lines.len(), 4, "{block}");
        assert!(block.ends_with("\n\n"));
        let json = lines[2].strip_prefix("data: ").unwrap();
        let frame: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(frame["data"]["content"], "a\r\nb\u{2028}c\u{2029}d\u{85}e\u{b}f\u{c}");
    }
}
