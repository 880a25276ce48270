//! Groups as an operator sees them: how far they are, and setting that. And who of this process is on the way out.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use rdkafka::Offset;
use tokio::sync::watch;

use super::{Inner, LIMIT, native};
use crate::{GroupOffset, LogError, TopicPartition};

/// Groups that are asked for at once: each is a question of its own.
const AT_ONCE: usize = 16;
/// How long a member that was dropped may take to leave.
const LEAVE: Duration = Duration::from_secs(10);

/// A group, as the brokers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// Kafka's word for it: `Stable`, `Empty`, `PreparingRebalance` …
    pub state: String,
    /// Who is in it.
    pub members: Vec<GroupMember>,
}

/// A member of a group, as the brokers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub member: String,
    /// What its client calls itself.
    pub client: String,
    /// Where it connects from.
    pub host: String,
    /// What it owns.
    pub partitions: Vec<TopicPartition>,
}

/// The members of this process that were dropped and have not left yet, by group.
#[derive(Debug)]
pub(super) struct Leaving {
    counts: Mutex<HashMap<String, usize>>,
    changed: watch::Sender<()>,
}

impl Default for Leaving {
    fn default() -> Self {
        Self { counts: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

/// One member on the way out; it has left when this is dropped.
pub(super) struct Leave {
    leaving: Arc<Leaving>,
    group: String,
}

impl Leaving {
    pub(super) fn begin(self: &Arc<Self>, group: &str) -> Leave {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(group.to_owned()).or_default() += 1;
        Leave { leaving: Arc::clone(self), group: group.to_owned() }
    }

    /// Waits until those of this process that were told to leave have left, though not for ever.
    pub(super) async fn left(&self, group: &str) {
        let mut changed = self.changed.subscribe();
        let gone = async {
            while self.counts.lock().unwrap_or_else(PoisonError::into_inner).contains_key(group) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        drop(tokio::time::timeout(LEAVE, gone).await);
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut counts = self.leaving.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.group) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.group);
            }
        }
        drop(counts);
        self.leaving.changed.send_replace(());
    }
}

impl Inner {
    pub(super) async fn group_offsets(&self) -> Result<Vec<GroupOffset>, LogError> {
        const OPERATION: &str = "list the groups";
        let admin = Arc::clone(&self.admin);
        let groups = self.blocking(OPERATION, move || native::list_groups(admin.inner(), LIMIT)).await?;
        let committed: Vec<(String, Vec<(TopicPartition, u64)>)> =
            stream::iter(groups.into_iter().map(|group| self.committed(group)))
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
        let partitions: BTreeSet<TopicPartition> = committed
            .iter()
            .flat_map(|(_, offsets)| offsets.iter().map(|(partition, _)| partition.clone()))
            .collect();
        let ends = self.offsets(partitions.into_iter().collect(), Offset::End).await?;
        let mut all: Vec<GroupOffset> =
            committed.into_iter().flat_map(|(group, offsets)| with_ends(&group, offsets, &ends)).collect();
        all.sort_by(|one, other| (&one.group, &one.partition).cmp(&(&other.group, &other.partition)));
        Ok(all)
    }

    async fn committed(&self, group: String) -> Result<(String, Vec<(TopicPartition, u64)>), LogError> {
        let (admin, name) = (Arc::clone(&self.admin), group.clone());
        let offsets = self
            .blocking("read how far a group is", move || native::group_offsets(admin.inner(), &name, LIMIT))
            .await?;
        Ok((group, offsets))
    }

    pub(super) async fn describe(&self, group: &str) -> Result<GroupState, LogError> {
        let (admin, name) = (Arc::clone(&self.admin), group.to_owned());
        self.blocking("describe a group", move || native::describe_group(admin.inner(), &name, LIMIT)).await
    }

    pub(super) async fn reset(
        &self,
        group: &str,
        partition: TopicPartition,
        next_offset: u64,
    ) -> Result<(), LogError> {
        self.leaving.left(group).await;
        let (admin, name) = (Arc::clone(&self.admin), group.to_owned());
        let set = move || native::set_group_offset(admin.inner(), &name, &partition, next_offset, LIMIT);
        match tokio::task::spawn_blocking(set).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(LogError::set_offset(group, cause)),
            Err(_ended) => Err(LogError::Silent { operation: "set how far a group is" }),
        }
    }
}

/// A group's offsets, with where its partitions end; those of topics that are gone are left out.
fn with_ends(
    group: &str,
    offsets: Vec<(TopicPartition, u64)>,
    ends: &BTreeMap<TopicPartition, u64>,
) -> Vec<GroupOffset> {
    let with_end = |(partition, next_offset)| {
        let end_offset = *ends.get(&partition)?;
        Some(GroupOffset { group: group.to_owned(), partition, next_offset, end_offset })
    };
    offsets.into_iter().filter_map(with_end).collect()
}
