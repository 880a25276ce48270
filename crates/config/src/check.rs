//! What the values must be, each with a sentence that names the key.

use crate::{Config, ConfigError, GatewayConfig, KafkaConfig, LimitsConfig, WebhookConfig};

/// The shortest secret, in bytes.
const SECRET_BYTES: usize = 32;
/// The most partitions of a topic.
const MAX_PARTITIONS: u32 = 1000;
/// The most times that a record is sent again.
const MAX_RETRIES: u32 = 1000;
/// The longest name of a group, in bytes.
const MAX_GROUP_BYTES: usize = 200;
/// The longest name of a topic, as in Kafka.
const MAX_TOPIC_BYTES: usize = 249;

/// Refuses what makes no sense, at the first key that does not.
pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
    let gateway = &config.gateway;
    holds(config.server.grace_secs <= 3600, "server.grace_secs", "must be at most 3600")?;
    for origin in &config.server.origins {
        holds(
            is_origin(origin),
            "server.origins",
            &format!("must be origins such as https://app.example.com; `{}` is none", origin.escape_debug()),
        )?;
    }
    database(config)?;
    config.roles()?;
    kafka(&config.kafka)?;
    auth(config)?;
    limits(&config.limits)?;
    holds((1..=300).contains(&gateway.heartbeat_secs), "gateway.heartbeat_secs", range(1, 300).as_str())?;
    holds(gateway.queue_frames >= 2, "gateway.queue_frames", "must be at least 2")?;
    holds(
        gateway.queue_bytes >= 256 << 10,
        "gateway.queue_bytes",
        "must be at least 262144: one large frame",
    )?;
    holds(gateway.connections_per_user >= 1, "gateway.connections_per_user", "must be at least 1")?;
    holds((1..=1000).contains(&gateway.catch_up_max), "gateway.catch_up_max", range(1, 1000).as_str())?;
    websocket(gateway)?;
    webhook(&config.webhook)?;
    holds(!config.logs.level.trim().is_empty(), "logs.level", "must name a level, for example info")?;
    topics(config)?;
    groups(config)
}

pub(crate) fn holds(holds: bool, key: &str, reason: &str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::Check { key: key.to_owned(), reason: reason.to_owned() }) }
}

fn range(first: u64, last: u64) -> String {
    format!("must lie between {first} and {last}")
}

fn limits(limits: &LimitsConfig) -> Result<(), ConfigError> {
    for (key, rate, most) in [
        ("limits.requests_per_second", limits.requests_per_second, 100_000),
        ("limits.key_requests_per_second", limits.key_requests_per_second, 100_000),
        ("limits.broadcasts_per_minute", limits.broadcasts_per_minute, 6_000_000),
        ("limits.key_broadcasts_per_minute", limits.key_broadcasts_per_minute, 6_000_000),
        ("limits.logins_per_minute", limits.logins_per_minute, 60_000),
        ("limits.messages_per_second", limits.messages_per_second, 100_000),
    ] {
        holds((1..=most).contains(&rate), key, &range(1, most.into()))?;
    }
    Ok(())
}

fn database(config: &Config) -> Result<(), ConfigError> {
    let url = &config.database.url;
    let is_file = url.strip_prefix("sqlite://").is_some_and(|file| !file.is_empty());
    let is_postgres = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    holds(is_file || is_postgres, "database.url", "must be sqlite:// and a file, or a postgres:// address")?;
    holds(
        !is_postgres || config.kafka_brokers().is_some(),
        "database.url",
        "names a PostgreSQL database, in which no log can lie: set kafka.brokers too, or a sqlite:// database",
    )
}

fn websocket(gateway: &GatewayConfig) -> Result<(), ConfigError> {
    holds((1..=300).contains(&gateway.ping_secs), "gateway.ping_secs", range(1, 300).as_str())?;
    holds(
        (1..=gateway.ping_secs).contains(&gateway.pong_secs),
        "gateway.pong_secs",
        "must lie between 1 and gateway.ping_secs",
    )?;
    holds((1..=300).contains(&gateway.first_frame_secs), "gateway.first_frame_secs", range(1, 300).as_str())?;
    holds(
        (1024..=16 << 20).contains(&gateway.message_bytes),
        "gateway.message_bytes",
        "must lie between 1024 and 16777216",
    )?;
    holds(gateway.resumes_per_second >= 1, "gateway.resumes_per_second", "must be at least 1")?;
    holds(gateway.database_resumes >= 1, "gateway.database_resumes", "must be at least 1")
}

/// What its address, its secret and its networks must be says the feature that uses them.
fn webhook(webhook: &WebhookConfig) -> Result<(), ConfigError> {
    holds(
        webhook.url.is_some() == webhook.secret.is_some(),
        if webhook.url.is_some() { "webhook.secret" } else { "webhook.url" },
        "must be set: a webhook has an address and a secret",
    )?;
    holds((1..=10_080).contains(&webhook.after_minutes), "webhook.after_minutes", &range(1, 10_080))?;
    holds((1..=60).contains(&webhook.timeout_secs), "webhook.timeout_secs", &range(1, 60))?;
    holds(
        webhook.retry_secs.len() <= 20 && webhook.retry_secs.iter().all(|secs| (1..=86_400).contains(secs)),
        "webhook.retry_secs",
        "must be at most 20 pauses between 1 and 86400",
    )
}

fn kafka(kafka: &KafkaConfig) -> Result<(), ConfigError> {
    for broker in &kafka.brokers {
        let port = broker.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        holds(
            port.is_some_and(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0)),
            "kafka.brokers",
            &format!("must be addresses such as kafka-1:9092; `{}` is none", broker.escape_debug()),
        )?;
    }
    let protocol = kafka.security_protocol.as_str();
    holds(
        ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&protocol),
        "kafka.security_protocol",
        "must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    )?;
    let login = [
        ("kafka.sasl_mechanism", kafka.sasl_mechanism.is_some()),
        ("kafka.sasl_username", kafka.sasl_username.is_some()),
        ("kafka.sasl_password", kafka.sasl_password.is_some()),
    ];
    for (key, set) in login {
        if protocol.starts_with("SASL_") {
            holds(set, key, &format!("must be set where kafka.security_protocol is {protocol}"))?;
        } else {
            holds(!set, key, "needs kafka.security_protocol to be SASL_SSL or SASL_PLAINTEXT")?;
        }
    }
    holds(
        kafka
            .sasl_mechanism
            .as_deref()
            .is_none_or(|mechanism| ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&mechanism)),
        "kafka.sasl_mechanism",
        "must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    )?;
    holds(
        kafka.ssl_ca_location.is_none() || protocol.ends_with("SSL"),
        "kafka.ssl_ca_location",
        "needs kafka.security_protocol to be SSL or SASL_SSL",
    )?;
    holds(kafka.retry_max <= MAX_RETRIES, "kafka.retry_max", "must lie between 0 and 1000")?;
    holds(kafka.replication != Some(0), "kafka.replication", "must be at least 1")
}

fn auth(config: &Config) -> Result<(), ConfigError> {
    let auth = &config.auth;
    let secret_bytes = auth.hs256_secret.as_ref().map_or(SECRET_BYTES, String::len);
    holds(
        secret_bytes >= SECRET_BYTES,
        "auth.hs256_secret",
        "needs at least 32 bytes; make one with `openssl rand -hex 32`",
    )?;
    let keys = [
        ("auth.hs256_secret", auth.hs256_secret.is_some()),
        ("auth.public_key_file", auth.public_key_file.is_some()),
        ("auth.jwks_url", auth.jwks_url.is_some()),
        ("auth.jwks_file", auth.jwks_file.is_some()),
    ];
    let mut set = keys.iter().filter(|(_, set)| *set).map(|(key, _)| *key);
    if let (Some(first), Some(second)) = (set.next(), set.next()) {
        holds(false, second, &format!("cannot stand beside {first}: tokens are verified one way"))?;
    }
    if let Some(url) = &auth.jwks_url {
        let local = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
        let rest = local.iter().find_map(|prefix| url.strip_prefix(prefix));
        let loopback = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']));
        holds(
            url.starts_with("https://") || loopback,
            "auth.jwks_url",
            "must begin with https://, or with http:// on this machine",
        )?;
    }
    Ok(())
}

/// `scheme://host[:port]`, as browsers send it.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte))
    })
}

fn topics(config: &Config) -> Result<(), ConfigError> {
    for (alias, topic) in &config.topics {
        let key = |field: &str| format!("topics.\"{}\".{field}", alias.escape_debug());
        if let Some(name) = &topic.name {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let named = (1..=MAX_TOPIC_BYTES).contains(&name.len())
                && name.bytes().all(letters)
                && name != "."
                && name != "..";
            holds(named, &key("name"), "must have 1 to 249 letters, digits, dots, underscores or hyphens")?;
        }
        let partitions = topic.partitions.unwrap_or(1);
        holds(
            (1..=MAX_PARTITIONS).contains(&partitions),
            &key("partitions"),
            range(1, MAX_PARTITIONS.into()).as_str(),
        )?;
        holds(topic.retention_secs.unwrap_or(60) >= 60, &key("retention_secs"), "must be at least 60")?;
    }
    Ok(())
}

fn groups(config: &Config) -> Result<(), ConfigError> {
    for (alias, group) in &config.groups {
        let name = group.name.as_deref().unwrap_or(alias);
        let named = (1..=MAX_GROUP_BYTES).contains(&name.len()) && !name.chars().any(char::is_control);
        let key = format!("groups.\"{}\".name", alias.escape_debug());
        holds(named, &key, "must have 1 to 200 bytes without control characters")?;
    }
    Ok(())
}
