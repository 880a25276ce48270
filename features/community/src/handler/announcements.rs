//! What happens with the record of an announcement: one delivery to everybody, and one item of their inboxes.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tidings::{
    consumer::{Handler, HandlerError},
    derived,
    model::{Audience, Channel, Clock, Record},
    store::Tx,
};

use super::{Message, PUSHERS, decode};
use crate::{
    events::{ANNOUNCEMENTS_TOPIC, Announced},
    model::Announcement,
};

/// The kind of the inbox items.
const ITEM: &str = "announcement";
/// The type of the frames.
const FRAME: &str = "announcement.created";

/// Delivers announcements.
pub(crate) struct Announcements {
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for Announcements {
    fn name(&self) -> &'static str {
        "announcements"
    }

    fn topic(&self) -> &'static str {
        ANNOUNCEMENTS_TOPIC
    }

    fn group(&self) -> &'static str {
        PUSHERS
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let announced: Announced = decode(record)?;
        announced.said.check().map_err(HandlerError::reject)?;
        let now = self.clock.now();
        // The future is no time at which something was said.
        let created_at = announced.timestamp.unwrap_or(record.time).min(now);
        let announcement = Announcement {
            id: announced.id.unwrap_or_else(|| derived(&[PUSHERS, record.event_id().as_str()], created_at)),
            said: announced.said,
            created_at,
        };
        let message = Message {
            subject: announcement.id.to_string(),
            frame: FRAME,
            audience: Audience::of(Channel::All),
            created_at,
            data: json!({
                "id": announcement.id,
                "kind": ITEM,
                "title": announcement.said.title,
                "content": announcement.said.content,
                "data": null,
                "action_url": null,
                "created_at": created_at,
            }),
            kind: ITEM,
            item: json!({}),
        };
        message.deliver(tx, record, now).await
    }
}
