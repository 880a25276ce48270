//! `GET /outbox`: what waits for the log, who relays it, and what could not be published.

use axum::{Json, extract::State};
use serde::Serialize;
use tidings_api::{Caller, Problem, Scope};
use tidings_log::relay::{self, SetAside, ShardState};
use tidings_model::Timestamp;
use tidings_store::{Appends, StoreError, WAITING_BYTES, WAITING_ROWS};
use utoipa::ToSchema;

use super::Operators;

/// Rows set aside that are shown.
const SET_ASIDE: usize = 100;

/// What waits for the log.
#[derive(Serialize, ToSchema)]
#[schema(as = Outbox)]
pub(super) struct OutboxBody {
    /// Empty where the log lies in the database: an event is a record by its commit.
    shards: Vec<ShardBody>,
    /// Rows that may wait in all shards; then writes are answered 503.
    rows_limit: u64,
    /// Bytes that may wait in all shards.
    bytes_limit: u64,
    /// The first hundred rows with records that could not be published.
    set_aside: Vec<SetAsideBody>,
}

/// What waits in one shard.
#[derive(Serialize, ToSchema)]
#[schema(as = OutboxShard)]
struct ShardBody {
    shard: u32,
    /// Rows that the log has not acknowledged.
    rows: u64,
    records: u64,
    bytes: u64,
    /// How long the oldest of them has waited, in milliseconds; null where nothing waits.
    oldest_age_ms: Option<u64>,
    /// The relay that holds the shard: process, then a random word.
    holder: Option<String>,
    /// Until when it has said that it lives, by its own clock.
    #[schema(value_type = Option<String>)]
    until: Option<Timestamp>,
}

/// A record whose number was sent empty.
#[derive(Serialize, ToSchema)]
#[schema(as = SetAside)]
struct SetAsideBody {
    topic: String,
    partition: u32,
    number: u64,
    reason: String,
    /// What orders it, as text.
    key: Option<String>,
    /// What it should have said, as text.
    value: Option<String>,
    #[schema(value_type = String)]
    time: Timestamp,
}

/// What waits for the log, shard by shard, and what was set aside.
#[utoipa::path(
    get, path = "/api/v1/outbox", tag = "operators", security(("token" = ["ops:read"])),
    responses((status = 200, body = OutboxBody))
)]
pub(super) async fn get_outbox(
    State(operators): State<Operators>,
    caller: Caller,
) -> Result<Json<OutboxBody>, Problem> {
    caller.require(Scope::OpsRead)?;
    let (shards, aside) = if operators.store.appends() == Appends::Log {
        (Vec::new(), Vec::new())
    } else {
        let look = operators.store.read(|tx| async move {
            Ok::<_, StoreError>((relay::shards(&tx).await?, relay::set_aside(&tx, SET_ASIDE).await?))
        });
        look.await?
    };
    let now = operators.clock.now();
    Ok(Json(OutboxBody {
        shards: shards.into_iter().map(|shard| shard_body(shard, now)).collect(),
        rows_limit: WAITING_ROWS,
        bytes_limit: WAITING_BYTES,
        set_aside: aside.into_iter().map(set_aside_body).collect(),
    }))
}

fn shard_body(shard: ShardState, now: Timestamp) -> ShardBody {
    let age = |oldest| u64::try_from(now.since(oldest).as_millis()).unwrap_or(u64::MAX);
    ShardBody {
        shard: shard.shard,
        rows: shard.rows,
        records: shard.records,
        bytes: shard.bytes,
        oldest_age_ms: shard.oldest_at.map(age),
        holder: shard.holder,
        until: shard.until,
    }
}

fn set_aside_body(aside: SetAside) -> SetAsideBody {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    SetAsideBody {
        topic: aside.topic,
        partition: aside.partition,
        number: aside.number,
        reason: aside.reason,
        key: aside.key.map(text),
        value: aside.value.map(text),
        time: aside.time,
    }
}
