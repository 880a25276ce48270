//! Rules about the records that leave with a transaction.

use tidings_model::{Headers, Timestamp};

use super::{
    Keeper, Setup, topic,
    transactions::{join_all, open},
};
use crate::{NewRecord, Store, StoreError, TopicPartitions, params, position};

/// A record of a key, with a value of eight bytes.
async fn append(store: &Store, key: &'static str, fail: bool) -> Result<u64, StoreError> {
    store
        .transact(move |tx| async move {
            let headers = Headers::new();
            let record = NewRecord {
                topic: "events",
                partition: None,
                key: Some(key.as_bytes()),
                headers: &headers,
                value: Some(b"12345678"),
                time: Timestamp(1),
            };
            let appended = tx.append(&record).await?;
            if fail {
                Err(StoreError::UnknownTopic { topic: "on purpose".to_owned() })
            } else {
                appended.offset()
            }
        })
        .await
}

/// The keys of a partition's records, in order of their offsets.
async fn keys(store: &Store, topic: &TopicPartitions) -> Vec<(u64, String)> {
    let number = topic.first_partition;
    let rows = store
        .read(move |tx| async move {
            tx.query(
                "SELECT position - $1, record_key FROM log_records WHERE position >= $1 AND position < $2 ORDER BY position",
                params![position(number, 0), position(number + 1, 0)],
            )
            .await
        })
        .await
        .expect("records can be read");
    let read = |row: &crate::Row| -> Result<(u64, String), StoreError> {
        Ok((row.get(0)?, String::from_utf8_lossy(&row.get::<Vec<u8>>(1)?).into_owned()))
    };
    rows.iter().map(|row| read(row).expect("a record has a key")).collect()
}

/// The partition's own row: first offset, next offset, bytes.
async fn partition(store: &Store, number: u32) -> (u64, u64, u64) {
    let row = store
        .read(move |tx| async move {
            tx.one(
                "SELECT first_offset, next_offset, bytes FROM log_partitions WHERE partition_number = $1",
                params![number],
            )
            .await
        })
        .await
        .expect("a partition has a row");
    let number = |column| row.get(column).expect("a number");
    (number(0), number(1), number(2))
}

/// The heart of it: there is no event without its cause, and no cause without its event.
pub async fn an_event_is_in_the_log_if_and_only_if_its_transaction_commits(keeper: &dyn Keeper) {
    let store = open(keeper);
    let events = topic(&store, "events", 1, 1 << 20).await;
    assert!(append(&store, "undone", true).await.is_err());
    append(&store, "kept", false).await.expect("it is appended");
    assert_eq!(keys(&store, &events).await, [(0, "kept".to_owned())]);
    assert_eq!(partition(&store, events.first_partition).await.1, 1);
}

/// A hole would read as a loss.
pub async fn offsets_have_no_holes_after_failed_bodies(keeper: &dyn Keeper) {
    let store = open(keeper);
    let events = topic(&store, "events", 1, 1 << 20).await;
    let answers = join_all((0..99).map(|number| append(&store, "k", number % 3 == 1))).await;
    let mut offsets: Vec<u64> = answers.into_iter().filter_map(Result::ok).collect();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..66).collect::<Vec<u64>>());
    assert_eq!(keys(&store, &events).await.len(), 66);
}

/// Who appended later lies later.
pub async fn records_of_one_key_keep_the_order_of_their_transactions(keeper: &dyn Keeper) {
    let store = open(keeper);
    let events = topic(&store, "events", 3, 1 << 20).await;
    let partition_of = |key: &str| crate::partition_for(key.as_bytes(), events.partitions);
    let mut last = std::collections::HashMap::new();
    for number in 0..60 {
        let key = ["a", "b", "c", "d"][number % 4];
        let offset = append(&store, key, false).await.expect("it is appended");
        let before = last.insert(partition_of(key), offset);
        assert!(before.is_none_or(|before| before < offset), "{key} went back to {offset}");
    }
}

/// Full is an error with a word, and never for longer than it is true.
pub async fn a_topic_at_its_bound_refuses_and_goes_on_after_a_trim(keeper: &dyn Keeper) {
    let store = open(keeper);
    // Room for three: a key of one byte, headers of two, a value of eight.
    let events = topic(&store, "events", 1, 33).await;
    for _ in 0..3 {
        append(&store, "k", false).await.expect("there is room");
    }
    let full = append(&store, "k", false).await;
    assert!(matches!(full, Err(StoreError::LogFull { bytes: 33, .. })), "{full:?}");
    let number = events.first_partition;
    let trimmed = store.transact(move |tx| async move { tx.trim(number, 2, 500).await }).await;
    assert_eq!(trimmed.expect("it is trimmed"), 2);
    assert_eq!(partition(&store, number).await, (2, 3, 11));
    assert_eq!(append(&store, "k", false).await.expect("there is room again"), 3);
    // A trim that fails frees nothing.
    let undone = store
        .transact(move |tx| async move {
            tx.trim(number, 4, 500).await?;
            Err::<(), _>(StoreError::UnknownTopic { topic: "on purpose".to_owned() })
        })
        .await;
    assert!(undone.is_err());
    assert_eq!(partition(&store, number).await, (2, 4, 22));
    drop(store);
    let setup = Setup { log_bytes: 30, ..Setup::default() };
    let store = keeper.open(&setup).expect("the store opens");
    topic(&store, "events", 1, 1 << 20).await;
    assert!(
        matches!(append(&store, "k", false).await, Err(StoreError::LogFull { .. })),
        "all topics together"
    );
}

/// What the writer keeps in memory is what the file says.
pub async fn bytes_and_offsets_are_true_after_reopening(keeper: &dyn Keeper) {
    let store = open(keeper);
    let events = topic(&store, "events", 1, 1 << 20).await;
    let number = events.first_partition;
    for _ in 0..5 {
        append(&store, "k", false).await.expect("it is appended");
    }
    store.transact(move |tx| async move { tx.trim(number, 2, 500).await }).await.expect("it is trimmed");
    drop(store);
    let store = open(keeper);
    let events = topic(&store, "events", 1, 1 << 20).await;
    assert_eq!(*store.heads().watch(number).borrow(), 5);
    assert_eq!(partition(&store, number).await, (2, 5, 33));
    assert_eq!(append(&store, "k", false).await.expect("it is appended"), 5);
    assert_eq!(keys(&store, &events).await.len(), 4);
    assert_eq!(partition(&store, number).await, (2, 6, 44));
}

/// Nobody polls.
pub async fn readers_of_a_partition_are_woken_by_the_commit(keeper: &dyn Keeper) {
    let store = open(keeper);
    let events = topic(&store, "events", 1, 1 << 20).await;
    let mut head = store.heads().watch(events.first_partition);
    let (woken, appended) = tokio::join!(head.changed(), append(&store, "k", false));
    woken.expect("the store is open");
    appended.expect("it is appended");
    assert_eq!(*head.borrow_and_update(), 1);
    assert!(append(&store, "k", true).await.is_err());
    assert!(!head.has_changed().expect("the store is open"), "a body that failed wakes nobody");
    assert_eq!(keys(&store, &events).await.len(), 1);
}
