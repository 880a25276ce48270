//! Settings from file and environment, and what is said about those that do not hold.

use std::path::PathBuf;

use tidings_config::{
    Config, ConfigError, GroupProtocol, LogFormat, RequiredAcks, Role, default_file, load, reference,
};

/// A file's text, variables, and what is said about them.
type Refused<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// Loads a file with this text, then these variables.
fn settings(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tidings.toml");
    std::fs::write(&path, file).expect("a file in it");
    load(Some(&path), variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\n[gateway]\nheartbeat_secs = 3\n";
    let config = settings(file, &[("TIDINGS_SERVER__LISTEN", "127.0.0.1:2")]).unwrap();
    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.gateway.heartbeat_secs, 3);
}

#[test]
fn a_variable_is_read_as_its_default_is_written() {
    let config = settings(
        "",
        &[
            ("TIDINGS_SERVER__ORIGINS", "https://a.example, https://b.example:8443"),
            ("TIDINGS_AUTH__TRUST_CLAIMS", "false"),
            ("TIDINGS_GATEWAY__CATCH_UP_MAX", "7"),
            ("TIDINGS_LOGS__FORMAT", "text"),
            ("RUST_LOG", "warn"),
            ("DATABASE_URL", "sqlite://elsewhere.db"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.origins, ["https://a.example", "https://b.example:8443"]);
    assert!(!config.auth.trust_claims);
    assert_eq!(config.gateway.catch_up_max, 7);
    assert_eq!((config.logs.format, config.logs.level.as_str()), (LogFormat::Text, "warn"));
    assert_eq!(config.database.url, "sqlite://elsewhere.db");
}

// covers O2
#[test]
fn the_names_that_people_know_set_how_orders_are_sent() {
    let file = "[kafka]\ntopic = \"teas\"\nretry_max = 1\n";
    let config = settings(
        file,
        &[("KAFKA_TOPIC", "coffees"), ("KAFKA_RETRY_MAX", "7"), ("KAFKA_REQUIRED_ACKS", "local")],
    )
    .unwrap();
    assert_eq!((config.kafka.retry_max, config.kafka.required_acks), (7, RequiredAcks::Local));
    assert_eq!(config.topics["coffee_orders"].name.as_deref(), Some("coffees"), "the environment wins");
    let from_file = settings(file, &[]).unwrap();
    assert_eq!(from_file.topics["coffee_orders"].name.as_deref(), Some("teas"));
    assert_eq!(from_file.kafka.required_acks, RequiredAcks::All);
    let twice = format!("{file}[topics.\"coffee_orders\"]\nname = \"other\"\n");
    assert!(settings(&twice, &[]).unwrap_err().to_string().starts_with("kafka.topic cannot stand beside"));
    assert!(settings("", &[("KAFKA_REQUIRED_ACKS", "some")]).is_err());
    assert!(settings("", &[("KAFKA_RETRY_MAX", "1001")]).is_err());
}

#[test]
fn kafka_keeps_the_log_where_brokers_are_set_or_it_is_said() {
    let brokers = |file: &str, variables: &[(&str, &str)]| settings(file, variables).unwrap().kafka_brokers();
    let set = ("KAFKA_BROKERS", "a:9092, b:9093");
    assert_eq!(brokers("", &[]), None);
    assert_eq!(brokers("", &[set]), Some(vec!["a:9092".to_owned(), "b:9093".to_owned()]));
    assert_eq!(brokers("", &[("KAFKA_BOOTSTRAP_SERVERS", "a:9092")]), Some(vec!["a:9092".to_owned()]));
    assert_eq!(brokers("log = \"kafka\"\n", &[]), Some(vec!["localhost:9092".to_owned()]));
    assert_eq!(brokers("", &[set, ("TIDINGS_LOG", "embedded")]), None);
    let with_postgres = [set, ("DATABASE_URL", "postgres://localhost/tidings")];
    assert_eq!(brokers("", &with_postgres), Some(vec!["a:9092".to_owned(), "b:9093".to_owned()]));
}

#[test]
fn kafkas_settings_have_the_names_people_know() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("password");
    std::fs::write(&path, "hunter2\n").expect("a file in it");
    let file = "[kafka]\ngroup_protocol = \"consumer\"\n[kafka.producer]\n\"linger.ms\" = \"5\"\n";
    let config = settings(
        file,
        &[
            ("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"),
            ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
            ("KAFKA_SASL_USERNAME", "app"),
            ("KAFKA_SASL_PASSWORD_FILE", path.to_str().expect("a path is text here")),
            ("KAFKA_SSL_CA_LOCATION", "/etc/kafka/ca.pem"),
        ],
    )
    .unwrap();
    assert_eq!(config.kafka.sasl_password.as_deref(), Some("hunter2"));
    assert_eq!(config.kafka.group_protocol, GroupProtocol::Consumer);
    assert_eq!(config.kafka.producer["linger.ms"], "5");
    assert!(!format!("{config:?}").contains("hunter2"), "a password is never shown");
}

#[test]
fn what_does_not_hold_is_refused_with_a_sentence() {
    let topic = |setting: &str| format!("[topics.\"broadcast-messages\"]\n{setting}\n");
    let cases: &[Refused<'_>] = &[
        (
            "",
            &[("TIDINGS_SERVER__LISTN", "x")],
            "TIDINGS_SERVER__LISTN: there is no key `listn`; did you mean `listen`?",
        ),
        (
            "",
            &[("KAFKA_BROKERS", "kafka")],
            "kafka.brokers must be addresses such as kafka-1:9092; `kafka` is none",
        ),
        (
            "",
            &[("KAFKA_BROKERS", "a:1"), ("KAFKA_BOOTSTRAP_SERVERS", "b:1")],
            "KAFKA_BOOTSTRAP_SERVERS: sets kafka.brokers, which KAFKA_BROKERS sets otherwise: keep one of them",
        ),
        (
            "",
            &[("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")],
            "kafka.sasl_mechanism must be set where kafka.security_protocol is SASL_SSL",
        ),
        (
            "",
            &[("KAFKA_SASL_USERNAME", "app")],
            "kafka.sasl_username needs kafka.security_protocol to be SASL_SSL or SASL_PLAINTEXT",
        ),
        (
            "",
            &[("TIDINGS_SERVER_LISTEN", "x")],
            "TIDINGS_SERVER_LISTEN: there is no such name; did you mean `TIDINGS_SERVER__LISTEN`?",
        ),
        ("", &[("TIDINGS_SERVR__LISTEN", "x")], "did you mean `server`?"),
        (
            "",
            &[("TIDINGS_GATEWAY__HEARTBEAT_SECS", "0")],
            "gateway.heartbeat_secs must lie between 1 and 300",
        ),
        (
            "",
            &[("TIDINGS_GATEWAY__HEARTBEAT_SECS", "soon")],
            "TIDINGS_GATEWAY__HEARTBEAT_SECS: `soon` is not a whole number",
        ),
        (
            "",
            &[("TIDINGS_GATEWAY__PING_SECS", "5"), ("TIDINGS_GATEWAY__PONG_SECS", "6")],
            "gateway.pong_secs must lie between 1 and gateway.ping_secs",
        ),
        ("", &[("TIDINGS_GATEWAY__MESSAGE_BYTES", "9")], "gateway.message_bytes must lie between 1024 and"),
        ("", &[("TIDINGS_AUTH__TRUST_CLAIMS", "yes")], "`yes` is not true or false"),
        ("", &[("TIDINGS_SERVER__LISTEN", "nowhere")], "TIDINGS_SERVER__LISTEN: "),
        ("", &[("TIDINGS_SERVER__LISTEN__PORT", "1")], "TIDINGS_SERVER__LISTEN__PORT: "),
        ("", &[("TIDINGS_SERVER__ORIGINS", "*")], "server.origins must be origins"),
        ("", &[("TIDINGS_SERVER__ORIGINS", "https://a.example/")], "server.origins must be origins"),
        ("", &[("DATABASE_URL", "mysql://x")], "database.url must be sqlite:// and a file, or a postgres://"),
        ("", &[("DATABASE_URL", "postgres://x")], "in which no log can lie: set kafka.brokers too"),
        ("", &[("TIDINGS_AUTH__JWKS_URL", "http://keys.example")], "auth.jwks_url must begin with https://"),
        (
            "",
            &[("TIDINGS_AUTH__JWKS_URL", "http://localhost.evil.example/")],
            "auth.jwks_url must begin with https://",
        ),
        ("", &[("TIDINGS_AUTH__HS256_SECRET_FILE", "/nowhere/at/all")], "cannot read /nowhere/at/all"),
        ("", &[("TIDINGS_LOGS__FORMAT", "xml")], "TIDINGS_LOGS__FORMAT: "),
        (
            "",
            &[("TIDINGS_LIMITS__REQUESTS_PER_SECOND", "0")],
            "limits.requests_per_second must lie between 1 and 100000",
        ),
        ("", &[("TIDINGS_TOPICS__X__NAME", "y")], "topics and groups are set in the file"),
        ("[server]\nlisten = 3\n", &[], "tidings.toml: "),
        ("[server\n", &[], "line 1: "),
        (
            "[auth]\njwks_file = \"a\"\npublic_key_file = \"b\"\n",
            &[],
            "auth.jwks_file cannot stand beside auth.public_key_file",
        ),
        (
            &topic("partitions = 0"),
            &[],
            "topics.\"broadcast-messages\".partitions must lie between 1 and 1000",
        ),
        (&topic("name = \"a b\""), &[], "topics.\"broadcast-messages\".name must have"),
        (
            &topic("retention_secs = 1"),
            &[],
            "topics.\"broadcast-messages\".retention_secs must be at least 60",
        ),
        ("", &[("TIDINGS_GROUPS__X__NAME", "y")], "topics and groups are set in the file"),
        (
            "[groups.\"user-service\"]\nname = \"\"\n",
            &[],
            "groups.\"user-service\".name must have 1 to 200 bytes",
        ),
        (&topic("partition = 2"), &[], "did you mean `partitions`?"),
    ];
    for (file, variables, sentence) in cases {
        let refused = settings(file, variables).unwrap_err().to_string();
        assert!(refused.contains(sentence), "{file:?} {variables:?}\n wanted {sentence}\n got {refused}");
    }
}

#[test]
fn names_that_are_no_settings_are_passed_over() {
    assert_eq!(settings("", &[("TIDINGS_CACHE", "/x"), ("TIDINGS_TOKEN", "y")]).unwrap(), Config::default());
}

#[test]
fn a_secret_comes_from_a_file_too_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("secret");
    let secret = "0123456789abcdef0123456789abcdef";
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    let file = path.to_str().unwrap();
    let config = settings("", &[("TIDINGS_AUTH__HS256_SECRET_FILE", file)]).unwrap();
    assert_eq!(config.auth.hs256_secret.as_deref(), Some(secret));
    assert!(!format!("{config:?}").contains(secret));

    let both = [("TIDINGS_AUTH__HS256_SECRET", secret), ("TIDINGS_AUTH__HS256_SECRET_FILE", file)];
    let refused = settings("", &both).unwrap_err().to_string();
    assert_eq!(refused, "auth.hs256_secret_file cannot stand beside auth.hs256_secret: keep one of them");
    let short = settings("", &[("TIDINGS_AUTH__HS256_SECRET", "short")]).unwrap_err().to_string();
    assert!(short.starts_with("auth.hs256_secret needs") && !short.contains("short"), "{short}");
    let broken = settings("[auth]\nhs256_secret = \"hush hush\n", &[]).unwrap_err().to_string();
    assert!(!broken.contains("hush"), "{broken}");
}

#[test]
fn the_file_of_defaults_is_read_back_as_the_defaults() {
    assert_eq!(settings(&default_file(), &[]).unwrap(), Config::default());
}

#[test]
fn the_checked_in_reference_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/configuration.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(page, reference(), "refresh it with `tidings config doc > docs/reference/configuration.md`");
}

#[test]
fn a_part_of_the_roles_needs_kafka_and_postgresql() {
    let fleet = [("KAFKA_BROKERS", "a:9092"), ("DATABASE_URL", "postgres://localhost/tidings")];
    let roles = |variables: &[(&str, &str)], roles: &str| {
        let with_roles = [variables, &[("TIDINGS_SERVER__ROLES", roles)]].concat();
        settings("", &with_roles).and_then(|config| config.roles())
    };
    let all = Role::ALL.into_iter().collect();
    assert_eq!(settings("", &[]).unwrap().roles().unwrap(), all);
    assert_eq!(roles(&[], "gateway,api,relay,consumers").unwrap(), all);
    assert_eq!(roles(&fleet, "relay, api,relay").unwrap(), [Role::Api, Role::Relay].into());
    for variables in [&[] as &[_], &fleet[..1]] {
        let refused = roles(variables, "api").unwrap_err().to_string();
        assert!(refused.starts_with("server.roles names a part of the roles"), "{refused}");
        assert!(refused.contains("set kafka.brokers and a postgres:// database.url"), "{refused}");
    }
    assert!(roles(&fleet, "").unwrap_err().to_string().contains("must name at least one"));
    assert!(roles(&fleet, "apis").unwrap_err().to_string().contains("`apis`"));
}
