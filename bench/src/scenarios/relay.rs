//! How fast events that were saved reach Kafka: the numbered relay between an outbox in PostgreSQL and one broker, beside
//! a producer of librdkafka that has its values in memory.

use std::process::Command;

use tidings_log::{KafkaLog, KafkaSettings, Log, TopicConfig};
use tidings_model::{Headers, Timestamp};
use tidings_store::{NewRecord, Store, StoreError, StoreOptions, TopicPartitions};

use crate::{
    Bench, Failure,
    rate::Rate,
    report::Figure,
    senders::{BYTES, PARTITIONS},
};

/// Events of a run.
const EVENTS: usize = 400_000;
/// Events of a run where each has a row: an outbox holds 100,000 rows.
const ROWS: usize = 90_000;
/// Events of one partition in one transaction, where they share a row.
const PACKED: usize = 20;
/// Runs of each, in turn; the median counts.
const ROUNDS: usize = 3;

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let missing = "the relay needs a broker and a PostgreSQL: scripts/bench starts them";
    let (Some(brokers), Some(database)) = (bench.brokers.as_deref(), bench.postgres.as_deref()) else {
        return Err(missing.into());
    };
    let world = World { brokers, database };
    let (rows, events) = (bench.amount(ROWS, 10_000), bench.amount(EVENTS, 10_000));
    let (mut one, mut packed, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..if bench.quick { 1 } else { ROUNDS } {
        one.push(world.relayed(rows, 1, round)?);
        packed.push(world.relayed(events, PACKED, round)?);
        bare.push(world.bare(events, round)?);
    }
    let (one, packed, bare) = (Rate::median(one)?, Rate::median(packed)?, Rate::median(bare)?);
    Ok(vec![
        Figure::of("events/s, rows of one event", one.per_second).beside(bare.per_second).goal("≥ 20,000/s"),
        Figure::of("CPU of an event, µs, rows of one event", one.micros).beside(bare.micros),
        Figure::of("events/s, rows of 20 events", packed.per_second)
            .beside(bare.per_second)
            .goal("≥ 20,000/s"),
        Figure::of("CPU of an event, µs, rows of 20 events", packed.micros).beside(bare.micros),
    ])
}

/// Where events come from and go to.
struct World<'a> {
    brokers: &'a str,
    database: &'a str,
}

impl World<'_> {
    /// Fills the outbox with events, so many in a row, and lets a relay empty it.
    fn relayed(&self, events: usize, packed: usize, round: usize) -> Result<Rate, Failure> {
        let topic = format!("bench-relay-{}-{packed}-{round}", std::process::id());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.fill(&topic, events, packed))?;
        self.sent("relay", events, &topic, &["--database", self.database])
    }

    /// The same number of records from a producer alone.
    fn bare(&self, events: usize, round: usize) -> Result<Rate, Failure> {
        let topic = format!("bench-bare-{}-{round}", std::process::id());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let log = KafkaLog::connect(KafkaSettings::at(self.brokers.split(','))).await?;
            log.ensure_topics(&[TopicConfig::named(&topic, PARTITIONS)]).await?;
            Ok::<_, Failure>(())
        })?;
        self.sent("bare", events, &topic, &[])
    }

    async fn fill(&self, topic: &str, events: usize, packed: usize) -> Result<(), Failure> {
        let outbox = Store::open(&StoreOptions::postgres(self.database.to_owned()))?;
        let partitions = TopicPartitions {
            name: topic.to_owned(),
            first_partition: 0,
            partitions: PARTITIONS,
            bytes_limit: u64::MAX,
        };
        outbox.register_topic(topic, partitions);
        for _transaction in 0..events / (PARTITIONS as usize * packed) {
            let topic = topic.to_owned();
            let put = outbox.transact(move |tx| async move {
                let (headers, value) = (Headers::new(), format!("{:<BYTES$}", "event"));
                let of = |partition| NewRecord {
                    topic: &topic,
                    partition: Some(partition),
                    key: None,
                    headers: &headers,
                    value: Some(value.as_bytes()),
                    time: Timestamp(1),
                };
                for partition in 0..PARTITIONS {
                    for _each in 0..packed {
                        tx.append(&of(partition)).await?;
                    }
                }
                Ok::<_, StoreError>(())
            });
            put.await?;
        }
        Ok(())
    }

    fn sent(&self, kind: &str, events: usize, topic: &str, more: &[&str]) -> Result<Rate, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["sender", kind, "--brokers", self.brokers, "--topic", topic]).args(more);
        command.arg("--records").arg(events.to_string());
        Rate::of(&mut command, events)
    }
}
