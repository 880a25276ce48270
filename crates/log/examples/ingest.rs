//! Measures the embedded log as a producer and a reader meet it: records a second with many producers that
//! each await their answer, and the time from an append to its being read.
//!
//! `cargo run --release -p tidings-log --example ingest -- <file> [producers] [seconds] [value bytes]`

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tidings_log::{Durability, EmbeddedLog, Log, Produce, Start, TopicConfig, TopicPartition};
use tidings_model::SystemClock;
use tidings_store::{Store, StoreOptions};
use tokio_util::task::TaskTracker;

/// The topic that is filled.
const TOPIC: &str = "ingest";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "ingest.db".to_owned());
    let mut number = |default: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (producers, seconds, value_bytes) = (number(64), number(10), number(1024));

    let store = Store::open(&StoreOptions::at(&path))?;
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::new(store.clone(), Arc::new(SystemClock)));
    log.ensure_topics(&[TopicConfig {
        alias: TOPIC.to_owned(),
        name: TOPIC.to_owned(),
        partitions: 1,
        retention: Duration::from_hours(1),
        retention_bytes: TopicConfig::RETENTION_BYTES,
        durability: Durability::Durable,
    }])
    .await?;

    let started = Instant::now();
    let (tasks, stop, count) =
        (TaskTracker::new(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut producing = Vec::new();
    for _ in 0..producers {
        let (log, stop, count) = (Arc::clone(&log), Arc::clone(&stop), Arc::clone(&count));
        producing.push(tasks.spawn(async move {
            let mut waits = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let sent = started.elapsed();
                let mut value = vec![b'x'; usize::try_from(value_bytes).unwrap_or(0).max(8)];
                value[..8].copy_from_slice(&u64::try_from(sent.as_nanos()).unwrap_or(u64::MAX).to_be_bytes());
                let record = Produce {
                    topic: TOPIC.to_owned(),
                    key: Some(b"k".to_vec()),
                    value: Some(value),
                    ..Produce::default()
                };
                if log.produce(record).await.is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                    waits.push(started.elapsed().saturating_sub(sent));
                }
            }
            waits
        }));
    }
    let mut tail = log.tail(TopicPartition { topic: TOPIC.to_owned(), partition: 0 }, Start::Latest).await?;
    let reading_stop = Arc::clone(&stop);
    let reading = tasks.spawn(async move {
        let mut ages = Vec::new();
        while !reading_stop.load(Ordering::Relaxed) {
            let Ok(Ok(records)) = tokio::time::timeout(Duration::from_millis(200), tail.next(500)).await
            else {
                continue;
            };
            let now = started.elapsed();
            for record in records {
                let sent = record.value.as_deref().and_then(|value| value.get(..8)?.try_into().ok());
                ages.push(now.saturating_sub(Duration::from_nanos(sent.map_or(0, u64::from_be_bytes))));
            }
        }
        ages
    });

    let mut before = 0;
    for second in 1..=seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let all = count.load(Ordering::Relaxed);
        let wal = std::fs::metadata(format!("{path}-wal")).map_or(0, |wal| wal.len() >> 20);
        println!("{second:>3} s  {:>8} records/s  wal {wal} MiB", all - before);
        before = all;
    }
    stop.store(true, Ordering::Relaxed);
    let mut waits = Vec::new();
    for producer in producing {
        waits.extend(producer.await?);
    }
    let ages = reading.await?;
    println!("{} records, {} a second", waits.len(), waits.len() as u64 / seconds.max(1));
    println!("produce → answer    {}", percentiles(waits));
    println!("produce → read      {}", percentiles(ages));
    Ok(())
}

fn percentiles(mut waits: Vec<Duration>) -> String {
    waits.sort_unstable();
    let at = |percent: usize| {
        let wait = waits.get(waits.len().saturating_sub(1) * percent / 100);
        wait.map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
    };
    format!("p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms", at(50), at(99), at(100))
}
