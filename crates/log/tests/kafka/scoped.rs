//! A log with names of its own on a broker that many tests share: the rules all speak of `orders`.

use async_trait::async_trait;
use tidings_log::{
    Ack, Drift, GroupOffset, KafkaLog, Log, LogError, LogPlace, Member, Polled, Produce, Start, Tail,
    TopicConfig, TopicName, TopicPartition, TopicState,
};
use tidings_model::Record;

#[derive(Debug)]
pub(crate) struct Scoped {
    pub(crate) log: KafkaLog,
    pub(crate) prefix: String,
}

impl Scoped {
    /// What cannot be a name is left as it is, to be refused.
    fn into(&self, name: &str) -> String {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let possible = !name.is_empty() && name != "." && name != ".." && name.bytes().all(letters);
        if possible { format!("{}{name}", self.prefix) } else { name.to_owned() }
    }

    fn of(&self, name: &str) -> String {
        name.strip_prefix(&self.prefix).unwrap_or(name).to_owned()
    }

    fn is_ours(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
    }

    fn partition_into(&self, partition: &TopicPartition) -> TopicPartition {
        TopicPartition { topic: self.into(&partition.topic), partition: partition.partition }
    }

    fn partition_of(&self, partition: &TopicPartition) -> TopicPartition {
        TopicPartition { topic: self.of(&partition.topic), partition: partition.partition }
    }

    fn place_of(&self, place: &LogPlace) -> LogPlace {
        LogPlace { topic: self.of(&place.topic), ..*place }
    }

    fn error_of(&self, error: LogError) -> LogError {
        if let LogError::UnknownTopic { topic } = error {
            return LogError::UnknownTopic { topic: self.of(&topic) };
        }
        if let LogError::UnknownPartition { topic, partition, partitions } = error {
            return LogError::UnknownPartition { topic: self.of(&topic), partition, partitions };
        }
        error
    }

    fn again(&self) -> Self {
        Self { log: self.log.clone(), prefix: self.prefix.clone() }
    }
}

fn records_of(scope: &Scoped, records: Vec<Record>) -> Vec<Record> {
    records.into_iter().map(|record| Record { topic: scope.of(&record.topic), ..record }).collect()
}

#[async_trait]
impl Log for Scoped {
    async fn ensure_topics(&self, specs: &[TopicConfig]) -> Result<Vec<Drift>, LogError> {
        let specs: Vec<_> = specs
            .iter()
            .map(|spec| TopicConfig {
                alias: self.into(&spec.alias),
                name: self.into(&spec.name),
                ..spec.clone()
            })
            .collect();
        let drift = self.log.ensure_topics(&specs).await?;
        Ok(drift.into_iter().map(|drift| Drift { topic: self.of(&drift.topic), ..drift }).collect())
    }

    async fn produce(&self, record: Produce) -> Result<LogPlace, LogError> {
        let record = Produce { topic: self.into(&record.topic), ..record };
        let place = self.log.produce(record).await.map_err(|error| self.error_of(error))?;
        Ok(self.place_of(&place))
    }

    fn enqueue(&self, record: Produce) -> Result<Ack, LogError> {
        let record = Produce { topic: self.into(&record.topic), ..record };
        let ack = self.log.enqueue(record).map_err(|error| self.error_of(error))?;
        let scope = self.again();
        Ok(Box::pin(async move { Ok(scope.place_of(&ack.await?)) }))
    }

    fn signal(&self, record: Produce) -> Result<(), LogError> {
        let record = Produce { topic: self.into(&record.topic), ..record };
        self.log.signal(record).map_err(|error| self.error_of(error))
    }

    fn topic(&self, name: &str) -> Option<TopicName> {
        let topic = self.log.topic(&self.into(name))?;
        Some(TopicName { name: self.of(&topic.name), ..topic })
    }

    async fn join(&self, group: &str, topics: &[String], start: Start) -> Result<Box<dyn Member>, LogError> {
        let topics: Vec<String> = topics.iter().map(|topic| self.into(topic)).collect();
        let member = self.log.join(&self.into(group), &topics, start).await;
        let member = member.map_err(|error| self.error_of(error))?;
        Ok(Box::new(ScopedMember { scope: self.again(), member }))
    }

    async fn tail(&self, partition: TopicPartition, start: Start) -> Result<Box<dyn Tail>, LogError> {
        let tail = self.log.tail(self.partition_into(&partition), start).await;
        let tail = tail.map_err(|error| self.error_of(error))?;
        Ok(Box::new(ScopedTail { scope: self.again(), tail }))
    }

    async fn topics(&self) -> Result<Vec<TopicState>, LogError> {
        let topics = self.log.topics().await?;
        let ours = topics.into_iter().filter(|topic| self.is_ours(&topic.name));
        Ok(ours.map(|topic| TopicState { name: self.of(&topic.name), ..topic }).collect())
    }

    async fn records(
        &self,
        partition: TopicPartition,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let records = self.log.records(self.partition_into(&partition), from, limit).await;
        Ok(records_of(self, records.map_err(|error| self.error_of(error))?))
    }

    async fn group_offsets(&self) -> Result<Vec<GroupOffset>, LogError> {
        let offsets = self.log.group_offsets().await?;
        let ours = offsets.into_iter().filter(|offset| self.is_ours(&offset.group));
        let of = |offset: GroupOffset| GroupOffset {
            group: self.of(&offset.group),
            partition: self.partition_of(&offset.partition),
            ..offset
        };
        Ok(ours.map(of).collect())
    }

    async fn reset(&self, group: &str, partition: TopicPartition, next_offset: u64) -> Result<(), LogError> {
        self.log.reset(&self.into(group), self.partition_into(&partition), next_offset).await
    }
}

struct ScopedMember {
    scope: Scoped,
    member: Box<dyn Member>,
}

#[async_trait]
impl Member for ScopedMember {
    async fn poll(&mut self, limit: usize) -> Result<Polled, LogError> {
        Ok(match self.member.poll(limit).await? {
            Polled::Assigned(partitions) => Polled::Assigned(
                partitions.iter().map(|partition| self.scope.partition_of(partition)).collect(),
            ),
            Polled::Records(records) => Polled::Records(records_of(&self.scope, records)),
        })
    }

    async fn commit(&mut self, places: &[(TopicPartition, u64)]) -> Result<(), LogError> {
        let places: Vec<_> =
            places.iter().map(|(partition, next)| (self.scope.partition_into(partition), *next)).collect();
        self.member.commit(&places).await
    }

    fn seek(&mut self, partition: &TopicPartition, offset: u64) {
        self.member.seek(&self.scope.partition_into(partition), offset);
    }

    fn pause(&mut self, partition: &TopicPartition) {
        self.member.pause(&self.scope.partition_into(partition));
    }

    fn resume(&mut self, partition: &TopicPartition) {
        self.member.resume(&self.scope.partition_into(partition));
    }
}

struct ScopedTail {
    scope: Scoped,
    tail: Box<dyn Tail>,
}

#[async_trait]
impl Tail for ScopedTail {
    async fn next(&mut self, limit: usize) -> Result<Vec<Record>, LogError> {
        Ok(records_of(&self.scope, self.tail.next(limit).await?))
    }

    fn position(&self) -> u64 {
        self.tail.position()
    }

    fn is_ahead(&self) -> bool {
        self.tail.is_ahead()
    }
}
