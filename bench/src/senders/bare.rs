//! librdkafka with nothing around it: the floor of sending.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer},
};

use super::{BYTES, PARTITIONS, Target};
use crate::{Failure, process::tell};

pub(super) fn send(target: &Target) -> Result<(), Failure> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &target.brokers).set("enable.idempotence", "true").set("linger.ms", "0");
    let producer: BaseProducer = config.create()?;
    let begun = Instant::now();
    for number in 0..target.records {
        let value = format!("{number:<BYTES$}");
        let partition = i32::try_from(number % u64::from(PARTITIONS))?;
        let mut record = BaseRecord::<(), _>::to(&target.topic).partition(partition).payload(&value);
        while let Err((cause, again)) = producer.send(record) {
            if cause != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(cause.into());
            }
            producer.poll(Duration::from_millis(10));
            record = again;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_mins(1))?;
    tell(&begun.elapsed().as_secs_f64().to_string())
}
