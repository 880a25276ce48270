//! The relay, alone with an outbox and a broker.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidings_log::{
    KafkaLog, KafkaSettings, Log, TopicConfig,
    relay::{Relay, RelayOptions},
};
use tidings_model::SystemClock;
use tidings_store::{Store, StoreOptions};
use tokio_util::sync::CancellationToken;

use super::{PARTITIONS, Target};
use crate::{Failure, process::tell};

/// Between two looks at how far the topic is; seldom, for a look costs this process something.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn send(target: &Target, database: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let took = runtime.block_on(async {
        let log = KafkaLog::connect(KafkaSettings::at(target.brokers.split(','))).await?;
        log.ensure_topics(&[TopicConfig::named(&target.topic, PARTITIONS)]).await?;
        let log: Arc<dyn Log> = Arc::new(log);
        let relay = Relay {
            store: Store::open(&StoreOptions::postgres(database.to_owned()))?,
            log: Arc::clone(&log),
            clock: Arc::new(SystemClock),
            name: target.topic.clone(),
            alone: false,
            options: RelayOptions::default(),
        };
        let (begun, stop) = (Instant::now(), CancellationToken::new());
        let watched = async {
            let seen = all_lie_there(&*log, target).await;
            let took = begun.elapsed();
            // What is left are marks; the next relay here would send these events again.
            stop.cancel();
            seen.map(|()| took)
        };
        let ((), took) = tokio::join!(relay.run(stop.clone()), watched);
        took
    })?;
    tell(&took.as_secs_f64().to_string())
}

/// Waits until the topic has all records.
async fn all_lie_there(log: &dyn Log, target: &Target) -> Result<(), Failure> {
    loop {
        let topics = log.topics().await?;
        let ours = topics.iter().find(|topic| topic.name == target.topic);
        let partitions = ours.into_iter().flat_map(|topic| &topic.partitions);
        if partitions.map(|partition| partition.next_offset).sum::<u64>() >= target.records {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
}
