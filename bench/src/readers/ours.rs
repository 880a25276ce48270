//! Our consumer, alone beside Kafka, with a handler that does nothing.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tidings_consumer::{
    Alone, Handler, HandlerError, Logged, Observer, Options, Setup, async_trait,
    log::{KafkaSettings, TopicConfig},
    store::StoreError,
};
use tidings_model::{Record, SystemClock};
use tidings_store::{Store, Tx, params};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Source, Span};
use crate::Failure;

/// The name that the handlers here know their topic by.
pub(super) const RECORDS: &str = "records";
/// Partitions of the topic.
pub(crate) const PARTITIONS: u32 = 6;
/// Between two looks whether the last place is committed.
const LOOK: Duration = Duration::from_millis(2);

/// Does nothing; counts what it was given.
#[derive(Default)]
struct Nothing {
    handled: AtomicU64,
    begun: Notify,
}

#[async_trait]
impl Handler for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn topic(&self) -> &'static str {
        RECORDS
    }

    fn group(&self) -> &'static str {
        "bench"
    }

    async fn handle(&self, _record: &Record, _tx: &Tx) -> Result<(), HandlerError> {
        if self.handled.fetch_add(1, Ordering::Relaxed) == 0 {
            self.begun.notify_one();
        }
        Ok(())
    }
}

/// The topic and a fresh database.
pub(super) async fn open(source: &Source, folder: &Path) -> Result<Alone, Failure> {
    let alone = Alone::open(Setup {
        database: folder.join("bench.db").to_string_lossy().into_owned(),
        kafka: Some(KafkaSettings {
            group_prefix: source.group("ours"),
            ..KafkaSettings::at(source.brokers.split(','))
        }),
        topics: vec![TopicConfig {
            alias: RECORDS.to_owned(),
            ..TopicConfig::named(&source.topic, PARTITIONS)
        }],
        migrations: Vec::new(),
        clock: Arc::new(SystemClock),
        instance: "bench".to_owned(),
    });
    Ok(alone.await?)
}

pub(super) fn read(source: &Source, folder: &Path) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut span = Span::default();
    runtime.block_on(async {
        let alone = open(source, folder).await?;
        let nothing = Arc::new(Nothing::default());
        let handlers: [Arc<dyn Handler>; 1] = [Arc::clone(&nothing) as Arc<dyn Handler>];
        let observer: Arc<dyn Observer> = Arc::new(Logged);
        let (options, stop) = (Options::default(), CancellationToken::new());
        let done = async {
            nothing.begun.notified().await;
            span.begin();
            while nothing.handled.load(Ordering::Relaxed) < source.records
                || committed(alone.store()).await? < source.records
            {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, Failure>(())
        };
        tokio::select! {
            ended = alone.run(&handlers, &options, &observer, stop.clone()) => Ok(ended?),
            done = done => done,
        }
    })?;
    span.tell()
}

/// Records that progress has passed.
async fn committed(store: &Store) -> Result<u64, StoreError> {
    let read = store.read(|tx| async move {
        tx.one("SELECT COALESCE(SUM(next_offset), 0) FROM consumer_progress", params![]).await?.get(0)
    });
    read.await
}
