//! A broker with TLS, logins and rights: what is missing fails the start, with a sentence that says what to do.

use std::time::{Duration, Instant};

use tidings_log::{
    Durability, KafkaLog, KafkaSecurity, KafkaSettings, Log, LogError, Polled, Start, TopicConfig,
    TopicPartition,
};

use crate::{
    broker::kafka,
    world::{numbered, pass_over, topic, unique},
};

fn missing() -> Option<String> {
    let set = tidings_config::variable("TIDINGS_TEST_KAFKA_SECURE").is_some();
    let run =
        "no secure broker: run `scripts/kafka with one secure -- cargo test -p tidings-log --test kafka`";
    (!set).then(|| run.to_owned())
}

fn variable(name: &str) -> String {
    tidings_config::variable(name).expect("asked for before")
}

/// Everything as it should be, as this user.
fn settings(user: &str) -> KafkaSettings {
    KafkaSettings {
        security: KafkaSecurity {
            protocol: Some("SASL_SSL".to_owned()),
            mechanism: Some("SCRAM-SHA-512".to_owned()),
            username: Some(user.to_owned()),
            password: Some(format!("{user}-secret")),
            ca_location: Some(variable("TIDINGS_TEST_KAFKA_CA").into()),
        },
        ..KafkaSettings::at([variable("TIDINGS_TEST_KAFKA_SECURE")])
    }
}

/// What the start says; it must say it in time.
async fn refusal(settings: KafkaSettings) -> String {
    let begun = Instant::now();
    let refused = KafkaLog::connect(settings).await.expect_err("it does not start");
    assert!(begun.elapsed() < Duration::from_secs(18), "{:?}", begun.elapsed());
    refused.to_string()
}

async fn allow(user: &str, rights: &[&str]) {
    let mut arguments =
        vec!["tool".to_owned(), variable("TIDINGS_TEST_KAFKA_SECURE_NAME"), "acls".to_owned()];
    arguments.extend(["--add", "--allow-principal"].map(str::to_owned));
    arguments.push(format!("User:{user}"));
    arguments.extend(rights.iter().map(|&right| right.to_owned()));
    kafka(arguments).await;
}

#[tokio::test]
async fn a_wrong_password_fails_the_start() {
    pass_over!(missing());
    let mut settings = settings("admin");
    settings.security.password = Some("wrong".to_owned());
    let said = refusal(settings).await;
    assert!(said.starts_with("Kafka refused to connect: it does not take our login"), "{said}");
    assert!(said.contains("check kafka.sasl_username, kafka.sasl_password"), "{said}");
    assert!(!said.contains("wrong"), "{said}");
}

#[tokio::test]
async fn an_unknown_authority_fails_the_start() {
    pass_over!(missing());
    let mut settings = settings("admin");
    settings.security.ca_location = None;
    let said = refusal(settings).await;
    assert!(said.contains("TLS could not be agreed on"), "{said}");
    assert!(said.contains("kafka.ssl_ca_location names the authority"), "{said}");
}

#[tokio::test]
async fn the_wrong_protocol_fails_the_start() {
    pass_over!(missing());
    let settings = KafkaSettings::at([variable("TIDINGS_TEST_KAFKA_SECURE")]);
    let said = refusal(settings).await;
    assert!(
        said.contains("check the addresses, that Kafka runs, and that kafka.security_protocol"),
        "{said}"
    );
}

// covers W7: which address fails is said at the start
#[tokio::test]
async fn nobody_there_fails_the_start() {
    pass_over!(missing());
    let said = refusal(KafkaSettings::at(["127.0.0.1:1"])).await;
    assert!(said.starts_with("kafka.brokers: no broker answers at 127.0.0.1:1"), "{said}");
}

#[tokio::test]
async fn a_setting_that_librdkafka_does_not_know_fails_the_start() {
    pass_over!(missing());
    let mut settings = settings("admin");
    settings.consumer.insert("fetch.fast".to_owned(), "yes".to_owned());
    let said = refusal(settings).await;
    assert_eq!(said, "kafka.\"fetch.fast\": No such configuration property: \"fetch.fast\"");
}

#[tokio::test]
async fn a_missing_right_to_write_fails_the_start() {
    pass_over!(missing());
    let said = refusal(settings("guest")).await;
    assert!(said.contains("give our user Write on its topics, and IdempotentWrite"), "{said}");
}

// covers W7: the broker is reached by the listener that it advertises to its clients
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_the_rights_writes_reads_and_is_told_which_one_is_missing() {
    pass_over!(missing());
    let admin = KafkaLog::connect(settings("admin")).await.expect("it connects");
    let topic = topic(&admin, 1).await;
    allow(
        "app",
        &["--operation", "Write", "--operation", "Describe", "--operation", "Read", "--topic", &topic],
    )
    .await;
    let app = KafkaLog::connect(settings("app")).await.expect("it connects");
    assert_eq!(app.produce(numbered(&topic, 0, 7)).await.expect("it is written").offset, 0);
    let of = TopicPartition { topic: topic.clone(), partition: 0 };
    let mut tail = app.tail(of, Start::Earliest).await.expect("it opens");
    let records = tokio::time::timeout(Duration::from_secs(20), tail.next(1)).await.expect("in time");
    assert_eq!(records.expect("it reads").len(), 1);

    // Making topics is a right of its own.
    let config = TopicConfig {
        alias: unique(),
        name: unique(),
        partitions: 1,
        retention: Duration::from_hours(1),
        retention_bytes: TopicConfig::RETENTION_BYTES,
        durability: Durability::Durable,
    };
    let refused = app.ensure_topics(&[config]).await.expect_err("it may not").to_string();
    assert!(refused.contains("Create"), "{refused}");

    // So is being in a group.
    let group = unique();
    let mut member = app.join(&group, std::slice::from_ref(&topic), Start::Earliest).await.expect("it asks");
    let refused = tokio::time::timeout(Duration::from_secs(20), member.poll(1)).await.expect("in time");
    let refused = refused.expect_err("it may not").to_string();
    assert!(refused.contains("give our user Describe and Read on it"), "{refused}");
    drop(member);
    allow("app", &["--operation", "Read", "--group", &group]).await;
    let mut member = app.join(&group, &[topic], Start::Earliest).await.expect("it joins");
    let reading = async {
        loop {
            match member.poll(1).await {
                Ok(Polled::Records(records)) => return records,
                Ok(Polled::Assigned(_)) => {}
                // The brokers hear of rights a moment later.
                Err(cause) => assert!(matches!(cause, LogError::Refused { .. }), "{cause}"),
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), reading).await.expect("in time").len(), 1);
}
