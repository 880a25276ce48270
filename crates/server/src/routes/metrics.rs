//! `/metrics`: numbers for Prometheus, on the admin listener alone.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::IntoResponse};
use http::header;
use tidings_api::Problem;
use tidings_consumer::dead_letters::{self, Filter};
use tidings_gateway::Wire;
use tidings_log::{
    GroupOffset, Log, LogError,
    relay::{self, ShardState},
};
use tidings_model::Clock;
use tidings_store::Appends;
use tidings_telemetry::{GroupLag, Metrics, Observed, OutboxShard, PartitionEnds, StoreNumbers};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{health::Health, topics::failed};

/// What is counted, and where the rest is looked up.
#[derive(Clone, Debug)]
pub(crate) struct Scrape {
    /// What is counted where it happens.
    pub(crate) metrics: Arc<Metrics>,
    /// The database and the connections.
    pub(crate) health: Health,
    /// Topics and groups.
    pub(crate) log: Arc<dyn Log>,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
}

pub(crate) fn routes(scrape: Scrape) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(get_metrics)).with_state(scrape)
}

/// Numbers in the format of `OpenMetrics`.
#[utoipa::path(
    get, path = "/metrics", tag = "operators", security(()),
    responses((status = 200, description = "all numbers", content_type = "application/openmetrics-text", body = String,
        example = "# TYPE tidings_connections gauge\ntidings_connections 42\n# EOF\n"))
)]
async fn get_metrics(State(scrape): State<Scrape>) -> Result<impl IntoResponse, Problem> {
    let observed = scrape.observe().await?;
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media)], scrape.metrics.text(&observed)))
}

impl Scrape {
    async fn observe(&self) -> Result<Observed, Problem> {
        let (health, gateway) = (&self.health, self.health.gateway.as_ref());
        let connections = gateway.map_or_else(Vec::new, |gateway| gateway.hub.connections());
        let count = |wire: Wire| {
            let of_wire = connections.iter().filter(|connection| connection.wire == wire);
            (wire.as_str(), of_wire.count() as u64)
        };
        let stats = health.store.stats();
        Ok(Observed {
            ready: health.wrong().is_empty(),
            connections: vec![count(Wire::Sse), count(Wire::WebSocket)],
            queue_bytes: gateway.map_or(0, |gateway| gateway.budget.used() as u64),
            dead_letters: self.dead_letters().await?,
            delivery_head: health.head().0,
            delivery_shown: gateway.map_or(0, |gateway| gateway.hub.shown().0),
            store: StoreNumbers {
                well: health.store_is_well(),
                turns: stats.turns,
                transactions: stats.transactions,
                rows: stats.rows,
                long_bodies: stats.long_bodies,
                longest_turn: Duration::from_micros(stats.longest_turn_micros),
                wal_pages: stats.wal_pages,
            },
            outbox: self.outbox().await?,
            outbox_set_aside: health
                .store
                .read(|tx| async move { relay::count_set_aside(&tx).await })
                .await?,
            partitions: self.partitions().await.map_err(|cause| failed(&cause))?,
            groups: self.groups().await.map_err(|cause| failed(&cause))?,
        })
    }

    async fn dead_letters(&self) -> Result<u64, Problem> {
        let counting =
            self.health.store.read(|tx| async move { dead_letters::count(&tx, &Filter::default()).await });
        Ok(counting.await?)
    }

    async fn outbox(&self) -> Result<Vec<OutboxShard>, Problem> {
        if self.health.store.appends() == Appends::Log {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let shards = self.health.store.read(|tx| async move { relay::shards(&tx).await }).await?;
        let shard = |shard: ShardState| OutboxShard {
            shard: shard.shard,
            rows: shard.rows,
            records: shard.records,
            bytes: shard.bytes,
            oldest_waits: shard.oldest_at.map_or(Duration::ZERO, |oldest| now.since(oldest)),
            held: shard.holder.is_some(),
        };
        Ok(shards.into_iter().map(shard).collect())
    }

    async fn partitions(&self) -> Result<Vec<PartitionEnds>, LogError> {
        let topics = self.log.topics().await?;
        let ends = topics.into_iter().flat_map(|topic| {
            let name = topic.name;
            topic.partitions.into_iter().map(move |state| PartitionEnds {
                topic: name.clone(),
                partition: state.partition,
                first_offset: state.first_offset,
                next_offset: state.next_offset,
                bytes: state.bytes,
            })
        });
        Ok(ends.collect())
    }

    async fn groups(&self) -> Result<Vec<GroupLag>, LogError> {
        let mut groups = Vec::new();
        for GroupOffset { group, partition, next_offset, end_offset } in self.log.group_offsets().await? {
            let lag = end_offset.saturating_sub(next_offset);
            let mut oldest_waits = Duration::ZERO;
            if lag > 0 {
                let oldest = self.log.records(partition.clone(), next_offset, 1).await?;
                oldest_waits =
                    oldest.first().map_or(oldest_waits, |oldest| self.clock.now().since(oldest.time));
            }
            let (topic, partition) = (partition.topic, partition.partition);
            groups.push(GroupLag { group, topic, partition, next_offset, lag, oldest_waits });
        }
        Ok(groups)
    }
}
