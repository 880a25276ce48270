//! The shared broker, a part of it for each test, and what a keeper on trial must be able to do.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
};

use async_trait::async_trait;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};
use tidings_log::{KafkaLog, KafkaSettings, Log, TopicPartition, conformance::Keeper};

use crate::scoped::Scoped;

/// The shared broker, or what to run where there is none.
pub(crate) fn shared() -> Result<Vec<String>, String> {
    let brokers = tidings_config::variable("TIDINGS_TEST_KAFKA");
    let brokers =
        brokers.ok_or("no broker: run `scripts/kafka with cargo test -p tidings-log --test kafka`")?;
    Ok(brokers.split(',').map(str::to_owned).collect())
}

/// A name that no other test has.
pub(crate) fn unique() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:08x}", random & 0xffff_ffff)
}

/// A log on the shared broker, with names of its own.
pub(crate) struct Kafka {
    prefix: String,
}

impl Kafka {
    pub(crate) fn fresh() -> Self {
        Self { prefix: format!("{}-", unique()) }
    }
}

pub(crate) fn admin(brokers: &[String]) -> AdminClient<DefaultClientContext> {
    let made = ClientConfig::new().set("bootstrap.servers", brokers.join(",")).create();
    made.expect("an admin client is made")
}

#[async_trait]
impl Keeper for Kafka {
    async fn open(&self) -> Arc<dyn Log> {
        let brokers = shared().expect("asked for before");
        let log = KafkaLog::connect(KafkaSettings::at(brokers)).await.expect("it connects");
        Arc::new(Scoped { log, prefix: self.prefix.clone() })
    }

    async fn forget(&self, partition: &TopicPartition, upto: u64) {
        let mut places = TopicPartitionList::new();
        let topic = format!("{}{}", self.prefix, partition.topic);
        let (number, upto) = (partition.partition.cast_signed(), upto.cast_signed());
        places.add_partition_offset(&topic, number, Offset::Offset(upto)).expect("it is a place");
        let admin = admin(&shared().expect("asked for before"));
        let forgotten = admin.delete_records(&places, &AdminOptions::new()).await;
        for place in forgotten.expect("the broker answers").elements() {
            place.error().expect("its records are deleted");
        }
    }

    fn missing(&self) -> Option<String> {
        shared().err()
    }
}
