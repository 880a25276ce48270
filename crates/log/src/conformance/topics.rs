//! Rules about topics: made at start, reported when they differ, named as Kafka names them.

use std::time::Duration;

use super::{Keeper, config, orders, partition, put, values};
use crate::{LogError, Produce, Start, TopicName, TopicPartition};

/// Starting again changes nothing.
pub async fn a_topic_is_made_once(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    put(&*log, 1, "kept").await;
    assert_eq!(log.ensure_topics(&[config(keeper, "orders", 2)]).await.expect("it is there"), []);
    let records = log.records(partition(1), 0, 10).await.expect("it is read");
    assert_eq!(values(&records), ["kept"]);
}

/// An operator's decision is not undone by a start.
pub async fn what_differs_from_its_specification_is_reported_and_stays(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    let mut other = config(keeper, "orders", 3);
    other.retention = Duration::from_hours(1);
    other.retention_bytes = 1 << 20;
    let drift = log.ensure_topics(&[other]).await.expect("drift is no error");
    assert!(drift.iter().all(|drift| drift.topic == "orders"), "{drift:?}");
    let told: Vec<&str> = drift.iter().map(|drift| drift.what.as_str()).collect();
    for word in ["has 2 partitions, wanted 3", "3600000 ms", "1048576"] {
        assert!(told.iter().any(|what| what.contains(word)), "{word} is not in {told:?}");
    }
    let topics = log.topics().await.expect("topics are listed");
    assert_eq!(topics.iter().map(|topic| topic.partitions.len()).collect::<Vec<_>>(), [2]);
}

/// So that a topic can move to Kafka.
pub async fn a_name_that_kafka_refuses_is_refused(keeper: &dyn Keeper) {
    let log = keeper.open().await;
    for name in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
        let refused = log.ensure_topics(&[config(keeper, name, 1)]).await;
        assert!(matches!(refused, Err(LogError::InvalidTopic { .. })), "{name}: {refused:?}");
    }
    let refused = log.ensure_topics(&[config(keeper, "none", 0)]).await;
    assert!(matches!(refused, Err(LogError::InvalidTopic { .. })), "{refused:?}");
    log.ensure_topics(&[config(keeper, &"x".repeat(240), 1)]).await.expect("a long name is allowed");
}

/// Features know a topic by one name, operators may give it another.
pub async fn a_topic_is_known_by_its_alias_and_by_its_name(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    let record = |topic: &str| Produce { topic: topic.to_owned(), ..Produce::default() };
    let by_alias = log.produce(record("orders-alias")).await.expect("it is appended");
    let by_name = log.produce(record("orders")).await.expect("it is appended");
    assert_eq!((by_alias.topic.as_str(), by_alias.offset), ("orders", 0));
    assert_eq!((by_name.topic.as_str(), by_name.offset), ("orders", 1));
}

/// Nobody has to ask the store.
pub async fn a_topic_that_was_made_is_known(keeper: &dyn Keeper) {
    let log = orders(keeper, 3).await;
    let known = TopicName { name: "orders".to_owned(), partitions: 3 };
    assert_eq!(log.topic("orders-alias"), Some(known.clone()));
    assert_eq!(log.topic("orders"), Some(known));
    assert_eq!(log.topic("nowhere"), None);
}

/// Nothing is made on the side, and the error says what was asked for.
pub async fn what_is_not_there_is_an_error_that_names_it(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    let nowhere = || TopicPartition { topic: "nowhere".to_owned(), partition: 0 };
    let record = Produce { topic: "nowhere".to_owned(), ..Produce::default() };
    let unknown = |error: LogError| matches!(error, LogError::UnknownTopic { topic } if topic == "nowhere");
    assert!(log.produce(record).await.is_err_and(unknown));
    assert!(log.tail(nowhere(), Start::Earliest).await.is_err_and(unknown));
    assert!(log.records(nowhere(), 0, 1).await.is_err_and(unknown));
    assert!(log.join("group", &["nowhere".to_owned()], Start::Earliest).await.is_err_and(unknown));
    let outside = |error: LogError| matches!(error, LogError::UnknownPartition { partition: 2, partitions: 2, topic } if topic == "orders");
    let record = Produce { topic: "orders".to_owned(), partition: Some(2), ..Produce::default() };
    assert!(log.produce(record).await.is_err_and(outside));
    assert!(log.tail(partition(2), Start::Earliest).await.is_err_and(outside));
    assert!(log.records(partition(2), 0, 1).await.is_err_and(outside));
}

/// What an operator asks first.
pub async fn topics_are_listed_with_what_they_hold(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    log.ensure_topics(&[config(keeper, "bills", 1)]).await.expect("it is made");
    for number in 0..5 {
        put(&*log, 1, &format!("value {number}")).await;
    }
    keeper.forget(&partition(1), 2).await;
    let topics = log.topics().await.expect("topics are listed");
    assert_eq!(topics.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>(), ["bills", "orders"]);
    let orders = &topics[1];
    assert_eq!(orders.retention_ms, 7 * 24 * 3_600_000);
    let ends: Vec<_> = orders
        .partitions
        .iter()
        .map(|partition| (partition.partition, partition.first_offset, partition.next_offset))
        .collect();
    assert_eq!(ends, [(0, 0, 0), (1, 2, 5)]);
    assert!(orders.partitions[0].bytes.is_none_or(|bytes| bytes == 0), "{orders:?}");
    assert!(orders.partitions[1].bytes.is_none_or(|bytes| bytes >= 3 * 7), "{orders:?}");
}
