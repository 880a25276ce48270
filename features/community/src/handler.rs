//! What happens with the record of an announcement: one delivery to everybody, and one item of their inboxes.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tidings::{
    consumer::{Handler, HandlerError, headers},
    delivery::{DeliveryRecord, Item, Origin, deliver},
    derived,
    model::{Audience, Channel, Clock, Record, header},
    store::Tx,
};

use crate::{
    events::{ANNOUNCEMENTS_TOPIC, Announced},
    model::{Announcement, LIFE},
};

/// The group of those who push to connections.
const GROUP: &str = "ws-gateway";
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
        GROUP
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let value = record.value.as_deref().ok_or_else(|| HandlerError::reject("the record has no value"))?;
        let announced: Announced = serde_json::from_slice(value).map_err(HandlerError::reject)?;
        announced.said.check().map_err(HandlerError::reject)?;
        let now = self.clock.now();
        // The future is no time at which something was said.
        let created_at = announced.timestamp.unwrap_or(record.time).min(now);
        let announcement = Announcement {
            id: announced.id.unwrap_or_else(|| derived(&[GROUP, record.event_id().as_str()], created_at)),
            said: announced.said,
            created_at,
        };
        let expires_at = created_at.plus(LIFE);
        if expires_at <= now {
            return Ok(());
        }
        let data = serde_json::value::to_raw_value(&json!({
            "id": announcement.id,
            "kind": ITEM,
            "title": announcement.said.title,
            "content": announcement.said.content,
            "data": null,
            "action_url": null,
            "created_at": created_at,
        }))
        .map_err(HandlerError::reject)?;
        let message = DeliveryRecord::message(
            record.event_id(),
            FRAME,
            announcement.id.to_string(),
            Audience::of(Channel::All),
            (created_at, expires_at),
            data.clone(),
        );
        let delivery = DeliveryRecord {
            // Sent through again, it comes behind what was said since.
            late: record.header(headers::REDRIVES).is_some() || record.header(header::LATE).is_some(),
            trace_parent: record.header(header::TRACE_PARENT).map(str::to_owned),
            origin: Some(Origin::from(record)),
            ..message
        };
        deliver(tx, &delivery, Some(Item { kind: ITEM, data: &data })).await?;
        Ok(())
    }
}
