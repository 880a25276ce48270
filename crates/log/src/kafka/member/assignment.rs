//! What the group decides about a member, kept until the member follows it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    client::Client,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};

use super::super::client::{Listener, log};
use crate::TopicPartition;

/// A decision of the group; librdkafka waits until it is followed, and decides nothing else meanwhile.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// These are the member's now, beside what it has.
    Assigned(Vec<TopicPartition>),
    /// These are somebody else's as soon as the member gave them up.
    Revoked(Vec<TopicPartition>),
}

#[derive(Debug, Default)]
struct Decided {
    events: VecDeque<Event>,
    // The member is leaving: nobody follows any more, so decisions are followed at once.
    leaving: bool,
}

/// Listens to a client that is a member of a group.
#[derive(Debug, Default)]
pub(super) struct GroupContext {
    listener: Listener,
    decided: Mutex<Decided>,
}

impl GroupContext {
    fn decided(&self) -> MutexGuard<'_, Decided> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the client that calls back.
    pub(super) fn remember(&self, client: &Client<Self>, brokers: &[String]) {
        self.listener.0.bootstrap.remember(client, brokers);
    }

    /// Whether there is something to follow.
    pub(super) fn waits(&self) -> bool {
        !self.decided().events.is_empty()
    }

    /// What is to be followed next.
    pub(super) fn first(&self) -> Option<Event> {
        self.decided().events.front().cloned()
    }

    /// The first one was followed.
    pub(super) fn done(&self) {
        self.decided().events.pop_front();
    }

    /// From here on decisions are followed at once; answers those that were not.
    pub(super) fn leave(&self) -> Vec<Event> {
        let mut decided = self.decided();
        decided.leaving = true;
        decided.events.drain(..).collect()
    }
}

/// Partitions as librdkafka wants them, each with the offset at which it is to be read.
pub(super) fn list<'a>(
    partitions: impl IntoIterator<Item = (&'a TopicPartition, Offset)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        let number = i32::try_from(partition.partition).unwrap_or(i32::MAX);
        list.add_partition_offset(&partition.topic, number, offset)?;
    }
    Ok(list)
}

/// Says to librdkafka that a decision was followed, without reading anything.
pub(super) fn follow_idly<C: ConsumerContext>(client: &impl Consumer<C>, event: &Event) -> KafkaResult<()> {
    match event {
        Event::Assigned(partitions) => {
            client.incremental_assign(&list(partitions.iter().map(|partition| (partition, Offset::End)))?)
        }
        Event::Revoked(partitions) => client
            .incremental_unassign(&list(partitions.iter().map(|partition| (partition, Offset::Invalid)))?),
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.listener.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.listener.stats_raw(statistics);
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        client: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let partitions = partitions
            .elements()
            .iter()
            .filter_map(|element| {
                let partition = u32::try_from(element.partition()).ok()?;
                Some(TopicPartition { topic: element.topic().to_owned(), partition })
            })
            .collect();
        let event = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            Event::Assigned(partitions)
        } else {
            Event::Revoked(partitions)
        };
        let mut decided = self.decided();
        if !decided.leaving {
            decided.events.push_back(event);
            return;
        }
        drop(decided);
        if let Err(cause) = follow_idly(client, &event) {
            tracing::debug!(%cause, "a member that leaves could not give up its partitions");
        }
    }
}
