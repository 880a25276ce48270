//! How Kafka is reached and used: what the configuration says, made into the settings of librdkafka's clients.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use rdkafka::ClientConfig;

use crate::{Acks, DirectSettings, LogError};

/// How Kafka is reached and used.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// Where to begin: `host:port` of some brokers.
    pub brokers: Vec<String>,
    /// How we prove who we are, and check who they are.
    pub security: KafkaSecurity,
    /// How the members of a group share.
    pub group_protocol: GroupProtocol,
    /// Stands before the names of our groups on the cluster.
    pub group_prefix: String,
    /// Copies of each record of a topic that is made; none means three, or as many as there are brokers.
    pub replication: Option<u32>,
    /// How long [`Log::produce`](crate::Log::produce) waits for the acknowledgement; past it, whether the record
    /// was written is not known.
    pub produce_limit: Duration,
    /// How direct records are sent.
    pub direct: DirectSettings,
    /// librdkafka's own settings for producers, where they break no promise.
    pub producer: BTreeMap<String, String>,
    /// librdkafka's own settings for consumers, where they break no promise.
    pub consumer: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// The usual settings for these brokers, without TLS and login.
    pub fn at(brokers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            brokers: brokers.into_iter().map(Into::into).collect(),
            security: KafkaSecurity::default(),
            group_protocol: GroupProtocol::Classic,
            group_prefix: String::new(),
            replication: None,
            produce_limit: Duration::from_secs(10),
            direct: DirectSettings::default(),
            producer: BTreeMap::new(),
            consumer: BTreeMap::new(),
        }
    }
}

/// How we prove who we are, and check who they are.
#[derive(Clone, Default)]
pub struct KafkaSecurity {
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`; none means `PLAINTEXT`.
    pub protocol: Option<String>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: Option<String>,
    /// Who we are.
    pub username: Option<String>,
    /// The proof of it; never shown.
    pub password: Option<String>,
    /// The PEM file of the authorities that sign the brokers' certificates; none means the machine's.
    pub ca_location: Option<PathBuf>,
}

impl fmt::Debug for KafkaSecurity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, mechanism, username, password: _secret, ca_location } = self;
        f.debug_struct("KafkaSecurity")
            .field("protocol", protocol)
            .field("mechanism", mechanism)
            .field("username", username)
            .field("ca_location", ca_location)
            .finish_non_exhaustive()
    }
}

/// How the members of a group share its partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The members decide (cooperative-sticky); every broker knows it.
    #[default]
    Classic,
    /// The broker decides (KIP-848); Kafka 4.0 and later.
    Consumer,
}

/// The largest record, in bytes with its headers: topics are made for it, and clients take it.
pub(super) const RECORD_BYTES: u32 = 2 << 20;

/// How long a signal waits for a broker.
const SIGNAL_LIFE: Duration = Duration::from_secs(5);

/// What belongs to `[kafka]` itself, whoever the client is.
const OURS: [(&str, &str); 9] = [
    ("bootstrap.servers", "brokers"),
    ("metadata.broker.list", "brokers"),
    ("security.protocol", "security_protocol"),
    ("sasl.mechanism", "sasl_mechanism"),
    ("sasl.mechanisms", "sasl_mechanism"),
    ("sasl.username", "sasl_username"),
    ("sasl.password", "sasl_password"),
    ("ssl.ca.location", "ssl_ca_location"),
    ("group.protocol", "group_protocol"),
];

/// What would break a promise of the producer, and which.
const PRODUCER_PROMISES: [(&[&str], &str); 4] = [
    (&["acks", "request.required.acks"], "an answered record is on all in-sync replicas"),
    (
        &[
            "enable.idempotence",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "enable.gapless.guarantee",
        ],
        "records keep their order and are written once",
    ),
    (
        &[
            "message.timeout.ms",
            "delivery.timeout.ms",
            "retries",
            "message.send.max.retries",
            "transactional.id",
        ],
        "a record that was given up might still be written, and out of order",
    ),
    (
        &["partitioner", "dr_cb", "dr_msg_cb", "delivery.report.only.error"],
        "a key's partition is the one Java chooses",
    ),
];

/// What would break a promise of the consumer, and which.
const CONSUMER_PROMISES: [(&[&str], &str); 4] = [
    (
        &["enable.auto.commit", "auto.commit.enable", "auto.commit.interval.ms", "enable.auto.offset.store"],
        "progress moves only after the work is done",
    ),
    (&["auto.offset.reset"], "where a group begins is decided by who joins"),
    (
        &["partition.assignment.strategy", "group.id", "group.remote.assignor"],
        "partitions change hands one by one, and groups are named by those who join",
    ),
    (
        &["isolation.level", "enable.partition.eof", "allow.auto.create.topics"],
        "readers see what is there, and make nothing",
    ),
];

/// Which setting a client gets: what all have in common.
pub(super) fn common(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    let security = &settings.security;
    config
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", "tidings")
        .set("reconnect.backoff.max.ms", "1000")
        .set("socket.keepalive.enable", "true")
        .set("security.protocol", security.protocol.as_deref().unwrap_or("PLAINTEXT"));
    let mut set = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            config.set(key, value);
        }
    };
    set("sasl.mechanism", security.mechanism.as_deref());
    set("sasl.username", security.username.as_deref());
    set("sasl.password", security.password.as_deref());
    set("ssl.ca.location", security.ca_location.as_deref().and_then(std::path::Path::to_str));
    config
}

/// The producer: idempotent, acknowledged by all, without a time after which a record is given up. What waits is
/// bounded, and the callers bound their own patience.
pub(super) fn producer(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let mut config = common(settings);
    config
        // Long enough for what is sent in a row; a message waits for it with each step of its way.
        .set("linger.ms", "0.2")
        .set("compression.type", "lz4")
        .set("queue.buffering.max.messages", "100000")
        .set("queue.buffering.max.kbytes", "131072")
        // Tells when the producer is ready for its first record.
        .set("statistics.interval.ms", "500");
    pass_through(&mut config, &settings.producer, "producer", &PRODUCER_PROMISES)?;
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", "0")
        .set("message.max.bytes", RECORD_BYTES.to_string())
        .set("partitioner", "murmur2_random");
    Ok(config)
}

/// The producer of direct records: as often as the settings say, for as long as they say. Idempotent where all replicas
/// acknowledge and something is sent again at all.
pub(super) fn direct(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let DirectSettings { retries, acks, give_up } = &settings.direct;
    let mut config = producer(settings)?;
    config
        .set(
            "acks",
            if *acks == Acks::None {
                "0"
            } else if *acks == Acks::Local {
                "1"
            } else {
                "all"
            },
        )
        .set("enable.idempotence", (*acks == Acks::All && *retries > 0).to_string())
        .set("retries", retries.to_string())
        .set("message.timeout.ms", give_up.as_millis().to_string());
    Ok(config)
}

/// The producer of signals: acknowledged by the leader alone, sent once, and given up while somebody might still care.
pub(super) fn signals(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let mut config = producer(settings)?;
    // Records may be held back for longer than a signal is worth anything. By either of its names.
    config.remove("queue.buffering.max.ms");
    config
        .set("linger.ms", "0")
        .set("acks", "1")
        .set("enable.idempotence", "false")
        .set("retries", "0")
        .set("message.timeout.ms", SIGNAL_LIFE.as_millis().to_string())
        .set("queue.buffering.max.messages", "10000")
        .set("queue.buffering.max.kbytes", "8192");
    Ok(config)
}

/// A reader without a group. librdkafka wants a name for one all the same; nothing is ever committed under it.
pub(super) fn reader(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let mut config = consumer(settings)?;
    config.set("group.id", "tidings-tail").set("auto.offset.reset", "earliest");
    Ok(config)
}

/// A member of a group.
pub(super) fn member(settings: &KafkaSettings, group: &str) -> Result<ClientConfig, LogError> {
    let mut config = consumer(settings)?;
    // Where a group begins is looked up by who joins; what is left is a place that retention took.
    config.set("group.id", group).set("auto.offset.reset", "earliest");
    match settings.group_protocol {
        GroupProtocol::Classic => {
            config.set("partition.assignment.strategy", "cooperative-sticky");
            for (key, value) in [("session.timeout.ms", "10000"), ("heartbeat.interval.ms", "1000")] {
                if !settings.consumer.contains_key(key) {
                    config.set(key, value);
                }
            }
        }
        GroupProtocol::Consumer => {
            config.set("group.protocol", "consumer");
        }
    }
    Ok(config)
}

fn consumer(settings: &KafkaSettings) -> Result<ClientConfig, LogError> {
    let mut config = common(settings);
    config
        .set("queued.max.messages.kbytes", "8192")
        // Its own second, each time the queue is full, is longer than the queue lasts.
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.wait.max.ms", "500")
        // What a cluster may ask of its clients (KIP-714) takes the clock twice and a lock for each record that is read.
        .set("enable.metrics.push", "false")
        // Tells when a reader was left without brokers.
        .set("statistics.interval.ms", "5000");
    pass_through(&mut config, &settings.consumer, "consumer", &CONSUMER_PROMISES)?;
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("allow.auto.create.topics", "false");
    Ok(config)
}

/// Takes over librdkafka's own settings, but for those that are ours or would break a promise.
fn pass_through(
    config: &mut ClientConfig,
    passed: &BTreeMap<String, String>,
    section: &str,
    promises: &[(&[&str], &str)],
) -> Result<(), LogError> {
    let refused =
        |key: &str, reason: String| Err(LogError::Setting { key: format!("{section}.\"{key}\""), reason });
    for (key, value) in passed {
        if let Some((_, ours)) = OURS.iter().find(|(name, _)| name == key) {
            return refused(key, format!("set kafka.{ours} instead, for all clients"));
        }
        if let Some((_, promise)) = promises.iter().find(|(names, _)| names.contains(&key.as_str())) {
            return refused(key, format!("cannot be set: {promise}"));
        }
        config.set(key, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(section: &str, key: &str) -> String {
        let mut settings = KafkaSettings::at(["localhost:9092"]);
        let passed = BTreeMap::from([(key.to_owned(), "1".to_owned())]);
        let made = if section == "producer" {
            settings.producer = passed;
            producer(&settings)
        } else {
            settings.consumer = passed;
            consumer(&settings)
        };
        made.expect_err("it is refused").to_string()
    }

    #[test]
    fn what_would_break_a_promise_is_refused_with_the_promise() {
        assert_eq!(
            refusal("producer", "acks"),
            "kafka.producer.\"acks\": cannot be set: an answered record is on all in-sync replicas"
        );
        assert_eq!(
            refusal("consumer", "enable.auto.commit"),
            "kafka.consumer.\"enable.auto.commit\": cannot be set: progress moves only after the work is done"
        );
        assert_eq!(
            refusal("consumer", "bootstrap.servers"),
            "kafka.consumer.\"bootstrap.servers\": set kafka.brokers instead, for all clients"
        );
    }

    #[test]
    fn what_breaks_no_promise_is_passed_on() {
        let mut settings = KafkaSettings::at(["localhost:9092"]);
        settings.producer.insert("linger.ms".to_owned(), "20".to_owned());
        settings.consumer.insert("session.timeout.ms".to_owned(), "30000".to_owned());
        assert_eq!(producer(&settings).expect("it is allowed").get("linger.ms"), Some("20"));
        let config = member(&settings, "group").expect("it is allowed");
        assert_eq!(config.get("session.timeout.ms"), Some("30000"));
    }

    #[test]
    fn direct_records_are_given_up_and_those_of_the_relay_are_not() {
        let mut settings = KafkaSettings::at(["localhost:9092"]);
        let of = |config: &ClientConfig, key: &str| config.get(key).map(str::to_owned);
        assert_eq!(
            of(&producer(&settings).expect("it is allowed"), "message.timeout.ms").as_deref(),
            Some("0")
        );
        for (retries, acks, sent, idempotent) in
            [(5, Acks::All, "all", "true"), (0, Acks::All, "all", "false"), (5, Acks::Local, "1", "false")]
        {
            settings.direct = DirectSettings { retries, acks, ..DirectSettings::default() };
            let config = direct(&settings).expect("it is allowed");
            assert_eq!(of(&config, "retries"), Some(retries.to_string()));
            assert_eq!(of(&config, "acks").as_deref(), Some(sent));
            assert_eq!(of(&config, "enable.idempotence").as_deref(), Some(idempotent));
            assert_eq!(of(&config, "message.timeout.ms").as_deref(), Some("120000"));
        }
    }

    #[test]
    fn signals_are_sent_once_and_given_up_soon_whatever_the_settings_say() {
        let mut settings = KafkaSettings::at(["localhost:9092"]);
        for (key, value) in [
            ("queue.buffering.max.messages", "1000000"),
            ("queue.buffering.max.ms", "14000"),
            ("linger.ms", "14000"),
        ] {
            settings.producer.insert(key.to_owned(), value.to_owned());
        }
        let config = signals(&settings).expect("it is allowed");
        config.create_native_config().expect("it is one that librdkafka takes");
        assert_eq!(config.get("queue.buffering.max.ms"), None, "the other name of the next");
        for (key, wanted) in [
            ("linger.ms", "0"),
            ("acks", "1"),
            ("enable.idempotence", "false"),
            ("retries", "0"),
            ("message.timeout.ms", "5000"),
            ("queue.buffering.max.messages", "10000"),
        ] {
            assert_eq!(config.get(key), Some(wanted), "{key}");
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let mut settings = KafkaSettings::at(["localhost:9092"]);
        settings.security.password = Some("hunter2".to_owned());
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
