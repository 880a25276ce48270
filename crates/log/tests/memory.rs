//! Topics in memory forget: by number, by size and by age, and a slow reader skips what is gone.

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use tidings_log::{
    Durability, EmbeddedLog, Log, LogError, Produce, Start, Tail, TopicConfig, TopicPartition,
};
use tidings_model::{ManualClock, Record, Timestamp};
use tidings_store::{Store, StoreOptions};

/// A log with one topic in memory, `typing`.
struct Typing {
    _folder: TempDir,
    store: Store,
    log: EmbeddedLog,
    clock: Arc<ManualClock>,
}

async fn typing(retention: Duration, retention_bytes: u64) -> Typing {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let store = Store::open(&StoreOptions::at(folder.path().join("tidings.db"))).expect("the store opens");
    let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000)));
    let handed: Arc<ManualClock> = Arc::clone(&clock);
    let log = EmbeddedLog::new(store.clone(), handed);
    let topic = TopicConfig {
        alias: "typing".to_owned(),
        name: "typing".to_owned(),
        partitions: 1,
        retention,
        retention_bytes,
        durability: Durability::Memory,
    };
    log.ensure_topics(&[topic]).await.expect("the topic is made");
    Typing { _folder: folder, store, log, clock }
}

impl Typing {
    async fn put(&self, value: Vec<u8>) {
        let record = Produce { topic: "typing".to_owned(), value: Some(value), ..Produce::default() };
        self.log.produce(record).await.expect("it is appended");
    }

    async fn kept(&self) -> Vec<Record> {
        self.log.records(partition(), 0, 100_000).await.expect("it is read")
    }

    async fn tail(&self, start: Start) -> Box<dyn Tail> {
        self.log.tail(partition(), start).await.expect("it opens")
    }
}

fn partition() -> TopicPartition {
    TopicPartition { topic: "typing".to_owned(), partition: 0 }
}

#[tokio::test]
async fn a_ring_holds_a_bounded_number_of_records_and_a_slow_tail_skips() {
    let typing = typing(Duration::from_mins(1), 1 << 30).await;
    let mut slow = typing.tail(Start::Earliest).await;
    for _ in 0..5000 {
        typing.put(b"x".to_vec()).await;
    }
    let kept = typing.kept().await;
    assert_eq!((kept.len(), kept[0].offset), (4096, 904));
    assert_eq!(slow.next(10).await.expect("a tail reads")[0].offset, 904);
    assert_eq!(slow.position(), 914);
    let topics = typing.log.topics().await.expect("topics are listed");
    assert_eq!((topics[0].partitions[0].first_offset, topics[0].partitions[0].next_offset), (904, 5000));
    assert_eq!(topics[0].partitions[0].bytes, Some(4096));
}

#[tokio::test]
async fn a_ring_holds_a_bounded_number_of_bytes() {
    let typing = typing(Duration::from_mins(1), 1000).await;
    for _ in 0..20 {
        typing.put(vec![0; 300]).await;
    }
    assert_eq!(typing.kept().await.iter().map(|record| record.offset).collect::<Vec<_>>(), [17, 18, 19]);
}

#[tokio::test]
async fn a_ring_forgets_what_is_older_than_its_retention() {
    let typing = typing(Duration::from_mins(1), 1 << 30).await;
    typing.put(b"old".to_vec()).await;
    typing.clock.advance(Duration::from_secs(61));
    typing.put(b"new".to_vec()).await;
    let kept = typing.kept().await;
    assert_eq!(kept.iter().map(|record| record.offset).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_signal_is_there_at_once_and_none_goes_to_the_disk() {
    let typing = typing(Duration::from_mins(1), 1 << 30).await;
    let signal = |topic: &str| {
        typing.log.signal(Produce {
            topic: topic.to_owned(),
            value: Some(b"x".to_vec()),
            ..Produce::default()
        })
    };
    signal("typing").expect("it is taken");
    assert_eq!(typing.kept().await.len(), 1);
    typing.log.ensure_topics(&[TopicConfig::named("orders", 1)]).await.expect("the topic is made");
    for other in ["orders", "nothing"] {
        let refused = signal(other).err();
        assert!(matches!(refused, Some(LogError::InvalidTopic { .. })), "{other}: {refused:?}");
    }
}

#[tokio::test]
async fn a_topic_in_memory_touches_no_disk_and_has_no_groups() {
    let typing = typing(Duration::from_mins(1), 1 << 30).await;
    let before = typing.store.stats();
    let mut tail = typing.tail(Start::Latest).await;
    typing.put(b"x".to_vec()).await;
    assert_eq!(tail.next(10).await.expect("a tail reads").len(), 1);
    assert_eq!(typing.store.stats(), before);
    let refused = typing.log.join("group", &["typing".to_owned()], Start::Earliest).await.err();
    assert!(matches!(refused, Some(LogError::InvalidTopic { .. })), "{refused:?}");
}
