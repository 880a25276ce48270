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

/// Between two looks at how far the topic is.
const LOOK: Duration = Duration::from_millis(20);

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
        let begun = Instant::now();
        let all_are_there = async {
            while lie_there(&*log, &target.topic).await? < target.records {
                tokio::time::sleep(LOOK).await;
            }
            Ok::<_, Failure>(begun.elapsed())
        };
        tokio::select! {
            () = relay.run(CancellationToken::new()) => Err("the relay ended".into()),
            took = all_are_there => took,
        }
    })?;
    tell(&took.as_secs_f64().to_string())
}

/// Records of a topic.
async fn lie_there(log: &dyn Log, topic: &str) -> Result<u64, Failure> {
    let topics = log.topics().await?;
    let partitions =
        topics.into_iter().filter(|found| found.name == topic).flat_map(|found| found.partitions);
    Ok(partitions.map(|partition| partition.next_offset).sum())
}
