//! The routes of chat. Members alone see a conversation; to everybody else it looks like a missing one.

mod create;
mod get;
mod history;
mod list;
mod members;
mod read;
mod receipts;
mod send;
mod stats;
mod typing;

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use tidings::{
    Deps, OpenApiRouter,
    api::{Caller, Pace, Problem},
    delivery::{
        directory,
        seen::{self, Seen},
    },
    model::{Channel, ConversationId, MessageId, Timestamp, UserId},
    routes,
    store::{StoreError, Tx},
};
use utoipa::ToSchema;

use crate::{
    events::Status,
    messages,
    model::{Conversation, Message, Standing},
    standing::Counts,
    store,
    typing::Words,
};
pub(crate) use send::Sent;

/// What the routes and commands of chat need.
#[derive(Clone, Debug)]
pub(crate) struct Chat {
    pub(crate) deps: Deps,
    per_second: u32,
    pace: Arc<Pace<UserId>>,
    pub(crate) words: Arc<Words>,
}

impl Chat {
    /// Each person says so many messages a second, and twice as many at once.
    pub(crate) fn new(deps: &Deps, per_second: u32) -> Self {
        let per_second = per_second.max(1);
        let pace = Pace::new(per_second.saturating_mul(2), Duration::from_secs(1) / per_second);
        Self { deps: deps.clone(), per_second, pace: Arc::new(pace), words: Arc::default() }
    }

    /// Takes one message of somebody into account, or refuses it.
    fn pace(&self, caller: &Caller, now: Timestamp) -> Result<(), Problem> {
        let limit = self.per_second;
        let taken = self.pace.take(caller.user_id.clone(), now);
        let told =
            |wait| Problem::too_many(&format!("{limit} messages a second are what one person may say"), wait);
        taken.map(|_left| ()).map_err(told)
    }
}

/// A conversation, as one of its members has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
struct ConversationBody {
    #[schema(value_type = String, example = "cnv_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    conversation_id: ConversationId,
    /// How a group is called; null for two people, and where nobody named it.
    title: Option<String>,
    /// The other of two people; null for groups.
    partner: Option<Partner>,
    /// How many people it has.
    members: u64,
    /// What was said last; null before anything was.
    last_message: Option<MessageBody>,
    /// How many messages of others you have not read.
    unread_count: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Whom somebody speaks with.
#[derive(Debug, Serialize, ToSchema)]
struct Partner {
    #[schema(value_type = String)]
    user_id: UserId,
    display_name: String,
    /// Whether they are there, on some device.
    online: bool,
    /// When they were last there; null while they are, and where that is 30 days ago or never was.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Timestamp>,
}

/// Something that a member said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChatMessage)]
struct MessageBody {
    #[schema(value_type = String, example = "msg_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    message_id: MessageId,
    #[schema(value_type = String)]
    conversation_id: ConversationId,
    /// Its number in the conversation, from 1 without holes.
    seq: u64,
    #[schema(value_type = String)]
    sender_id: UserId,
    content: String,
    /// What its sender's device calls it.
    client_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// How it stands with the other members; in a history, of what you said yourself.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<MessageStanding>,
}

/// How a message stands with the other members who saw it said.
#[derive(Debug, Serialize, ToSchema)]
struct MessageStanding {
    /// `READ` or `DELIVERED` where all of them read it or have it, `SENT` before.
    status: Status,
    /// How many of them have it.
    delivered: u64,
    /// How many of them read it.
    read: u64,
    /// How many there are.
    of: u64,
}

impl From<Counts> for MessageStanding {
    fn from(counts: Counts) -> Self {
        let Counts { delivered, read, of } = counts;
        Self { status: counts.status(), delivered, read, of }
    }
}

impl From<Message> for MessageBody {
    fn from(message: Message) -> Self {
        let Message { id, conversation_id, seq, sender_id, client_id, content, event_id: _, created_at } =
            message;
        Self {
            message_id: id,
            conversation_id,
            seq,
            sender_id,
            content,
            client_id,
            created_at,
            standing: None,
        }
    }
}

pub(crate) fn routes(chat: Chat) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(create::create_conversation, list::list_conversations))
        .routes(routes!(get::get_conversation))
        .routes(routes!(members::join_conversation, members::leave_conversation))
        .routes(routes!(send::send_message, history::list_messages))
        .routes(routes!(read::read_conversation))
        .routes(routes!(typing::type_in_conversation))
        .routes(routes!(receipts::message_receipts))
        .routes(routes!(stats::conversation_stats))
        .with_state(chat)
}

/// The channel of a conversation.
pub(crate) fn channel(id: ConversationId) -> Channel {
    Channel::Conversation(id.to_string())
}

/// Missing, or somebody else's.
pub(crate) fn missing() -> Problem {
    Problem::not_found("conversation")
}

/// A conversation as one of its members has it.
async fn of_member(tx: &Tx, id: ConversationId, user: &UserId) -> Result<(Conversation, Standing), Problem> {
    store::of_member(tx, id, user).await?.ok_or_else(missing)
}

/// What a member is shown of a conversation.
async fn shown(
    tx: &Tx,
    user: &UserId,
    (conversation, standing): (Conversation, Standing),
) -> Result<ConversationBody, StoreError> {
    let partner = match conversation.pair.as_ref().and_then(|pair| pair.partner(user)) {
        Some(other) => {
            let known = directory::find(tx, other).await?;
            let display_name = known.map_or_else(|| other.to_string(), |known| known.display_name);
            let seen = seen::find(tx, other).await?;
            Some(Partner {
                user_id: other.clone(),
                display_name,
                online: seen.as_ref().is_some_and(Seen::is_online),
                last_seen_at: seen.and_then(|seen| seen.last_seen_at),
            })
        }
        None => None,
    };
    let last_message = if conversation.last_seq > standing.joined {
        messages::at(tx, conversation.id, conversation.last_seq).await?
    } else {
        None
    };
    Ok(ConversationBody {
        conversation_id: conversation.id,
        title: conversation.title,
        partner,
        members: store::size(tx, conversation.id).await?,
        last_message: last_message.map(MessageBody::from),
        unread_count: messages::unread(tx, conversation.id, user, standing.read).await?,
        created_at: conversation.created_at,
    })
}
