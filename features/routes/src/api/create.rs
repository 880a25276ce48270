//! `POST /messages`.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings::{
    Deps,
    api::{
        Caller, Code, FieldError, Problem, RawBody, Scope, TraceParent,
        idempotency::{Answer, IdempotencyKey},
    },
    model::{Audience, Channel, Kind, MessageId, Timestamp},
};
use utoipa::ToSchema;

use crate::{
    events::MessageEvent,
    handler::MESSAGE_ITEM,
    model::{DEFAULT_LIFE, FrameType, MAX_CHANNELS, Message, Said, Unsayable, event_id},
};

/// The body of a request.
const BODY_BYTES: usize = 256 << 10;

/// A message to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateMessage {
    /// Who it is for, 1 to 100 channels: `all`, `role:…`, `group:…`, `user:…`, `app:…`.
    #[schema(example = json!(["user:alice", "role:editor"]))]
    to: Vec<String>,
    /// Who it is not for, though one of `to` means them.
    #[serde(default)]
    not: Vec<String>,
    /// The type of its frames, a word of your own.
    #[serde(rename = "type")]
    #[schema(example = "invoice.paid")]
    frame_type: String,
    /// With a title it is an item of the inbox.
    title: Option<String>,
    /// What it says, as plain text.
    content: Option<String>,
    /// Anything the application's own client wants to know.
    #[schema(value_type = Option<Value>)]
    data: Option<Value>,
    /// Where a click leads.
    action_url: Option<String>,
    /// When it is no longer delivered; 30 days where it is absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A message that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessageCreated {
    #[schema(value_type = String, example = "msg_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    message_id: MessageId,
}

/// Say something of your own type to channels.
#[utoipa::path(
    post, path = "/api/v1/messages", tag = "messages", security(("token" = ["message:write"])), request_body = CreateMessage,
    responses((status = 201, description = "saved, and on its way", body = MessageCreated),
        (status = 422, description = "the Idempotency-Key came with another body before"))
)]
pub(super) async fn create_message(
    State(deps): State<Deps>,
    caller: Caller,
    key: IdempotencyKey,
    trace: TraceParent,
    body: RawBody,
) -> Result<Answer, Problem> {
    caller.require(Scope::MessageWrite)?;
    body.limit(BODY_BYTES)?;
    let now = deps.clock.now();
    let message = validate(body.parse()?, &deps, now)?;
    let answer = deps
        .store
        .transact(move |tx| async move {
            if let Some(answer) = key.seen(&tx, &body.0).await? {
                return Ok(answer);
            }
            let event = MessageEvent::from((&message, &caller.user_id));
            tx.put_event(&event.announced(message.event_id, trace.to_string(), now)).await?;
            let answer = Answer::new(StatusCode::CREATED, &MessageCreated { message_id: message.id });
            key.keep(&tx, &body.0, &answer, now).await?;
            Ok::<_, Problem>(answer)
        })
        .await?;
    Ok(answer)
}

fn validate(request: CreateMessage, deps: &Deps, now: Timestamp) -> Result<Message, Problem> {
    let mut errors = Vec::new();
    let said = Said {
        title: request.title,
        content: request.content,
        data: request.data,
        action_url: request.action_url,
    };
    let mut wrong = |pointer: String, detail: String| errors.push(FieldError { pointer, detail });
    match said.check() {
        Err(large @ Unsayable::TooLarge(_)) => return Err(Problem::new(Code::TooLarge, large.to_string())),
        Err(url @ Unsayable::Url) => wrong("/action_url".to_owned(), url.to_string()),
        Ok(()) => {}
    }
    if said.title.as_ref().is_some_and(|title| title.trim().is_empty()) {
        wrong("/title".to_owned(), "must say something; leave it out for what is in no inbox".to_owned());
    }
    let expires_at = request.expires_at.unwrap_or_else(|| now.plus(DEFAULT_LIFE));
    if expires_at <= now {
        wrong("/expires_at".to_owned(), "must lie in the future".to_owned());
    }
    let any = channels("/to", &request.to, &mut wrong);
    let none = channels("/not", &request.not, &mut wrong);
    if any.is_empty() && request.to.is_empty() {
        wrong("/to".to_owned(), "must name at least one channel, for example `user:alice`".to_owned());
    }
    let frame_type = match request.frame_type.parse::<FrameType>() {
        Ok(frame_type) => Some(frame_type),
        Err(invalid) => {
            wrong("/type".to_owned(), invalid.to_string());
            None
        }
    };
    let Some(frame_type) = frame_type.filter(|_| errors.is_empty()) else {
        return Err(Problem::fields(errors));
    };
    let id = deps.ids.message();
    Ok(Message {
        id,
        event_id: event_id(id),
        item: Some(MESSAGE_ITEM),
        frame_type,
        audience: Audience { any, none },
        said,
        kind: Kind::Message,
        time: now,
        expires_at: Some(expires_at),
    })
}

/// The channels that a list names, each once.
fn channels(pointer: &str, names: &[String], wrong: &mut impl FnMut(String, String)) -> Vec<Channel> {
    if names.len() > MAX_CHANNELS {
        wrong(pointer.to_owned(), format!("names {} channels, at most {MAX_CHANNELS}", names.len()));
        return Vec::new();
    }
    let mut channels = Vec::new();
    for (at, name) in names.iter().enumerate() {
        match name.parse() {
            Ok(Channel::Conversation(_) | Channel::Author(_)) => wrong(
                format!("{pointer}/{at}"),
                "conversations and authors speak for themselves: name `all`, `role:…`, `group:…`, `user:…` or `app:…`"
                    .to_owned(),
            ),
            Ok(channel) if channels.contains(&channel) => {}
            Ok(channel) => channels.push(channel),
            Err(invalid) => wrong(format!("{pointer}/{at}"), invalid.to_string()),
        }
    }
    channels
}
