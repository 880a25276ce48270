//! An outbox in one SQLite file, the log in another, and relays between them that can be held.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tempfile::TempDir;
use tidings_delivery_core::{
    Number, Place,
    accept::{Acceptance, Accepted, Acceptor},
};
use tidings_log::{
    Ack, Drift, EmbeddedLog, GroupOffset, Log, LogError, LogPlace, Member, Produce, Start, Tail, TopicConfig,
    TopicName, TopicPartition, TopicState,
    relay::{Relay, RelayOptions},
};
use tidings_model::{Clock, Record, SystemClock, Timestamp};
use tidings_store::{
    Appends, NewRecord, Store, StoreError, StoreOptions, TopicPartitions,
    conformance::{FreshDatabase, NO_POSTGRES},
    params,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The topic that events go to.
pub(crate) const TOPIC: &str = "orders";
/// Its partitions.
pub(crate) const PARTITIONS: u32 = 3;
/// A topic that only the outbox knows.
pub(crate) const UNKNOWN: &str = "gone";
/// The longest wait for what a healthy relay does at once.
const LIMIT: Duration = Duration::from_secs(20);

/// Waits until `look` is true.
pub(crate) async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !look().await {
        assert!(started.elapsed() < LIMIT, "did not happen within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) struct World {
    pub(crate) outbox: Store,
    pub(crate) log: Arc<dyn Log>,
    relays: TaskTracker,
    _folder: TempDir,
    _database: Option<FreshDatabase>,
}

/// Makes each of these scenarios a test on each database.
macro_rules! on_each_database {
    ($($scenario:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
            async fn $scenario() {
                super::$scenario(crate::world::World::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
            async fn $scenario() {
                if let Some(world) = crate::world::World::postgres().await {
                    super::$scenario(world).await;
                }
            })+
        }
    };
}
pub(crate) use on_each_database;

/// A relay that runs.
pub(crate) struct Running {
    pub(crate) gate: Arc<Gate>,
    pub(crate) stop: CancellationToken,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl World {
    /// With the outbox in a SQLite file.
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut options = StoreOptions::at(folder.path().join("outbox.db"));
        options.appends = Appends::Outbox;
        let outbox = Store::open(&options).expect("the outbox opens");
        Self::of(folder, outbox, None).await
    }

    /// With the outbox in PostgreSQL, if there is one.
    #[expect(clippy::print_stdout, reason = "a test says what it passes over")]
    pub(crate) async fn postgres() -> Option<Self> {
        let Some(database) = FreshDatabase::postgres().expect("the server of the tests answers") else {
            println!("{NO_POSTGRES}");
            return None;
        };
        let outbox = Store::open(&StoreOptions::postgres(database.url())).expect("the outbox opens");
        let folder = tempfile::tempdir().expect("a temporary folder");
        Some(Self::of(folder, outbox, Some(database)).await)
    }

    async fn of(folder: TempDir, outbox: Store, database: Option<FreshDatabase>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        for name in [TOPIC, UNKNOWN] {
            let name = name.to_owned();
            let topic = TopicPartitions {
                name: name.clone(),
                first_partition: 0,
                partitions: PARTITIONS,
                bytes_limit: u64::MAX,
            };
            outbox.register_topic(&name, topic);
        }
        let file = Store::open(&StoreOptions::at(folder.path().join("log.db"))).expect("the log opens");
        let log = Arc::new(EmbeddedLog::new(file, clock));
        let topic = TopicConfig {
            alias: TOPIC.to_owned(),
            name: TOPIC.to_owned(),
            partitions: PARTITIONS,
            retention: Duration::from_hours(1),
            retention_bytes: TopicConfig::RETENTION_BYTES,
            durability: tidings_log::Durability::Durable,
        };
        log.ensure_topics(&[topic]).await.expect("the topic is made");
        Self { outbox, log, relays: TaskTracker::new(), _folder: folder, _database: database }
    }

    /// Starts a relay whose lease lapses after `lease`.
    pub(crate) fn relay(&self, name: &str, lease: Duration) -> Running {
        let gate =
            Arc::new(Gate { inner: Arc::clone(&self.log), state: Mutex::default(), moved: Condvar::new() });
        let relay = Relay {
            store: self.outbox.clone(),
            log: Arc::clone(&gate) as Arc<dyn Log>,
            clock: Arc::new(SystemClock),
            name: name.to_owned(),
            alone: false,
            options: RelayOptions { lease, away: Duration::from_millis(10), ..RelayOptions::default() },
        };
        let stop = CancellationToken::new();
        let task = self.relays.spawn(relay.run(stop.clone()));
        Running { gate, stop, task }
    }

    /// Writes events of one key in one transaction each; the values count from `first`.
    pub(crate) async fn write(&self, key: &str, values: std::ops::Range<u64>) {
        for value in values {
            self.put(TOPIC, Some(key), &value.to_string()).await;
        }
    }

    pub(crate) async fn put(&self, topic: &'static str, key: Option<&str>, value: &str) {
        let (key, value) = (key.map(str::to_owned), value.to_owned());
        let put = self.outbox.transact(move |tx| async move {
            tx.append(&record(topic, key.as_deref(), &value)).await?;
            Ok::<_, StoreError>(())
        });
        put.await.expect("the events are put");
    }

    /// Writes one event to a partition.
    pub(crate) async fn write_one_in(&self, partition: u32, value: &str) {
        let value = value.to_owned();
        let put = self.outbox.transact(move |tx| async move {
            tx.append(&NewRecord { partition: Some(partition), ..record(TOPIC, None, &value) }).await?;
            Ok::<_, StoreError>(())
        });
        put.await.expect("the events are put");
    }

    /// Writes events of one partition in one transaction, so that they share rows.
    pub(crate) async fn write_packed(&self, partition: u32, values: std::ops::Range<u64>) {
        let put = self.outbox.transact(move |tx| async move {
            for value in values {
                let value = value.to_string();
                tx.append(&NewRecord { partition: Some(partition), ..record(TOPIC, None, &value) }).await?;
            }
            Ok::<_, StoreError>(())
        });
        put.await.expect("the events are put");
    }

    /// Every record of a partition, as it lies in the log.
    pub(crate) async fn records(&self, partition: u32) -> Vec<Record> {
        let (mut all, at) = (Vec::new(), TopicPartition { topic: TOPIC.to_owned(), partition });
        loop {
            let from = all.last().map_or(0, |last: &Record| last.offset + 1);
            let page = self.log.records(at.clone(), from, 500).await.expect("the log is read");
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// The values that a reader of a partition accepts; an empty record is `-`.
    pub(crate) async fn accepted(&self, partition: u32) -> Vec<String> {
        let mut acceptor = Acceptor::from_stored(Accepted::beginning());
        let mut accepted = Vec::new();
        for record in self.records(partition).await {
            let number = record.number().map(Number);
            assert!(number.is_some(), "a relay numbers all that it sends");
            if acceptor.offer(Place::of_offset(record.offset), number, Timestamp(0)) == Acceptance::Accept {
                accepted.push(
                    record
                        .value
                        .map_or("-".to_owned(), |value| String::from_utf8(value).expect("a value is text")),
                );
            }
        }
        accepted
    }

    /// What readers of all partitions accept, the values as numbers, each partition for itself.
    pub(crate) async fn all_accepted(&self) -> Vec<Vec<u64>> {
        let mut all = Vec::new();
        for partition in 0..PARTITIONS {
            all.push(
                self.accepted(partition)
                    .await
                    .iter()
                    .map(|value| value.parse().expect("a value is a number"))
                    .collect(),
            );
        }
        all
    }

    /// Records that are repeats.
    pub(crate) async fn repeats(&self) -> usize {
        let mut repeats = 0;
        for partition in 0..PARTITIONS {
            let records = self.records(partition).await;
            let numbers: std::collections::BTreeSet<_> = records.iter().map(Record::number).collect();
            repeats += records.len() - numbers.len();
        }
        repeats
    }

    /// Runs a statement on the outbox, as a fault would.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        let done = self.outbox.transact(move |tx| async move { tx.execute(sql, params![]).await });
        done.await.expect("it is done");
    }

    /// Rows that wait or are in flight.
    pub(crate) async fn waiting(&self) -> u64 {
        self.count("SELECT COUNT(*) FROM outbox WHERE shard >= 0").await
    }

    /// Rows that have no number yet.
    pub(crate) async fn unnumbered(&self) -> u64 {
        self.count("SELECT COUNT(*) FROM outbox WHERE shard >= 0 AND seq IS NULL").await
    }

    async fn count(&self, sql: &'static str) -> u64 {
        let counted = self.outbox.read(move |tx| async move { tx.one(sql, params![]).await?.get::<u64>(0) });
        counted.await.expect("the rows are counted")
    }
}

fn record<'a>(topic: &'a str, key: Option<&'a str>, value: &'a str) -> NewRecord<'a> {
    const NO_HEADERS: &tidings_model::Headers = &Vec::new();
    NewRecord {
        topic,
        partition: None,
        key: key.map(str::as_bytes),
        headers: NO_HEADERS,
        value: Some(value.as_bytes()),
        time: Timestamp(1),
    }
}

/// What a gate does with records.
#[derive(Debug, Default)]
struct GateState {
    /// How many more records pass before the relay is suspended; none for all.
    pass: Option<usize>,
    /// Whether the relay stands still.
    held: bool,
    /// Records of this value are refused for ever.
    refused: Option<Vec<u8>>,
    /// How many calls find the queue full.
    full: usize,
    /// Acknowledgements that get lost, after so many.
    lose_ack_after: Option<usize>,
}

/// A log before which a relay can be suspended: as a process that is stopped, it does nothing until it is let go.
#[derive(Debug)]
pub(crate) struct Gate {
    inner: Arc<dyn Log>,
    state: Mutex<GateState>,
    moved: Condvar,
}

impl Gate {
    /// Lets so many records pass and suspends the relay before the next.
    pub(crate) fn hold_after(&self, records: usize) {
        self.state.lock().expect("no holder panicked").pass = Some(records);
    }

    /// Lets the relay go on.
    pub(crate) fn open(&self) {
        self.state.lock().expect("no holder panicked").pass = None;
        self.moved.notify_all();
    }

    /// Whether the relay stands still.
    pub(crate) fn holds(&self) -> bool {
        self.state.lock().expect("no holder panicked").held
    }

    /// Refuses records of this value for ever.
    pub(crate) fn refuse(&self, value: &str) {
        self.state.lock().expect("no holder panicked").refused = Some(value.as_bytes().to_vec());
    }

    /// Says so often that the queue is full.
    pub(crate) fn fill(&self, times: usize) {
        self.state.lock().expect("no holder panicked").full = times;
    }

    /// Loses the acknowledgement of the record after so many: it is written, and the relay is told otherwise.
    pub(crate) fn lose_ack_after(&self, records: usize) {
        self.state.lock().expect("no holder panicked").lose_ack_after = Some(records);
    }
}

#[async_trait]
impl Log for Gate {
    async fn ensure_topics(&self, specs: &[TopicConfig]) -> Result<Vec<Drift>, LogError> {
        self.inner.ensure_topics(specs).await
    }

    async fn produce(&self, record: Produce) -> Result<LogPlace, LogError> {
        self.inner.produce(record).await
    }

    fn enqueue(&self, record: Produce) -> Result<Ack, LogError> {
        let mut state = self.state.lock().expect("no holder panicked");
        while state.pass == Some(0) {
            state.held = true;
            // The whole relay stands still, its signs of life too.
            state = self.moved.wait(state).expect("no holder panicked");
        }
        state.held = false;
        if state.refused.is_some() && state.refused == record.value {
            return Err(LogError::InvalidRecord { topic: record.topic, reason: "is not wanted".to_owned() });
        }
        if state.full > 0 {
            state.full -= 1;
            return Err(LogError::Full);
        }
        state.pass = state.pass.map(|left| left - 1);
        let lost = state.lose_ack_after == Some(0);
        state.lose_ack_after = state.lose_ack_after.and_then(|left| left.checked_sub(1));
        drop(state);
        let ack = self.inner.enqueue(record)?;
        if !lost {
            return Ok(ack);
        }
        Ok(Box::pin(async move {
            ack.await?;
            Err(LogError::Full)
        }))
    }

    fn topic(&self, name: &str) -> Option<TopicName> {
        self.inner.topic(name)
    }

    async fn join(&self, group: &str, topics: &[String], start: Start) -> Result<Box<dyn Member>, LogError> {
        self.inner.join(group, topics, start).await
    }

    async fn tail(&self, partition: TopicPartition, start: Start) -> Result<Box<dyn Tail>, LogError> {
        self.inner.tail(partition, start).await
    }

    async fn topics(&self) -> Result<Vec<TopicState>, LogError> {
        self.inner.topics().await
    }

    async fn records(&self, at: TopicPartition, from: u64, limit: usize) -> Result<Vec<Record>, LogError> {
        self.inner.records(at, from, limit).await
    }

    async fn group_offsets(&self) -> Result<Vec<GroupOffset>, LogError> {
        self.inner.group_offsets().await
    }

    async fn reset(&self, group: &str, partition: TopicPartition, next_offset: u64) -> Result<(), LogError> {
        self.inner.reset(group, partition, next_offset).await
    }
}
