//! Signals in this process: each topic of them is read from its end, and the hub shows them to who listens.

use std::{sync::Arc, time::Duration};

use tidings::Signal;
use tidings_gateway::Hub;
use tidings_log::{Log, LogError, Start, Tail, TopicPartition};
use tidings_model::Clock;
use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How often the passing of time is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// The pause before a tail that broke is opened again.
const AGAIN: Duration = Duration::from_secs(1);
/// Records that are read at once.
const RUN: usize = 256;

/// Reads the signals of one topic.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) signal: Arc<dyn Signal>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Reader {
    /// Opens the topic at its end, so that no later signal is missed, and begins to read it.
    pub(crate) async fn start(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let Some(topic) = self.log.topic(self.signal.topic()) else { return };
        for partition in 0..topic.partitions {
            let partition = TopicPartition { topic: topic.name.clone(), partition };
            let tail = self.open(&partition).await;
            tasks.spawn(self.clone().read(partition, tail, stop.clone()));
        }
        tasks.spawn(self.watch(stop.clone()));
    }

    async fn open(&self, partition: &TopicPartition) -> Option<Box<dyn Tail>> {
        let opened = self.log.tail(partition.clone(), Start::Latest).await;
        opened.inspect_err(|cause| broken(partition, cause)).ok()
    }

    /// Shows what comes. A tail that breaks begins again at the end: what passed meanwhile is worth nothing.
    async fn read(self, partition: TopicPartition, mut tail: Option<Box<dyn Tail>>, stop: CancellationToken) {
        loop {
            let read = async {
                match &mut tail {
                    Some(open) => Some(open.next(RUN).await),
                    None => None,
                }
            };
            let records = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                records = read => records,
            };
            match records {
                Some(Ok(records)) => {
                    let now = self.clock.now();
                    for frame in records.iter().filter_map(|record| self.signal.take(record, now)) {
                        self.hub.signal(&frame);
                    }
                    continue;
                }
                Some(Err(cause)) => broken(&partition, &cause),
                None => {}
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
            tail = self.open(&partition).await;
        }
    }

    /// Shows what the passing of time does.
    async fn watch(self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _at = looks.tick() => {}
            }
            for frame in self.signal.pass(self.clock.now()) {
                self.hub.signal(&frame);
            }
        }
    }
}

fn broken(partition: &TopicPartition, cause: &LogError) {
    tracing::debug!(topic = partition.topic, partition = partition.partition, %cause, "signals could not be read");
}
