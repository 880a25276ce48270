//! `tidings topics`.

use clap::Args;
use serde::{Deserialize, Serialize};
use tidings_log::{KafkaLog, Log as _, PartitionState, TopicState};

use crate::{
    failure::Failure,
    kafka,
    reach::{self, Reach},
    table::table,
    terminal::{Paint, say, say_json},
};

/// Show the topics of the log, with how much of each is kept.
#[derive(Debug, Args)]
pub(crate) struct Topics {
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    /// Ask these brokers of a Kafka cluster instead of a server.
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    brokers: Vec<String>,
    #[command(flatten)]
    reach: Reach,
}

/// The answer of the operators' route.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct TopicList {
    pub(super) items: Vec<Topic>,
}

/// A topic.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) partitions: Vec<Partition>,
    retention_ms: u64,
    retention_bytes: u64,
}

/// One partition of a topic.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Partition {
    #[serde(rename = "partition")]
    pub(super) number: u32,
    pub(super) first_offset: u64,
    pub(super) next_offset: u64,
    bytes: Option<u64>,
}

impl TopicList {
    /// Those of a Kafka cluster.
    pub(super) async fn of(log: &KafkaLog) -> Result<Self, Failure> {
        let partition = |state: PartitionState| Partition {
            number: state.partition,
            first_offset: state.first_offset,
            next_offset: state.next_offset,
            bytes: state.bytes,
        };
        let topic = |topic: TopicState| Topic {
            name: topic.name,
            partitions: topic.partitions.into_iter().map(partition).collect(),
            retention_ms: topic.retention_ms,
            retention_bytes: topic.retention_bytes,
        };
        let topics = log.topics().await.map_err(|cause| kafka::failed(&cause))?;
        Ok(Self { items: topics.into_iter().map(topic).collect() })
    }
}

impl Topics {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let list = if self.brokers.is_empty() {
            reach::get(&self.reach.operator()?, "/api/v1/topics").await?
        } else {
            TopicList::of(&kafka::look(&self.brokers, self.reach.config.as_ref()).await?).await?
        };
        if self.json {
            return say_json(&list);
        }
        let rows = list.items.into_iter().map(|topic| {
            let records: u64 =
                topic.partitions.iter().map(|part| part.next_offset.saturating_sub(part.first_offset)).sum();
            let bytes: Option<u64> = topic.partitions.iter().map(|part| part.bytes).sum();
            let bytes = bytes.map_or_else(|| "-".to_owned(), size);
            let partitions = topic.partitions.len().to_string();
            [topic.name, partitions, records.to_string(), bytes, span(topic.retention_ms)]
        });
        let heading = ["topic", "partitions", "records", "bytes", "kept for"];
        say(table(Paint::stdout(), heading, rows.collect()))
    }
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", tenths(1 << 10)),
        1_048_576..1_073_741_824 => format!("{} MiB", tenths(1 << 20)),
        _larger => format!("{} GiB", tenths(1 << 30)),
    }
}

/// Milliseconds in their largest whole unit.
fn span(ms: u64) -> String {
    // Kafka's word for no end.
    if ms == u64::MAX {
        return "ever".to_owned();
    }
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
    let fitting = units.into_iter().find(|(unit, _)| ms >= *unit && ms.is_multiple_of(*unit));
    fitting.map_or_else(|| format!("{ms} ms"), |(unit, name)| format!("{} {name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans_are_short() {
        assert_eq!([0, 1023, 1536, 5 << 20].map(size), ["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]);
        assert_eq!([604_800_000, 60_000, 90_000, 5].map(span), ["7 d", "1 min", "90 s", "5 ms"]);
    }
}
