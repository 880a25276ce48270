//! The event of a message, as it lies on its topic.

use serde::{Deserialize, Serialize};
use tidings::model::{Audience, Channel, EventId, MessageId, NewEvent, Timestamp, UserId};
use utoipa::ToSchema;

use crate::model::{FrameType, Message, Said};

/// Messages that callers said, each with its audience. Keyed by the first channel, so that what is said to one
/// channel, one after the other, is seen in that order.
pub(crate) const MESSAGES_TOPIC: &str = "messages";

/// The value of a record of [`MESSAGES_TOPIC`]. Another tool needs no more than `to` and `type`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MessageEvent {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) message_id: Option<MessageId>,
    #[schema(value_type = Vec<String>)]
    pub(crate) to: Vec<Channel>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub(crate) not: Vec<Channel>,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub(crate) frame_type: FrameType,
    #[serde(flatten)]
    pub(crate) said: Said,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) sender_id: Option<UserId>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) created_at: Option<Timestamp>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Timestamp>,
}

impl From<(&Message, &UserId)> for MessageEvent {
    fn from((message, sender): (&Message, &UserId)) -> Self {
        let Audience { any, none } = message.audience.clone();
        Self {
            message_id: Some(message.id),
            to: any,
            not: none,
            frame_type: message.frame_type.clone(),
            said: message.said.clone(),
            sender_id: Some(sender.clone()),
            created_at: Some(message.time),
            expires_at: message.expires_at,
        }
    }
}

impl MessageEvent {
    /// The event that announces it.
    pub(crate) fn announced(&self, id: EventId, trace_parent: String, time: Timestamp) -> NewEvent {
        NewEvent {
            id,
            topic: MESSAGES_TOPIC,
            event_type: "MessageCreated",
            key: self.to.first().map(ToString::to_string),
            payload: serde_json::to_vec(self).unwrap_or_default(),
            time,
            trace_parent: Some(trace_parent),
            late: false,
        }
    }
}
