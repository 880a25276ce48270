//! `tidings dead-letters --brokers`: the dead letter topics of any Kafka cluster, whoever wrote them, without a server.
//!
//! Kafka forgets by its retention alone and knows no state of a record. What a run over all has passed is remembered as
//! the offsets of a group of its own, so that the next one, or one that was interrupted, goes on behind it.

mod redrive;

use std::{collections::BTreeMap, ops::Range};

use serde::Serialize;
use tidings_consumer::spring;
use tidings_log::{KafkaLog, Log, TopicPartition};
use tidings_model::{Record, Timestamp};

use super::{CAUSE, Filter, List, Show, show};
use crate::{
    failure::Failure,
    kafka::failed,
    table::table,
    terminal::{Paint, remark, say, say_json},
};

/// The group whose offsets say what runs over all have passed.
const PASSED: &str = "tidings-dead-letters";
/// How the names of dead letter topics end: today's, and those of Spring Kafka 2.
const ENDINGS: [&str; 2] = ["-dlt", ".DLT"];
/// Records of one read.
const PAGE: usize = 1_000;

/// A dead letter as it lies in its topic.
#[derive(Debug, Serialize)]
struct Letter {
    /// Where it lies: `orders-dlt/3/1042`.
    id: String,
    /// When it was written there.
    created_at: Timestamp,
    /// Where the record lay first.
    topic: String,
    partition: Option<u32>,
    offset: Option<u64>,
    recorded_at: Option<Timestamp>,
    group: Option<String>,
    attempts: Option<u32>,
    /// How often it was sent through again before it was given up this time.
    redrives: u32,
    /// Whether a run over all has passed it.
    passed: bool,
    exception: Option<String>,
    message: Option<String>,
    #[serde(flatten)]
    rest: Rest,
    #[serde(skip)]
    record: Record,
    #[serde(skip)]
    given_up: spring::GivenUp,
}

/// What `show` tells beside.
#[derive(Debug, Default, Serialize)]
struct Rest {
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

/// One partition of a dead letter topic.
#[derive(Debug)]
struct Part {
    at: TopicPartition,
    kept: Range<u64>,
    /// The first offset that no run over all has passed.
    passed: u64,
}

/// The dead letter topics of a cluster.
pub(super) struct Letters {
    log: KafkaLog,
    parts: Vec<Part>,
}

impl Letters {
    /// Those in one topic, or in all whose names end as dead letter topics do.
    pub(super) async fn open(log: KafkaLog, topic: Option<&str>) -> Result<Self, Failure> {
        let topics = log.topics().await.map_err(|cause| failed(&cause))?;
        let wanted = |name: &str| {
            topic.map_or_else(|| ENDINGS.iter().any(|ending| name.ends_with(ending)), |topic| topic == name)
        };
        let found: Vec<_> = topics.into_iter().filter(|found| wanted(&found.name)).collect();
        if let (Some(topic), true) = (topic, found.is_empty()) {
            return Err(Failure::new(format!("no topic `{topic}`; `tidings topics` lists them")));
        }
        let groups = log.group_offsets().await.map_err(|cause| failed(&cause))?;
        let passed: BTreeMap<_, _> = groups
            .into_iter()
            .filter(|offset| offset.group == PASSED)
            .map(|offset| (offset.partition, offset.next_offset))
            .collect();
        let mut parts = Vec::new();
        for topic in found {
            for state in topic.partitions {
                let at = TopicPartition { topic: topic.name.clone(), partition: state.partition };
                let passed = passed.get(&at).copied().unwrap_or_default();
                parts.push(Part { at, kept: state.first_offset..state.next_offset, passed });
            }
        }
        Ok(Self { log, parts })
    }

    /// Shows the newest that a filter takes.
    pub(super) async fn list(&self, list: &List) -> Result<(), Failure> {
        if list.state.is_some() {
            return Err(Failure::usage("Kafka knows no states; leave --state out"));
        }
        let limit = list.limit as usize;
        let (mut newest, mut more) = (Vec::new(), false);
        for part in &self.parts {
            let mut next = part.kept.start;
            while let Some(page) = self.page(part, &mut next).await? {
                newest.extend(page.into_iter().filter(|letter| takes(&list.filter, letter)));
                newest.sort_by_key(|letter| std::cmp::Reverse(letter.created_at));
                more |= newest.len() > limit;
                newest.truncate(limit);
            }
        }
        if list.json {
            return say_json(&serde_json::json!({ "items": newest }));
        }
        let row = |letter: Letter| {
            let unknown = || "–".to_owned();
            [
                letter.created_at.to_string(),
                letter.id.clone(),
                letter.place(),
                letter.group.clone().unwrap_or_else(unknown),
                letter.attempts.map_or_else(unknown, |attempts| attempts.to_string()),
                letter.redrives.to_string(),
                if letter.passed { "yes" } else { "no" }.to_owned(),
                letter.reason().chars().take(CAUSE).collect(),
            ]
        };
        let heading = ["given up", "id", "record", "group", "attempts", "redrives", "passed", "cause"];
        say(table(Paint::stdout(), heading, newest.into_iter().map(row).collect()))?;
        if more {
            remark(format_args!("there are more; narrow it down, or raise --limit"));
        }
        Ok(())
    }

    /// Shows one with all that is known of it.
    pub(super) async fn show(&self, asked: &Show) -> Result<(), Failure> {
        let Some(mut letter) = self.letter(&asked.id).await? else {
            return Err(Failure::new(format!(
                "no dead letter `{}`; `tidings dead-letters list` shows them",
                asked.id
            )));
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        letter.rest.trace.clone_from(&letter.given_up.trace);
        letter.rest.value = letter.record.value.as_deref().map(text);
        let own = letter.record.headers.iter().filter(|(name, _)| !spring::tells_of_failure(name));
        letter.rest.headers = own.map(|(name, value)| (name.clone(), text(value))).collect();
        if asked.json {
            return say_json(&letter);
        }
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
        let attempts =
            letter.attempts.map_or_else(String::new, |attempts| format!(" after {attempts} attempts"));
        let headers: Vec<_> =
            letter.rest.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        show(&[
            ("id", letter.id.clone()),
            ("record", letter.place()),
            ("given up", format!("{}{attempts}, by {}", letter.created_at, known(&letter.group))),
            ("redrives", letter.redrives.to_string()),
            ("appended", letter.recorded_at.map_or_else(|| "–".to_owned(), |time| time.to_string())),
            ("key", known(&letter.rest.key)),
            ("headers", headers.join("\n")),
            ("cause", letter.reason()),
            ("trace", known(&letter.rest.trace)),
            ("value", known(&letter.rest.value)),
        ])
    }

    /// One by its id; none that is not there.
    async fn letter(&self, id: &str) -> Result<Option<Letter>, Failure> {
        let mut words = id.rsplitn(3, '/');
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        let (offset, partition) = (number(), number());
        let (Some(offset), Some(partition), Some(topic)) = (offset, partition, words.next()) else {
            return Err(Failure::usage(format!("`{id}` names no dead letter: write orders-dlt/3/1042")));
        };
        let at = |part: &&Part| part.at.topic == topic && u64::from(part.at.partition) == partition;
        let Some(part) = self.parts.iter().find(at).filter(|part| part.kept.contains(&offset)) else {
            return Ok(None);
        };
        let found = self.log.records(part.at.clone(), offset, 1).await.map_err(|cause| failed(&cause))?;
        Ok(found.into_iter().find(|record| record.offset == offset).map(|record| Letter::of(record, part)))
    }

    /// The next page of a partition, up to where it ended when we began; none at its end.
    async fn page(&self, part: &Part, next: &mut u64) -> Result<Option<Vec<Letter>>, Failure> {
        if *next >= part.kept.end {
            return Ok(None);
        }
        let page = self.log.records(part.at.clone(), *next, PAGE).await.map_err(|cause| failed(&cause))?;
        *next = page.last().map_or(part.kept.end, |last| last.offset + 1);
        let ours = page.into_iter().filter(|record| record.offset < part.kept.end);
        Ok(Some(ours.map(|record| Letter::of(record, part)).collect()))
    }
}

impl Letter {
    fn of(record: Record, part: &Part) -> Self {
        let given_up = spring::GivenUp::of(&record);
        // A tool that writes no such headers still names its topic after the first one.
        let named_after = || {
            let topic = record.topic.as_str();
            ENDINGS.iter().find_map(|ending| topic.strip_suffix(ending)).unwrap_or(topic).to_owned()
        };
        Self {
            id: format!("{}/{}/{}", record.topic, record.partition, record.offset),
            created_at: record.time,
            topic: given_up.topic.clone().unwrap_or_else(named_after),
            partition: given_up.partition,
            offset: given_up.offset,
            recorded_at: given_up.time,
            group: given_up.group.clone(),
            attempts: given_up.attempts,
            redrives: given_up.redrives,
            passed: record.offset < part.passed,
            // Spring wraps what a listener throws in an exception of its own.
            exception: given_up.cause.clone().or_else(|| given_up.exception.clone()),
            message: given_up.message.clone(),
            rest: Rest {
                key: record.key.as_deref().map(|key| String::from_utf8_lossy(key).into_owned()),
                ..Rest::default()
            },
            record,
            given_up,
        }
    }

    /// Where the record lay first, as far as it is told.
    fn place(&self) -> String {
        match (self.partition, self.offset) {
            (Some(partition), Some(offset)) => format!("{}/{partition}/{offset}", self.topic),
            _untold => self.topic.clone(),
        }
    }

    fn reason(&self) -> String {
        let told: Vec<_> = [&self.exception, &self.message].into_iter().flatten().cloned().collect();
        told.join(": ")
    }
}

/// Whether a filter takes a letter.
fn takes(filter: &Filter, letter: &Letter) -> bool {
    let Filter { topic, group, cause } = filter;
    let told = &letter.given_up;
    let says = |wanted: &String| {
        let wanted = wanted.to_lowercase();
        let texts = [&told.exception, &told.cause, &told.message, &told.trace];
        texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
    };
    topic.as_ref().is_none_or(|topic| *topic == letter.topic)
        && group.as_ref().is_none_or(|group| Some(group) == letter.group.as_ref())
        && cause.as_ref().is_none_or(says)
}
