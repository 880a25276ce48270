//! Members of a group that read until they are stopped, and what is seen of it: nothing is lost, and nobody reads what
//! is another's.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidings_log::{KafkaLog, Log, Polled, Start, TopicPartition};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long what must happen may take; brokers are killed and started again meanwhile.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// What all members of a test read together.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Read>);

#[derive(Debug, Default)]
struct Read {
    // Who was told last that a partition is its own.
    owners: HashMap<TopicPartition, usize>,
    // Place → how often it was read.
    places: BTreeMap<(u32, u64), usize>,
}

impl Seen {
    fn read(&self) -> MutexGuard<'_, Read> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many places were read, and how many readings were repeats.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let read = self.read();
        (read.places.len(), read.places.values().map(|times| times - 1).sum())
    }

    /// Whether this place was read.
    pub(crate) fn has(&self, partition: u32, offset: u64) -> bool {
        self.read().places.contains_key(&(partition, offset))
    }

    /// What each member holds, by how many partitions.
    pub(crate) fn shares(&self) -> BTreeMap<usize, usize> {
        let mut shares = BTreeMap::new();
        for owner in self.read().owners.values() {
            *shares.entry(*owner).or_default() += 1;
        }
        shares
    }

    /// Waits until this holds.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(LIMIT, waiting).await;
        assert!(waited.is_ok(), "{what}: {:?}, {:?}", self.counts(), self.shares());
    }

    fn told(&self, member: usize, partitions: &[TopicPartition]) {
        let mut read = self.read();
        for partition in partitions {
            read.owners.insert(partition.clone(), member);
        }
    }

    fn note(&self, member: usize, of: &TopicPartition, offsets: impl Iterator<Item = u64>) {
        let mut read = self.read();
        assert_eq!(read.owners.get(of), Some(&member), "{of:?} is another's");
        for offset in offsets {
            *read.places.entry((of.partition, offset)).or_default() += 1;
        }
    }
}

/// A member that reads and commits until it is stopped; it leaves with the end of its task.
pub(crate) async fn read(
    log: KafkaLog,
    topic: String,
    member: usize,
    seen: Arc<Seen>,
    stop: CancellationToken,
) {
    let mut joined = log.join(&format!("{topic}-group"), &[topic], Start::Earliest).await.expect("it joins");
    loop {
        let polled = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            polled = joined.poll(50) => polled,
        };
        match polled {
            Ok(Polled::Assigned(partitions)) => seen.told(member, &partitions),
            Ok(Polled::Records(records)) => {
                let of = TopicPartition { topic: records[0].topic.clone(), partition: records[0].partition };
                let offsets: Vec<u64> = records.iter().map(|record| record.offset).collect();
                assert!(offsets.is_sorted(), "{offsets:?}");
                seen.note(member, &of, offsets.iter().copied());
                let next = offsets[offsets.len() - 1] + 1;
                match joined.commit(&[(of, next)]).await {
                    // A group that changes takes no commits; what was not committed is read again.
                    Ok(()) => {}
                    Err(cause) => {
                        assert!(cause.is_away(), "{cause}: {:?}", std::error::Error::source(&cause));
                    }
                }
            }
            Err(cause) => assert!(cause.is_away(), "{cause}"),
        }
    }
}

/// Members that come and go.
pub(crate) struct Party {
    log: KafkaLog,
    topic: String,
    pub(crate) seen: Arc<Seen>,
    members: Vec<CancellationToken>,
    tasks: TaskTracker,
}

impl Party {
    pub(crate) fn new(log: &KafkaLog, topic: &str) -> Self {
        Self {
            log: log.clone(),
            topic: topic.to_owned(),
            seen: Arc::default(),
            members: Vec::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// One more; its number.
    pub(crate) fn come(&mut self) -> usize {
        let (member, stop) = (self.members.len(), CancellationToken::new());
        self.members.push(stop.clone());
        self.tasks.spawn(read(self.log.clone(), self.topic.clone(), member, Arc::clone(&self.seen), stop));
        member
    }

    /// One leaves.
    pub(crate) fn go(&self, member: usize) {
        self.members[member].cancel();
    }

    /// All leave.
    pub(crate) async fn end(self) {
        for member in &self.members {
            member.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}
