//! The event of an announcement, in the letter of its topic.

use serde::{Deserialize, Serialize};
use tidings::model::{EventId, NewEvent, NotificationId, Timestamp};

use crate::model::{Announcement, Said};

/// Announcements, one after the other.
pub(crate) const ANNOUNCEMENTS_TOPIC: &str = "notification.broadcast";

/// The value of a record of [`ANNOUNCEMENTS_TOPIC`]. Another tool needs no more than title and content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Announced {
    #[serde(default)]
    pub(crate) id: Option<NotificationId>,
    #[serde(flatten)]
    pub(crate) said: Said,
    #[serde(default)]
    pub(crate) timestamp: Option<Timestamp>,
}

/// The event that announces it.
pub(crate) fn announced(id: EventId, announcement: &Announcement, trace_parent: Option<String>) -> NewEvent {
    let value = Announced {
        id: Some(announcement.id),
        said: announcement.said.clone(),
        timestamp: Some(announcement.created_at),
    };
    NewEvent {
        id,
        topic: ANNOUNCEMENTS_TOPIC,
        event_type: "Announced",
        key: None,
        payload: serde_json::to_vec(&value).unwrap_or_default(),
        time: announcement.created_at,
        trace_parent,
        late: false,
    }
}
