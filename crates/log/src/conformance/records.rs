//! Rules about records: where they go, what they keep, when they are safe.

use tidings_model::Headers;

use super::{Keeper, orders, partition, put, soon, values};
use crate::{Log, LogError, Produce};

/// The murmur2 partitions of Kafka's Java client, computed there for ten partitions.
const JAVA: [(&str, u32); 3] = [("21", 0), ("foobar", 6), ("a-little-bit-long-string", 2)];

/// Producers in Java and here agree about who comes after whom.
pub async fn a_key_goes_to_the_partition_that_java_chooses(keeper: &dyn Keeper) {
    let log = orders(keeper, 10).await;
    for (key, wanted) in JAVA {
        let record =
            Produce { topic: "orders".to_owned(), key: Some(key.as_bytes().to_vec()), ..Produce::default() };
        let place = log.produce(record).await.expect("it is appended");
        assert_eq!(place.partition, wanted, "{key}");
    }
}

/// Who chooses has a reason.
pub async fn a_chosen_partition_is_kept(keeper: &dyn Keeper) {
    let log = orders(keeper, 4).await;
    for chosen in 0..4 {
        let record = Produce {
            topic: "orders".to_owned(),
            partition: Some(chosen),
            key: Some(b"one key".to_vec()),
            ..Produce::default()
        };
        assert_eq!(log.produce(record).await.expect("it is appended").partition, chosen);
    }
}

/// No partition is left out.
pub async fn records_without_a_key_are_spread(keeper: &dyn Keeper) {
    let log = orders(keeper, 3).await;
    let mut met = [false; 3];
    for _ in 0..300 {
        let record = Produce { topic: "orders".to_owned(), ..Produce::default() };
        let place = log.produce(record).await.expect("it is appended");
        met[place.partition as usize] = true;
    }
    assert_eq!(met, [true; 3]);
}

/// Who was answered first lies first, also beside many others.
pub async fn records_of_a_partition_keep_their_order(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    let writer = |name: &'static str| {
        let log = &log;
        async move {
            for number in 0..50 {
                put(&**log, 0, &format!("{name}{number:02}")).await;
            }
        }
    };
    tokio::join!(writer("a"), writer("b"), writer("c"));
    let read = values(&log.records(partition(0), 0, 1000).await.expect("it is read"));
    assert_eq!(read.len(), 150);
    for name in ["a", "b", "c"] {
        let of_one: Vec<_> = read.iter().filter(|value| value.starts_with(name)).collect();
        assert!(of_one.is_sorted(), "{of_one:?}");
    }
}

/// Who waits for each answer before the next record waits for the disk each time.
pub async fn what_is_enqueued_keeps_the_order_of_the_calls(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    let mut acks = Vec::new();
    for number in 0..100_u32 {
        let record = Produce {
            topic: "orders".to_owned(),
            partition: Some(number % 2),
            value: Some(format!("{number:03}").into_bytes()),
            ..Produce::default()
        };
        acks.push(log.enqueue(record).expect("there is room"));
    }
    for (number, ack) in (0..).zip(acks) {
        let place = soon("the answer", ack).await.expect("it is written");
        assert_eq!((place.partition, place.offset), (number % 2, u64::from(number / 2)));
    }
    for of in 0..2 {
        let read = values(&log.records(partition(of), 0, 100).await.expect("it is read"));
        let wanted: Vec<String> =
            (0..100).filter(|number| number % 2 == of).map(|number| format!("{number:03}")).collect();
        assert_eq!(read, wanted);
    }
    let nowhere = Produce { topic: "nowhere".to_owned(), ..Produce::default() };
    assert!(matches!(log.enqueue(nowhere).map(drop), Err(LogError::UnknownTopic { .. })));
}

/// A hole would read as a loss.
pub async fn offsets_are_counted_from_zero_without_holes(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    for number in 0..20 {
        assert_eq!(put(&*log, 1, "value").await.offset, number);
    }
    let records = log.records(partition(1), 0, 100).await.expect("it is read");
    assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert_eq!(put(&*log, 0, "value").await.offset, 0, "each partition counts for itself");
}

/// Nothing is added, left out, sorted or read as text.
pub async fn keys_values_and_headers_come_back_byte_by_byte(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    let binary: Vec<u8> = (0..=255).collect();
    let headers: Headers = vec![
        ("twice".to_owned(), b"one".to_vec()),
        ("binary".to_owned(), binary.clone()),
        ("twice".to_owned(), b"two".to_vec()),
        ("empty".to_owned(), Vec::new()),
        (String::new(), "ä \" \\ \u{1f600}".as_bytes().to_vec()),
    ];
    let record = |key: Option<Vec<u8>>, headers: Headers, value: Option<Vec<u8>>| Produce {
        topic: "orders".to_owned(),
        partition: Some(0),
        key,
        headers,
        value,
    };
    let cases = [
        record(None, Vec::new(), None),
        record(Some(Vec::new()), Vec::new(), Some(Vec::new())),
        record(Some(b"tombstone".to_vec()), headers.clone(), None),
        record(None, headers, Some(binary.clone())),
        record(Some(binary.clone()), Vec::new(), Some(binary.repeat(4096))),
    ];
    for case in &cases {
        log.produce(case.clone()).await.expect("it is appended");
    }
    let mut read = Vec::new();
    while read.len() < cases.len() {
        let more = log.records(partition(0), read.len() as u64, 10).await.expect("it is read");
        assert!(!more.is_empty(), "only {} came back", read.len());
        read.extend(more);
    }
    for (record, case) in read.iter().zip(&cases) {
        assert_eq!((&record.key, &record.value, &record.headers), (&case.key, &case.value, &case.headers));
        assert_eq!((record.topic.as_str(), record.partition), ("orders", 0));
    }
}

/// An answer is a promise.
pub async fn an_answered_record_is_there_after_reopening(keeper: &dyn Keeper) {
    let log = orders(keeper, 1).await;
    for number in 0..100 {
        put(&*log, 0, &format!("{number:03}")).await;
    }
    drop(log);
    let log = orders(keeper, 1).await;
    let records = soon("reading", log.records(partition(0), 0, 1000)).await.expect("it is read");
    assert_eq!(values(&records), (0..100).map(|number| format!("{number:03}")).collect::<Vec<_>>());
    assert_eq!(put(&*log, 0, "next").await.offset, 100);
}

/// For those who look, without a group.
pub async fn records_are_read_from_an_offset_up_to_a_limit(keeper: &dyn Keeper) {
    let log = orders(keeper, 2).await;
    for number in 0..10 {
        put(&*log, 0, &format!("{number}")).await;
        put(&*log, 1, "of another partition").await;
    }
    let read = async |log: &dyn Log, from, limit| {
        values(&log.records(partition(0), from, limit).await.expect("it is read"))
    };
    assert_eq!(read(&*log, 3, 4).await, ["3", "4", "5", "6"]);
    assert_eq!(read(&*log, 8, 100).await, ["8", "9"]);
    assert_eq!(read(&*log, 10, 100).await, [""; 0]);
    assert_eq!(read(&*log, 1 << 50, 100).await, [""; 0]);
    keeper.forget(&partition(0), 6).await;
    assert_eq!(read(&*log, 0, 2).await, ["6", "7"], "what was forgotten is passed over");
}
