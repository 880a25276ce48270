//! `POST /conversations/{id}/messages`: the message and its events are stored in one transaction.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings::{
    api::{
        Caller, Code, Problem, RawBody, Segment, Somebody, TraceParent,
        idempotency::{Answer, IdempotencyKey},
    },
    model::{ConversationId, EventId, MessageId},
    store::Tx,
};
use utoipa::ToSchema;

use super::{Chat, of_member};
use crate::{
    events::{self, Status},
    messages::{self, New},
    model::{Message, Saying},
    store,
};

/// The largest body, in bytes.
const BODY_BYTES: usize = 256 << 10;

/// Something to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SendMessage {
    #[schema(example = "Coffee?")]
    content: String,
    /// What your device calls it: sent again under the same name, it is the same message.
    client_id: Option<String>,
}

/// A message that is kept, and on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sent {
    #[schema(value_type = String, example = "msg_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    message_id: MessageId,
    /// Its number in the conversation, from 1 without holes.
    seq: u64,
    /// `SENT`.
    status: Status,
}

impl From<Message> for Sent {
    fn from(message: Message) -> Self {
        Self { message_id: message.id, seq: message.seq, status: Status::Sent }
    }
}

/// Say something to the members of a conversation.
#[utoipa::path(
    post, path = "/api/v1/conversations/{id}/messages", tag = "chat", params(("id" = String, Path)),
    request_body = SendMessage,
    responses((status = 201, description = "kept, and on its way", body = Sent),
        (status = 409, description = "you said something else under this `client_id`"),
        (status = 422, description = "the Idempotency-Key came with another body before"),
        (status = 429, description = "too many messages a second"))
)]
pub(super) async fn send_message(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Segment(id): Segment<ConversationId>,
    key: IdempotencyKey,
    trace: TraceParent,
    body: RawBody,
) -> Result<Answer, Problem> {
    body.limit(BODY_BYTES)?;
    let SendMessage { content, client_id } = body.parse()?;
    let new = chat.new_message(&caller, Saying { content, client_id })?;
    let (status_id, trace) = (chat.deps.ids.event(), trace.to_string());
    chat.deps
        .store
        .transact(move |tx| async move {
            if let Some(answer) = key.seen(&tx, &body.0).await? {
                return Ok(answer);
            }
            let now = new.created_at;
            let sent = Sent::from(say(&tx, id, (new, status_id), Some(trace)).await?);
            let answer = Answer::new(StatusCode::CREATED, &sent);
            key.keep(&tx, &body.0, &answer, now).await?;
            Ok::<_, Problem>(answer)
        })
        .await
}

impl Chat {
    /// Says something on a stream.
    pub(crate) async fn send(
        &self,
        caller: &Caller,
        id: ConversationId,
        saying: Saying,
    ) -> Result<Sent, Problem> {
        let new = (self.new_message(caller, saying)?, self.deps.ids.event());
        self.deps.store.transact(move |tx| async move { Ok(say(&tx, id, new, None).await?.into()) }).await
    }

    fn new_message(&self, caller: &Caller, saying: Saying) -> Result<New, Problem> {
        saying.check()?;
        let now = self.deps.clock.now();
        self.pace(caller, now)?;
        let (id, event_id) = (self.deps.ids.message(), self.deps.ids.event());
        Ok(New { id, event_id, sender_id: caller.user_id.clone(), saying, created_at: now })
    }
}

/// Stores a message with its events, as the next of its conversation; one of the same name is the same message.
async fn say(
    tx: &Tx,
    id: ConversationId,
    (new, status_id): (New, EventId),
    trace_parent: Option<String>,
) -> Result<Message, Problem> {
    store::hold(tx, id).await?;
    let (conversation, _) = of_member(tx, id, &new.sender_id).await?;
    if let Some(name) = &new.saying.client_id
        && let Some(said) = messages::named(tx, id, &new.sender_id, name).await?
    {
        if said.content == new.saying.content {
            return Ok(said);
        }
        let detail = "you said something else under this `client_id` before; use a new one for a new message";
        return Err(Problem::new(Code::Conflict, detail));
    }
    let message = messages::put(tx, &conversation, new).await?;
    tx.put_event(&events::said(&conversation, &message, trace_parent)).await?;
    let sent = (&message.sender_id, Status::Sent);
    tx.put_event(&events::stands(status_id, &message, sent, message.created_at)).await?;
    Ok(message)
}
