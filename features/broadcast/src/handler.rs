//! What happens with the records of broadcasts: steps become delivery events, these become deliveries.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{json, value::RawValue};
use tidings::{
    consumer::{Handler, HandlerError},
    delivery::{DeliveryRecord, Item, deliver},
    model::{Audience, Channel, Clock, EventId, Ids, Priority, Record, UserId, header},
    store::Tx,
};

use crate::{
    events::{
        self, Cause, EventAudience, EventType, GROUP_TOPIC, LIFECYCLE_TOPIC, LifecycleEvent,
        MessageDeliveryEvent, SELECTED_TOPIC, Step,
    },
    model::{Broadcast, Status, Target},
    store,
};

/// People of a selected audience that one record of the lifecycle topic expands.
const SLICE: usize = 250;

/// A record's value, or the reason why it will never be one.
fn decode<T: serde::de::DeserializeOwned>(record: &Record) -> Result<T, HandlerError> {
    let value = record.value.as_deref().ok_or_else(|| HandlerError::reject("the record has no value"))?;
    serde_json::from_slice(value).map_err(HandlerError::reject)
}

/// Turns each step of a broadcast's life into delivery events.
pub(crate) struct Lifecycle {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
}

#[async_trait]
impl Handler for Lifecycle {
    fn name(&self) -> &'static str {
        "broadcast-lifecycle"
    }

    fn topic(&self) -> &'static str {
        LIFECYCLE_TOPIC
    }

    fn group(&self) -> &'static str {
        "broadcast-service-group-lifecycle"
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let event: LifecycleEvent = decode(record)?;
        store::keep(tx, event.broadcast_id).await?;
        let Some(broadcast) = store::find(tx, event.broadcast_id).await? else {
            return Err(HandlerError::reject(format!("no broadcast {}", event.broadcast_id)));
        };
        let event_type = match event.step {
            Step::Scheduled => return Ok(()),
            Step::Activated => EventType::Created,
            Step::Slice => event.event_type.unwrap_or(EventType::Created),
            Step::Cancelled => EventType::Cancelled,
            Step::Expired => EventType::Expired,
        };
        if event_type == EventType::Created && broadcast.status != Status::Active {
            // Cancelled or expired meanwhile: whoever was not told is not told any more.
            return Ok(());
        }
        match &broadcast.target {
            Target::Selected { ids } => {
                let rest = ids.iter().filter(|id| event.after.as_ref().is_none_or(|after| *id > after));
                let slice: Vec<&UserId> = rest.take(SLICE).collect();
                self.expand(tx, record, &broadcast, event_type, &slice).await
            }
            Target::All | Target::Role { .. } | Target::Group { .. } => {
                let value = self.delivery_event(&broadcast, event_type, None, &record.event_id());
                let event = events::event(
                    Cause::of(self.ids.event(), record),
                    GROUP_TOPIC,
                    "MessageDeliveryEvent",
                    broadcast.id.to_string(),
                    &value,
                    self.clock.now(),
                );
                tx.put_event(&event).await?;
                Ok(())
            }
        }
    }
}

impl Lifecycle {
    /// One event per person of a slice, and the step that goes on after them.
    async fn expand(
        &self,
        tx: &Tx,
        record: &Record,
        broadcast: &Broadcast,
        event_type: EventType,
        slice: &[&UserId],
    ) -> Result<(), HandlerError> {
        let now = self.clock.now();
        for user in slice {
            let id = self.ids.event();
            let value = self.delivery_event(broadcast, event_type, Some((*user).clone()), &id);
            tx.put_event(&events::event(
                Cause::of(id, record),
                SELECTED_TOPIC,
                "MessageDeliveryEvent",
                user.to_string(),
                &value,
                now,
            ))
            .await?;
        }
        let Some(last) = slice.last().filter(|_| slice.len() == SLICE) else { return Ok(()) };
        let next = LifecycleEvent {
            broadcast_id: broadcast.id,
            step: Step::Slice,
            timestamp: now,
            sender_id: broadcast.sender_id.clone(),
            title: None,
            content: String::new(),
            after: Some((*last).clone()),
            event_type: Some(event_type),
        };
        let key = broadcast.id.to_string();
        tx.put_event(&events::event(
            Cause::of(self.ids.event(), record),
            LIFECYCLE_TOPIC,
            "BroadcastSlice",
            key,
            &next,
            now,
        ))
        .await?;
        Ok(())
    }

    fn delivery_event(
        &self,
        broadcast: &Broadcast,
        event_type: EventType,
        user_id: Option<UserId>,
        correlation: &EventId,
    ) -> MessageDeliveryEvent {
        MessageDeliveryEvent {
            event_id: Some(self.ids.event()),
            broadcast_id: broadcast.id.to_string(),
            user_id,
            audience: EventAudience::of(&broadcast.target),
            event_type,
            timestamp: Some(self.clock.now()),
            message: broadcast.said.content.clone(),
            correlation_id: Some(correlation.to_string()),
        }
    }
}

/// Delivers to everybody, roles, groups.
pub(crate) struct Group;

#[async_trait]
impl Handler for Group {
    fn name(&self) -> &'static str {
        "broadcast-group"
    }

    fn topic(&self) -> &'static str {
        GROUP_TOPIC
    }

    fn group(&self) -> &'static str {
        "broadcast-service-group"
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let event: MessageDeliveryEvent = decode(record)?;
        let audience = event.audience.as_ref().map_or(Target::All, EventAudience::target).audience();
        deliver_event(tx, record, event, audience.unwrap_or_default()).await
    }
}

/// Delivers to selected people, one event each.
pub(crate) struct Selected;

#[async_trait]
impl Handler for Selected {
    fn name(&self) -> &'static str {
        "broadcast-selected"
    }

    fn topic(&self) -> &'static str {
        SELECTED_TOPIC
    }

    fn group(&self) -> &'static str {
        "broadcast-service-group-selected"
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let event: MessageDeliveryEvent = decode(record)?;
        let user = event.user_id.clone().ok_or_else(|| HandlerError::reject("the event names no userId"))?;
        deliver_event(tx, record, event, Audience::of(Channel::User(user))).await
    }
}

async fn deliver_event(
    tx: &Tx,
    record: &Record,
    event: MessageDeliveryEvent,
    audience: Audience,
) -> Result<(), HandlerError> {
    let event_id = event.event_id.clone().unwrap_or_else(|| record.event_id());
    let time = event.timestamp.unwrap_or(record.time);
    let trace_parent = record.header(header::TRACE_PARENT).map(str::to_owned);
    let known = match event.broadcast_id.parse() {
        Ok(id) => {
            store::keep(tx, id).await?;
            store::find(tx, id).await?
        }
        Err(_foreign) => None,
    };
    let reason = match event.event_type {
        EventType::Created => None,
        EventType::Cancelled => Some("cancelled"),
        EventType::Expired => Some("expired"),
    };
    if let Some(reason) = reason {
        let data = raw(&json!({ "broadcast_id": event.broadcast_id, "reason": reason }))?;
        let frame_type = "broadcast.removed";
        let removed = DeliveryRecord {
            removes: true,
            trace_parent,
            ..DeliveryRecord::change(event_id, frame_type, event.broadcast_id, audience, time, data)
        };
        deliver(tx, &removed, None).await?;
        return Ok(());
    }
    if known.as_ref().is_some_and(|broadcast| broadcast.status != Status::Active) {
        return Ok(());
    }
    let expires_at =
        known.as_ref().map_or_else(|| time.plus(crate::api::DEFAULT_LIFE), |broadcast| broadcast.expires_at);
    let data = match &known {
        Some(broadcast) => frame_data(broadcast)?,
        // Written by another tool, with the documented fields alone.
        None => raw(&json!({
            "broadcast_id": event.broadcast_id, "title": null, "content": event.message, "data": null,
            "action_url": null, "priority": "normal", "category": null, "sender_id": null,
            "created_at": time, "expires_at": expires_at,
        }))?,
    };
    let message = DeliveryRecord::message(
        event_id,
        "broadcast.created",
        event.broadcast_id,
        audience,
        (time, expires_at),
        data.clone(),
    );
    let created = DeliveryRecord {
        trace_parent,
        // Sent through again, it comes behind what was said since.
        late: events::is_late(record),
        priority: known.as_ref().map_or(Priority::Normal, |broadcast| broadcast.priority),
        category: known.and_then(|broadcast| broadcast.said.category),
        ..message
    };
    deliver(tx, &created, Some(Item { kind: "broadcast", data: &data })).await?;
    Ok(())
}

fn raw(value: &serde_json::Value) -> Result<Box<RawValue>, HandlerError> {
    serde_json::value::to_raw_value(value).map_err(HandlerError::reject)
}

fn frame_data(broadcast: &Broadcast) -> Result<Box<RawValue>, HandlerError> {
    raw(&json!({
        "broadcast_id": broadcast.id,
        "title": broadcast.said.title,
        "content": broadcast.said.content,
        "data": broadcast.said.data,
        "action_url": broadcast.said.action_url,
        "priority": broadcast.priority,
        "category": broadcast.said.category,
        "sender_id": broadcast.sender_id,
        "created_at": broadcast.created_at,
        "expires_at": broadcast.expires_at,
    }))
}
