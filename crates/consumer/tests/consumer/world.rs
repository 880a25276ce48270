//! A store with a log, topics, and a handler that does as it is told and leaves a row for what it did.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tempfile::TempDir;
use tidings_consumer::{Consumer, Event, Handler, HandlerError, Observer, Options};
use tidings_log::{Durability, EmbeddedLog, Log, Produce, TopicConfig, TopicPartition};
use tidings_model::{Clock as _, Headers, ManualClock, Record, Timestamp};
use tidings_store::{Migration, NewRecord, Store, StoreError, StoreOptions, Tx, params};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long a test waits for what must happen, by the clock on the wall.
const LIMIT: Duration = Duration::from_secs(30);

const EFFECTS: Migration = Migration {
    owner: "tests",
    name: "0001_effects",
    sqlite: "CREATE TABLE effects (who TEXT NOT NULL, partition_id BIGINT NOT NULL, value TEXT NOT NULL);",
};

/// One row that a handler left: who, in which partition, for which value.
pub(crate) type Effect = (String, u32, String);

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) log: EmbeddedLog,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) tasks: TaskTracker,
    pub(crate) told: Arc<Told>,
    folder: TempDir,
}

/// What consumers told.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<Event>>);

impl Told {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Told {
    fn happened(&self, _group: &str, event: &Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}

impl World {
    /// A store with the topic `orders` and, unless there are none, so many partitions for its dead letters.
    pub(crate) async fn new(partitions: u32, dead: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Timestamp(1_700_000_000_000)));
        Self::open(folder, clock, partitions, dead).await
    }

    async fn open(folder: TempDir, clock: Arc<ManualClock>, partitions: u32, dead: u32) -> Self {
        let mut options = StoreOptions::at(folder.path().join("tidings.db"));
        options.migrations = [tidings_consumer::MIGRATIONS, &[EFFECTS]].concat();
        let store = Store::open(&options).unwrap();
        let handed: Arc<ManualClock> = Arc::clone(&clock);
        let log = EmbeddedLog::new(store.clone(), handed);
        let mut topics = vec![topic("orders", partitions, 1 << 30)];
        if dead > 0 {
            topics.push(topic("orders-dlt", dead, 1 << 30));
        }
        log.ensure_topics(&topics).await.unwrap();
        Self { store, log, clock, tasks: TaskTracker::new(), told: Arc::default(), folder }
    }

    /// The same file, as another process would find it later.
    pub(crate) async fn reopened(self, partitions: u32, dead: u32) -> Self {
        let Self { store, log, clock, tasks, told, folder } = self;
        drop((store, log, tasks, told));
        Self::open(folder, clock, partitions, dead).await
    }

    pub(crate) async fn put(&self, partition: u32, value: &str) {
        self.put_keyed(partition, Some("key"), value).await;
    }

    pub(crate) async fn put_keyed(&self, partition: u32, key: Option<&str>, value: &str) {
        self.put_record(partition, key, value, vec![("kept".to_owned(), vec![0, 255])]).await;
    }

    pub(crate) async fn put_record(&self, partition: u32, key: Option<&str>, value: &str, headers: Headers) {
        let record = Produce {
            topic: "orders".to_owned(),
            partition: Some(partition),
            key: key.map(|key| key.as_bytes().to_vec()),
            headers,
            value: Some(value.as_bytes().to_vec()),
        };
        self.log.produce(record).await.unwrap();
    }

    /// Puts many records at once, in order: partition, key, value.
    pub(crate) async fn put_all(&self, records: Vec<(u32, Option<String>, String)>) {
        let time = self.clock.now();
        let put = self.store.transact(move |tx| async move {
            for (partition, key, value) in records {
                let record = NewRecord {
                    topic: "orders",
                    partition: Some(partition),
                    key: key.as_deref().map(str::as_bytes),
                    headers: &Headers::new(),
                    value: Some(value.as_bytes()),
                    time,
                };
                tx.append(&record).await?;
            }
            Ok::<_, StoreError>(())
        });
        put.await.unwrap();
    }

    /// A group of these handlers, on a log.
    pub(crate) fn consumer(
        &self,
        handlers: Vec<Arc<dyn Handler>>,
        log: &EmbeddedLog,
        options: Options,
    ) -> Consumer {
        Consumer {
            group: "group".into(),
            handlers,
            store: self.store.clone(),
            log: Arc::new(log.clone()),
            clock: Arc::clone(&self.clock) as Arc<dyn tidings_model::Clock>,
            options,
            observer: Arc::clone(&self.told) as Arc<dyn Observer>,
        }
    }

    /// Starts a group of one handler on a log; it ends with the token.
    pub(crate) fn run(&self, handler: &Arc<Scripted>, log: &EmbeddedLog) -> CancellationToken {
        self.run_with(handler, log, Options::default())
    }

    /// [`World::run`] with options, of any handler.
    pub(crate) fn run_with<H: Handler + 'static>(
        &self,
        handler: &Arc<H>,
        log: &EmbeddedLog,
        options: Options,
    ) -> CancellationToken {
        let handler: Arc<dyn Handler> = Arc::clone(handler) as Arc<dyn Handler>;
        let consumer = self.consumer(vec![handler], log, options);
        let stop = CancellationToken::new();
        let until = stop.clone();
        self.tasks.spawn(async move { consumer.run(until).await.unwrap() });
        stop
    }

    /// [`World::run`] on the world's own log.
    pub(crate) fn start(&self, handler: &Arc<Scripted>) -> CancellationToken {
        self.run(handler, &self.log)
    }

    /// Waits until all that were started have ended.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What handlers did, in the order in which they did it.
    pub(crate) async fn effects(&self) -> Vec<Effect> {
        let rows = self.store.read(|tx| async move {
            tx.query("SELECT who, partition_id, value FROM effects ORDER BY rowid", params![]).await
        });
        let rows = rows.await.unwrap();
        rows.iter().map(|row| (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap())).collect()
    }

    /// The values that were handled, in order.
    pub(crate) async fn values(&self) -> Vec<String> {
        self.effects().await.into_iter().map(|(_, _, value)| value).collect()
    }

    /// Waits until so many effects are there.
    pub(crate) async fn until_effects(&self, count: usize) {
        self.until(&format!("{count} effects"), async || self.effects().await.len() >= count).await;
    }

    /// Waits until the condition holds. The limit is real time, for these tests let the other time fly.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let started = Instant::now();
        while !holds().await {
            if started.elapsed() > LIMIT {
                let effects = self.effects().await;
                panic!(
                    "{what} did not come in time; {} effects, the last {:?}",
                    effects.len(),
                    effects.last()
                );
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The group's place in a partition, as the log knows it.
    pub(crate) async fn copied(&self, partition: u32) -> Option<u64> {
        let offsets = self.log.group_offsets().await.unwrap();
        let place = TopicPartition { topic: "orders".to_owned(), partition };
        offsets.iter().find(|offset| offset.partition == place).map(|offset| offset.next_offset)
    }
}

pub(crate) fn topic(name: &str, partitions: u32, retention_bytes: u64) -> TopicConfig {
    TopicConfig {
        alias: name.to_owned(),
        name: name.to_owned(),
        partitions,
        retention: Duration::from_hours(24 * 7),
        retention_bytes,
        durability: Durability::Durable,
    }
}

/// What a handler is told to do: by the record's value and how often it was tried.
type Script = Box<dyn Fn(&str, u32) -> Result<(), HandlerError> + Send + Sync>;

pub(crate) struct Scripted {
    who: &'static str,
    batch: usize,
    script: Script,
    tries: Mutex<HashMap<String, u32>>,
}

impl Scripted {
    pub(crate) fn new(
        who: &'static str,
        batch: usize,
        script: impl Fn(&str, u32) -> Result<(), HandlerError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { who, batch, script: Box::new(script), tries: Mutex::default() })
    }

    /// How often the record of a value was tried.
    pub(crate) fn tries(&self, value: &str) -> u32 {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).get(value).copied().unwrap_or(0)
    }
}

#[async_trait]
impl Handler for Scripted {
    fn name(&self) -> &'static str {
        self.who
    }

    fn topic(&self) -> &'static str {
        "orders"
    }

    fn group(&self) -> &'static str {
        "group"
    }

    fn batch(&self) -> usize {
        self.batch
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        let attempt = {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            let count = tries.entry(value.clone()).or_default();
            *count += 1;
            *count
        };
        // Before the script, so that a failure has something to undo.
        tx.execute(
            "INSERT INTO effects (who, partition_id, value) VALUES ($1, $2, $3)",
            params![self.who, record.partition, &value],
        )
        .await?;
        (self.script)(&value, attempt)
    }
}

/// The database is away.
pub(crate) fn away() -> HandlerError {
    StoreError::Commit { reason: "the disk is full".to_owned() }.into()
}
