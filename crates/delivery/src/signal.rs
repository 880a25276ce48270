//! Signals: what is shown to who listens now, and to nobody later. They have no place, no event id and no cursor.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use tidings_api::Shape;
use tidings_model::{Channel, Timestamp, UserId};
use utoipa::ToSchema;

use crate::frame::{WEBSOCKET_TEXT, escape_separators, websocket_frame};

/// A signal, encoded once for all who are shown it.
#[derive(Clone, Debug)]
pub struct SignalFrame {
    channels: Vec<Channel>,
    except: Option<UserId>,
    frame_type: &'static str,
    json: Bytes,
    sse: OnceLock<Bytes>,
    websocket: OnceLock<Bytes>,
}

/// Something that is so right now, for this reader. It has no id and no cursor, and never comes again.
#[derive(Serialize, ToSchema)]
#[schema(as = Signal)]
struct Frame<'a> {
    /// What.
    #[serde(rename = "type")]
    kind: &'a str,
    /// By which channel it came; null where it came by several.
    #[schema(value_type = Option<String>, required)]
    channel: Option<&'a Channel>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// The rest, by type.
    #[schema(value_type = Value)]
    data: &'a Value,
}

/// The shape of a signal, whatever its type.
pub fn signal_shape() -> Shape {
    Shape::of::<Frame<'static>>()
}

impl SignalFrame {
    /// A signal to who listens to a channel, which it names, or to one of several.
    pub fn new(channels: Vec<Channel>, frame_type: &'static str, time: Timestamp, data: &Value) -> Self {
        let channel = if let [one] = channels.as_slice() { Some(one) } else { None };
        let frame = Frame { kind: frame_type, channel, time, data };
        let json = escape_separators(serde_json::to_vec(&frame).unwrap_or_default());
        Self { channels, except: None, frame_type, json, sse: OnceLock::new(), websocket: OnceLock::new() }
    }

    /// The same, but to no device of somebody.
    pub fn except(self, user: Option<UserId>) -> Self {
        Self { except: user, ..self }
    }

    /// Whose listeners are shown it.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// Whether somebody who listens is shown it.
    pub fn is_for(&self, user: &UserId) -> bool {
        self.except.as_ref() != Some(user)
    }

    /// Its frame.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// Its SSE block, which moves no cursor.
    pub fn sse(&self) -> Bytes {
        let block = || {
            let mut block = Vec::with_capacity(self.json.len() + 32);
            block.extend_from_slice(b"event: ");
            block.extend_from_slice(self.frame_type.as_bytes());
            block.extend_from_slice(b"\ndata: ");
            block.extend_from_slice(&self.json);
            block.extend_from_slice(b"\n\n");
            block.into()
        };
        self.sse.get_or_init(block).clone()
    }

    /// Its WebSocket frame, without a cursor.
    pub fn websocket(&self) -> Bytes {
        let frame = || {
            let mut text = Vec::with_capacity(self.json.len() + 32);
            text.extend_from_slice(b"{\"type\":\"event\",\"event\":");
            text.extend_from_slice(&self.json);
            text.push(b'}');
            websocket_frame(WEBSOCKET_TEXT, &text)
        };
        self.websocket.get_or_init(frame).clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_signal_is_the_same_on_both_wires_and_has_neither_id_nor_cursor() {
        let time = Timestamp(1_700_000_000_000);
        let channel = Channel::Conversation("cnv_1".to_owned());
        let signal = SignalFrame::new(vec![channel], "typing", time, &json!({ "user_id": "a\u{2028}b" }));
        let frame = "{\"type\":\"typing\",\"channel\":\"conversation:cnv_1\",\"time\":\"2023-11-14T22:13:20.000Z\",\
                     \"data\":{\"user_id\":\"a\\u2028b\"}}";
        assert_eq!(signal.sse(), format!("event: typing\ndata: {frame}\n\n"));
        let text = format!("{{\"type\":\"event\",\"event\":{frame}}}");
        assert_eq!(signal.websocket(), websocket_frame(WEBSOCKET_TEXT, text.as_bytes()));
    }

    #[test]
    fn a_signal_may_be_for_all_who_listen_but_one() {
        let user = |id: &str| id.parse::<UserId>().unwrap();
        let signal = SignalFrame::new(vec![Channel::All], "typing", Timestamp(0), &Value::Null);
        assert!(signal.is_for(&user("alice")));
        let others = signal.except(Some(user("alice")));
        assert!(!others.is_for(&user("alice")));
        assert!(others.is_for(&user("bob")));
    }
}
