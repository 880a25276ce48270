//! What happens with the records of messages and of routed topics: each becomes one delivery.

use std::sync::Arc;

use async_trait::async_trait;
use tidings::{
    consumer::{Handler, HandlerError},
    delivery::{DeliveryRecord, Item, deliver},
    following,
    model::{Audience, Clock, Kind, Record},
    store::Tx,
};

use crate::{
    envelope::Envelope,
    events::{MESSAGES_TOPIC, MessageEvent},
    model::{DEFAULT_LIFE, MAX_CHANNELS, Message, derived_ids},
    route::Route,
};

/// The group of the messages that callers said.
const MESSAGES_GROUP: &str = "message-service-group";
/// The kind of their inbox items.
pub(crate) const MESSAGE_ITEM: &str = "message";

/// Delivers what callers said.
pub(crate) struct Messages {
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for Messages {
    fn name(&self) -> &'static str {
        "messages"
    }

    fn topic(&self) -> &'static str {
        MESSAGES_TOPIC
    }

    fn group(&self) -> &'static str {
        MESSAGES_GROUP
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let now = self.clock.now();
        let Some(envelope) = Envelope::open(record, now).map_err(HandlerError::reject)? else {
            return Ok(());
        };
        let ids = derived_ids(MESSAGES_GROUP, [&envelope.source, &envelope.id], envelope.time);
        let event: MessageEvent = serde_json::from_value(envelope.value).map_err(HandlerError::reject)?;
        event.said.check().map_err(HandlerError::reject)?;
        if !(1..=MAX_CHANNELS).contains(&event.to.len()) {
            return Err(HandlerError::reject(format!("`to` names {} channels", event.to.len())));
        }
        let time = event.created_at.unwrap_or(envelope.time);
        let message = Message {
            id: event.message_id.unwrap_or(ids.0),
            // Ours says which; one of another tool is known by what it said.
            event_id: event.message_id.map_or(ids.1, |_ours| record.event_id()),
            item: Some(MESSAGE_ITEM),
            frame_type: event.frame_type,
            audience: Audience { any: event.to, none: event.not },
            said: event.said,
            kind: Kind::Message,
            time,
            expires_at: Some(event.expires_at.unwrap_or_else(|| time.plus(DEFAULT_LIFE))),
        };
        send(tx, record, message).await
    }
}

/// Delivers the records of a topic that a route brings to screens.
pub(crate) struct Routed {
    pub(crate) route: Route,
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for Routed {
    fn name(&self) -> &str {
        self.route.group()
    }

    fn topic(&self) -> &str {
        self.route.topic()
    }

    fn group(&self) -> &str {
        self.route.group()
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        match self.route.message(record, self.clock.now()).map_err(HandlerError::reject)? {
            Some(message) => send(tx, record, message).await,
            None => Ok(()),
        }
    }
}

/// Writes the one delivery of a message, and its item if it has a title.
async fn send(tx: &Tx, record: &Record, message: Message) -> Result<(), HandlerError> {
    let data = serde_json::value::to_raw_value(&message.data()).map_err(HandlerError::reject)?;
    let listed = message.item.filter(|_kind| message.said.title.is_some());
    let item = listed.map(|kind| Item { kind, data: &data });
    let change = DeliveryRecord::change(
        message.event_id,
        message.frame_type.as_str(),
        message.id.to_string(),
        message.audience,
        message.time,
        data.clone(),
    );
    let delivery = DeliveryRecord { kind: message.kind, expires_at: message.expires_at, ..change };
    deliver(tx, &following(record, delivery), item).await?;
    Ok(())
}
