//! What happens with the records of broadcasts: steps become delivery events, these become deliveries.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::value::RawValue;
use tidings::{
    consumer::{Handler, HandlerError, headers},
    delivery::{DeliveryRecord, Item, deliver},
    model::{
        Audience, BroadcastId, Channel, Clock, EventId, Ids, Kind, Priority, Record, Timestamp, UserId,
        header,
    },
    store::{StoreError, Tx},
};

use crate::{
    audience::Whom,
    events::{
        self, Cause, EventAudience, EventType, GROUP_TOPIC, LIFECYCLE_TOPIC, LifecycleEvent,
        MessageDeliveryEvent, SELECTED_TOPIC, Step,
    },
    failures::{self, Behind},
    model::Saying,
    spoken::{self, BroadcastCreated, BroadcastRemoved},
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
        let said = store::said(tx, event.broadcast_id).await?;
        let Some(broadcast) = &*said else {
            return Err(HandlerError::reject(format!("no broadcast {}", event.broadcast_id)));
        };
        let event_type = match event.step {
            Step::Scheduled | Step::Edited => return Ok(()),
            Step::Activated => EventType::Created,
            Step::Slice => event.event_type.unwrap_or(EventType::Created),
            Step::Cancelled => EventType::Cancelled,
            Step::Expired => EventType::Expired,
        };
        if event_type == EventType::Created && !broadcast.status.is_live() {
            // Cancelled or expired meanwhile: whoever was not told is not told any more.
            return Ok(());
        }
        failures::heal(tx, broadcast.id, record).await?;
        match store::whom(tx, broadcast.id, event.after.as_ref(), SLICE).await? {
            Whom::Named(slice) => self.expand(tx, record, broadcast, event_type, &slice).await,
            Whom::Channels(target) => {
                let audience = EventAudience::of(&target);
                let to = (audience, None);
                let value = self.delivery_event(broadcast, event_type, to, &record.event_id());
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

    async fn gave_up(&self, record: &Record, tx: &Tx) -> Result<(), StoreError> {
        let Ok(event) = decode::<LifecycleEvent>(record) else { return Ok(()) };
        let behind = match (event.step, event.event_type, event.after) {
            (Step::Activated, _, _) => Behind::Everybody,
            (Step::Slice, None | Some(EventType::Created), Some(after)) => Behind::After(after),
            (Step::Scheduled | Step::Edited | Step::Slice | Step::Cancelled | Step::Expired, _, _) => {
                return Ok(());
            }
        };
        note_failure(tx, event.broadcast_id, (record, &behind), self.clock.now()).await
    }
}

/// Notes who is behind a record of a broadcast that was given up, as long as the broadcast lives.
async fn note_failure(
    tx: &Tx,
    id: BroadcastId,
    given_up: (&Record, &Behind),
    now: Timestamp,
) -> Result<(), StoreError> {
    store::hold(tx, id).await?;
    match store::find(tx, id).await? {
        Some(broadcast) if broadcast.status.is_live() => failures::note(tx, &broadcast, given_up, now).await,
        Some(_) | None => Ok(()),
    }
}

/// The broadcast of a delivery event that brings it.
fn brought(record: &Record) -> Option<(BroadcastId, MessageDeliveryEvent)> {
    let event: MessageDeliveryEvent = decode(record).ok()?;
    let id = event.broadcast_id.parse().ok()?;
    (event.event_type == EventType::Created).then_some((id, event))
}

impl Lifecycle {
    /// One event per person of a slice, and the step that goes on after them.
    async fn expand(
        &self,
        tx: &Tx,
        record: &Record,
        broadcast: &Saying,
        event_type: EventType,
        slice: &[UserId],
    ) -> Result<(), HandlerError> {
        let now = self.clock.now();
        for user in slice {
            let id = self.ids.event();
            let value = self.delivery_event(broadcast, event_type, (None, Some(user.clone())), &id);
            let (cause, key) = (Cause::of(id, record), user.to_string());
            let event = events::event(cause, SELECTED_TOPIC, "MessageDeliveryEvent", key, &value, now);
            tx.put_event(&event).await?;
        }
        let Some(last) = slice.last().filter(|_| slice.len() == SLICE) else { return Ok(()) };
        let next = LifecycleEvent {
            broadcast_id: broadcast.id,
            step: Step::Slice,
            timestamp: now,
            sender_id: broadcast.sender_id.clone(),
            title: None,
            content: String::new(),
            after: Some(last.clone()),
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
        broadcast: &Saying,
        event_type: EventType,
        (audience, user_id): (Option<EventAudience>, Option<UserId>),
        correlation: &EventId,
    ) -> MessageDeliveryEvent {
        MessageDeliveryEvent {
            event_id: Some(self.ids.event()),
            broadcast_id: broadcast.id.to_string(),
            user_id,
            audience,
            event_type,
            timestamp: Some(self.clock.now()),
            message: broadcast.said.content.clone(),
            correlation_id: Some(correlation.to_string()),
        }
    }
}

/// Delivers to everybody, roles, groups.
pub(crate) struct Group {
    pub(crate) clock: Arc<dyn Clock>,
}

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
        let everybody = || Audience::of(Channel::All);
        let audience = event.audience.as_ref().map_or_else(everybody, EventAudience::audience);
        deliver_event(tx, record, event, audience).await
    }

    async fn gave_up(&self, record: &Record, tx: &Tx) -> Result<(), StoreError> {
        let Some((id, _)) = brought(record) else { return Ok(()) };
        note_failure(tx, id, (record, &Behind::Everybody), self.clock.now()).await
    }
}

/// Delivers to selected people, one event each.
pub(crate) struct Selected {
    pub(crate) clock: Arc<dyn Clock>,
}

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

    async fn gave_up(&self, record: &Record, tx: &Tx) -> Result<(), StoreError> {
        let Some((id, MessageDeliveryEvent { user_id: Some(user), .. })) = brought(record) else {
            return Ok(());
        };
        note_failure(tx, id, (record, &Behind::One(user)), self.clock.now()).await
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
    let said = match event.broadcast_id.parse() {
        Ok(id) => Some(store::said(tx, id).await?),
        Err(_foreign) => None,
    };
    let known = said.as_deref().and_then(Option::as_ref);
    let reason = match event.event_type {
        EventType::Created => None,
        EventType::Cancelled => Some("cancelled"),
        EventType::Expired => Some("expired"),
    };
    if let Some(reason) = reason {
        let data = raw(&BroadcastRemoved { broadcast_id: &event.broadcast_id, reason })?;
        let frame_type = spoken::REMOVED;
        let removed = DeliveryRecord {
            removes: true,
            trace_parent,
            ..DeliveryRecord::change(event_id, frame_type, event.broadcast_id, audience, time, data)
        };
        deliver(tx, &removed, None).await?;
        return Ok(());
    }
    if let Some(broadcast) = known {
        if !broadcast.status.is_live() {
            return Ok(());
        }
        if broadcast.has_failures {
            failures::heal(tx, broadcast.id, record).await?;
        }
    }
    let expires_at =
        known.map_or_else(|| time.plus(crate::api::DEFAULT_LIFE), |broadcast| broadcast.expires_at);
    let data = match known {
        Some(broadcast) => raw(&BroadcastCreated::of(&event.broadcast_id, broadcast))?,
        // Written by another tool, with the documented fields alone.
        None => raw(&BroadcastCreated {
            broadcast_id: &event.broadcast_id,
            title: None,
            content: &event.message,
            data: None,
            action_url: None,
            priority: Priority::Normal,
            category: None,
            sender_id: None,
            created_at: time,
            expires_at,
        })?,
    };
    let message = DeliveryRecord::message(
        event_id,
        spoken::CREATED,
        event.broadcast_id,
        audience,
        (time, expires_at),
        data.clone(),
    );
    let forgotten = known.is_some_and(|broadcast| broadcast.fire_and_forget);
    let created = DeliveryRecord {
        trace_parent,
        kind: if forgotten { Kind::Signal } else { Kind::Message },
        // Sent through again, it comes behind what was said since.
        late: headers::is_late(record),
        late_joiners: known.is_none_or(|broadcast| broadcast.late_joiners),
        priority: known.map_or(Priority::Normal, |broadcast| broadcast.priority),
        category: known.and_then(|broadcast| broadcast.said.category.clone()),
        ..message
    };
    let item = Item { kind: "broadcast", data: &data };
    deliver(tx, &created, (!forgotten).then_some(item)).await?;
    Ok(())
}

fn raw(value: &impl Serialize) -> Result<Box<RawValue>, HandlerError> {
    serde_json::value::to_raw_value(value).map_err(HandlerError::reject)
}
