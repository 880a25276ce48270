//! A member of a group. Its partitions change hands only while it polls: what it was told to give up it gives up
//! before it answers, and what it was given it begins to read with the poll after the one that told of it, so that
//! whoever polls can first say where ([`Member::seek`]).

mod assignment;
mod buffer;

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::Stream;
use rdkafka::{
    Offset,
    consumer::{CommitMode, Consumer, StreamConsumer},
    error::{KafkaError, KafkaResult},
};
use tidings_model::Record;
use tokio::task::JoinHandle;

use self::{
    assignment::{Event, GroupContext, follow_idly, list},
    buffer::Buffer,
};
use super::{
    Inner, LIMIT, native,
    read::{ready, record, serious},
    settings::{self, GroupProtocol},
};
use crate::{LogError, Member, Polled, Start, TopicPartition};

/// How long whoever polls waits for a commit: what it commits is only a copy, or is read again.
const COMMIT: Duration = Duration::from_secs(2);
/// How long librdkafka's own threads may take to obey; they do not wait for a broker.
const OBEY: Duration = Duration::from_secs(2);
/// How long a member that leaves waits for its group to share out what is on the way to it.
const SHARED_OUT: Duration = Duration::from_secs(8);
/// The pause between two looks at whether it has left.
const LOOK: Duration = Duration::from_millis(5);

type Client = StreamConsumer<GroupContext>;
/// Where each of some partitions begins.
type Begins = BTreeMap<TopicPartition, Offset>;

pub(super) struct KafkaMember {
    inner: Arc<Inner>,
    group: String,
    start: Start,
    // None only while it is dropped.
    client: Option<Arc<Client>>,
    // What it was told last; none before it was told anything.
    told: Option<Vec<TopicPartition>>,
    // Looking up where new partitions begin.
    lookup: Option<JoinHandle<Result<Begins, LogError>>>,
    // What was given to it and is not read yet: the next poll begins with it.
    begins: Option<Begins>,
    buffer: Buffer,
    // At most one commit is on its way.
    committing: Option<JoinHandle<KafkaResult<()>>>,
}

impl KafkaMember {
    pub(super) async fn join(
        inner: Arc<Inner>,
        group: &str,
        topics: &[String],
        start: Start,
    ) -> Result<Self, LogError> {
        const OPERATION: &str = "join a group";
        let mut names = Vec::with_capacity(topics.len());
        for topic in topics {
            names.push(inner.known(topic).await?.name);
        }
        inner.leaving.left(group).await;
        let config = settings::member(&inner.settings, group)?;
        let client: Client = config
            .create_with_context(GroupContext::default())
            .map_err(LogError::kafka_about(OPERATION, group))?;
        client.context().remember(client.client(), &inner.settings.brokers);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        client.subscribe(&names).map_err(LogError::kafka_about(OPERATION, group))?;
        Ok(Self {
            inner,
            group: group.to_owned(),
            start,
            client: Some(Arc::new(client)),
            told: None,
            lookup: None,
            begins: None,
            buffer: Buffer::default(),
            committing: None,
        })
    }

    fn client(&self) -> Result<Arc<Client>, LogError> {
        self.client.clone().ok_or(LogError::Silent { operation: "use a member that has left" })
    }

    /// Begins to read what it was given by an earlier poll.
    fn begin(&mut self, client: &Client) -> Result<(), LogError> {
        if let Some(begins) = &self.begins {
            let begins = list(begins.iter().map(|(partition, offset)| (partition, *offset)));
            begins
                .and_then(|begins| client.incremental_assign(&begins))
                .map_err(LogError::kafka("begin to read partitions"))?;
            self.begins = None;
        }
        Ok(())
    }

    /// Follows the group; what the member owns now, if that is something else than before. Cancel safe: a decision
    /// stays first in line until it was followed.
    async fn follow(&mut self, client: &Arc<Client>) -> Result<Option<Vec<TopicPartition>>, LogError> {
        let Some(event) = client.context().first() else { return Ok(None) };
        match &event {
            Event::Revoked(partitions) => {
                for partition in partitions {
                    self.buffer.remove(partition);
                }
                follow_idly(&**client, &event).map_err(LogError::kafka("give up partitions"))?;
            }
            Event::Assigned(partitions) => {
                let begins = self.look_up(client, partitions).await?;
                for partition in begins.keys() {
                    self.buffer.add(partition.clone());
                }
                self.begins = Some(begins);
            }
        }
        client.context().done();
        let owned = self.buffer.owned();
        if self.told.as_ref() == Some(&owned) {
            return Ok(None);
        }
        self.told = Some(owned.clone());
        Ok(Some(owned))
    }

    /// Where partitions begin. Cancel safe: a lookup that was begun is gone on with.
    async fn look_up(
        &mut self,
        client: &Arc<Client>,
        partitions: &[TopicPartition],
    ) -> Result<Begins, LogError> {
        let lookup = self.lookup.get_or_insert_with(|| {
            let (client, inner, start) = (Arc::clone(client), Arc::clone(&self.inner), self.start);
            let partitions = partitions.to_vec();
            tokio::task::spawn_blocking(move || begins(&client, &inner, partitions, start))
        });
        let found = lookup.await;
        self.lookup = None;
        found.unwrap_or(Err(LogError::Silent { operation: "find where a group is" }))
    }

    /// Takes in what lies ready, as far as there is room.
    fn take_in(&mut self, client: &Client) -> Result<(), LogError> {
        let mut stream = client.stream();
        while self.buffer.has_room() && !client.context().waits() {
            match ready(&mut stream) {
                Some(Ok(message)) => self.hold(client, record(&message))?,
                Some(Err(cause)) => serious(cause).map_or(Ok(()), Err)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Keeps a record until it is asked for.
    fn hold(&mut self, client: &Client, record: Record) -> Result<(), LogError> {
        let Some(partition) = self.buffer.push(record) else { return Ok(()) };
        let stopped = list([(&partition, Offset::Invalid)]).and_then(|list| client.pause(&list));
        stopped.map_err(LogError::kafka("pause a partition"))
    }

    /// Fetches again what was stopped and is asked for by now.
    fn refill(&mut self, client: &Client) -> Result<(), LogError> {
        while let Some(partition) = self.buffer.runs_low() {
            let resumed = list([(&partition, Offset::Invalid)]).and_then(|list| client.resume(&list));
            resumed.map_err(LogError::kafka("read a paused partition again"))?;
        }
        Ok(())
    }

    /// Waits for one more record, or for the group to decide something.
    async fn wait(&mut self, client: &Client) -> Result<(), LogError> {
        let mut stream = client.stream();
        let next = poll_fn(|context| {
            let polled = Pin::new(&mut stream).poll_next(context);
            match polled {
                Poll::Ready(next) => Poll::Ready(next.map(|next| next.map(|message| record(&message)))),
                // Decisions are made known within the poll above.
                Poll::Pending if client.context().waits() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        match next.await {
            Some(Ok(record)) => self.hold(client, record),
            Some(Err(cause)) => serious(cause).map_or(Ok(()), Err),
            None => Ok(()),
        }
    }
}

/// Where partitions begin: where the group is, or where it was told to begin if it is nowhere yet.
fn begins(
    client: &Client,
    inner: &Inner,
    partitions: Vec<TopicPartition>,
    start: Start,
) -> Result<Begins, LogError> {
    const OPERATION: &str = "find where a group is";
    let mut begins = Begins::new();
    if partitions.is_empty() {
        return Ok(begins);
    }
    let failed = |cause: KafkaError| LogError::kafka(OPERATION)(cause);
    let wanted = list(partitions.iter().map(|partition| (partition, Offset::Invalid))).map_err(failed)?;
    let committed = client.committed_offsets(wanted, LIMIT).map_err(failed)?;
    let mut nowhere = Vec::new();
    for partition in partitions {
        let number = i32::try_from(partition.partition).unwrap_or(i32::MAX);
        let place = committed.find_partition(&partition.topic, number);
        if let Some(place) = &place {
            place.error().map_err(failed)?;
        }
        match place.map(|place| place.offset()) {
            Some(offset @ Offset::Offset(_)) => {
                begins.insert(partition, offset);
            }
            Some(
                Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_),
            )
            | None => nowhere.push(partition),
        }
    }
    let told = match start {
        Start::Earliest => Some(Offset::Beginning),
        Start::At(offset) => Some(Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX))),
        Start::Latest => None,
    };
    if let Some(told) = told {
        begins.extend(nowhere.into_iter().map(|partition| (partition, told)));
    } else {
        // The end as it is now, before the member is told that the partition is its own.
        let ends = native::list_offsets(inner.admin.inner(), &nowhere, Offset::End, LIMIT).map_err(failed)?;
        let ends: BTreeMap<_, _> = ends.into_iter().collect();
        for partition in nowhere {
            let end = ends.get(&partition).ok_or(LogError::Silent { operation: OPERATION })?;
            begins.insert(partition, Offset::Offset(i64::try_from(*end).unwrap_or(i64::MAX)));
        }
    }
    Ok(begins)
}

#[async_trait]
impl Member for KafkaMember {
    async fn poll(&mut self, limit: usize) -> Result<Polled, LogError> {
        let client = self.client()?;
        loop {
            self.begin(&client)?;
            if let Some(owned) = self.follow(&client).await? {
                return Ok(Polled::Assigned(owned));
            }
            if self.begins.is_some() {
                continue;
            }
            self.refill(&client)?;
            self.take_in(&client)?;
            if client.context().waits() {
                continue;
            }
            if let Some(records) = self.buffer.next_run(limit) {
                return Ok(Polled::Records(records));
            }
            self.wait(&client).await?;
        }
    }

    async fn commit(&mut self, places: &[(TopicPartition, u64)]) -> Result<(), LogError> {
        const OPERATION: &str = "commit how far a group is";
        let client = self.client()?;
        let places = places
            .iter()
            .map(|(partition, next)| (partition, Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX))));
        let places = list(places).map_err(LogError::kafka(OPERATION))?;
        let commit = async {
            // One that was not waited for to its end comes first.
            if let Some(earlier) = &mut self.committing {
                drop(earlier.await);
            }
            let committing = self
                .committing
                .insert(tokio::task::spawn_blocking(move || client.commit(&places, CommitMode::Sync)));
            let committed = committing.await;
            self.committing = None;
            committed
        };
        match tokio::time::timeout(COMMIT, commit).await {
            Ok(Ok(committed)) => committed.map_err(LogError::kafka_about(OPERATION, &self.group)),
            Ok(Err(_)) | Err(_) => Err(LogError::Silent { operation: OPERATION }),
        }
    }

    fn seek(&mut self, partition: &TopicPartition, offset: u64) {
        let place = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
        if let Some(begin) = self.begins.as_mut().and_then(|begins| begins.get_mut(partition)) {
            *begin = place;
            return;
        }
        let Some(client) = self.client.clone().filter(|_| self.buffer.owns(partition)) else { return };
        self.buffer.clear(partition);
        let number = i32::try_from(partition.partition).unwrap_or(i32::MAX);
        let sought = client.seek(&partition.topic, number, place, OBEY);
        // One that is not being read yet cannot be moved, only begun anew.
        let moved = sought.or_else(|_not_yet| {
            client.incremental_unassign(&list([(partition, Offset::Invalid)])?)?;
            client.incremental_assign(&list([(partition, place)])?)
        });
        if let Err(cause) = moved {
            let TopicPartition { topic, partition } = partition;
            tracing::error!(%cause, topic, partition, offset, "a partition could not be read from elsewhere");
        }
    }

    fn pause(&mut self, partition: &TopicPartition) {
        self.buffer.pause(partition);
    }

    fn resume(&mut self, partition: &TopicPartition) {
        self.buffer.resume(partition);
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let leave = self.inner.leaving.begin(&self.group);
        let begins = self.begins.take().map(|begins| Event::Assigned(begins.into_keys().collect()));
        let protocol = self.inner.settings.group_protocol;
        // Leaving waits for the broker, so it has a thread of its own.
        let leaving = std::thread::Builder::new().name("kafka-leave".to_owned()).spawn(move || {
            for event in begins.into_iter().chain(client.context().leave()) {
                if let Err(cause) = follow_idly(&*client, &event) {
                    tracing::debug!(%cause, "a member that leaves could not follow its group");
                }
            }
            if protocol == GroupProtocol::Classic {
                unsubscribe(&client);
            }
            drop(client);
            drop(leave);
        });
        if let Err(cause) = leaving {
            tracing::warn!(%cause, "a member could not leave its group; it is thrown out when its session ends");
        }
    }
}

/// Leaves the group before the client closes. One that closes while it waits for its share stays in the group until its
/// session ends, and the answer that comes after all may end the process (librdkafka 2.12).
fn unsubscribe(client: &Client) {
    client.unsubscribe();
    let end = Instant::now() + SHARED_OUT;
    let mut stream = client.stream();
    while native::is_member(client.client()) && Instant::now() < end {
        // What it is told meanwhile is followed within this.
        if ready(&mut stream).is_none() {
            std::thread::sleep(LOOK);
        }
    }
}
