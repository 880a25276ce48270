//! Retention: size first, then age, never past the slowest of our own groups; full is an error with a word.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tempfile::TempDir;
use tidings_log::{
    Durability, EmbeddedLog, Log, LogError, Member, PartitionState, Polled, Produce, Retained, Start,
    TopicConfig, TopicPartition,
};
use tidings_model::{ManualClock, Timestamp};
use tidings_store::{Store, StoreError, StoreOptions};
use tokio_util::sync::CancellationToken;

/// Bytes of one record: two of headers, the rest its value.
const RECORD: u64 = 100;
/// Records of a topic at its bound.
const BOUND: u64 = 80;
const WEEK: Duration = Duration::from_hours(7 * 24);

struct Kept {
    folder: TempDir,
    log: EmbeddedLog,
    clock: Arc<ManualClock>,
}

/// A log whose topics are bounded to [`BOUND`] records each, and to `all` bytes together.
async fn kept(topics: &[&str], all: u64) -> Kept {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000)));
    let log = open(&folder, &clock, all);
    let topic = |name: &&str| TopicConfig {
        alias: (*name).to_owned(),
        name: (*name).to_owned(),
        partitions: 1,
        retention: WEEK,
        retention_bytes: BOUND * RECORD,
        durability: Durability::Durable,
    };
    log.ensure_topics(&topics.iter().map(topic).collect::<Vec<_>>()).await.expect("topics are made");
    Kept { folder, log, clock }
}

fn open(folder: &TempDir, clock: &Arc<ManualClock>, all: u64) -> EmbeddedLog {
    let mut options = StoreOptions::at(folder.path().join("tidings.db"));
    options.log_bytes = all;
    let clock: Arc<ManualClock> = Arc::clone(clock);
    EmbeddedLog::new(Store::open(&options).expect("the store opens"), clock)
}

impl Kept {
    async fn put(&self, topic: &str, count: u64) -> Result<(), LogError> {
        for _ in 0..count {
            let value = vec![b'x'; usize::try_from(RECORD - 2).expect("it is small")];
            let record = Produce { topic: topic.to_owned(), value: Some(value), ..Produce::default() };
            self.log.produce(record).await?;
        }
        Ok(())
    }

    async fn state(&self, topic: &str) -> PartitionState {
        let topics = self.log.topics().await.expect("topics are listed");
        topics.iter().find(|state| state.name == topic).expect("the topic is there").partitions[0]
    }

    async fn retain(&self) -> Retained {
        self.log.retain().await.expect("retention works")
    }
}

fn partition(topic: &str) -> TopicPartition {
    TopicPartition { topic: topic.to_owned(), partition: 0 }
}

async fn read(member: &mut dyn Member, count: usize) {
    let mut left = count;
    while left > 0 {
        if let Polled::Records(records) = member.poll(left).await.expect("a member polls") {
            left -= records.len();
        }
    }
}

fn is_full(answer: &Result<(), LogError>) -> bool {
    matches!(answer, Err(LogError::Store { source: StoreError::LogFull { .. }, .. }))
}

#[tokio::test]
async fn a_topic_that_comes_near_its_bound_forgets_its_oldest_records() {
    let kept = kept(&["orders"], 1 << 30).await;
    kept.put("orders", 70).await.expect("there is room");
    assert_eq!(kept.retain().await.records, 0, "7/8 of the bound are no reason");
    kept.put("orders", 10).await.expect("there is room");
    assert_eq!(kept.retain().await.records, 10);
    let state = kept.state("orders").await;
    assert_eq!((state.first_offset, state.next_offset, state.bytes), (10, 80, Some(70 * RECORD)));
    let records = kept.log.records(partition("orders"), 0, 100).await.expect("it is read");
    assert_eq!((records.len(), records[0].offset), (70, 10));
}

#[tokio::test]
async fn records_older_than_their_retention_go_whatever_room_there_is() {
    let kept = kept(&["orders"], 1 << 30).await;
    kept.put("orders", 3).await.expect("there is room");
    kept.clock.advance(WEEK);
    kept.put("orders", 2).await.expect("there is room");
    assert_eq!(kept.retain().await.records, 0, "as old as allowed, not older");
    kept.clock.advance(Duration::from_millis(1));
    assert_eq!(kept.retain().await.records, 3);
    let state = kept.state("orders").await;
    assert_eq!((state.first_offset, state.next_offset, state.bytes), (3, 5, Some(2 * RECORD)));
}

#[tokio::test]
async fn nothing_goes_that_a_group_of_ours_has_not_read_and_full_is_said() {
    let kept = kept(&["orders"], 1 << 30).await;
    let mut slow = kept.log.join("slow", &["orders".to_owned()], Start::Earliest).await.expect("it joins");
    kept.put("orders", BOUND).await.expect("there is room");
    kept.clock.advance(WEEK * 2);

    // It has not read anything yet.
    let retained = kept.retain().await;
    assert_eq!((retained.records, retained.held), (0, vec![("orders".to_owned(), "slow".to_owned())]));
    let full = kept.put("orders", 1).await;
    assert!(is_full(&full), "{full:?}");
    assert_eq!(kept.state("orders").await.next_offset, BOUND);

    // As far as it has committed, not as far as it has read.
    read(&mut *slow, 50).await;
    slow.commit(&[(partition("orders"), 20)]).await.expect("it commits");
    assert_eq!(kept.retain().await.records, 20);
    kept.put("orders", 20).await.expect("there is room again");
    assert_eq!(kept.state("orders").await.first_offset, 20);

    // All of it, once nobody waits for it.
    slow.commit(&[(partition("orders"), BOUND + 20)]).await.expect("it commits");
    assert_eq!(kept.retain().await.records, 60);
    let state = kept.state("orders").await;
    assert_eq!((state.first_offset, state.bytes), (BOUND, Some(20 * RECORD)), "the young ones stay");
}

#[tokio::test]
async fn a_group_that_left_holds_the_log_for_a_week_and_no_longer() {
    let kept = kept(&["orders"], 1 << 30).await;
    let mut gone = kept.log.join("gone", &["orders".to_owned()], Start::Earliest).await.expect("it joins");
    kept.put("orders", BOUND).await.expect("there is room");
    gone.commit(&[(partition("orders"), 5)]).await.expect("it commits");
    drop(gone);
    kept.clock.advance(WEEK.saturating_sub(Duration::from_millis(1)));
    assert_eq!(kept.retain().await.records, 5);
    kept.clock.advance(Duration::from_millis(2));
    assert_eq!(kept.retain().await.records, BOUND - 5);
}

#[tokio::test]
async fn all_topics_together_have_a_bound_and_the_largest_pays_first() {
    let kept = kept(&["large", "small"], 100 * RECORD).await;
    kept.put("small", 30).await.expect("there is room");
    kept.put("large", 70).await.expect("there is room");
    let full = kept.put("small", 1).await;
    assert!(is_full(&full), "{full:?}");
    let retained = kept.retain().await;
    assert!(retained.held.is_empty(), "{retained:?}");
    assert_eq!(kept.state("small").await.bytes, Some(30 * RECORD));
    assert_eq!(kept.state("large").await.bytes, Some(57 * RECORD), "down to 7/8 of the bound");
    kept.put("small", 1).await.expect("there is room again");
}

#[tokio::test]
async fn much_is_forgotten_in_slices_and_stays_true_after_reopening() {
    let kept = kept(&["orders"], 1 << 30).await;
    // Three slices and a bit; more than the bound of the others, so into a topic of its own.
    let wide = TopicConfig {
        alias: "wide".to_owned(),
        name: "wide".to_owned(),
        partitions: 1,
        retention: WEEK,
        retention_bytes: 1 << 30,
        durability: Durability::Durable,
    };
    kept.log.ensure_topics(std::slice::from_ref(&wide)).await.expect("the topic is made");
    let mut writing = Vec::new();
    for _ in 0..1700 {
        let record = Produce { topic: "wide".to_owned(), value: Some(vec![0; 8]), ..Produce::default() };
        let log = &kept.log;
        writing.push(async move { log.produce(record).await });
    }
    for written in join_all(writing).await {
        written.expect("there is room");
    }
    kept.clock.advance(WEEK + Duration::from_secs(1));
    assert_eq!(kept.retain().await.records, 1700);
    let Kept { folder, log, clock } = kept;
    drop(log);
    let log = open(&folder, &clock, 1 << 30);
    log.ensure_topics(&[wide]).await.expect("the topic is there");
    let kept = Kept { folder, log, clock };
    let state = kept.state("wide").await;
    assert_eq!((state.first_offset, state.next_offset, state.bytes), (1700, 1700, Some(0)));
}

#[tokio::test]
async fn the_task_looks_by_itself_and_ends_when_it_is_told_to() {
    let kept = kept(&["orders"], 1 << 30).await;
    kept.put("orders", BOUND).await.expect("there is room");
    let stop = CancellationToken::new();
    let task = kept.log.clone().run_retention(Duration::from_millis(1), stop.clone());
    let looking = async {
        while kept.state("orders").await.first_offset == 0 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(task, looking) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("it looks in time");
    assert_eq!(kept.state("orders").await.first_offset, 10);
}
