//! The events of chat, in the letter of their topics.

use serde::{Deserialize, Serialize};
use tidings::{
    delivery::Word,
    model::{ConversationId, EventId, MessageId, NewEvent, Timestamp, UserId},
};
use utoipa::ToSchema;

use crate::model::{CONTENT_BYTES, Conversation, Message};

/// What people say to each other, by conversation.
pub(crate) const MESSAGES_TOPIC: &str = "chat-messages";
/// Who got it and who read it, by who sent it.
pub(crate) const STATUS_TOPIC: &str = "message-status-events";
/// What people are notified of, by person.
pub(crate) const NOTICES_TOPIC: &str = "notifications";
/// The group of those who bring all three to screens.
pub(crate) const GROUP: &str = "communication-service-group";

/// The value of a record of [`MESSAGES_TOPIC`]. Another tool needs no more than the first three.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatMessage {
    pub(crate) content: String,
    /// The other of two people; null in groups.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) recipient_id: Option<UserId>,
    #[schema(value_type = String)]
    pub(crate) conversation_id: ConversationId,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) message_id: Option<MessageId>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) sender_id: Option<UserId>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) created_at: Option<Timestamp>,
}

/// The value of a record of [`STATUS_TOPIC`]. Another tool needs all but the last.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageStatus {
    /// This message, and all that came before it from the same sender.
    #[schema(value_type = String)]
    pub(crate) message_id: MessageId,
    #[schema(value_type = String)]
    pub(crate) conversation_id: ConversationId,
    pub(crate) status: Status,
    /// Who received or read it; of what was sent, who sent it.
    #[schema(value_type = String)]
    pub(crate) user_id: UserId,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) timestamp: Timestamp,
    /// Who is told of it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) sender_id: Option<UserId>,
}

/// The value of a record of [`NOTICES_TOPIC`]. Another tool needs a person, a title, a content and a type.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notice {
    /// A `ntf_…` of ours, or what its writer calls it.
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[schema(value_type = String)]
    pub(crate) user_id: UserId,
    pub(crate) title: String,
    pub(crate) content: String,
    /// `NEW_MESSAGE`, or another word.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What it is about; of a new message, its conversation.
    #[serde(default)]
    pub(crate) related_entity_id: Option<String>,
    #[serde(default)]
    pub(crate) read: bool,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) created_at: Option<Timestamp>,
}

impl Notice {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let said =
            [Some(&self.title), Some(&self.content), Some(&self.kind), self.related_entity_id.as_ref()];
        if self.title.trim().is_empty() {
            Err("a notification has a title")
        } else if said.into_iter().flatten().map(String::len).sum::<usize>() > CONTENT_BYTES {
            Err("a notification has at most 64 KiB")
        } else if said.into_iter().flatten().any(|text| text.contains('\0')) {
            // PostgreSQL cannot store it in text.
            Err("the character U+0000 is not allowed")
        } else {
            Ok(())
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = MessageState)]
pub(crate) enum Status {
    /// The server has it.
    Sent,
    /// A device has it.
    Delivered,
    /// Its reader read it.
    Read,
}

impl Status {
    /// The word of its topic.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "SENT",
            Self::Delivered => "DELIVERED",
            Self::Read => "READ",
        }
    }
}

impl From<Word> for Status {
    fn from(word: Word) -> Self {
        match word {
            Word::Delivered => Self::Delivered,
            Word::Read => Self::Read,
        }
    }
}

/// The event by which a message is delivered.
pub(crate) fn said(conversation: &Conversation, message: &Message, trace_parent: Option<String>) -> NewEvent {
    let partner = conversation.pair.as_ref().and_then(|pair| pair.partner(&message.sender_id));
    let value = ChatMessage {
        content: message.content.clone(),
        recipient_id: partner.cloned(),
        conversation_id: message.conversation_id,
        message_id: Some(message.id),
        sender_id: Some(message.sender_id.clone()),
        created_at: Some(message.created_at),
    };
    NewEvent {
        id: message.event_id.clone(),
        topic: MESSAGES_TOPIC,
        event_type: "ChatMessage",
        key: Some(message.conversation_id.to_string()),
        payload: serde_json::to_vec(&value).unwrap_or_default(),
        time: message.created_at,
        trace_parent,
        late: false,
    }
}

/// The event that says how a message stands: that it was sent, or how far somebody has come.
pub(crate) fn stands(
    id: EventId,
    message: &Message,
    (user, status): (&UserId, Status),
    now: Timestamp,
) -> NewEvent {
    let value = MessageStatus {
        message_id: message.id,
        conversation_id: message.conversation_id,
        status,
        user_id: user.clone(),
        timestamp: now,
        sender_id: Some(message.sender_id.clone()),
    };
    NewEvent {
        id,
        topic: STATUS_TOPIC,
        event_type: status.as_str(),
        key: Some(message.sender_id.to_string()),
        payload: serde_json::to_vec(&value).unwrap_or_default(),
        time: now,
        trace_parent: None,
        late: false,
    }
}

/// The event by which somebody is notified.
pub(crate) fn notice(id: EventId, notice: &Notice, now: Timestamp) -> NewEvent {
    NewEvent {
        id,
        topic: NOTICES_TOPIC,
        event_type: "Notification",
        key: Some(notice.user_id.to_string()),
        payload: serde_json::to_vec(notice).unwrap_or_default(),
        time: now,
        trace_parent: None,
        late: false,
    }
}
