//! The shared broker, a part of it for each test, and what a keeper on trial must be able to do.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};
use tidings_log::{
    Durability, GroupProtocol, KafkaLog, KafkaSettings, Log, Produce, TopicConfig, TopicPartition,
    conformance::Keeper,
};

use crate::scoped::Scoped;

/// The shared broker, or what to run where there is none.
pub(crate) fn shared() -> Result<Vec<String>, String> {
    let brokers = tidings_config::variable("TIDINGS_TEST_KAFKA");
    let brokers =
        brokers.ok_or("no broker: run `scripts/kafka with cargo test -p tidings-log --test kafka`")?;
    Ok(brokers.split(',').map(str::to_owned).collect())
}

/// Whether the shared broker is older than Kafka 4.
pub(crate) fn is_old() -> bool {
    tidings_config::variable("TIDINGS_TEST_KAFKA_VERSION").is_some_and(|version| version.starts_with('3'))
}

/// Why the newer protocol of groups cannot be tried, if it cannot.
pub(crate) fn without_newer_groups() -> Option<String> {
    shared().err().or_else(|| is_old().then(|| "this broker is older than the protocol".to_owned()))
}

/// A name that no other test has.
pub(crate) fn unique() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:08x}", random & 0xffff_ffff)
}

/// Nothing more is tested where something is missing.
macro_rules! pass_over {
    ($missing:expr) => {
        if let Some(missing) = $missing {
            println!("passed over: {missing}");
            return;
        }
    };
}
pub(crate) use pass_over;

/// A topic with a name of its own, on a log.
pub(crate) async fn topic(log: &KafkaLog, partitions: u32) -> String {
    let name = unique();
    let config = TopicConfig {
        alias: name.clone(),
        name: name.clone(),
        partitions,
        retention: Duration::from_hours(1),
        retention_bytes: TopicConfig::RETENTION_BYTES,
        durability: Durability::Durable,
    };
    assert_eq!(log.ensure_topics(&[config]).await.expect("it is made"), []);
    name
}

/// A record with a number as its value.
pub(crate) fn numbered(topic: &str, partition: u32, number: u64) -> Produce {
    Produce {
        topic: topic.to_owned(),
        partition: Some(partition),
        value: Some(number.to_string().into_bytes()),
        ..Produce::default()
    }
}

/// A log on the shared broker, with names of its own.
pub(crate) struct Kafka {
    prefix: String,
    groups: GroupProtocol,
}

impl Kafka {
    pub(crate) fn fresh() -> Self {
        Self { prefix: format!("{}-", unique()), groups: GroupProtocol::Classic }
    }

    /// With the newer protocol of groups.
    pub(crate) fn newer() -> Self {
        Self { groups: GroupProtocol::Consumer, ..Self::fresh() }
    }
}

/// A log on these brokers.
pub(crate) async fn connect(brokers: Vec<String>, groups: GroupProtocol) -> KafkaLog {
    let settings = KafkaSettings { group_protocol: groups, ..KafkaSettings::at(brokers) };
    KafkaLog::connect(settings).await.expect("it connects")
}

fn admin(brokers: &[String]) -> AdminClient<DefaultClientContext> {
    let made = ClientConfig::new().set("bootstrap.servers", brokers.join(",")).create();
    made.expect("an admin client is made")
}

#[async_trait]
impl Keeper for Kafka {
    async fn open(&self) -> Arc<dyn Log> {
        let log = connect(shared().expect("asked for before"), self.groups).await;
        Arc::new(Scoped { log, prefix: self.prefix.clone() })
    }

    async fn forget(&self, partition: &TopicPartition, upto: u64) {
        let mut places = TopicPartitionList::new();
        let topic = format!("{}{}", self.prefix, partition.topic);
        let (number, upto) = (partition.partition.cast_signed(), upto.cast_signed());
        places.add_partition_offset(&topic, number, Offset::Offset(upto)).expect("it is a place");
        let admin = admin(&shared().expect("asked for before"));
        // A client that knows the leaders asks them in one thread; librdkafka may end the process where it does not.
        admin.inner().fetch_metadata(Some(&topic), Duration::from_secs(10)).expect("the broker answers");
        let forgotten = admin.delete_records(&places, &AdminOptions::new()).await;
        for place in forgotten.expect("the broker answers").elements() {
            place.error().expect("its records are deleted");
        }
    }

    fn differs(&self) -> &'static [(&'static str, &'static str)] {
        const TELLS: &str = "a client of Kafka also wakes its reader for what it tells of its brokers";
        &[("a_tail_is_woken_by_an_append_and_by_nothing_else", TELLS)]
    }

    fn missing(&self) -> Option<String> {
        match self.groups {
            GroupProtocol::Classic => shared().err(),
            GroupProtocol::Consumer => without_newer_groups(),
        }
    }
}
