//! One stream: opened once, read until it ends.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::{HeaderValue, Method, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::json;
use tidings_model::SessionId;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, ClientRequestBuilder, Message,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{
    Client, ClientError, Frame, Refusal,
    client::unreachable,
    connect::{self, Io},
    sse::{Block, MAX_BLOCK_BYTES, Parser},
};

/// How long the server may take to answer and to say `ready`.
const OPEN: Duration = Duration::from_secs(30);
/// The shortest silence that ends a stream.
const SILENCE_MIN: Duration = Duration::from_secs(10);
/// The silence that ends a WebSocket: the server pings each 25 s.
const WEBSOCKET_SILENCE: Duration = Duration::from_mins(1);
/// Heartbeats that may be missing.
const MISSED_HEARTBEATS: u64 = 3;
/// The most bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 64 << 10;

/// Which bytes carry the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Server-sent events.
    #[default]
    Sse,
    /// WebSocket, subprotocol `tidings.v1`.
    WebSocket,
}

/// What to listen to, and from where.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// Which device this is; the server makes a new session where it is absent.
    pub session: Option<SessionId>,
    /// The place after which to go on; what is pending comes first where it is absent.
    pub cursor: Option<String>,
    /// Only these of one's channels; all where it is empty.
    pub channels: Vec<String>,
    /// By which bytes.
    pub transport: Transport,
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    wire: Wire,
    session: Option<SessionId>,
    silence: Duration,
    retry: Option<Duration>,
}

#[derive(Debug)]
enum Wire {
    Sse(Box<Sse>),
    WebSocket(Box<WebSocketStream<Io>>),
}

#[derive(Debug)]
struct Sse {
    body: Incoming,
    parser: Parser,
    blocks: VecDeque<Block>,
}

impl Client {
    /// Opens a stream. Its first frame is `ready`.
    pub async fn listen(&self, options: &ListenOptions) -> Result<Stream, ClientError> {
        let opening = async {
            match options.transport {
                Transport::Sse => open_sse(self, options).await,
                Transport::WebSocket => open_websocket(self, options).await,
            }
        };
        let wire =
            tokio::time::timeout(OPEN, opening).await.unwrap_or(Err(ClientError::Timeout { after: OPEN }))?;
        Ok(Stream {
            client: self.clone(),
            wire,
            session: options.session.clone(),
            silence: OPEN,
            retry: None,
        })
    }
}

impl Stream {
    /// The next frame. Cancel safe: a call that is dropped loses nothing.
    pub async fn next(&mut self) -> Result<Frame, ClientError> {
        let silence = self.silence;
        let frame = match &mut self.wire {
            Wire::Sse(sse) => sse.next(silence).await?,
            Wire::WebSocket(socket) => next_text(socket, silence).await?,
        };
        if let Frame::Ready(ready) = &frame {
            self.session = Some(ready.session_id.clone());
            self.silence = match &self.wire {
                Wire::Sse(_) => {
                    Duration::from_secs(ready.heartbeat_secs * MISSED_HEARTBEATS).max(SILENCE_MIN)
                }
                Wire::WebSocket(_) => WEBSOCKET_SILENCE,
            };
        }
        if let Wire::Sse(sse) = &self.wire {
            self.retry = sse.parser.retry_ms().map(Duration::from_millis);
        }
        Ok(frame)
    }

    /// When the server wants the client back after a cut, by `retry:`.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Confirms everything up to a cursor.
    pub async fn ack(&mut self, cursor: &str) -> Result<(), ClientError> {
        match &mut self.wire {
            Wire::WebSocket(_) => self.command(&json!({ "type": "ack", "cursor": cursor })).await,
            Wire::Sse(_) => {
                let body = json!({ "cursor": cursor, "session": self.session });
                self.client.post("/api/v1/receipts", &body).await?.success()?;
                Ok(())
            }
        }
    }

    /// Sends a command; a stream of server-sent events cannot. Its answer comes as a frame.
    pub async fn command(&mut self, command: &(impl Serialize + ?Sized)) -> Result<(), ClientError> {
        let Wire::WebSocket(socket) = &mut self.wire else {
            return Err(ClientError::Undocumented { what: "server-sent events take no commands".to_owned() });
        };
        let undocumented = |cause: serde_json::Error| ClientError::Undocumented { what: cause.to_string() };
        let text = serde_json::to_string(command).map_err(undocumented)?;
        socket.send(Message::text(text)).await.map_err(cut)
    }

    /// Says goodbye, where the transport has a word for it.
    pub async fn close(self) -> Result<(), ClientError> {
        match self.wire {
            Wire::Sse(_) => Ok(()),
            Wire::WebSocket(mut socket) => {
                let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                socket.send(Message::Close(Some(goodbye))).await.map_err(cut)
            }
        }
    }
}

async fn open_sse(client: &Client, options: &ListenOptions) -> Result<Wire, ClientError> {
    let mut query = Vec::new();
    if let Some(session) = &options.session {
        query.push(format!("session={}", percent_encode(session.as_str())));
    }
    if !options.channels.is_empty() {
        query.push(format!("channels={}", percent_encode(&options.channels.join(","))));
    }
    let path = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    let mut request = client
        .request(Method::GET, &format!("/api/v1/stream{path}"))?
        .header(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(cursor) = &options.cursor {
        request = request.header("last-event-id", cursor);
    }
    let response = client.http.request(request.body(Full::<Bytes>::default())?).await.map_err(unreachable)?;
    let (parts, body) = response.into_parts();
    if parts.status != http::StatusCode::OK {
        let body = Limited::new(body, REFUSAL_BYTES).collect().await.map_err(ClientError::Cut)?.to_bytes();
        return Err(ClientError::Refused(Refusal::new(parts.status, &parts.headers, &body)));
    }
    let media =
        parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media.starts_with("text/event-stream") {
        return Err(ClientError::Undocumented { what: format!("a stream of `{media}`") });
    }
    Ok(Wire::Sse(Box::new(Sse { body, parser: Parser::default(), blocks: VecDeque::new() })))
}

impl Sse {
    async fn next(&mut self, silence: Duration) -> Result<Frame, ClientError> {
        loop {
            if let Some(block) = self.blocks.pop_front() {
                return Frame::from_block(block);
            }
            let frame = tokio::time::timeout(silence, self.body.frame())
                .await
                .map_err(|_elapsed| ClientError::Silent { after: silence })?
                .ok_or(ClientError::Ended)?
                .map_err(|cause| ClientError::Cut(cause.into()))?;
            if let Some(chunk) = frame.data_ref() {
                self.parser.push(chunk, &mut self.blocks).map_err(|cause| ClientError::Cut(cause.into()))?;
            }
        }
    }
}

async fn open_websocket(client: &Client, options: &ListenOptions) -> Result<Wire, ClientError> {
    let url = client.url("/api/v1/ws")?;
    let io = connect::open(client.connector.clone(), url.clone()).await?;
    let request = ClientRequestBuilder::new(socket_url(url)?).with_sub_protocol("tidings.v1");
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .max_message_size(Some(MAX_BLOCK_BYTES))
        .max_frame_size(Some(MAX_BLOCK_BYTES));
    let handshake = tokio_tungstenite::client_async_with_config(request, io, Some(config)).await;
    let (mut socket, _response) = handshake.map_err(|cause| {
        let tungstenite::Error::Http(response) = cause else { return ClientError::Unreachable(cause.into()) };
        let body = response.body().as_deref().unwrap_or_default();
        ClientError::Refused(Refusal::new(response.status(), response.headers(), body))
    })?;
    let hello = json!({
        "type": "hello",
        "token": client.token().as_deref(),
        "cursor": options.cursor,
        "session": options.session,
        "channels": (!options.channels.is_empty()).then_some(&options.channels),
    });
    socket.send(Message::text(hello.to_string())).await.map_err(cut)?;
    Ok(Wire::WebSocket(Box::new(socket)))
}

async fn next_text(socket: &mut WebSocketStream<Io>, silence: Duration) -> Result<Frame, ClientError> {
    loop {
        let message = tokio::time::timeout(silence, socket.next())
            .await
            .map_err(|_elapsed| ClientError::Silent { after: silence })?
            .ok_or(ClientError::Ended)?
            .map_err(cut)?;
        match message {
            Message::Text(text) => return Frame::from_text(&text),
            Message::Close(Some(close)) => {
                // The echo lets the server go at once; whether it still leaves is no news to the caller.
                socket.flush().now_or_never();
                return Err(ClientError::Closed {
                    code: close.code.into(),
                    reason: close.reason.to_string(),
                });
            }
            Message::Close(None) => return Err(ClientError::Ended),
            Message::Binary(_) => {
                return Err(ClientError::Undocumented { what: "a binary message".to_owned() });
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}

fn cut(cause: tungstenite::Error) -> ClientError {
    ClientError::Cut(cause.into())
}

/// The same address with the scheme `ws` or `wss`.
fn socket_url(url: Uri) -> Result<Uri, ClientError> {
    let scheme = if url.scheme_str() == Some("https") { "wss" } else { "ws" };
    let mut parts = url.into_parts();
    parts.scheme = Some(scheme.parse().map_err(http::Error::from)?);
    Ok(Uri::from_parts(parts).map_err(http::Error::from)?)
}

/// A value for a query: letters, digits and `-._~` stay, every other byte becomes `%XX`.
fn percent_encode(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _other => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_value_keeps_no_letter_that_means_something_in_a_url() {
        assert_eq!(percent_encode("role:a&b,ü"), "role%3Aa%26b%2C%C3%BC");
    }

    #[test]
    fn the_socket_has_the_address_of_the_requests() {
        assert_eq!(socket_url(Uri::from_static("https://x:1/api/v1/ws")).unwrap(), "wss://x:1/api/v1/ws");
        assert_eq!(socket_url(Uri::from_static("http://x/api/v1/ws")).unwrap(), "ws://x/api/v1/ws");
    }
}
