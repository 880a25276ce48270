//! The event between the one who finds and the one who calls: this person has not confirmed what lies at this place.

use serde::{Deserialize, Serialize};
use tidings::{
    delivery::core::Place,
    model::{EventId, NewEvent, Timestamp, UserId},
};
use utoipa::ToSchema;

/// Where these events go.
pub(crate) const TOPIC: &str = "tidings-webhook";
/// The type of these events.
pub(crate) const UNCONFIRMED: &str = "MessageUnconfirmed";

/// Somebody has not confirmed a message.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Unheard {
    /// Who.
    #[schema(value_type = String)]
    pub(crate) user_id: UserId,
    /// The place of its delivery.
    #[schema(value_type = u64)]
    pub(crate) place: Place,
    /// When it was found.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) found_at: Timestamp,
}

impl Unheard {
    /// The event. It has no key: a call that waits keeps back no other.
    pub(crate) fn event(&self, id: EventId) -> NewEvent {
        NewEvent {
            id,
            topic: TOPIC,
            event_type: UNCONFIRMED,
            key: None,
            payload: serde_json::to_vec(self).unwrap_or_default(),
            time: self.found_at,
            trace_parent: None,
            late: false,
        }
    }
}
