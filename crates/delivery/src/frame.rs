//! Frames: a delivery as clients get it, encoded once for all of them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use tidings_delivery_core::{Cursor, GenerationId, Narrowing, Place};
use tidings_model::{Channel, EventId, Kind, Timestamp};

use crate::DeliveryRecord;

/// A delivery at its place, with its frame.
#[derive(Debug)]
pub struct Delivery {
    /// Where it lies.
    pub place: Place,
    /// Within which generation.
    pub generation: GenerationId,
    /// What it is.
    pub record: DeliveryRecord,
    /// The frame: one line of JSON.
    pub json: Bytes,
    sse: OnceLock<Bytes>,
    websocket: OnceLock<Bytes>,
}

#[derive(Serialize)]
struct Frame<'a> {
    id: &'a EventId,
    #[serde(rename = "type")]
    frame_type: &'a str,
    subject: &'a str,
    channel: Option<&'a Channel>,
    time: Timestamp,
    late: bool,
    data: &'a RawValue,
}

impl Delivery {
    /// The delivery of a record; `data` is the record's own or that of its item.
    pub fn new(place: Place, generation: GenerationId, record: DeliveryRecord, data: &RawValue) -> Arc<Self> {
        let frame = Frame {
            id: &record.event_id,
            frame_type: &record.frame_type,
            subject: &record.subject,
            channel: record.audience.any.first(),
            time: record.time,
            late: record.late,
            data,
        };
        let json = escape_separators(serde_json::to_vec(&frame).unwrap_or_default());
        Arc::new(Self { place, generation, record, json, sse: OnceLock::new(), websocket: OnceLock::new() })
    }

    /// The cursor that names this place.
    pub fn cursor(&self, narrowing: Narrowing) -> Cursor {
        Cursor { generation: self.generation, place: self.place, narrowing }
    }

    /// The SSE block with its id, the same bytes for every session that is not narrowed.
    pub fn sse(&self) -> Bytes {
        self.sse.get_or_init(|| self.sse_with(Some(Narrowing::NONE))).clone()
    }

    /// The SSE block of a narrowed session, or without an id.
    pub fn sse_with(&self, narrowing: Option<Narrowing>) -> Bytes {
        let mut block = Vec::with_capacity(self.json.len() + 96);
        if let Some(narrowing) = narrowing.filter(|_| self.record.kind != Kind::Signal) {
            block.extend_from_slice(b"id: ");
            block.extend_from_slice(self.cursor(narrowing).encode().as_bytes());
            block.push(b'\n');
        }
        block.extend_from_slice(b"event: ");
        block.extend_from_slice(self.record.frame_type.as_bytes());
        block.extend_from_slice(b"\ndata: ");
        block.extend_from_slice(&self.json);
        block.extend_from_slice(b"\n\n");
        block.into()
    }

    /// The WebSocket text with its cursor, the same for every session that is not narrowed.
    pub fn websocket(&self) -> Bytes {
        self.websocket.get_or_init(|| self.websocket_with(Some(Narrowing::NONE))).clone()
    }

    /// The WebSocket text of a narrowed session, or without a cursor.
    pub fn websocket_with(&self, narrowing: Option<Narrowing>) -> Bytes {
        let mut text = Vec::with_capacity(self.json.len() + 96);
        text.extend_from_slice(b"{\"type\":\"event\",");
        if let Some(narrowing) = narrowing.filter(|_| self.record.kind != Kind::Signal) {
            text.extend_from_slice(b"\"cursor\":\"");
            text.extend_from_slice(self.cursor(narrowing).encode().as_bytes());
            text.extend_from_slice(b"\",");
        }
        text.extend_from_slice(b"\"event\":");
        text.extend_from_slice(&self.json);
        text.push(b'}');
        text.into()
    }
}

/// Escapes the characters that some SSE clients take for line ends: U+2028, U+2029, U+0085.
///
/// JSON itself escapes control characters below U+0020 (line feed, vertical tab, form feed among them).
fn escape_separators(json: Vec<u8>) -> Bytes {
    let Ok(text) = std::str::from_utf8(&json) else { return json.into() };
    if !text.contains(['\u{2028}', '\u{2029}', '\u{85}']) {
        return json.into();
    }
    text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029").replace('\u{85}', "\\u0085").into_bytes().into()
}

#[cfg(test)]
mod tests {
    use tidings_model::Audience;

    use super::*;

    #[test]
    fn a_block_is_one_line_of_json_whatever_the_text_contains() {
        let data = RawValue::from_string(
            serde_json::json!({ "content": "a\r\nb\u{2028}c\u{2029}d\u{85}e\u{b}f\u{c}" }).to_string(),
        )
        .unwrap();
        let record = DeliveryRecord {
            event_id: "evt_1".parse().unwrap(),
            kind: Kind::Message,
            frame_type: "broadcast.created".to_owned(),
            subject: "brd_1".to_owned(),
            audience: Audience::of(Channel::All),
            priority: tidings_model::Priority::Normal,
            category: None,
            time: Timestamp(0),
            expires_at: None,
            late: false,
            data: None,
        };
        let delivery = Delivery::new(Place(3), GenerationId(7), record, &data);
        let block = String::from_utf8(delivery.sse().to_vec()).unwrap();
        let lines: Vec<&str> = block.split_inclusive(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']).collect();
        assert_eq!(lines.len(), 4, "{block}");
        assert!(block.ends_with("\n\n"));
        let json = lines[2].strip_prefix("data: ").unwrap();
        let frame: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(frame["data"]["content"], "a\r\nb\u{2028}c\u{2029}d\u{85}e\u{b}f\u{c}");
    }
}
