//! The other keeper: Kafka, by librdkafka.
//!
//! Three producers, for the relay, for direct records and for signals, and one client for questions in a process, one client for each group it is a member of, and one for
//! each tail. Every setting that a promise rests on is ours; `settings` says which.

mod client;
mod failure;
mod groups;
mod member;
mod native;
mod produce;
mod read;
mod settings;
mod statistics;
mod tail;
mod topics;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use async_trait::async_trait;
use rdkafka::{
    ClientConfig,
    admin::AdminClient,
    error::KafkaError,
    producer::{FutureProducer, Producer as _},
};
use tidings_model::Record;
use tokio::time::Instant;

pub use groups::{GroupMember, GroupState};
pub use settings::{GroupProtocol, KafkaSecurity, KafkaSettings};

use self::{
    client::Listener,
    failure::{Meaning, code_of, meaning},
    groups::Leaving,
    native::name_brokers,
    read::Looker,
    topics::Met,
};
use crate::{
    Ack, DirectAck, Drift, GroupOffset, Log, LogError, LogPlace, Member, Produce, Start, Tail, TopicConfig,
    TopicName, TopicPartition, TopicState,
};

/// How long the brokers may take to answer a question.
const LIMIT: Duration = Duration::from_secs(10);
/// How long the first question is asked again and again.
const CONNECT: Duration = Duration::from_secs(15);
/// One try of it.
const TRY: Duration = Duration::from_secs(1);
/// How long the producer may take to get its id; without it, its first record waits.
const WARM_UP: Duration = Duration::from_secs(5);

/// The log on Kafka.
#[derive(Clone)]
pub struct KafkaLog(Arc<Inner>);

/// What all clones share.
struct Inner {
    settings: KafkaSettings,
    admin: Arc<AdminClient<Listener>>,
    // None for those who only look.
    producer: Option<FutureProducer<Listener>>,
    // For direct records.
    direct: Option<FutureProducer<Listener>>,
    // For signals.
    signals: Option<FutureProducer<Listener>>,
    met: Met,
    looker: Looker,
    leaving: Arc<Leaving>,
    // Where the next record without a key goes.
    spread: AtomicU32,
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Connects: checks the settings, that the brokers are there and know us, and that the producer is ready for its
    /// first record. Fails within 20 s with a sentence that says what to do.
    pub async fn connect(settings: KafkaSettings) -> Result<Self, LogError> {
        let listener = Listener::default();
        let producer: FutureProducer<Listener> =
            settings::producer(&settings)?.create_with_context(listener.clone()).map_err(unusable)?;
        listener.0.bootstrap.remember(producer.client(), &settings.brokers);
        let beside = |config: ClientConfig| {
            let listener = Listener::default();
            let producer: FutureProducer<Listener> =
                config.create_with_context(listener.clone()).map_err(unusable)?;
            listener.0.bootstrap.remember(producer.client(), &settings.brokers);
            Ok::<_, LogError>(producer)
        };
        let (direct, signals) =
            (beside(settings::direct(&settings)?)?, beside(settings::signals(&settings)?)?);
        let mut inner = Inner::reach(settings, Some(producer), &listener).await?;
        (inner.direct, inner.signals) = (Some(direct), Some(signals));
        inner.warm_up(&listener).await?;
        Ok(Self(Arc::new(inner)))
    }

    /// Connects without a producer, for those who only look: it needs no right to write.
    pub async fn connect_to_look(settings: KafkaSettings) -> Result<Self, LogError> {
        Ok(Self(Arc::new(Inner::reach(settings, None, &Listener::default()).await?)))
    }

    /// The state of a group, and who is in it.
    pub async fn group(&self, group: &str) -> Result<GroupState, LogError> {
        self.0.describe(group).await
    }
}

/// What librdkafka says about a setting that it does not take.
fn unusable(cause: KafkaError) -> LogError {
    if let KafkaError::ClientConfig(_, what, key, _) = cause {
        return LogError::Setting { key: format!("\"{key}\""), reason: what };
    }
    LogError::Kafka { operation: "make a client", source: cause }
}

impl Inner {
    /// Asks until a broker answers, or one says that it does not want us.
    async fn reach(
        settings: KafkaSettings,
        producer: Option<FutureProducer<Listener>>,
        listener: &Listener,
    ) -> Result<Self, LogError> {
        const OPERATION: &str = "connect";
        if settings.brokers.is_empty() {
            let reason = "name at least one broker, for example localhost:9092".to_owned();
            return Err(LogError::Setting { key: "brokers".to_owned(), reason });
        }
        // Consumers are made later; what is wrong with their settings is told now.
        settings::reader(&settings)?.create_native_config().map_err(unusable)?;
        settings::member(&settings, "group")?.create_native_config().map_err(unusable)?;
        let admin = settings::common(&settings).create_with_context(listener.clone()).map_err(unusable)?;
        let inner = Self {
            settings,
            admin: Arc::new(admin),
            producer,
            direct: None,
            signals: None,
            met: Met::default(),
            looker: Looker::default(),
            leaving: Arc::default(),
            spread: AtomicU32::new(0),
        };
        let end = Instant::now() + CONNECT;
        loop {
            let admin = Arc::clone(&inner.admin);
            let asked =
                inner.blocking(OPERATION, move || admin.inner().fetch_metadata(None, TRY).map(drop)).await;
            if let Some((code, reason)) = listener.0.refused() {
                return Err(LogError::Refused {
                    operation: OPERATION,
                    advice: failure::advice(code, "", &reason),
                });
            }
            match asked {
                Ok(()) => return Ok(inner),
                Err(cause) if Instant::now() >= end => {
                    let brokers = inner.settings.brokers.join(",");
                    let said = listener.0.away().unwrap_or_else(|| cause.to_string());
                    return Err(LogError::Setting {
                        key: "brokers".to_owned(),
                        reason: format!(
                            "no broker answers at {brokers} ({said}); check the addresses, that Kafka runs, and that \
                             kafka.security_protocol is the listener's"
                        ),
                    });
                }
                Err(_away) => {}
            }
        }
    }

    /// Waits for the producer's id. One that is late is no failure; one that is refused is.
    async fn warm_up(&self, listener: &Listener) -> Result<(), LogError> {
        let mut warm = listener.0.warm();
        let end = Instant::now() + WARM_UP;
        while !*warm.borrow() && Instant::now() < end {
            if let Some(fatal) = self.fatal() {
                return Err(fatal);
            }
            drop(tokio::time::timeout(TRY, warm.changed()).await);
        }
        self.fatal().map_or(Ok(()), Err)
    }

    /// Makes a call that blocks.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, LogError> {
        match tokio::task::spawn_blocking(call).await {
            Ok(answer) => answer.map_err(|cause| {
                if code_of(&cause).map(meaning) == Some(Meaning::Away) {
                    name_brokers(self.admin.inner(), &self.settings.brokers);
                }
                LogError::kafka(operation)(cause)
            }),
            // The runtime is shutting down.
            Err(_ended) => Err(LogError::Silent { operation }),
        }
    }
}

#[async_trait]
impl Log for KafkaLog {
    async fn ensure_topics(&self, specs: &[TopicConfig]) -> Result<Vec<Drift>, LogError> {
        self.0.ensure(specs).await
    }

    async fn produce(&self, record: Produce) -> Result<LogPlace, LogError> {
        self.0.produce(record).await
    }

    fn enqueue(&self, record: Produce) -> Result<Ack, LogError> {
        self.0.enqueue(&record)
    }

    fn enqueue_direct(&self, record: Produce) -> Result<DirectAck, LogError> {
        self.0.enqueue_direct(&record)
    }

    fn signal(&self, record: Produce) -> Result<(), LogError> {
        self.0.signal(&record)
    }

    fn topic(&self, name: &str) -> Option<TopicName> {
        self.0.met.get(name)
    }

    async fn join(&self, group: &str, topics: &[String], start: Start) -> Result<Box<dyn Member>, LogError> {
        let group = format!("{}{group}", self.0.settings.group_prefix);
        Ok(Box::new(member::KafkaMember::join(Arc::clone(&self.0), &group, topics, start).await?))
    }

    async fn tail(&self, partition: TopicPartition, start: Start) -> Result<Box<dyn Tail>, LogError> {
        let partition = self.0.known_partition(&partition).await?;
        Ok(Box::new(tail::KafkaTail::open(&self.0, partition, start).await?))
    }

    async fn topics(&self) -> Result<Vec<TopicState>, LogError> {
        self.0.list_topics().await
    }

    async fn records(
        &self,
        partition: TopicPartition,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Record>, LogError> {
        let partition = self.0.known_partition(&partition).await?;
        self.0.look(&partition, from, limit).await
    }

    async fn group_offsets(&self) -> Result<Vec<GroupOffset>, LogError> {
        let mut offsets = self.0.group_offsets().await?;
        for offset in &mut offsets {
            // Ours by the names that we know them by, others' as they are.
            if let Some(own) = offset.group.strip_prefix(&self.0.settings.group_prefix) {
                offset.group = own.to_owned();
            }
        }
        Ok(offsets)
    }

    async fn reset(&self, group: &str, partition: TopicPartition, next_offset: u64) -> Result<(), LogError> {
        let partition = self.0.known_partition(&partition).await?;
        self.0.reset(&format!("{}{group}", self.0.settings.group_prefix), partition, next_offset).await
    }
}
