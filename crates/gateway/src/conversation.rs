//! A conversation over a WebSocket: `hello`, `ready`, then frames one way and commands the other.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tidings_api::{Caller, Code, Identity, Problem};
use tidings_delivery::core::{Cursor, Place};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    Close, Connection, Gateway, Reason, channels,
    commands::{self, Command},
    leave::Leave,
    resume::Hello,
    socket::{Socket, Turn, fault_reason},
    wire::{self, Wire},
};

/// Errors within [`ERRORS_WITHIN`] that end a conversation.
const ERRORS_MAX: u32 = 20;
/// The time in which they are counted.
const ERRORS_WITHIN: Duration = Duration::from_mins(1);

/// A command that is being done; its answer is a frame.
type Running = Pin<Box<dyn Future<Output = Result<Bytes, Bytes>> + Send>>;

/// Why a conversation ends.
enum End {
    /// By our word.
    Close(Close),
    /// The client broke the protocol.
    Fault(u16),
    /// The client is gone, or said goodbye.
    Gone,
}

/// Talks with a client until it, its token or the server ends it.
pub(crate) async fn run<Io: AsyncRead + AsyncWrite + Unpin + Send>(
    gateway: Gateway,
    io: Io,
    identity: Arc<Identity>,
    caller: Option<Caller>,
) {
    let mut socket = Socket::new(io, gateway.options.message_bytes).await;
    let end = match greet(&gateway, &mut socket, &identity, caller).await {
        Ok((leave, caller)) => {
            let caller = Arc::new(Mutex::new(caller));
            Conversation { gateway, identity, caller, leave, errors: Errors::default() }
                .talk(&mut socket)
                .await
        }
        Err(end) => end,
    };
    match end {
        End::Close(close) => socket.close(Some((close.code(), close.reason()))).await,
        End::Fault(code) => socket.close(Some((code, fault_reason(code)))).await,
        End::Gone => socket.close(None).await,
    }
}

/// Waits for `hello` and lets the client in.
async fn greet<Io: AsyncRead + AsyncWrite + Unpin>(
    gateway: &Gateway,
    socket: &mut Socket<Io>,
    identity: &Identity,
    caller: Option<Caller>,
) -> Result<(Leave, Caller), End> {
    let first = tokio::time::timeout(gateway.options.first_frame, first_text(socket));
    let text = tokio::select! {
        biased;
        () = gateway.admission.closed() => return Err(End::Close(Close::Shutdown)),
        text = first => text.map_err(|_elapsed| End::Close(Close::BadRequest))??,
    };
    match let_in(gateway, &text, identity, caller).await {
        Ok(let_in) => Ok(let_in),
        Err(problem) => {
            // Why, in words; the close code says the rest.
            let mut frame = Some(wire::error(None, &problem));
            while let Turn::Message(_) = socket.turn(false, |_| Poll::Ready(frame.take())).await {}
            Err(End::Close(match problem.code() {
                Code::Unauthorized => Close::InvalidToken,
                Code::ConnectionLimit => Close::ConnectionLimit,
                Code::Unavailable | Code::Internal | Code::PublishFailed => Close::Unavailable,
                Code::BadRequest
                | Code::Forbidden
                | Code::NotFound
                | Code::MethodNotAllowed
                | Code::Conflict
                | Code::TooLarge
                | Code::UnsupportedMediaType
                | Code::IdempotencyKeyReused
                | Code::UpgradeRequired
                | Code::TooManyRequests => Close::BadRequest,
            }))
        }
    }
}

async fn first_text<Io: AsyncRead + AsyncWrite + Unpin>(socket: &mut Socket<Io>) -> Result<String, End> {
    loop {
        match socket.turn(true, |_| Poll::Pending).await {
            Turn::Message(Message::Text(text)) => return Ok(text.as_str().to_owned()),
            Turn::Message(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => {}
            Turn::Message(Message::Binary(_) | Message::Frame(_)) => {
                return Err(End::Close(Close::BadRequest));
            }
            Turn::Ended(Some(code)) => return Err(End::Fault(code)),
            Turn::Ended(None) | Turn::Drained => return Err(End::Gone),
        }
    }
}

async fn let_in(
    gateway: &Gateway,
    text: &str,
    identity: &Identity,
    caller: Option<Caller>,
) -> Result<(Leave, Caller), Problem> {
    let hello = commands::parse_hello(text)?;
    let caller = match (&hello.token, caller) {
        (Some(token), _) => identity.caller(token).await?,
        (None, Some(caller)) => caller,
        (None, None) => {
            return Err(Problem::new(Code::Unauthorized, "say who you are: `hello` takes a token"));
        }
    };
    let channels = channels::parse(hello.channels.iter().flatten().map(String::as_str))?;
    let hello = Hello { session: hello.session, cursor: hello.cursor, channels };
    let queue = gateway.queue();
    let outlet = Arc::clone(&queue);
    let connection = gateway.connect(&caller, hello, (Wire::WebSocket, outlet)).await?;
    Ok((Leave { gateway: gateway.clone(), connection, queue }, caller))
}

/// Counts a client's errors.
#[derive(Debug, Default)]
struct Errors {
    since: Option<Instant>,
    count: u32,
}

impl Errors {
    /// One more; true when they are too many.
    fn add(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.duration_since(since) > ERRORS_WITHIN) {
            *self = Self { since: Some(now), count: 0 };
        }
        self.count += 1;
        self.count > ERRORS_MAX
    }
}

struct Conversation {
    gateway: Gateway,
    identity: Arc<Identity>,
    // Whom the newest token names.
    caller: Arc<Mutex<Caller>>,
    leave: Leave,
    errors: Errors,
}

impl Conversation {
    /// Goes on until one side ends it. One command is done at a time; meanwhile frames are written, and no
    /// further command is read.
    async fn talk<Io: AsyncRead + AsyncWrite + Unpin>(mut self, socket: &mut Socket<Io>) -> End {
        let (connection, queue) = (Arc::clone(&self.leave.connection), Arc::clone(&self.leave.queue));
        let mut running: Option<Running> = None;
        loop {
            let turn = socket.turn(running.is_none(), |context| queue.poll_drain(context));
            let turn = match &mut running {
                None => turn.await,
                Some(command) => tokio::select! {
                    turn = turn => turn,
                    answer = command => {
                        running = None;
                        if self.answer(&connection, answer) {
                            return End::Close(Close::BadRequest);
                        }
                        continue;
                    }
                },
            };
            match turn {
                Turn::Message(message) => {
                    connection.line.heard();
                    match message {
                        Message::Text(text) => running = self.command(&connection, &text),
                        Message::Binary(_) | Message::Frame(_) => return End::Close(Close::BadRequest),
                        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
                    }
                }
                Turn::Drained => return End::Close(connection.outlet.closed().unwrap_or(Close::Unavailable)),
                Turn::Ended(Some(code)) => return End::Fault(code),
                Turn::Ended(None) => return End::Gone,
            }
        }
    }

    /// Sends an answer; true when the client made too many errors. A full queue ends the connection itself.
    fn answer(&mut self, connection: &Connection, answer: Result<Bytes, Bytes>) -> bool {
        let too_many = answer.is_err() && self.errors.add(Instant::now());
        let (Ok(frame) | Err(frame)) = answer;
        connection.outlet.offer(frame, Reason::Live).ok();
        too_many
    }

    /// Begins a command.
    fn command(&self, connection: &Arc<Connection>, text: &str) -> Option<Running> {
        let (reference, command) = commands::parse(text, &self.gateway.commands);
        let done =
            |answer: Result<Bytes, Bytes>| -> Option<Running> { Some(Box::pin(async move { answer })) };
        let refused = |problem: &Problem| Err(wire::error(reference.as_deref(), problem));
        match command {
            Err(problem) => done(refused(&problem)),
            Ok(Command::Ping) => done(Ok(wire::ok(reference.as_deref(), &json!({})))),
            Ok(Command::Ack { cursor }) => match self.acked(connection, &cursor) {
                // Cumulative, so the newest is forwarded within a second, and none is answered.
                Ok(place) => {
                    connection.line.ack(place);
                    None
                }
                Err(problem) => done(refused(&problem)),
            },
            Ok(Command::Read { ids }) => {
                let (source, user) = (Arc::clone(&self.gateway.source), connection.user.clone());
                Some(Box::pin(async move {
                    let answer = source.read(&user, ids).await.map(|()| json!({}));
                    reply(reference.as_deref(), answer)
                }))
            }
            Ok(Command::OfFeature(number)) => {
                let command = Arc::clone(self.gateway.commands.get(number)?);
                let caller = self.caller.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let text = text.to_owned();
                Some(Box::pin(async move { reply(reference.as_deref(), command.run(&caller, &text).await) }))
            }
            Ok(Command::Auth { token }) => {
                let (gateway, identity) = (self.gateway.clone(), Arc::clone(&self.identity));
                let (connection, newest) = (Arc::clone(connection), Arc::clone(&self.caller));
                Some(Box::pin(async move {
                    let answer = match identity.caller(&token).await {
                        Ok(caller) => {
                            let renewed = gateway.renew(&connection, &caller).await;
                            if renewed.is_ok() {
                                *newest.lock().unwrap_or_else(PoisonError::into_inner) = caller;
                            }
                            renewed
                        }
                        Err(problem) => Err(problem),
                    };
                    reply(reference.as_deref(), answer.map(|expires_at| json!({ "expires_at": expires_at })))
                }))
            }
        }
    }

    /// The place of a cursor that this client was given.
    fn acked(&self, connection: &Connection, cursor: &str) -> Result<Place, Problem> {
        let bad = |detail: String| Problem::new(Code::BadRequest, detail);
        let cursor: Cursor = cursor.parse().map_err(|cause| bad(format!("cursor: {cause}")))?;
        let generation = self.gateway.feed.generations().current().id;
        let known = cursor.generation == generation && cursor.narrowing == connection.narrowing;
        if !known || !connection.stream().may_confirm(cursor.place) {
            return Err(bad("cursor: this session was not given it".to_owned()));
        }
        Ok(cursor.place)
    }
}

fn reply(reference: Option<&str>, answer: Result<serde_json::Value, Problem>) -> Result<Bytes, Bytes> {
    match answer {
        Ok(data) => Ok(wire::ok(reference, &data)),
        Err(problem) => Err(wire::error(reference, &problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_errors_in_a_minute_are_borne_and_no_more() {
        let (mut errors, start) = (Errors::default(), Instant::now());
        assert!((0..20).all(|_| !errors.add(start)));
        assert!(errors.add(start));
        let later = start + ERRORS_WITHIN + Duration::from_secs(1);
        assert!(!errors.add(later));
    }
}
