//! Frames as a client sees them, the same from both transports.

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};
use tidings_model::{EventId, SessionId, Timestamp, UserId};

use crate::{ClientError, sse::Block};

/// One unit from the server. Heartbeats are not among them.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// The stream is open.
    Ready(Ready),
    /// Something happened.
    Event {
        /// Everything up to here was offered; none while catching up, and of a broadcast that is fired and forgotten.
        cursor: Option<String>,
        /// What happened.
        event: Event,
    },
    /// Something is so right now. It has no id and no cursor, and never comes again.
    Signal(Signal),
    /// Everything up to here was offered.
    Cursor {
        /// The place, as the server wants it back.
        cursor: String,
    },
    /// More is pending than was sent.
    Digest(Digest),
    /// The token ends soon: renew it.
    TokenExpiring {
        /// When.
        expires_at: Timestamp,
    },
    /// The server stops; the stream ends soon.
    Shutdown {
        /// When to come back, in milliseconds from now.
        reconnect_ms: u64,
    },
    /// The answer to a command; WebSocket only.
    Reply(Reply),
    /// A frame of a later release.
    Unknown {
        /// Its type.
        frame_type: String,
    },
}

/// The first frame of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Ready {
    /// Which device this is; the same when the client comes back.
    pub session_id: SessionId,
    /// Who the token says it is.
    pub user_id: UserId,
    /// Whether nothing was missed since the cursor that was sent.
    pub recovered: bool,
    /// Why not.
    #[serde(default)]
    pub reason: Option<String>,
    /// From where the stream goes on; none while a catch-up runs.
    #[serde(default)]
    pub cursor: Option<String>,
    /// Seconds between two heartbeats.
    pub heartbeat_secs: u64,
}

/// Something that happened, for this reader.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Event {
    /// The same event keeps its id, however often it comes.
    pub id: EventId,
    /// What happened: `broadcast.created`, `message.created` …
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it happened to; receipts name it.
    pub subject: String,
    /// By which channel it came.
    pub channel: Option<String>,
    /// When it happened.
    pub time: Timestamp,
    /// It comes later than its place among others.
    #[serde(default)]
    pub late: bool,
    /// The rest, by type.
    pub data: Value,
}

/// Something that is so right now, for this reader.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Signal {
    /// What: `typing`, `presence` …
    #[serde(rename = "type")]
    pub signal_type: String,
    /// By which channel it came; none where it came by several.
    pub channel: Option<String>,
    /// Since when.
    pub time: Timestamp,
    /// The rest, by type.
    pub data: Value,
}

/// How much is pending beyond what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Digest {
    /// How many messages are pending beyond those that were sent; the inbox has them, page by page.
    pub pending: u64,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The command's `ref`.
    pub reference: Option<String>,
    /// Its data, or the problem.
    pub outcome: Result<Value, Value>,
}

#[derive(Deserialize)]
struct CursorData {
    cursor: String,
}

#[derive(Deserialize)]
struct ExpiringData {
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct ShutdownData {
    reconnect_ms: u64,
}

#[derive(Deserialize)]
struct EventText {
    cursor: Option<String>,
    event: Box<RawValue>,
}

#[derive(Deserialize)]
struct ReplyText {
    #[serde(rename = "ref")]
    reference: Option<String>,
    #[serde(default)]
    data: Value,
    #[serde(default)]
    problem: Value,
}

impl Frame {
    /// The frame of an SSE block.
    pub fn from_block(block: Block) -> Result<Self, ClientError> {
        let Block { event, data, id } = block;
        let session = Self::of_session(&event, &data)?;
        match session {
            Some(frame) => Ok(frame),
            None => Self::happened(id, &data),
        }
    }

    /// The frame of a WebSocket text.
    pub fn from_text(text: &str) -> Result<Self, ClientError> {
        #[derive(Deserialize)]
        struct Tagged {
            #[serde(rename = "type")]
            frame_type: String,
            data: Option<Box<RawValue>>,
        }
        let Tagged { frame_type, data } = read(text)?;
        if let Some(data) = data
            && let Some(frame) = Self::of_session(&frame_type, data.get())?
        {
            return Ok(frame);
        }
        match frame_type.as_str() {
            "event" => {
                let EventText { cursor, event } = read(text)?;
                Self::happened(cursor, event.get())
            }
            "ok" | "error" => {
                let ReplyText { reference, data, problem } = read(text)?;
                let outcome = if frame_type == "ok" { Ok(data) } else { Err(problem) };
                Ok(Self::Reply(Reply { reference, outcome }))
            }
            _later => Ok(Self::Unknown { frame_type }),
        }
    }

    /// What happened, or is so: only what happened has an id.
    fn happened(cursor: Option<String>, json: &str) -> Result<Self, ClientError> {
        #[derive(Deserialize)]
        struct Named {
            id: Option<IgnoredAny>,
        }
        if read::<Named>(json)?.id.is_none() {
            return Ok(Self::Signal(read(json)?));
        }
        Ok(Self::Event { cursor, event: read(json)? })
    }

    fn of_session(frame_type: &str, data: &str) -> Result<Option<Self>, ClientError> {
        Ok(Some(match frame_type {
            "ready" => Self::Ready(read(data)?),
            "cursor" => Self::Cursor { cursor: read::<CursorData>(data)?.cursor },
            "digest" => Self::Digest(read(data)?),
            "token.expiring" => Self::TokenExpiring { expires_at: read::<ExpiringData>(data)?.expires_at },
            "shutdown" => Self::Shutdown { reconnect_ms: read::<ShutdownData>(data)?.reconnect_ms },
            _event => return Ok(None),
        }))
    }
}

fn read<'de, T: Deserialize<'de>>(json: &'de str) -> Result<T, ClientError> {
    serde_json::from_str(json).map_err(|cause| {
        let start: String = json.chars().take(120).collect();
        ClientError::Undocumented { what: format!("{cause} in `{start}`") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"id":"evt_1","type":"broadcast.created","subject":"brd_1","channel":"all","time":"2026-01-31T09:30:00.000Z","late":false,"data":{"content":"Hi"}}"#;

    #[test]
    fn an_event_is_the_same_from_both_transports() {
        let block = Block {
            event: "broadcast.created".to_owned(),
            data: EVENT.to_owned(),
            id: Some("c1".to_owned()),
        };
        let by_sse = Frame::from_block(block).unwrap();
        let by_socket =
            Frame::from_text(&format!(r#"{{"type":"event","cursor":"c1","event":{EVENT}}}"#)).unwrap();
        assert_eq!(by_sse, by_socket);
        assert!(matches!(by_sse, Frame::Event { cursor: Some(cursor), .. } if cursor == "c1"));
    }

    #[test]
    fn a_signal_is_an_event_without_an_id() {
        const SIGNAL: &str =
            r#"{"type":"typing","channel":"all","time":"2026-01-31T09:30:00.000Z","data":{"user_id":"bob"}}"#;
        let block = Block { event: "typing".to_owned(), data: SIGNAL.to_owned(), id: None };
        let by_sse = Frame::from_block(block).unwrap();
        assert_eq!(by_sse, Frame::from_text(&format!(r#"{{"type":"event","event":{SIGNAL}}}"#)).unwrap());
        assert!(matches!(by_sse, Frame::Signal(Signal { signal_type, .. }) if signal_type == "typing"));
    }

    #[test]
    fn frames_of_the_session_and_answers_are_told_apart() {
        let ready = r#"{"type":"ready","data":{"session_id":"ses_1","user_id":"alice","recovered":true,"cursor":null,"heartbeat_secs":15}}"#;
        assert!(matches!(
            Frame::from_text(ready).unwrap(),
            Frame::Ready(Ready { recovered: true, cursor: None, .. })
        ));
        let reply =
            Frame::from_text(r#"{"type":"error","ref":"1","problem":{"code":"bad_request"}}"#).unwrap();
        assert!(matches!(reply, Frame::Reply(Reply { reference: Some(one), outcome: Err(_) }) if one == "1"));
        assert!(matches!(Frame::from_text(r#"{"type":"new"}"#).unwrap(), Frame::Unknown { .. }));
        assert!(Frame::from_text("no json").is_err());
    }
}
