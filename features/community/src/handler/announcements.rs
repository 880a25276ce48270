//! What happens with the record of an announcement: one delivery to everybody, and one item of their inboxes.

use std::sync::Arc;

use async_trait::async_trait;
use tidings::{
    consumer::{Handler, HandlerError},
    delivery::ItemCreated,
    derived,
    model::{Audience, Channel, Clock, Record},
    store::Tx,
};

use super::{Message, PUSHERS, decode, value};
use crate::{
    events::{ANNOUNCEMENTS_TOPIC, Announced},
    model::Announcement,
    spoken::ANNOUNCED,
};

/// The kind of the inbox items.
const ITEM: &str = "announcement";

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
        let id = announcement.id.to_string();
        let data = ItemCreated {
            id: &id,
            kind: ITEM,
            title: Some(&announcement.said.title),
            content: Some(&announcement.said.content),
            data: None,
            action_url: None,
            created_at,
        };
        let message = Message {
            data: value(&data)?,
            subject: id,
            frame: ANNOUNCED,
            audience: Audience::of(Channel::All),
            created_at,
            kind: ITEM,
            item: serde_json::Value::Null,
        };
        message.deliver(tx, record, now).await
    }
}
