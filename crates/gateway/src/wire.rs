//! How frames look on the wire: server-sent events and WebSocket texts of the same objects.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tidings_delivery::{Delivery, core::Narrowing};

/// Which bytes a connection is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Server-sent events.
    Sse,
    /// WebSocket texts.
    WebSocket,
}

/// The first frame of every stream.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// The device.
    pub session_id: String,
    /// The person.
    pub user_id: String,
    /// Whether everything since the cursor follows.
    pub recovered: bool,
    /// Why not, where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The cursor, where nothing had to be caught up.
    pub cursor: Option<String>,
    /// Pause between two heartbeats.
    pub heartbeat_secs: u64,
}

impl Wire {
    /// A delivery, with or without its cursor.
    pub fn event(self, delivery: &Delivery, narrowing: Narrowing, with_cursor: bool) -> Bytes {
        match (self, with_cursor) {
            (Self::Sse, false) => delivery.sse_without_id(),
            (Self::Sse, true) if narrowing == Narrowing::NONE => delivery.sse(),
            (Self::Sse, true) => delivery.sse_with(Some(narrowing)),
            (Self::WebSocket, false) => delivery.websocket_without_cursor(),
            (Self::WebSocket, true) if narrowing == Narrowing::NONE => delivery.websocket(),
            (Self::WebSocket, true) => delivery.websocket_with(Some(narrowing)),
        }
    }

    /// `ready`. `retry_ms` is how long an SSE client waits before it comes back.
    pub fn ready(self, ready: &Ready, retry_ms: u32) -> Bytes {
        match self {
            Self::Sse => format!("event: ready\nretry: {retry_ms}\ndata: {}\n\n", text(ready)).into(),
            Self::WebSocket => self.of_session("ready", ready),
        }
    }

    /// `cursor`: everything at or before it was sent.
    pub fn cursor(self, cursor: &str) -> Bytes {
        let data = json!({ "cursor": cursor });
        match self {
            Self::Sse => format!("id: {cursor}\nevent: cursor\ndata: {data}\n\n").into(),
            Self::WebSocket => self.of_session("cursor", &data),
        }
    }

    /// `digest`: so many more messages are pending.
    pub fn digest(self, pending: u64) -> Bytes {
        self.of_session("digest", &json!({ "pending": pending }))
    }

    /// A frame of the session: it has no event id and no cursor.
    pub fn of_session(self, frame_type: &str, data: &impl Serialize) -> Bytes {
        let data = text(data);
        match self {
            Self::Sse => format!("event: {frame_type}\ndata: {data}\n\n").into(),
            Self::WebSocket => format!("{{\"type\":\"{frame_type}\",\"data\":{data}}}").into(),
        }
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
