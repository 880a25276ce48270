//! `kill -9` under load: whatever was answered is there, and nothing is there by half.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
};

use crate::child::{self, Child, acked, answer};
use tidings_model::{Headers, Timestamp, planted};
use tidings_store::{NewRecord, Store, StoreError, TopicPartitions, params};
use tokio_util::task::TaskTracker;

/// How often a store is killed.
const KILLS: u64 = 20;
/// Callers that each wait for their answer before they ask again.
const WRITERS: u64 = 64;
/// Answers after which a round's process is killed, at least; each round adds some.
const ANSWERS: u64 = 20;

/// What is left after all kills.
#[derive(Debug, Default)]
struct Outcome {
    answered: u64,
    lost: Vec<u64>,
}

/// The child's part: writers that answer on its standard output, until it is killed.
#[test]
#[ignore = "a part of the tests beside it, in a process of its own"]
fn writes_until_it_is_killed() {
    let Some(part) = Child::here() else { return };
    if let Some(fault) = &part.fault {
        planted::choose(fault);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = child::open(&part.path);
        child::topic(&store).await;
        let tasks = TaskTracker::new();
        for writer in 0..WRITERS {
            let (store, first) = (store.clone(), part.round * 1_000_000 + writer * 10_000);
            tasks.spawn(async move {
                for number in first..first + 10_000 {
                    write(&store, number).await.unwrap();
                    answer(number);
                }
            });
        }
        tasks.close();
        tasks.wait().await;
    });
}

/// A row and its event, as every feature writes them.
async fn write(store: &Store, number: u64) -> Result<(), StoreError> {
    store
        .transact(move |tx| async move {
            tx.execute("INSERT INTO notes (note) VALUES ($1)", params![number]).await?;
            let headers = Headers::new();
            tx.append(&NewRecord {
                topic: child::TOPIC,
                partition: None,
                key: Some(&(number % WRITERS).to_be_bytes()),
                headers: &headers,
                value: Some(&number.to_be_bytes()),
                time: Timestamp(0),
            })
            .await?;
            Ok(())
        })
        .await
}

/// Runs and kills a store so often, and looks at what is there after each kill.
fn kill_often(path: &Path, fault: Option<&str>) -> Outcome {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut outcome = Outcome::default();
    let mut answers = Vec::new();
    for round in 0..KILLS {
        let mut process = Child { path: path.to_owned(), fault: fault.map(str::to_owned), round }
            .start("kill::writes_until_it_is_killed");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut left = ANSWERS + round * 23;
        while left > 0 {
            let line = lines.next().expect("the child answers until it is killed").unwrap();
            left -= u64::from(acked(&line).is_some());
            answers.extend(acked(&line));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        // What it had answered before the end, except a line that the end cut short.
        answers.extend(lines.map_while(Result::ok).filter_map(|line| acked(&line)));
        let notes = runtime.block_on(look(path));
        outcome.lost =
            answers.iter().filter(|number| notes.binary_search(number).is_err()).copied().collect();
        if !outcome.lost.is_empty() {
            break;
        }
    }
    outcome.answered = answers.len() as u64;
    outcome
}

/// Opens what is left, checks that rows and events agree, and answers the rows.
async fn look(path: &Path) -> Vec<u64> {
    let store = child::open(path);
    let topic: TopicPartitions = child::topic(&store).await;
    let (notes, records, ends) = store
        .read(move |tx| async move {
            let notes = tx.query("SELECT note FROM notes ORDER BY note", params![]).await?;
            let records = tx.query("SELECT position, value FROM log_records ORDER BY position", params![]).await?;
            let ends = tx
                .query(
                    "SELECT partition_number, next_offset, bytes FROM log_partitions ORDER BY partition_number",
                    params![],
                )
                .await?;
            Ok::<_, StoreError>((notes, records, ends))
        })
        .await
        .unwrap();
    let notes: Vec<u64> = notes.iter().map(|row| row.get(0).unwrap()).collect();
    let mut events = Vec::new();
    let mut next = BTreeMap::new();
    for row in &records {
        let position: u64 = row.get(0).unwrap();
        let (number, offset) = (position >> tidings_store::OFFSET_BITS, position & ((1 << 40) - 1));
        assert_eq!(*next.entry(number).or_insert(0), offset, "partition {number} has a hole");
        next.insert(number, offset + 1);
        events.push(u64::from_be_bytes(row.get::<Vec<u8>>(1).unwrap().try_into().unwrap()));
    }
    events.sort_unstable();
    assert_eq!(events, notes, "each row has its event, and each event its row");
    for row in &ends {
        let kept = next.get(&row.get::<u64>(0).unwrap()).copied().unwrap_or(0);
        // A key and a value of eight bytes each, headers of two.
        assert_eq!((row.get::<u64>(1).unwrap(), row.get::<u64>(2).unwrap()), (kept, kept * 18));
    }
    assert_eq!(ends.len(), topic.partitions as usize);
    notes
}

#[test]
fn nothing_that_was_answered_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = kill_often(&folder.path().join("tidings.db"), None);
    assert!(outcome.answered >= KILLS * ANSWERS, "{outcome:?}");
    assert_eq!(outcome.lost, [0_u64; 0]);
}

/// The test above is worth something: it turns red on a store that answers too early.
#[test]
fn a_store_that_answers_before_its_commit_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = kill_often(&folder.path().join("tidings.db"), Some("ack_before_fsync"));
    assert!(!outcome.lost.is_empty(), "{outcome:?}");
}
