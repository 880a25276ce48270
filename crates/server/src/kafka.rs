//! Kafka as the configuration wants it.

use std::path::PathBuf;

use tidings_config::{Config, GroupProtocol, RequiredAcks};
use tidings_log::{Acks, DirectSettings, KafkaSecurity, KafkaSettings};

/// How the Kafka that keeps the log is reached; none where the database's own file keeps it.
pub fn kafka_settings(config: &Config) -> Option<KafkaSettings> {
    let kafka = &config.kafka;
    let mut settings = KafkaSettings::at(config.kafka_brokers()?);
    settings.security = KafkaSecurity {
        protocol: Some(kafka.security_protocol.clone()),
        mechanism: kafka.sasl_mechanism.clone(),
        username: kafka.sasl_username.clone(),
        password: kafka.sasl_password.clone(),
        ca_location: kafka.ssl_ca_location.as_ref().map(PathBuf::from),
    };
    settings.group_protocol = match kafka.group_protocol {
        GroupProtocol::Classic => tidings_log::GroupProtocol::Classic,
        GroupProtocol::Consumer => tidings_log::GroupProtocol::Consumer,
    };
    settings.group_prefix.clone_from(&kafka.group_prefix);
    settings.replication = kafka.replication;
    let acks = match kafka.required_acks {
        RequiredAcks::All => Acks::All,
        RequiredAcks::Local => Acks::Local,
        RequiredAcks::None => Acks::None,
    };
    settings.direct = DirectSettings { retries: kafka.retry_max, acks, ..DirectSettings::default() };
    settings.producer.clone_from(&kafka.producer);
    settings.consumer.clone_from(&kafka.consumer);
    Some(settings)
}
