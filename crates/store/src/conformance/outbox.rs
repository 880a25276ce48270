//! Rules about the outbox, and about those who are woken by a commit.

use std::collections::HashMap;

use tidings_model::{Headers, Timestamp};

use super::{Keeper, Setup, transactions::join_all};
use crate::{
    Appended, Appends, NewRecord, OUTBOX, ROW_RECORDS, SHARDS, Store, StoreError, TopicPartitions, Tx,
    WAITING_ROWS, WaitingRecord, params, shard_of, unpack_row,
};

/// A store whose events wait for a relay, with the topics `events` (3 partitions) and `others` (1).
fn open_with_outbox(keeper: &dyn Keeper) -> Store {
    let setup = Setup { appends: Appends::Outbox, ..Setup::default() };
    let store = keeper.open(&setup).expect("the store opens");
    for (name, partitions) in [("events", 3), ("others", 1)] {
        let topic =
            TopicPartitions { name: format!("{name}.v1"), first_partition: 0, partitions, bytes_limit: 0 };
        store.register_topic(name, topic);
    }
    store
}

/// One row of the outbox.
struct Waiting {
    shard: u32,
    topic: String,
    partition: u32,
    event_type: String,
    bytes: u64,
    records: Vec<WaitingRecord>,
}

/// All rows, in the order of their positions.
async fn rows(store: &Store) -> Vec<Waiting> {
    let rows = store
        .read(|tx| async move {
            tx.query(
                "SELECT shard, aggregatetype, partition_id, type, bytes, records, aggregateid, headers, payload,
                        created_at
                 FROM outbox
                 ORDER BY position",
                params![],
            )
            .await
        })
        .await
        .expect("the outbox can be read");
    let read = |row: &crate::Row| -> Result<Waiting, StoreError> {
        Ok(Waiting {
            shard: row.get(0)?,
            topic: row.get(1)?,
            partition: row.get(2)?,
            event_type: row.get(3)?,
            bytes: row.get(4)?,
            records: unpack_row(row, 5)?,
        })
    };
    rows.iter().map(|row| read(row).expect("a row has its shape")).collect()
}

fn value_of(record: &WaitingRecord) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}

/// Appends one record of a key.
async fn append(store: &Store, key: &'static str, value: String, fail: bool) -> Result<Appended, StoreError> {
    store
        .transact(move |tx| async move {
            let headers: Headers = vec![("ce_type".to_owned(), b"said".to_vec())];
            let record = NewRecord {
                topic: "events",
                partition: None,
                key: Some(key.as_bytes()),
                headers: &headers,
                value: Some(value.as_bytes()),
                time: Timestamp(7),
            };
            let appended = tx.append(&record).await?;
            if fail { Err(StoreError::UnknownTopic { topic: "on purpose".to_owned() }) } else { Ok(appended) }
        })
        .await
}

/// There is no event without its cause, and no cause without its event; and a row says where it belongs.
pub async fn an_outbox_row_is_there_if_and_only_if_its_transaction_commits(keeper: &dyn Keeper) {
    let store = open_with_outbox(keeper);
    assert!(append(&store, "k", "undone".to_owned(), true).await.is_err());
    let appended = append(&store, "k", "kept".to_owned(), false).await.expect("it is appended");
    let partition = crate::partition_for(b"k", 3);
    assert_eq!(appended, Appended { topic: "events.v1".to_owned(), partition, offset: None });
    assert!(matches!(appended.offset(), Err(StoreError::NotRelayed { .. })));
    let rows = rows(&store).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.topic.as_str(), row.partition), ("events.v1", partition));
    assert_eq!((row.shard, row.event_type.as_str()), (shard_of("events.v1", partition), "said"));
    let kept = WaitingRecord {
        key: Some(b"k".to_vec()),
        headers: vec![("ce_type".to_owned(), b"said".to_vec())],
        value: Some(b"kept".to_vec()),
        time: Timestamp(7),
    };
    assert_eq!(row.records, [kept]);
}

/// Who holds a key's row writes its events in the order of the commits, however many write at once.
pub async fn outbox_rows_of_one_key_keep_the_order_of_commits(keeper: &dyn Keeper) {
    const KEYS: [&str; 3] = ["a", "b", "c"];
    let store = open_with_outbox(keeper);
    let raise = |number: usize| {
        store.transact(move |tx| async move {
            let note = i64::try_from(number % KEYS.len()).unwrap_or_default();
            // The key's row, raised by one: its lock is held to the end of the transaction.
            let version = tx
                .one(
                    "INSERT INTO notes (note, text) VALUES ($1, '1')
                     ON CONFLICT (note) DO UPDATE SET text = CAST(CAST(notes.text AS BIGINT) + 1 AS TEXT)
                     RETURNING text",
                    params![note],
                )
                .await?
                .get::<String>(0)?;
            let headers = Headers::new();
            let record = NewRecord {
                topic: "others",
                partition: None,
                key: Some(KEYS[number % KEYS.len()].as_bytes()),
                headers: &headers,
                value: Some(version.as_bytes()),
                time: Timestamp(0),
            };
            tx.append(&record).await?;
            if number % 5 == 4 {
                return Err(StoreError::UnknownTopic { topic: "on purpose".to_owned() });
            }
            Ok(())
        })
    };
    let done = join_all((0..150).map(raise)).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 120);
    let mut last = HashMap::new();
    for row in rows(&store).await {
        let record = &row.records[0];
        let version: u64 = value_of(record).parse().expect("a version is a number");
        let before = last.insert(record.key.clone(), version).unwrap_or(0);
        assert_eq!(version, before + 1, "{:?}", record.key);
    }
    assert_eq!(last.values().sum::<u64>(), 120);
}

/// Many records that a transaction appends to a partition are few rows, whatever is between them; their order is that of
/// the calls.
pub async fn records_appended_together_share_rows_and_keep_their_order(keeper: &dyn Keeper) {
    let store = open_with_outbox(keeper);
    let many = ROW_RECORDS + 7;
    let appended = store
        .transact(move |tx| async move {
            let headers = Headers::new();
            let values: Vec<String> = (0..many).map(|number| number.to_string()).collect();
            let record = |topic, value: Option<&'static str>, number: usize| NewRecord {
                topic,
                partition: Some(0),
                key: None,
                headers: &headers,
                value: value.or_else(|| values.get(number).map(String::as_str)).map(str::as_bytes),
                time: Timestamp(i64::try_from(number).unwrap_or_default()),
            };
            let mut all: Vec<_> = (0..many).map(|number| record("others", None, number)).collect();
            all.insert(3, record("events", Some("between"), 0));
            let mut appended = Vec::new();
            for record in &all {
                appended.push(tx.append(record).await?);
            }
            Ok::<_, StoreError>(appended)
        })
        .await
        .expect("they are appended");
    assert_eq!(appended.len(), many + 1);
    assert_eq!(appended[3].topic, "events.v1");
    let rows = rows(&store).await;
    let sizes: Vec<_> = rows.iter().map(|row| (row.topic.as_str(), row.records.len())).collect();
    // A row is written with the last record of as many, whatever partition that is of.
    assert_eq!(sizes, [("events.v1", 1), ("others.v1", ROW_RECORDS - 1), ("others.v1", 8)]);
    let others = rows.iter().filter(|row| row.topic == "others.v1").flat_map(|row| &row.records);
    let values: Vec<String> = others.map(value_of).collect();
    assert_eq!(values, (0..many).map(|number| number.to_string()).collect::<Vec<_>>());
    // The headers of a record without any are two bytes.
    assert_eq!(rows[0].bytes, 2 + "between".len() as u64);
}

/// Who appends when the body has ended is told so, and not when nobody looks any more.
pub async fn what_is_appended_after_the_body_is_refused(keeper: &dyn Keeper) {
    let store = open_with_outbox(keeper);
    let kept = store.transact(|tx| async move { Ok::<_, StoreError>(tx) }).await.expect("it commits");
    let headers = Headers::new();
    let late = NewRecord {
        topic: "events",
        partition: Some(0),
        key: None,
        headers: &headers,
        value: Some(b"late"),
        time: Timestamp(0),
    };
    assert!(matches!(kept.append(&late).await, Err(StoreError::Closed)));
    assert_eq!(rows(&store).await.len(), 0);
}

/// Full is an error with a word, and never for longer than it is true.
pub async fn a_full_outbox_refuses_and_goes_on_once_it_was_relayed(keeper: &dyn Keeper) {
    let store = open_with_outbox(keeper);
    let fill = store.transact(|tx| async move {
        tx.execute(
            "INSERT INTO outbox (shard, aggregatetype, partition_id, type, headers, records, bytes, created_at)
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
             SELECT 0, 'others.v1', 0, '', '[]', 1, 2, 0
             FROM n",
            params![WAITING_ROWS],
        )
        .await
    });
    assert_eq!(fill.await.expect("it is filled"), WAITING_ROWS);
    refuses(&store, true).await;
    assert!(passes_over_refusals(&store).await.is_err(), "it commits without what it appended");
    let relayed = store.transact(|tx| async move {
        tx.execute("DELETE FROM outbox WHERE shard = $1", params![0_u32]).await?;
        Ok::<_, StoreError>(())
    });
    relayed.await.expect("it is relayed");
    refuses(&store, false).await;
}

/// Appends as many records as make a row, whatever is answered.
async fn passes_over_refusals(store: &Store) -> Result<(), StoreError> {
    let body = |tx: Tx| async move {
        let headers = Headers::new();
        for _each in 0..ROW_RECORDS {
            let record = NewRecord {
                topic: "others",
                partition: Some(0),
                key: None,
                headers: &headers,
                value: Some(b"v"),
                time: Timestamp(0),
            };
            drop(tx.append(&record).await);
        }
        Ok(())
    };
    store.transact(body).await
}

/// Appends until the outbox refuses, or until it takes again: what waits may be counted a moment later.
async fn refuses(store: &Store, wanted: bool) {
    let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match append(store, "k", "v".to_owned(), false).await {
            Err(StoreError::OutboxFull { rows, .. }) if wanted => {
                assert!(rows >= WAITING_ROWS, "{rows}");
                return;
            }
            Ok(_) if !wanted => return,
            Ok(_) | Err(StoreError::OutboxFull { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        assert!(tokio::time::Instant::now() < limit, "the outbox never came to this: refuses {wanted}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A wake comes after the commit that it tells of, and a body that failed wakes nobody.
pub async fn those_who_wait_are_woken_by_the_commit(keeper: &dyn Keeper) {
    let store = open_with_outbox(keeper);
    let first = append(&store, "k", "v".to_owned(), false).await.expect("it is appended");
    let shard = shard_of(&first.topic, first.partition);
    let watch = |shard: u32| store.wakes(OUTBOX[shard as usize]);
    let (mut outbox, elsewhere) = (watch(shard), watch((shard + 1) % SHARDS));
    let (mut own, other) = (store.wakes("own"), store.wakes("other"));
    for round in 2..20_usize {
        let reader = store.clone();
        let woken = async {
            // A wake may come without a reason; one that came before its commit would be the last.
            while rows(&reader).await.len() < round {
                outbox.changed().await.expect("the store is open");
            }
        };
        let limited = tokio::time::timeout(std::time::Duration::from_secs(10), woken);
        let (woken, appended) = tokio::join!(limited, append(&store, "k", "v".to_owned(), false));
        appended.expect("it is appended");
        woken.expect("what was committed wakes");
    }
    assert!(!elsewhere.has_changed().expect("the store is open"), "only those who wait for its shard");
    let wake = |fail: bool| {
        store.transact(move |tx| async move {
            tx.wake("own");
            tx.wake("own");
            if fail { Err(StoreError::UnknownTopic { topic: "on purpose".to_owned() }) } else { Ok(()) }
        })
    };
    assert!(wake(true).await.is_err());
    assert!(!own.has_changed().expect("the store is open"), "a body that failed wakes nobody");
    wake(false).await.expect("it commits");
    own.changed().await.expect("the store is open");
    assert!(!other.has_changed().expect("the store is open"), "only those who wait for it");
}
