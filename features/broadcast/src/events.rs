//! The events of a broadcast, in the letter of their topics.

use serde::{Deserialize, Serialize};
use tidings::{
    consumer::headers,
    model::{Audience, BroadcastId, Channel, EventId, NewEvent, Record, Timestamp, UserId, header},
};
use utoipa::ToSchema;

use crate::model::Target;

/// Each broadcast and each step of its life.
pub(crate) const LIFECYCLE_TOPIC: &str = "broadcast-messages";
/// One event per selected person.
pub(crate) const SELECTED_TOPIC: &str = "broadcast-user-service-selected";
/// One event for everybody, roles, groups.
pub(crate) const GROUP_TOPIC: &str = "broadcast-user-service-group";

/// A step of a broadcast's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Step {
    /// It was created, for later.
    Scheduled,
    /// It was changed before its time.
    Edited,
    /// It is delivered from now on.
    Activated,
    /// The next people of a selected audience.
    Slice,
    /// Its sender took it back.
    Cancelled,
    /// Its time was over.
    Expired,
}

/// The value of a record of `broadcast-messages`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LifecycleEvent {
    #[schema(value_type = String)]
    pub(crate) broadcast_id: BroadcastId,
    pub(crate) step: Step,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) timestamp: Timestamp,
    #[schema(value_type = String)]
    pub(crate) sender_id: UserId,
    pub(crate) title: Option<String>,
    pub(crate) content: String,
    /// For a slice: the last person of the slice before, and what the people are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) after: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_type: Option<EventType>,
}

/// What a delivery event announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum EventType {
    Created,
    Cancelled,
    Expired,
}

/// Whom a delivery event of the group topic is for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EventAudience {
    #[serde(rename = "type")]
    pub(crate) kind: AudienceType,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ids: Vec<String>,
    /// For a custom audience: one of these channels is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub(crate) any: Vec<Channel>,
    /// For a custom audience: one of these channels is too much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub(crate) none: Vec<Channel>,
}

/// The kinds of audience of the group topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum AudienceType {
    All,
    Role,
    Group,
    Custom,
}

/// The value of a record of the two delivery topics.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageDeliveryEvent {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) event_id: Option<EventId>,
    pub(crate) broadcast_id: String,
    #[schema(value_type = Option<String>)]
    pub(crate) user_id: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<EventAudience>,
    pub(crate) event_type: EventType,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) correlation_id: Option<String>,
}

impl EventAudience {
    /// None where people are named one by one.
    pub(crate) fn of(target: &Target) -> Option<Self> {
        let named =
            |kind, ids: &[String]| Self { kind, ids: ids.to_vec(), any: Vec::new(), none: Vec::new() };
        Some(match target {
            Target::All => named(AudienceType::All, &[]),
            Target::Role { ids } => named(AudienceType::Role, ids),
            Target::Group { ids } => named(AudienceType::Group, ids),
            Target::Custom { any, none } => {
                Self { any: any.clone(), none: none.clone(), ..named(AudienceType::Custom, &[]) }
            }
            Target::Selected { .. } | Target::List { .. } => return None,
        })
    }

    pub(crate) fn audience(&self) -> Audience {
        let channels = |channel: fn(String) -> Channel| self.ids.iter().cloned().map(channel).collect();
        let any = match self.kind {
            AudienceType::All => return Audience::of(Channel::All),
            AudienceType::Role => channels(Channel::Role),
            AudienceType::Group => channels(Channel::Group),
            AudienceType::Custom => return Audience { any: self.any.clone(), none: self.none.clone() },
        };
        Audience { any, none: Vec::new() }
    }
}

/// The id of an event, and what it has of its cause: the trace, none where nobody asked for it, and whether it is late.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) id: EventId,
    pub(crate) trace_parent: Option<String>,
    pub(crate) late: bool,
}

impl Cause {
    /// Goes on with the trace of a record; what follows from one that was sent through again is late.
    pub(crate) fn of(id: EventId, record: &Record) -> Self {
        let trace_parent = record.header(header::TRACE_PARENT).map(str::to_owned);
        Self { id, trace_parent, late: headers::is_late(record) }
    }
}

impl From<EventId> for Cause {
    fn from(id: EventId) -> Self {
        Self { id, trace_parent: None, late: false }
    }
}

/// An event of a topic, keyed.
pub(crate) fn event(
    cause: Cause,
    topic: &'static str,
    event_type: &'static str,
    key: String,
    value: &impl Serialize,
    time: Timestamp,
) -> NewEvent {
    let payload = serde_json::to_vec(value).unwrap_or_default();
    let Cause { id, trace_parent, late } = cause;
    NewEvent { id, topic, event_type, key: Some(key), payload, time, trace_parent, late }
}
