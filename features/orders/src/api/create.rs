//! `POST /orders`: the order is published, and answered with its place after the acknowledgement.
//!
//! A failure is a 500 that says what became of the order. With an `Idempotency-Key`, order and event have ids that
//! follow from it: the same request later hears what became of the first one, from the producer, from the order's row or,
//! where neither knows, by writing the same order again, which its consumers take once.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings::{
    NotIngested,
    api::{
        Caller, Code, Outcome, Problem, RawBody, TraceParent,
        idempotency::{Answer, IdempotencyKey},
    },
    derived,
    log::{Acks, Produce, Written},
    model::{EventId, NewEvent, OrderId, Timestamp, planted},
};
use utoipa::ToSchema;

use super::{OrdersApi, WRITE};
use crate::{
    events::{self, ORDERS_TOPIC},
    model::{Order, Ordered, Place, Status},
    store,
};

/// The largest body, in bytes.
const BODY_BYTES: usize = 16 << 10;

/// An order to be placed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateOrder {
    #[schema(example = "Ada")]
    customer_name: String,
    #[schema(example = "Flat white")]
    coffee_type: String,
}

/// An order that the log took, and where it lies.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderPlaced {
    #[schema(value_type = String, example = "ord_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    order_id: OrderId,
    status: Status,
    /// The topic's name in the log.
    topic: String,
    partition: u32,
    /// Null where nobody acknowledges (`kafka.required_acks` is `none`).
    offset: Option<u64>,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// What who ordered should know: that fewer than all replicas acknowledged it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl From<Order> for OrderPlaced {
    fn from(order: Order) -> Self {
        let Place { topic, partition, offset } = order.place;
        let (order_id, timestamp) = (order.id, order.created_at);
        Self { order_id, status: Status::Accepted, topic, partition, offset, timestamp, warnings: Vec::new() }
    }
}

/// Order a coffee.
#[utoipa::path(
    post, path = "/api/v1/orders", tag = "orders", security(("token" = ["orders:write"])), request_body = CreateOrder,
    responses((status = 201, description = "the log has it, here", body = OrderPlaced),
        (status = 409, description = "a request with this Idempotency-Key is still in hand"),
        (status = 422, description = "the Idempotency-Key came with another body before"),
        (status = 500, description = "`publish_failed`: the log did not acknowledge it; `outcome` says what became of it"))
)]
pub(super) async fn create_order(
    State(api): State<OrdersApi>,
    caller: Caller,
    key: IdempotencyKey,
    trace: TraceParent,
    body: RawBody,
) -> Result<Answer, Problem> {
    caller.require_scope(WRITE)?;
    body.limit(BODY_BYTES)?;
    let CreateOrder { customer_name, coffee_type } = body.parse()?;
    let ordered = Ordered { customer_name, coffee_type };
    ordered.check().map_err(|wrong| Problem::fields(wrong.into_iter().map(Into::into).collect()))?;
    if let Some(answer) = api.deps.answered(&key, &body.0).await? {
        return Ok(answer);
    }
    let (id, event_id) = ids(&api, &key, &body.0);
    let placed = if let Some(order) = api.stored(&key, id).await? {
        OrderPlaced::from(order)
    } else {
        let now = api.deps.clock.now();
        let event = events::accepted(event_id, (id, &caller.user_id), &ordered, now, trace.to_string());
        planted::crash_point("before_publish");
        let written = api.publish(event).await?;
        planted::crash_point("after_publish");
        let warnings = warnings(written.acks);
        let order = Order {
            id,
            user_id: Some(caller.user_id),
            ordered,
            status: Status::Accepted,
            place: written.into(),
            created_at: now,
        };
        api.accepted.remember(order.clone());
        OrderPlaced { warnings, ..order.into() }
    };
    api.deps.keep_answer(key, &body.0, Answer::new(StatusCode::CREATED, &placed)).await
}

/// The ids of an order and its event: new ones, or those that follow from the key and stay the same with it.
fn ids(api: &OrdersApi, key: &IdempotencyKey, body: &[u8]) -> (OrderId, EventId) {
    match key.event_id(body, 1).filter(|_event| !planted::is("order_key_forgotten")) {
        // When the key came first is not known; what follows from it must not depend on that.
        Some(event) => (derived(&[event.as_str()], Timestamp(0)), event),
        None => (api.deps.ids.order(), api.deps.ids.event()),
    }
}

/// What who ordered should know of how it was acknowledged.
fn warnings(acks: Acks) -> Vec<String> {
    match acks {
        Acks::All => Vec::new(),
        Acks::Local => {
            vec!["only the leader of its partition has acknowledged it: it can be lost".to_owned()]
        }
        Acks::None => vec!["nobody has acknowledged it: it may not arrive".to_owned()],
    }
}

impl OrdersApi {
    /// The order that a request with this key placed before, as its consumer found it in the log.
    async fn stored(&self, key: &IdempotencyKey, id: OrderId) -> Result<Option<Order>, Problem> {
        if !key.is_given() {
            return Ok(None);
        }
        Ok(self.deps.store.read(move |tx| async move { store::find(&tx, id).await }).await?)
    }

    /// Publishes the event of an order, and waits for the acknowledgement.
    async fn publish(&self, event: NewEvent) -> Result<Written, Problem> {
        let record = Produce {
            topic: ORDERS_TOPIC.to_owned(),
            partition: None,
            headers: event.headers(),
            key: event.key.map(String::into_bytes),
            value: Some(event.payload),
        };
        let written = self.deps.ingest.write(vec![record]).await.into_iter().next();
        written.unwrap_or(Err(NotIngested::Unknown(None))).map_err(|cause| publish_failed(&cause))
    }
}

/// What a caller is told of an order without a place.
fn publish_failed(cause: &NotIngested) -> Problem {
    match cause {
        NotIngested::NotWritten(_) | NotIngested::Refused(_) => {
            tracing::warn!(cause = chain(cause), "an order could not be published");
            let detail = "the log did not take the order, and nothing was written: send it again";
            Problem::publish_failed(Outcome::NotWritten, detail)
        }
        NotIngested::Unknown(_) => {
            tracing::warn!(cause = chain(cause), "whether an order was published is not known");
            let detail = "the log has not confirmed the order, and whether it was written is unknown: send it again with \
                          the same Idempotency-Key, and it is one order";
            Problem::publish_failed(Outcome::Unknown, detail)
        }
        NotIngested::InHand => Problem::new(
            Code::Conflict,
            "a request with this Idempotency-Key is still in hand: send it again in a moment",
        ),
    }
}

/// An error and its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
