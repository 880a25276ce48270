//! What the broker itself takes from one client to another: the floor of everything that goes through Kafka. librdkafka on
//! both ends, with the promises of our producer; one partition.

use std::{
    hint::black_box,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseRecord, DefaultProducerContext, ThreadedProducer},
};
use tidings_log::{KafkaLog, KafkaSettings, Log as _, TopicConfig};

use super::pace::Pace;
use crate::{Failure, samples::Samples};

/// Bytes of a value.
const BYTES: usize = 300;
/// Records that do not count: the clients get to know the broker.
const WARM: usize = 20;
/// How long a record may take.
const LIMIT: Duration = Duration::from_secs(10);
/// How long the reader waits before it looks whether anybody still sends.
const LOOK: Duration = Duration::from_millis(100);

/// How long records take from the call that sends them to the one that reads them.
#[derive(Debug)]
pub(super) struct Broker {
    /// One at a time.
    pub(super) idle: Samples,
    /// At a rate.
    pub(super) loaded: Samples,
}

/// Sends records one at a time, then so many at a rate.
pub(super) fn produce_and_consume(
    brokers: &str,
    idle: usize,
    loaded: usize,
    rate: u32,
) -> Result<Broker, Failure> {
    let topic = format!("bench-broker-{}", std::process::id());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let log = KafkaLog::connect(KafkaSettings::at(brokers.split(','))).await?;
        log.ensure_topics(&[TopicConfig::named(&topic, 1)]).await?;
        Ok::<_, Failure>(())
    })?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("linger.ms", "0");
    let wire = Wire { producer: config.create()?, topic: &topic };
    let all = WARM + idle + loaded;
    let (came, arrivals) = sync_channel(all);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read(brokers, &topic, all, &came));
        wire.one_by_one(WARM, &arrivals)?;
        let idle = wire.one_by_one(idle, &arrivals)?;
        let loaded = wire.paced(loaded, Pace::per_second(rate), &arrivals)?;
        reader.join().map_err(|_panic| "the reader panicked")??;
        Ok(Broker { idle, loaded })
    })
}

/// Where records are sent.
struct Wire<'a> {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: &'a str,
}

impl Wire<'_> {
    /// Sends a record; when it was begun.
    fn send(&self) -> Result<Instant, Failure> {
        let begun = Instant::now();
        let record = BaseRecord::<(), _>::to(self.topic).partition(0).payload(&[b' '; BYTES]);
        self.producer.send(record).map_err(|(cause, _record)| cause)?;
        Ok(begun)
    }

    fn one_by_one(&self, records: usize, arrivals: &Receiver<Instant>) -> Result<Samples, Failure> {
        let sent_and_read = |_| {
            let begun = self.send()?;
            Ok::<_, Failure>(arrivals.recv_timeout(LIMIT)?.saturating_duration_since(begun))
        };
        (0..records).map(sent_and_read).collect()
    }

    fn paced(&self, records: usize, pace: Pace, arrivals: &Receiver<Instant>) -> Result<Samples, Failure> {
        let mut begun = Vec::with_capacity(records);
        for number in 0..records {
            pace.wait(number);
            begun.push(self.send()?);
        }
        let wait = |begun| Ok::<_, Failure>(arrivals.recv_timeout(LIMIT)?.saturating_duration_since(begun));
        begun.into_iter().map(wait).collect()
    }
}

/// Tells when each record came, until the last one.
fn read(brokers: &str, topic: &str, records: usize, came: &SyncSender<Instant>) -> Result<(), Failure> {
    let mut config = ClientConfig::new();
    // librdkafka has no consumer without the name of a group; this one joins none.
    config.set("bootstrap.servers", brokers).set("group.id", topic).set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut partition = TopicPartitionList::new();
    partition.add_partition_offset(topic, 0, Offset::Beginning)?;
    consumer.assign(&partition)?;
    let (mut seen, mut last) = (0, Instant::now());
    while seen < records {
        if let Some(message) = consumer.poll(LOOK) {
            last = Instant::now();
            black_box(message?.payload());
            came.send(last)?;
            seen += 1;
        } else if last.elapsed() > LIMIT * 2 {
            return Err(format!("the broker brought {seen} of {records} records").into());
        }
    }
    Ok(())
}
