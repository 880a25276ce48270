//! How frames look on the wire: server-sent events and WebSocket frames of the same objects.
//!
//! Everything here is ready bytes: an SSE block, or a whole WebSocket frame. A queue joins them, and whoever
//! drains it writes them as they are.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use tidings_api::Problem;
use tidings_delivery::{Delivery, SignalFrame, WEBSOCKET_TEXT, core::Narrowing, websocket_frame};
use tidings_model::Timestamp;
use utoipa::ToSchema;

/// A WebSocket ping without a payload.
const PING: &[u8] = &[0x89, 0];
/// The first byte of a WebSocket close frame.
const WEBSOCKET_CLOSE: u8 = 0x88;

/// Which bytes a connection is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Server-sent events.
    Sse,
    /// WebSocket texts.
    WebSocket,
}

impl Wire {
    /// The word for the transport.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// The first frame of every stream.
#[derive(Clone, Debug, Serialize, ToSchema)]
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
    /// The cursor, where nothing had to be caught up; null while a catch-up runs.
    #[schema(required)]
    pub cursor: Option<String>,
    /// Pause between two heartbeats.
    pub heartbeat_secs: u64,
}

/// Everything at or before it was sent.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reached<'a> {
    pub(crate) cursor: &'a str,
}

/// So many more messages are pending than were sent; the inbox has them, page by page.
#[derive(Serialize, ToSchema)]
pub(crate) struct Digest {
    pub(crate) pending: u64,
}

/// The stream ends then, unless the token is renewed.
#[derive(Serialize, ToSchema)]
pub(crate) struct Expiring {
    #[schema(value_type = String, format = DateTime)]
    pub(crate) expires_at: Timestamp,
}

/// The stream ends now; come back after so many milliseconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Shutdown {
    pub(crate) reconnect_ms: u32,
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

    /// A signal.
    pub fn signal(self, signal: &SignalFrame) -> Bytes {
        match self {
            Self::Sse => signal.sse(),
            Self::WebSocket => signal.websocket(),
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
        let data = Reached { cursor };
        match self {
            Self::Sse => format!("id: {cursor}\nevent: cursor\ndata: {}\n\n", text(&data)).into(),
            Self::WebSocket => self.of_session("cursor", &data),
        }
    }

    /// `digest`: so many more messages are pending, of those that the opening looked at.
    pub fn digest(self, pending: u64) -> Bytes {
        self.of_session("digest", &Digest { pending })
    }

    /// `token.expiring`: the stream ends then, unless the token is renewed.
    pub fn token_expiring(self, expires_at: Timestamp) -> Bytes {
        self.of_session("token.expiring", &Expiring { expires_at })
    }

    /// `shutdown`: the stream ends now; come back after so many milliseconds.
    pub fn shutdown(self, reconnect_ms: u32) -> Bytes {
        self.of_session("shutdown", &Shutdown { reconnect_ms })
    }

    /// What shows that the connection is alive: a comment, or a ping that wants its pong.
    pub fn heartbeat(self) -> Bytes {
        match self {
            Self::Sse => Bytes::from_static(b": hb\n\n"),
            Self::WebSocket => Bytes::from_static(PING),
        }
    }

    /// A frame of the session: it has no event id and no cursor.
    fn of_session(self, frame_type: &str, data: &impl Serialize) -> Bytes {
        let data = text(data);
        match self {
            Self::Sse => format!("event: {frame_type}\ndata: {data}\n\n").into(),
            Self::WebSocket => socket_text(&format!("{{\"type\":\"{frame_type}\",\"data\":{data}}}")),
        }
    }
}

/// A command was done; WebSocket only.
pub(crate) fn ok(reference: Option<&str>, data: &Value) -> Bytes {
    socket_text(&text(&json!({ "type": "ok", "ref": reference, "data": data })))
}

/// A command was not done; WebSocket only.
pub(crate) fn error(reference: Option<&str>, problem: &Problem) -> Bytes {
    socket_text(&text(&json!({ "type": "error", "ref": reference, "problem": problem.body() })))
}

/// The last frame of a WebSocket.
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let payload: Vec<u8> = code.to_be_bytes().iter().copied().chain(reason.bytes()).collect();
    websocket_frame(WEBSOCKET_CLOSE, &payload)
}

fn socket_text(text: &str) -> Bytes {
    websocket_frame(WEBSOCKET_TEXT, text.as_bytes())
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_the_session_says_the_same_on_both_wires() {
        let at = Timestamp(1_700_000_000_000);
        assert_eq!(
            Wire::Sse.token_expiring(at),
            "event: token.expiring\ndata: {\"expires_at\":\"2023-11-14T22:13:20.000Z\"}\n\n"
        );
        let frame = Wire::WebSocket.token_expiring(at);
        assert_eq!(frame[0], WEBSOCKET_TEXT);
        assert_eq!(
            frame[2..],
            *b"{\"type\":\"token.expiring\",\"data\":{\"expires_at\":\"2023-11-14T22:13:20.000Z\"}}"
        );
    }

    #[test]
    fn a_close_frame_carries_code_and_word() {
        assert_eq!(
            close(crate::Close::Slow.code(), crate::Close::Slow.reason()),
            b"\x88\x06\x0b\xc0slow".as_slice()
        );
    }
}
