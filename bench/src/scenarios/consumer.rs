//! How fast our consumer reads a topic of Kafka beside others that do nothing with its records, and whether one key that
//! fails is felt by the others.

use std::{process::Command, time::Duration};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer},
};
use tempfile::TempDir;
use tidings_log::{KafkaLog, KafkaSettings, Log, TopicConfig};

use crate::{Bench, Failure, process::Process, rate::Rate, readers::PARTITIONS, report::Figure};

/// Records of the topic.
const RECORDS: usize = 1_000_000;
/// Runs of each reader, one after the other in turn; the median counts.
const ROUNDS: usize = 3;
/// Their keys.
const KEYS: usize = 1_000;
/// Bytes of a value.
const BYTES: usize = 200;
/// How long one key fails, and how long it does not beside that.
const SICK: Duration = Duration::from_secs(63);

/// Where and what is read.
struct World<'a> {
    bench: &'a Bench,
    brokers: &'a str,
    topic: String,
    records: usize,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let missing = "the readers need a broker: scripts/bench starts one, or set TIDINGS_TEST_KAFKA";
    let brokers = bench.brokers.as_deref().ok_or(missing)?;
    let records = bench.amount(RECORDS, 1_000);
    let mut world = World { bench, brokers, topic: format!("bench-{}", std::process::id()), records };
    world.fill()?;
    let mut kinds = vec!["stream", "base", "ours"];
    kinds.extend(bench.sarama.is_some().then_some("sarama"));
    let mut reads: Vec<Vec<Rate>> = kinds.iter().map(|_| Vec::new()).collect();
    for round in 0..if bench.quick { 1 } else { ROUNDS } {
        for (kind, reads) in kinds.iter().zip(&mut reads) {
            reads.push(world.read(kind, round)?);
        }
    }
    let median = |kind: &str| {
        let at = kinds.iter().position(|known| *known == kind)?;
        Rate::median(reads[at].clone()).ok()
    };
    let (Some(ours), Some(stream), Some(base)) = (median("ours"), median("stream"), median("base")) else {
        return Err("a reader has no figures".into());
    };
    let mut figures = vec![
        Figure::of("records/s, beside librdkafka awaited", ours.per_second)
            .beside(stream.per_second)
            .goal("≥ 0.70"),
        Figure::of("records/s, beside librdkafka polled without rests", ours.per_second)
            .beside(base.per_second)
            .goal("≥ 0.70"),
        Figure::of("CPU of a record, µs, beside librdkafka awaited", ours.micros).beside(stream.micros),
        Figure::of("CPU of a record, µs, beside librdkafka polled", ours.micros).beside(base.micros),
    ];
    if let Some(sarama) = median("sarama") {
        figures.push(
            Figure::of("records/s, beside Sarama", ours.per_second).beside(sarama.per_second).goal("≥ 2"),
        );
        figures.push(Figure::of("CPU of a record, µs, beside Sarama", ours.micros).beside(sarama.micros));
    }
    let seconds = bench.duration(SICK).as_secs() + 3;
    world.records = usize::try_from(seconds)? * 1_000;
    let well = world.waits(false)?;
    let sick = world.waits(true)?;
    figures.push(Figure::of("sent → handled, 999 keys while one fails, p50, ms", sick.0).beside(well.0));
    let p99 = Figure::of("sent → handled, 999 keys while one fails, p99, ms", sick.1);
    figures.push(p99.beside(well.1).goal("< 1.3"));
    Ok(figures)
}

impl World<'_> {
    /// Makes the topic and fills it.
    fn fill(&self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let log = KafkaLog::connect(KafkaSettings::at(self.brokers.split(','))).await?;
            log.ensure_topics(&[TopicConfig::named(&self.topic, PARTITIONS)]).await?;
            Ok::<_, Failure>(())
        })?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.brokers).set("linger.ms", "20").set("compression.type", "lz4");
        let producer: BaseProducer = config.create()?;
        for number in 0..self.records {
            let (key, value) = (format!("key-{}", number % KEYS), format!("{number:<BYTES$}"));
            let mut record = BaseRecord::to(&self.topic).key(&key).payload(&value);
            while let Err((cause, again)) = producer.send(record) {
                if cause != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                    return Err(cause.into());
                }
                producer.poll(Duration::from_millis(10));
                record = again;
            }
        }
        producer.flush(Duration::from_mins(1))?;
        Ok(())
    }

    /// One reader, from the first record to the last.
    fn read(&self, kind: &str, round: usize) -> Result<Rate, Failure> {
        let folder = TempDir::new_in(&self.bench.folder)?;
        let mut command = match (kind, &self.bench.sarama) {
            ("sarama", Some(program)) => Command::new(program),
            _ours => reader(kind)?,
        };
        command.arg("--brokers").arg(self.brokers).arg("--topic").arg(&self.topic);
        command.arg("--records").arg(self.records.to_string()).arg("--round").arg(round.to_string());
        if kind == "ours" {
            command.arg("--folder").arg(folder.path());
        }
        Rate::of(&mut command, self.records)
    }

    /// Median and 99th percentile of what the records of healthy keys wait, in milliseconds.
    fn waits(&self, fails: bool) -> Result<(f64, f64), Failure> {
        let folder = TempDir::new_in(&self.bench.folder)?;
        let mut command = reader("sick")?;
        let topic = format!("{}-{}", self.topic, if fails { "sick" } else { "well" });
        command.arg("--brokers").arg(self.brokers).arg("--topic").arg(topic);
        command.arg("--records").arg(self.records.to_string()).arg("--folder").arg(folder.path());
        if fails {
            command.arg("--fails");
        }
        let (_process, told) = Process::telling(&mut command)?;
        let mut numbers = told.split_whitespace().map(str::parse);
        let (Some(Ok(p50)), Some(Ok(p99))) = (numbers.next(), numbers.next()) else {
            return Err(format!("the reader said {told:?}").into());
        };
        Ok((p50, p99))
    }
}

/// One of our own readers.
fn reader(kind: &str) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["reader", kind]);
    Ok(command)
}
