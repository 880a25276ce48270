//! `tidings consume`.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use tidings_client::Client;
use tidings_log::{KafkaLog, Log as _, TopicPartition};
use tidings_model::Record;
use tokio::signal::unix::{SignalKind, signal};

use super::topics::TopicList;
use crate::{
    failure::Failure,
    kafka,
    reach::{self, Reach},
    terminal::{Paint, harmless, say, say_json},
};

/// Records of one request.
const PAGE: u64 = 200;
/// Pause between two looks for new records.
const LOOK: Duration = Duration::from_millis(500);

/// Print the records of a topic, as they lie in the log. Reads beside all groups: nobody's progress moves.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("begin").required(true).multiple(true))]
pub(crate) struct Consume {
    /// The topic, as `tidings topics` names it.
    topic: String,
    /// From the oldest record that is kept.
    #[arg(long, group = "begin", conflicts_with = "offset")]
    from_beginning: bool,
    /// From this offset on.
    #[arg(long, group = "begin", value_name = "N")]
    offset: Option<u64>,
    /// Wait for new records, until Ctrl-C.
    #[arg(long, group = "begin")]
    follow: bool,
    /// Only this partition; all of them, one after the other, where it is absent.
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// End after so many records.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Print each record as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Read from these brokers of a Kafka cluster instead of a server.
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    brokers: Vec<String>,
    #[command(flatten)]
    reach: Reach,
}

/// Where records come from.
pub(super) enum Source {
    Server(Box<Client>),
    Kafka(KafkaLog),
}

impl Source {
    /// The brokers, if any are named, or else a server.
    pub(super) async fn reach(brokers: &[String], reach: &Reach) -> Result<Self, Failure> {
        if brokers.is_empty() {
            return Ok(Self::Server(Box::new(reach.operator()?)));
        }
        Ok(Self::Kafka(kafka::look(brokers, reach.config.as_ref()).await?))
    }

    async fn topics(&self) -> Result<TopicList, Failure> {
        match self {
            Self::Server(client) => reach::get(client, "/api/v1/topics").await,
            Self::Kafka(log) => TopicList::of(log).await,
        }
    }

    pub(super) async fn page(&self, topic: &str, position: &Position, limit: u64) -> Result<Page, Failure> {
        let Position { partition, offset } = *position;
        match self {
            Self::Server(client) => {
                let topic = reach::segment(topic);
                let path = format!(
                    "/api/v1/topics/{topic}/records?partition={partition}&offset={offset}&limit={limit}"
                );
                reach::get(client, &path).await
            }
            Self::Kafka(log) => {
                let of = TopicPartition { topic: topic.to_owned(), partition };
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let records = log.records(of, offset, limit).await.map_err(|cause| kafka::failed(&cause))?;
                let next_offset = records.last().map_or(offset, |last| last.offset + 1);
                Ok(Page { items: records.into_iter().map(StoredRecord::from).collect(), next_offset })
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<StoredRecord>,
    next_offset: u64,
}

/// A record as a server shows it, and this command.
#[derive(Deserialize, Serialize)]
pub(super) struct StoredRecord {
    topic: String,
    partition: u32,
    pub(super) offset: u64,
    timestamp: String,
    key: Option<String>,
    headers: Vec<(String, String)>,
    value: Option<String>,
}

impl From<Record> for StoredRecord {
    /// As a server shows it: bytes that are not UTF-8 with replacement characters.
    fn from(record: Record) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            timestamp: record.time.to_string(),
            key: record.key.as_deref().map(text),
            headers: record.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            value: record.value.as_deref().map(text),
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
        }
    }
}

impl From<StoredRecord> for Record {
    fn from(stored: StoredRecord) -> Self {
        let headers = stored.headers.into_iter().map(|(name, value)| (name, value.into_bytes()));
        Self {
            time: stored.timestamp.parse().unwrap_or_default(),
            key: stored.key.map(String::into_bytes),
            headers: headers.collect(),
            value: stored.value.map(String::into_bytes),
            topic: stored.topic,
            partition: stored.partition,
            offset: stored.offset,
        }
    }
}

/// How far a partition was read.
pub(super) struct Position {
    pub(super) partition: u32,
    pub(super) offset: u64,
}

impl Consume {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            read = self.read() => read,
            _ = interrupt.recv() => Ok(()),
        }
    }

    async fn read(&self) -> Result<(), Failure> {
        let source = Source::reach(&self.brokers, &self.reach).await?;
        let mut positions = self.positions(&source).await?;
        let mut left = self.limit.unwrap_or(u64::MAX);
        loop {
            let mut found = false;
            for position in &mut positions {
                found |= self.read_to_its_end(&source, position, &mut left).await?;
                if left == 0 {
                    return Ok(());
                }
            }
            if !self.follow {
                return Ok(());
            }
            if !found {
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Where each partition begins.
    async fn positions(&self, source: &Source) -> Result<Vec<Position>, Failure> {
        let topics = source.topics().await?;
        let Some(topic) = topics.items.iter().find(|topic| topic.name == self.topic) else {
            let names: Vec<&str> = topics.items.iter().map(|topic| topic.name.as_str()).collect();
            return Err(Failure::new(format!("no topic `{}`; there are {}", self.topic, names.join(", "))));
        };
        let wanted = |number: u32| self.partition.is_none_or(|partition| partition == number);
        let positions: Vec<Position> = topic
            .partitions
            .iter()
            .filter(|state| wanted(state.number))
            .map(|state| {
                let end = if self.from_beginning { state.first_offset } else { state.next_offset };
                Position { partition: state.number, offset: self.offset.unwrap_or(end) }
            })
            .collect();
        if positions.is_empty() {
            let last = topic.partitions.len().saturating_sub(1);
            return Err(Failure::new(format!("`{}` has the partitions 0 to {last}", self.topic)));
        }
        Ok(positions)
    }

    /// Prints what a partition has; answers whether there was anything.
    async fn read_to_its_end(
        &self,
        source: &Source,
        position: &mut Position,
        left: &mut u64,
    ) -> Result<bool, Failure> {
        let mut found = false;
        while *left > 0 {
            let page = source.page(&self.topic, position, PAGE.min(*left)).await?;
            if page.items.is_empty() {
                break;
            }
            found = true;
            position.offset = page.next_offset;
            for record in page.items {
                self.show(&record)?;
                *left = left.saturating_sub(1);
            }
        }
        Ok(found)
    }

    fn show(&self, record: &StoredRecord) -> Result<(), Failure> {
        if self.json {
            return say_json(record);
        }
        let paint = Paint::stdout();
        say(format!(
            "{}  {}  {}",
            paint.faint(format!("{}@{}  {}", record.partition, record.offset, harmless(&record.timestamp))),
            paint.bold(harmless(record.key.as_deref().unwrap_or("-"))),
            harmless(record.value.as_deref().unwrap_or("(no value)"))
        ))
    }
}
