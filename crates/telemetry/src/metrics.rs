//! The numbers, and the text that Prometheus reads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Metric, Registry},
};

use crate::Observed;

/// Upper bounds of the times of requests, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TransportLabels {
    transport: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PartitionLabels {
    topic: String,
    partition: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WorkLabels {
    consumergroup: String,
    topic: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct GroupLabels {
    consumergroup: String,
    topic: String,
    partition: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ShardLabels {
    shard: u32,
}

type Seconds = Gauge<f64, AtomicU64>;

/// All numbers of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    pub(crate) panics: Counter,
    ready: Gauge,
    connections: Family<TransportLabels, Gauge>,
    queue_bytes: Gauge,
    dead_letters: Gauge,
    delivery_head: Gauge,
    delivery_shown: Gauge,
    store_well: Gauge,
    store_turns: Counter,
    store_transactions: Counter,
    store_rows: Counter,
    store_long_bodies: Counter,
    store_longest_turn: Seconds,
    store_wal_pages: Gauge,
    assignments: Family<WorkLabels, Counter>,
    failed_attempts: Family<WorkLabels, Counter>,
    parked: Family<WorkLabels, Counter>,
    given_up: Family<WorkLabels, Counter>,
    stalls: Family<WorkLabels, Counter>,
    outbox_rows: Family<ShardLabels, Gauge>,
    outbox_records: Family<ShardLabels, Gauge>,
    outbox_bytes: Family<ShardLabels, Gauge>,
    outbox_oldest: Family<ShardLabels, Seconds>,
    outbox_held: Family<ShardLabels, Gauge>,
    outbox_set_aside: Gauge,
    topic_newest: Family<PartitionLabels, Gauge>,
    topic_oldest: Family<PartitionLabels, Gauge>,
    topic_bytes: Family<PartitionLabels, Gauge>,
    group_offset: Family<GroupLabels, Gauge>,
    group_lag: Family<GroupLabels, Gauge>,
    group_lag_seconds: Family<GroupLabels, Seconds>,
}

fn add<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        let mut all = Registry::default();
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let request_seconds = Family::new_with_constructor(histogram);
        all.register(
            "tidings_http_request_duration_seconds",
            "Time until the head of an answer was ready",
            request_seconds.clone(),
        );
        Self {
            requests: add(&mut all, "tidings_http_requests", "Requests that were answered"),
            request_seconds,
            panics: add(&mut all, "tidings_http_panics", "Routes that panicked"),
            ready: add(&mut all, "tidings_ready", "Whether this process takes work"),
            connections: add(&mut all, "tidings_connections", "Open streams"),
            queue_bytes: add(&mut all, "tidings_send_queue_bytes", "Bytes that wait for clients"),
            dead_letters: add(&mut all, "tidings_dead_letters", "Records that were given up and are kept"),
            delivery_head: add(
                &mut all,
                "tidings_delivery_head_place",
                "The newest place of the delivery log",
            ),
            delivery_shown: add(
                &mut all,
                "tidings_delivery_shown_place",
                "The place up to which this process showed deliveries to its connections",
            ),
            store_well: add(&mut all, "tidings_store_well", "Whether the last commit succeeded"),
            store_turns: add(&mut all, "tidings_store_commits", "Commits of the database"),
            store_transactions: add(&mut all, "tidings_store_transactions", "Transactions in these commits"),
            store_rows: add(&mut all, "tidings_store_rows", "Rows that transactions changed"),
            store_long_bodies: add(
                &mut all,
                "tidings_store_long_transactions",
                "Transactions that alone held the writer for longer than a turn may take",
            ),
            store_longest_turn: add(
                &mut all,
                "tidings_store_longest_turn_seconds",
                "The longest time that the writer was held since the start",
            ),
            store_wal_pages: add(&mut all, "tidings_store_wal_pages", "Pages in the write-ahead log"),
            assignments: add(&mut all, "tidings_consumer_assignments", "Partitions that groups took over"),
            failed_attempts: add(
                &mut all,
                "tidings_consumer_failed_attempts",
                "Attempts that failed and are made again",
            ),
            parked: add(
                &mut all,
                "tidings_consumer_parked_records",
                "Records that were parked because one of their key keeps failing",
            ),
            given_up: add(&mut all, "tidings_consumer_given_up_records", "Records that became dead letters"),
            stalls: add(&mut all, "tidings_consumer_stalls", "Partitions that stood still for a minute"),
            outbox_rows: add(&mut all, "tidings_outbox_rows", "Rows that the log has not acknowledged"),
            outbox_records: add(&mut all, "tidings_outbox_records", "Records in these rows"),
            outbox_bytes: add(&mut all, "tidings_outbox_bytes", "Bytes of these records"),
            outbox_oldest: add(
                &mut all,
                "tidings_outbox_oldest_seconds",
                "How long the oldest of these rows has waited",
            ),
            outbox_held: add(&mut all, "tidings_outbox_lease_held", "Whether a relay holds the shard"),
            outbox_set_aside: add(
                &mut all,
                "tidings_outbox_set_aside_rows",
                "Rows with a record that could not be published",
            ),
            // The names of kafka_exporter, so that boards that exist go on working.
            topic_newest: add(
                &mut all,
                "kafka_topic_partition_current_offset",
                "The offset of the next record of a partition",
            ),
            topic_oldest: add(
                &mut all,
                "kafka_topic_partition_oldest_offset",
                "The oldest offset that a partition keeps",
            ),
            topic_bytes: add(&mut all, "tidings_topic_partition_bytes", "Bytes that a partition keeps"),
            group_offset: add(
                &mut all,
                "kafka_consumergroup_current_offset",
                "The next offset that a group wants of a partition",
            ),
            group_lag: add(
                &mut all,
                "kafka_consumergroup_lag",
                "Records of a partition that a group has not consumed yet",
            ),
            group_lag_seconds: add(
                &mut all,
                "tidings_consumergroup_lag_seconds",
                "How long the oldest of these records has waited",
            ),
            registry: all,
        }
    }
}

impl Metrics {
    pub(crate) fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = RequestLabels { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        let seconds = self.request_seconds.get_or_create(&RouteLabels { route: route.to_owned() });
        seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn assigned(&self, group: &str, topic: &str) {
        self.assignments.get_or_create(&work(group, topic)).inc();
    }

    pub(crate) fn attempt_failed(&self, group: &str, topic: &str) {
        self.failed_attempts.get_or_create(&work(group, topic)).inc();
    }

    pub(crate) fn parked(&self, group: &str, topic: &str, records: u64) {
        self.parked.get_or_create(&work(group, topic)).inc_by(records);
    }

    pub(crate) fn given_up(&self, group: &str, topic: &str) {
        self.given_up.get_or_create(&work(group, topic)).inc();
    }

    pub(crate) fn stalled(&self, group: &str, topic: &str) {
        self.stalls.get_or_create(&work(group, topic)).inc();
    }

    /// Takes over what was looked at, and writes everything as `OpenMetrics` text.
    pub fn text(&self, observed: &Observed) -> String {
        self.take(observed);
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_cause) => unreachable!("a string takes all text"),
        }
    }

    fn take(&self, observed: &Observed) {
        self.ready.set(observed.ready.into());
        for (transport, count) in &observed.connections {
            let labels = TransportLabels { transport: (*transport).to_owned() };
            self.connections.get_or_create(&labels).set(whole(*count));
        }
        self.queue_bytes.set(whole(observed.queue_bytes));
        self.dead_letters.set(whole(observed.dead_letters));
        self.delivery_head.set(whole(observed.delivery_head));
        self.delivery_shown.set(whole(observed.delivery_shown));
        let store = &observed.store;
        self.store_well.set(store.well.into());
        for (counter, now) in [
            (&self.store_turns, store.turns),
            (&self.store_transactions, store.transactions),
            (&self.store_rows, store.rows),
            (&self.store_long_bodies, store.long_bodies),
        ] {
            // The store counts for itself; this is its count, which only grows.
            counter.inner().store(now, Ordering::Relaxed);
        }
        self.store_longest_turn.set(store.longest_turn.as_secs_f64());
        self.store_wal_pages.set(whole(store.wal_pages));
        for shard in &observed.outbox {
            let labels = ShardLabels { shard: shard.shard };
            self.outbox_rows.get_or_create(&labels).set(whole(shard.rows));
            self.outbox_records.get_or_create(&labels).set(whole(shard.records));
            self.outbox_bytes.get_or_create(&labels).set(whole(shard.bytes));
            self.outbox_oldest.get_or_create(&labels).set(shard.oldest_waits.as_secs_f64());
            self.outbox_held.get_or_create(&labels).set(shard.held.into());
        }
        self.outbox_set_aside.set(whole(observed.outbox_set_aside));
        for partition in &observed.partitions {
            let labels = PartitionLabels { topic: partition.topic.clone(), partition: partition.partition };
            self.topic_newest.get_or_create(&labels).set(whole(partition.next_offset));
            self.topic_oldest.get_or_create(&labels).set(whole(partition.first_offset));
            if let Some(bytes) = partition.bytes {
                self.topic_bytes.get_or_create(&labels).set(whole(bytes));
            }
        }
        for group in &observed.groups {
            let labels = GroupLabels {
                consumergroup: group.group.clone(),
                topic: group.topic.clone(),
                partition: group.partition,
            };
            self.group_offset.get_or_create(&labels).set(whole(group.next_offset));
            self.group_lag.get_or_create(&labels).set(whole(group.lag));
            self.group_lag_seconds.get_or_create(&labels).set(group.oldest_waits.as_secs_f64());
        }
    }
}

fn work(group: &str, topic: &str) -> WorkLabels {
    WorkLabels { consumergroup: group.to_owned(), topic: topic.to_owned() }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GroupLag, RequestAnswered};

    #[test]
    fn what_was_counted_and_what_was_looked_at_stand_in_one_text() {
        let metrics = Metrics::default();
        let took = Duration::from_millis(3);
        RequestAnswered { method: "GET", route: "/api/v1/inbox", status: 200, took }.emit(&metrics);
        let group = GroupLag {
            group: "g".to_owned(),
            topic: "t".to_owned(),
            partition: 2,
            next_offset: 5,
            lag: 7,
            oldest_waits: Duration::from_secs(4),
        };
        let observed = Observed { ready: true, groups: vec![group], ..Observed::default() };
        let text = metrics.text(&observed);
        for line in [
            r#"tidings_http_requests_total{method="GET",route="/api/v1/inbox",status="200"} 1"#,
            r#"tidings_http_request_duration_seconds_bucket{le="0.005",route="/api/v1/inbox"} 1"#,
            r#"kafka_consumergroup_lag{consumergroup="g",topic="t",partition="2"} 7"#,
            r#"tidings_consumergroup_lag_seconds{consumergroup="g",topic="t",partition="2"} 4.0"#,
            "tidings_ready 1",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
