//! Topics on Kafka: made at start from what features ask for, reported when they differ, never changed silently; and
//! which topics this process met, so that nobody has to ask twice.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rdkafka::{
    Offset,
    admin::{AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication},
    error::{KafkaError, RDKafkaErrorCode as Code},
    metadata::Metadata,
};
use tokio::time::Instant;

use super::{Inner, LIMIT, failure, native, settings::RECORD_BYTES};
use crate::{Drift, LogError, PartitionState, TopicConfig, TopicName, TopicPartition, TopicState};

/// How long a topic that was made may take to be known by the brokers, and a partition to get a leader.
const SPREAD: Duration = Duration::from_secs(10);
/// The pause between two looks whether it is.
const LOOK: Duration = Duration::from_millis(50);

/// The topics that this process met, by the names it may be asked for.
#[derive(Debug, Default)]
pub(super) struct Met(RwLock<HashMap<String, TopicName>>);

impl Met {
    pub(super) fn get(&self, name: &str) -> Option<TopicName> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn insert(&self, name: &str, topic: TopicName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), topic);
    }
}

/// The cluster as its brokers tell it.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) brokers: usize,
    // Topic → how many partitions; our own alone, not Kafka's internal ones.
    pub(super) topics: BTreeMap<String, u32>,
    // Topics that exist, as far as we may know, and why we know no more.
    refused: BTreeMap<String, Code>,
}

impl From<&Metadata> for Cluster {
    fn from(metadata: &Metadata) -> Self {
        let mut cluster = Self { brokers: metadata.brokers().len(), ..Self::default() };
        for topic in metadata.topics() {
            let name = topic.name().to_owned();
            match topic.error().map(Code::from) {
                Some(code) if failure::meaning(code) == failure::Meaning::Refused => {
                    cluster.refused.insert(name, code);
                }
                Some(_) => {}
                None if name.starts_with("__") => {}
                None => {
                    cluster.topics.insert(name, u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX));
                }
            }
        }
        cluster
    }
}

impl Inner {
    /// Asks the brokers; all topics, because asking for one might make it.
    pub(super) async fn cluster(&self) -> Result<Cluster, LogError> {
        let admin = Arc::clone(&self.admin);
        self.blocking("ask for its topics", move || {
            admin.inner().fetch_metadata(None, LIMIT).map(|metadata| Cluster::from(&metadata))
        })
        .await
    }

    /// A topic by any of its names; asks the brokers for one that was not met.
    pub(super) async fn known(&self, name: &str) -> Result<TopicName, LogError> {
        if let Some(topic) = self.met.get(name) {
            return Ok(topic);
        }
        for (name, partitions) in self.cluster().await?.topics {
            self.met.insert(&name.clone(), TopicName { name, partitions });
        }
        self.met.get(name).ok_or_else(|| LogError::UnknownTopic { topic: name.to_owned() })
    }

    /// The same for one partition of it; the answer has the name in the log.
    pub(super) async fn known_partition(&self, asked: &TopicPartition) -> Result<TopicPartition, LogError> {
        let TopicName { name, partitions } = self.known(&asked.topic).await?;
        if asked.partition >= partitions {
            return Err(LogError::UnknownPartition { topic: name, partition: asked.partition, partitions });
        }
        Ok(TopicPartition { topic: name, partition: asked.partition })
    }

    pub(super) async fn ensure(&self, specs: &[TopicConfig]) -> Result<Vec<Drift>, LogError> {
        for spec in specs {
            spec.check()?;
        }
        let mut cluster = self.cluster().await?;
        let (found, missing): (Vec<&TopicConfig>, Vec<&TopicConfig>) =
            specs.iter().partition(|spec| cluster.topics.contains_key(&spec.name));
        if !missing.is_empty() {
            self.make(&missing, cluster.brokers).await?;
            cluster = self.spread(&missing).await?;
        }
        let drift = self.drift(&found, &cluster).await?;
        for spec in specs {
            let Some(&partitions) = cluster.topics.get(&spec.name) else { continue };
            let topic = TopicName { name: spec.name.clone(), partitions };
            self.met.insert(&spec.name, topic.clone());
            self.met.insert(&spec.alias, topic);
        }
        Ok(drift)
    }

    async fn make(&self, specs: &[&TopicConfig], brokers: usize) -> Result<(), LogError> {
        const OPERATION: &str = "make a topic";
        let usual = i32::try_from(brokers.clamp(1, 3)).unwrap_or(3);
        let replication = match self.settings.replication {
            Some(wanted) => i32::try_from(wanted).unwrap_or(i32::MAX),
            None => usual,
        };
        let settings: Vec<_> = specs.iter().map(|spec| settings_of(spec, replication)).collect();
        let topics: Vec<_> = specs
            .iter()
            .zip(&settings)
            .map(|(spec, settings)| {
                let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
                let topic = NewTopic::new(&spec.name, partitions, TopicReplication::Fixed(replication));
                settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        let options = AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT));
        let made = self.admin.create_topics(&topics, &options).await.map_err(LogError::kafka(OPERATION))?;
        for (topic, code) in made.into_iter().filter_map(Result::err) {
            // Another process may have been quicker.
            if code == Code::InvalidReplicationFactor {
                return Err(LogError::Setting {
                    key: "replication".to_owned(),
                    reason: format!(
                        "topic `{topic}` cannot have {replication} copies on {brokers} brokers; set it lower, or \
                         start more brokers"
                    ),
                });
            }
            if code != Code::TopicAlreadyExists {
                return Err(LogError::kafka_about(OPERATION, &topic)(KafkaError::AdminOp(code)));
            }
        }
        Ok(())
    }

    /// Waits until the brokers know what was made.
    async fn spread(&self, specs: &[&TopicConfig]) -> Result<Cluster, LogError> {
        let end = Instant::now() + SPREAD;
        loop {
            let cluster = self.cluster().await?;
            let Some(missing) = specs.iter().find(|spec| !cluster.topics.contains_key(&spec.name)) else {
                return Ok(cluster);
            };
            if Instant::now() >= end {
                const OPERATION: &str = "find a topic that was made";
                let code =
                    cluster.refused.get(&missing.name).copied().unwrap_or(Code::TopicAuthorizationFailed);
                return Err(LogError::kafka_about(OPERATION, &missing.name)(KafkaError::MetadataFetch(code)));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn drift(&self, specs: &[&TopicConfig], cluster: &Cluster) -> Result<Vec<Drift>, LogError> {
        let kept = self.kept(specs.iter().map(|spec| spec.name.as_str())).await?;
        let mut drift = Vec::new();
        for spec in specs {
            let mut differs = |what: String| drift.push(Drift { topic: spec.name.clone(), what });
            let partitions = cluster.topics.get(&spec.name).copied().unwrap_or_default();
            if partitions != spec.partitions {
                differs(format!("has {partitions} partitions, wanted {}", spec.partitions));
            }
            let Some(kept) = kept.get(&spec.name) else { continue };
            if kept.ms != spec.retention_ms() {
                differs(format!("keeps records for {} ms, wanted {} ms", kept.ms, spec.retention_ms()));
            }
            let wanted = partition_bytes(spec);
            if kept.partition_bytes != wanted {
                let say = |bytes: Option<u64>| bytes.map_or("all".to_owned(), |bytes| bytes.to_string());
                let total = wanted.map(|_bytes| spec.retention_bytes);
                let has = kept.partition_bytes.map(|bytes| bytes.saturating_mul(partitions.into()));
                differs(format!("keeps {} bytes, wanted {}", say(has), say(total)));
            }
        }
        Ok(drift)
    }

    /// What the brokers keep of these topics; one that does not say is left out.
    async fn kept(&self, topics: impl Iterator<Item = &str>) -> Result<HashMap<String, Kept>, LogError> {
        let resources: Vec<_> = topics.map(ResourceSpecifier::Topic).collect();
        if resources.is_empty() {
            return Ok(HashMap::new());
        }
        let options = AdminOptions::new().request_timeout(Some(LIMIT));
        let described = self.admin.describe_configs(&resources, &options).await;
        let described = described.map_err(LogError::kafka("read the settings of topics"))?;
        Ok(described.into_iter().filter_map(Result::ok).filter_map(|resource| kept_of(&resource)).collect())
    }

    pub(super) async fn list_topics(&self) -> Result<Vec<TopicState>, LogError> {
        let topics = self.cluster().await?.topics;
        let partitions: Vec<TopicPartition> = topics
            .iter()
            .flat_map(|(topic, count)| {
                (0..*count).map(|partition| TopicPartition { topic: topic.clone(), partition })
            })
            .collect();
        let (first, next, kept) = tokio::try_join!(
            self.offsets(partitions.clone(), Offset::Beginning),
            self.offsets(partitions, Offset::End),
            self.kept(topics.keys().map(String::as_str)),
        )?;
        let state = |(name, count): (String, u32)| {
            let partitions = (0..count).filter_map(|partition| {
                let of = TopicPartition { topic: name.clone(), partition };
                let (first_offset, next_offset) = (*first.get(&of)?, *next.get(&of)?);
                Some(PartitionState { partition, first_offset, next_offset, bytes: None })
            });
            let partitions: Vec<_> = partitions.collect();
            let kept = kept.get(&name).copied().unwrap_or_default();
            let retention_bytes = kept.partition_bytes.map_or(0, |bytes| bytes.saturating_mul(count.into()));
            TopicState { name, partitions, retention_ms: kept.ms, retention_bytes }
        };
        Ok(topics.into_iter().map(state).collect())
    }

    /// Where partitions begin or end. A partition without a leader gets one soon; one that still has none after a
    /// while is left out, unless it is the only one.
    pub(super) async fn offsets(
        &self,
        partitions: Vec<TopicPartition>,
        which: Offset,
    ) -> Result<BTreeMap<TopicPartition, u64>, LogError> {
        let end = Instant::now() + SPREAD;
        loop {
            let (admin, asked) = (Arc::clone(&self.admin), partitions.clone());
            let found = self
                .blocking("find where partitions begin and end", move || {
                    native::list_offsets(admin.inner(), &asked, which, LIMIT)
                })
                .await;
            match found {
                Ok(found) if found.len() >= partitions.len() || Instant::now() >= end => {
                    return Ok(found.into_iter().collect());
                }
                Err(cause) if !cause.is_away() || Instant::now() >= end => return Err(cause),
                Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
            }
            // The client asks those whom it holds for the leaders; this makes it look again.
            drop(self.cluster().await);
        }
    }
}

/// What a topic keeps.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    ms: u64,
    // Of each partition; none is all.
    partition_bytes: Option<u64>,
}

fn kept_of(resource: &ConfigResource) -> Option<(String, Kept)> {
    let rdkafka::admin::OwnedResourceSpecifier::Topic(name) = &resource.specifier else { return None };
    let number = |key: &str| resource.get(key)?.value.as_deref()?.parse::<i64>().ok();
    // Kafka's -1 is "for ever".
    let ms = u64::try_from(number("retention.ms")?).unwrap_or(u64::MAX);
    Some((
        name.clone(),
        Kept { ms, partition_bytes: number("retention.bytes").and_then(|bytes| u64::try_from(bytes).ok()) },
    ))
}

/// How many bytes each partition is to keep: its part of the topic's; all of them with the usual bound, which is that
/// of the one file.
fn partition_bytes(spec: &TopicConfig) -> Option<u64> {
    let bounded = spec.retention_bytes != TopicConfig::RETENTION_BYTES;
    bounded.then(|| spec.retention_bytes.div_ceil(spec.partitions.max(1).into()))
}

/// The settings with which a topic is made.
fn settings_of(spec: &TopicConfig, replication: i32) -> Vec<(&'static str, String)> {
    // Kafka deletes whole segments, the one it writes to never.
    const SEGMENT: Duration = Duration::from_hours(24);
    let mut settings = vec![
        ("retention.ms", spec.retention_ms().to_string()),
        ("retention.bytes", partition_bytes(spec).map_or("-1".to_owned(), |bytes| bytes.to_string())),
        ("max.message.bytes", RECORD_BYTES.to_string()),
        ("min.insync.replicas", if replication >= 2 { "2" } else { "1" }.to_owned()),
        ("cleanup.policy", "delete".to_owned()),
    ];
    if spec.retention < SEGMENT {
        settings.push(("segment.ms", spec.retention_ms().max(10_000).to_string()));
    }
    settings
}
