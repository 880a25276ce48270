//! What happens with the record of an order: it is logged, stored, processed, and its customer is told.
//!
//! All of it is one transaction with the group's progress. The order's row is there once, so a record that comes again,
//! and a second record of the same order, change nothing.

use std::sync::Arc;

use async_trait::async_trait;
use tidings::{
    consumer::{Handler, HandlerError},
    derived,
    model::{Clock, Ids, OrderId, Record, planted},
    store::Tx,
};

use crate::{
    events::{self, ORDERS_TOPIC, OrderAccepted},
    model::{Order, Place, Status},
    store,
};

/// The group of those who make coffee.
const GROUP: &str = "coffee-consumer-group";

/// Processes orders.
pub(crate) struct Orders {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
}

#[async_trait]
impl Handler for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    fn topic(&self) -> &'static str {
        ORDERS_TOPIC
    }

    fn group(&self) -> &'static str {
        GROUP
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let value = record.value.as_deref().ok_or_else(|| HandlerError::reject("the record has no value"))?;
        let accepted: OrderAccepted = serde_json::from_slice(value).map_err(HandlerError::reject)?;
        if let Err(wrong) = accepted.ordered.check() {
            let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            return Err(HandlerError::reject(wrong.join("; ")));
        }
        if planted::one_in("order_passed_over", 50) {
            return Ok(());
        }
        let order = Order {
            id: accepted.order_id.unwrap_or_else(|| order_of(record)),
            user_id: accepted.user_id,
            ordered: accepted.ordered,
            status: Status::Processed,
            place: Place {
                topic: record.topic.clone(),
                partition: record.partition,
                offset: Some(record.offset),
            },
            created_at: accepted.created_at.unwrap_or(record.time),
        };
        let now = self.clock.now();
        if !store::put(tx, &order, now).await? {
            tracing::debug!(order.id = %order.id, "the order is known already");
            return Ok(());
        }
        tx.put_event(&events::updated(self.ids.event(), &order, record, now)).await?;
        if planted::one_in("order_told_twice", 50) {
            tx.put_event(&events::updated(self.ids.event(), &order, record, now)).await?;
        }
        // Whoever ordered is not named: logs are read by more people than orders.
        tracing::info!(
            order.id = %order.id,
            order.coffee_type = order.ordered.coffee_type,
            topic = record.topic,
            partition = record.partition,
            offset = record.offset,
            "processed an order"
        );
        Ok(())
    }
}

/// The id of an order that brought none: that of its record's event.
fn order_of(record: &Record) -> OrderId {
    derived(&[GROUP, record.event_id().as_str()], record.time)
}
