//! *Alone*: what consumers need beside their handlers, where no server provides it: a database, a log, and what runs
//! between the two.
//!
//! Two pairs: a SQLite file that holds the log as well, and any database beside Kafka. With Kafka, what leaves with a
//! transaction (dead letters, a handler's own events) waits in the outbox for the relay that runs here too.

use std::sync::Arc;

use tidings_log::{
    EmbeddedLog, KafkaLog, KafkaSettings, Log, LogError, TopicConfig,
    relay::{Relay, RelayOptions},
};
use tidings_model::Clock;
use tidings_store::{Appends, Database, Migration, Store, StoreError, StoreOptions};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Consumer, ConsumerError, Handler, Keeper, Observer, Options, Repeats, dead_letter_topic};

/// What a program that runs consumers alone decides.
pub struct Setup {
    /// The path of a SQLite file, or `postgres://user:password@host/name`, which works with Kafka only.
    pub database: String,
    /// The cluster that keeps the log; none keeps it in the SQLite file.
    pub kafka: Option<KafkaSettings>,
    /// The topics of the handlers. Those that are missing are made, and one for the dead letters of each.
    pub topics: Vec<TopicConfig>,
    /// The handlers' own tables.
    pub migrations: Vec<Migration>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How this process is called; each process that runs beside others has a name of its own.
    pub instance: String,
}

/// Why consumers could not begin, or ended.
#[derive(Debug, thiserror::Error)]
pub enum AloneError {
    /// There is no log in PostgreSQL.
    #[error("a PostgreSQL database works with Kafka alone: name its brokers, or use a SQLite file")]
    NeedsKafka,
    /// The database.
    #[error("the database could not be opened")]
    Store(#[from] StoreError),
    /// The log.
    #[error("the log could not be opened")]
    Log(#[from] LogError),
    /// A consumer.
    #[error("a consumer ended")]
    Consumer(#[from] ConsumerError),
}

/// A database and a log.
pub struct Alone {
    store: Store,
    log: Arc<dyn Log>,
    embedded: Option<EmbeddedLog>,
    clock: Arc<dyn Clock>,
    instance: String,
}

impl Alone {
    /// Opens the database and the log, and makes the topics that are missing. Topics that are there stay as they are.
    pub async fn open(setup: Setup) -> Result<Self, AloneError> {
        let Setup { database, kafka, mut topics, migrations, clock, instance } = setup;
        let mut options = StoreOptions::from_url(&database);
        if kafka.is_none() && matches!(options.database, Database::Postgres(_)) {
            return Err(AloneError::NeedsKafka);
        }
        options.appends = if kafka.is_some() { Appends::Outbox } else { Appends::Log };
        options.migrations = [crate::MIGRATIONS, &migrations].concat();
        let store = Store::open(&options)?;
        let dead: Vec<_> = topics.iter().map(dead_letters_of).collect();
        topics.extend(dead);
        let (log, embedded): (Arc<dyn Log>, _) = if let Some(settings) = kafka {
            let log = KafkaLog::connect(settings).await?;
            (Arc::new(log), None)
        } else {
            let embedded = EmbeddedLog::new(store.clone(), Arc::clone(&clock));
            (Arc::new(embedded.clone()), Some(embedded))
        };
        log.ensure_topics(&topics).await?;
        if embedded.is_none() {
            tidings_log::register(&store, &*log, &topics).await?;
        }
        Ok(Self { store, log, embedded, clock, instance })
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The log.
    pub fn log(&self) -> &Arc<dyn Log> {
        &self.log
    }

    /// Runs handlers, one consumer for each group, until `stop`; what is in hand is finished then. Where one consumer
    /// ends by itself, all do, and its reason is the answer.
    pub async fn run(
        &self,
        handlers: &[Arc<dyn Handler>],
        options: &Options,
        observer: &Arc<dyn Observer>,
        stop: CancellationToken,
    ) -> Result<(), AloneError> {
        let tasks = TaskTracker::new();
        // Also where this future is dropped, nothing of it goes on.
        let (until, keepers) = (stop.child_token(), CancellationToken::new());
        let _all_end = (until.clone().drop_guard(), keepers.clone().drop_guard());
        self.start_keepers(&tasks, &keepers);
        let mut consumers = Vec::new();
        for consumer in self.consumers(handlers, options, observer) {
            let until = until.clone();
            consumers.push(tasks.spawn(async move {
                let _others_end = until.clone().drop_guard();
                consumer.run(until).await
            }));
        }
        let mut ended = Ok(());
        for consumer in consumers {
            if let Ok(Err(cause)) = consumer.await {
                ended = ended.and(Err(cause.into()));
            }
        }
        // After the consumers, so that their last events still leave.
        keepers.cancel();
        tasks.close();
        tasks.wait().await;
        ended
    }

    /// What keeps the log, or takes events to it, and what forgets.
    fn start_keepers(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let keeper = Keeper { store: self.store.clone(), clock: Arc::clone(&self.clock) };
        tasks.spawn(keeper.run(stop.clone()));
        if let Some(embedded) = &self.embedded {
            tasks.spawn(embedded.clone().run_retention(EmbeddedLog::RETENTION_PAUSE, stop.clone()));
        } else {
            let relay = Relay {
                store: self.store.clone(),
                log: Arc::clone(&self.log),
                clock: Arc::clone(&self.clock),
                // Unlike that of every relay before it.
                name: format!("{}-{}-{}", self.instance, std::process::id(), self.clock.now().millis()),
                // Nobody else can open a file that this process has open.
                alone: self.store.path().is_some(),
                options: RelayOptions::default(),
            };
            tasks.spawn(relay.run(stop.clone()));
        }
    }

    fn consumers(
        &self,
        handlers: &[Arc<dyn Handler>],
        options: &Options,
        observer: &Arc<dyn Observer>,
    ) -> Vec<Consumer> {
        let mut groups: Vec<&str> = handlers.iter().map(|handler| handler.group()).collect();
        groups.sort_unstable();
        groups.dedup();
        // What a relay takes to the log it may take there twice.
        let repeats = if self.embedded.is_some() { Repeats::Foreign } else { Repeats::Unnumbered };
        let consumer = |group: &str| Consumer {
            group: group.into(),
            handlers: handlers.iter().filter(|handler| handler.group() == group).cloned().collect(),
            store: self.store.clone(),
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            options: Options { repeats, instance: Some(self.instance.clone()), ..options.clone() },
            observer: Arc::clone(observer),
        };
        groups.into_iter().map(consumer).collect()
    }
}

/// The topic for the dead letters of a topic: as many partitions, for twice as long.
fn dead_letters_of(topic: &TopicConfig) -> TopicConfig {
    TopicConfig {
        alias: dead_letter_topic(&topic.alias),
        name: dead_letter_topic(&topic.name),
        retention: topic.retention * 2,
        ..topic.clone()
    }
}
