//! What chat says: the data of its frames, and for the reference each frame and record with an example.

use serde::Serialize;
use serde_json::json;
use tidings::{
    api::{Spoken, SpokenFrame, SpokenRecord},
    delivery::ItemCreated,
    model::{ConversationId, Kind, MessageId, Timestamp, UserId},
};
use utoipa::ToSchema;

use crate::{
    events::{ChatMessage, MESSAGES_TOPIC, MessageStatus, NOTICES_TOPIC, Notice, STATUS_TOPIC},
    model::Message,
    presence,
    standing::Told,
    typing,
};

/// The type of the frame that brings a message.
pub(crate) const CREATED: &str = "message.created";
/// The type of the frame that tells who sent a message how it stands.
pub(crate) const STATUS: &str = "message.status";
/// The type of the frame that brings a notification.
pub(crate) const NOTIFIED: &str = "notification.created";
/// The type of the signal of who writes.
pub(crate) const TYPING: &str = "typing";
/// The type of the signal of who is there.
pub(crate) const PRESENCE: &str = "presence";

/// The data of [`CREATED`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageCreated<'a> {
    #[schema(value_type = String)]
    pub(crate) message_id: MessageId,
    #[schema(value_type = String)]
    pub(crate) conversation_id: ConversationId,
    /// Its number in the conversation, from 1 without holes.
    pub(crate) seq: u64,
    #[schema(value_type = String)]
    pub(crate) sender_id: &'a UserId,
    pub(crate) content: &'a str,
    /// What its sender's device calls it.
    #[schema(required)]
    pub(crate) client_id: Option<&'a str>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
}

impl<'a> From<&'a Message> for MessageCreated<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            message_id: message.id,
            conversation_id: message.conversation_id,
            seq: message.seq,
            sender_id: &message.sender_id,
            content: &message.content,
            client_id: message.client_id.as_deref(),
            created_at: message.created_at,
        }
    }
}

/// The data of [`TYPING`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TypingSaid<'a> {
    #[schema(value_type = String)]
    pub(crate) conversation_id: ConversationId,
    #[schema(value_type = String)]
    pub(crate) user_id: &'a UserId,
    pub(crate) is_typing: bool,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) timestamp: Timestamp,
}

/// The data of [`PRESENCE`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresenceSaid<'a> {
    #[schema(value_type = String)]
    pub(crate) user_id: &'a UserId,
    pub(crate) online: bool,
    /// When they were last there; null while they are.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(crate) last_seen_at: Option<Timestamp>,
}

const MESSAGE: &str = "msg_01k3x9qk3m8v6t2n4p5r7s9w0y";
const CONVERSATION: &str = "cnv_01k3x9qk3m8v6t2n4p5r7s9w0y";
const CHANNEL: &str = "conversation:cnv_01k3x9qk3m8v6t2n4p5r7s9w0y";
const NOTICE: &str = "ntf_01k3x9qk3m8v6t2n4p5r7s9w0y";
const AT: &str = "2026-01-31T09:30:00.000Z";

/// The frames of chat.
pub(crate) fn frames() -> Vec<SpokenFrame> {
    let created = json!({
        "message_id": MESSAGE, "conversation_id": CONVERSATION, "seq": 7, "sender_id": "bob", "content": "Coffee?",
        "client_id": "1", "created_at": AT,
    });
    let status = json!({
        "message_id": MESSAGE, "conversation_id": CONVERSATION, "status": "READ", "user_id": "carol",
        "timestamp": AT, "up_to": MESSAGE, "delivered": 3, "read": 3, "of": 3,
    });
    let notified = json!({
        "id": NOTICE, "kind": "notification", "title": "Bob", "content": "Coffee?",
        "data": { "type": "NEW_MESSAGE", "related_entity_id": CONVERSATION }, "action_url": null, "created_at": AT,
    });
    let typing =
        json!({ "conversation_id": CONVERSATION, "user_id": "bob", "is_typing": true, "timestamp": AT });
    let presence = json!({ "user_id": "bob", "online": false, "last_seen_at": AT });
    vec![
        SpokenFrame::new(
            Kind::Message,
            (MESSAGE, CHANNEL),
            Spoken::of::<MessageCreated<'static>>(
                CREATED,
                "Somebody said something in a conversation.",
                created,
            ),
        ),
        SpokenFrame::new(
            Kind::Change,
            (MESSAGE, "user:bob"),
            Spoken::of::<Told<'static>>(STATUS, "How far a message of this reader has come.", status),
        ),
        SpokenFrame::new(
            Kind::Message,
            (NOTICE, "user:ada"),
            Spoken::of::<ItemCreated<'static>>(NOTIFIED, "A notification of this reader.", notified),
        ),
        SpokenFrame::new(
            Kind::Signal,
            ("", CHANNEL),
            Spoken::of::<TypingSaid<'static>>(TYPING, "Somebody writes right now, or stopped.", typing),
        ),
        SpokenFrame::new(
            Kind::Signal,
            ("", CHANNEL),
            Spoken::of::<PresenceSaid<'static>>(
                PRESENCE,
                "Somebody whom this reader speaks with is there now, or gone.",
                presence,
            ),
        ),
    ]
}

/// The records of its topics.
pub(crate) fn records() -> Vec<SpokenRecord> {
    let message = json!({
        "content": "Coffee?", "recipientId": "ada", "conversationId": CONVERSATION, "messageId": MESSAGE,
        "senderId": "bob", "createdAt": AT,
    });
    let status = |name, status: &str, summary| {
        let example = json!({
            "messageId": MESSAGE, "conversationId": CONVERSATION, "status": status, "userId": "ada",
            "timestamp": AT, "senderId": "bob",
        });
        SpokenRecord::new(STATUS_TOPIC, Some("bob"), Spoken::of::<MessageStatus>(name, summary, example))
    };
    let notice = json!({
        "id": NOTICE, "userId": "ada", "title": "Bob", "content": "Coffee?", "type": "NEW_MESSAGE",
        "relatedEntityId": CONVERSATION, "read": false, "createdAt": AT,
    });
    let word = json!({
        "conversationId": CONVERSATION, "userId": "bob", "isTyping": true, "timestamp": 1_769_851_800_000_i64,
    });
    let presence = json!({
        "userId": "bob", "lastSeenAt": AT, "conversationIds": [CONVERSATION], "timestamp": 1_769_851_800_000_i64,
    });
    vec![
        SpokenRecord::new(
            MESSAGES_TOPIC,
            Some(CONVERSATION),
            Spoken::of::<ChatMessage>(
                "ChatMessage",
                "Somebody said something. Another tool needs no more than content, conversation and who says it.",
                message,
            ),
        ),
        status("SENT", "SENT", "The server has a message."),
        status("DELIVERED", "DELIVERED", "A device of a member has it."),
        status("READ", "READ", "A member read it."),
        SpokenRecord::new(
            NOTICES_TOPIC,
            Some("ada"),
            Spoken::of::<Notice>(
                "Notification",
                "Somebody is notified. Another tool needs a person, a title, a content and a type.",
                notice,
            ),
        ),
        SpokenRecord::new(
            typing::TOPIC,
            Some(CONVERSATION),
            Spoken::of::<typing::TypingEvent>("Typing", "Somebody writes right now, or stopped.", word),
        ),
        SpokenRecord {
            public: false,
            ..SpokenRecord::new(
                presence::TOPIC,
                Some("bob"),
                Spoken::of::<presence::Presence>(
                    "Presence",
                    "Internal, and other in a later release: somebody is there now, or gone.",
                    presence,
                ),
            )
        },
    ]
}
