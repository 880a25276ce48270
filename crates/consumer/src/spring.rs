//! Spring Kafka's headers of a dead letter: the names and encodings that its recoverer writes, so that its tools read
//! ours and ours read its.
//!
//! Numbers are big-endian, texts UTF-8. A record that was given up twice carries a name twice: what it was *originally*
//! stands first, why it was given up *last* stands last.

use tidings_model::{Headers, Record, Timestamp, header};

use crate::headers;

/// What begins the names of all of them.
const PREFIX: &str = "kafka_dlt-";
const TOPIC: &str = "kafka_dlt-original-topic";
const PARTITION: &str = "kafka_dlt-original-partition";
const OFFSET: &str = "kafka_dlt-original-offset";
const TIMESTAMP: &str = "kafka_dlt-original-timestamp";
const TIMESTAMP_TYPE: &str = "kafka_dlt-original-timestamp-type";
const GROUP: &str = "kafka_dlt-original-consumer-group";
const EXCEPTION: &str = "kafka_dlt-exception-fqcn";
const CAUSE: &str = "kafka_dlt-exception-cause-fqcn";
const MESSAGE: &str = "kafka_dlt-exception-message";
const TRACE: &str = "kafka_dlt-exception-stacktrace";
/// How often Spring tried a record, where its container is set to tell, or its retry topics did.
const SPRING_ATTEMPTS: [&str; 2] = ["kafka_deliveryAttempt", "retry_topic-attempts"];
/// What begins the names of the headers of Spring's retry topics.
const RETRY_PREFIX: &str = "retry_topic-";

/// A record that was given up, as its headers tell it. What they do not tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// Where it lay first.
    pub topic: Option<String>,
    /// Where it lay first.
    pub partition: Option<u32>,
    /// Where it lay first.
    pub offset: Option<u64>,
    /// When it was appended there.
    pub time: Option<Timestamp>,
    /// Who gave it up.
    pub group: Option<String>,
    /// The class of the exception; Spring's own name for a failed listener says little, its cause more.
    pub exception: Option<String>,
    /// The class of its cause.
    pub cause: Option<String>,
    /// What it said.
    pub message: Option<String>,
    /// All its causes, as Java prints them.
    pub trace: Option<String>,
    /// How often it was tried.
    pub attempts: Option<u32>,
    /// How often it was sent through again before.
    pub redrives: u32,
}

impl GivenUp {
    /// Reads the headers of a dead letter, whoever wrote it.
    pub fn of(record: &Record) -> Self {
        let first = |name: &str| bytes(record.headers.iter(), name);
        let last = |name: &str| bytes(record.headers.iter().rev(), name);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ours = || last(headers::ATTEMPTS).and_then(|attempts| text(attempts).parse().ok());
        let springs = || {
            let found = SPRING_ATTEMPTS.into_iter().find_map(last)?;
            u32::try_from(i32::from_be_bytes(found.try_into().ok()?)).ok()
        };
        let number = |name: &str| Some(i64::from_be_bytes(first(name)?.try_into().ok()?));
        let partition = || Some(i32::from_be_bytes(first(PARTITION)?.try_into().ok()?));
        Self {
            topic: first(TOPIC).map(text),
            partition: partition().and_then(|partition| u32::try_from(partition).ok()),
            offset: number(OFFSET).and_then(|offset| u64::try_from(offset).ok()),
            time: number(TIMESTAMP).map(Timestamp),
            group: last(GROUP).map(text),
            exception: last(EXCEPTION).map(text),
            cause: last(CAUSE).map(text),
            message: last(MESSAGE).map(text),
            trace: last(TRACE).map(text),
            attempts: ours().or_else(springs),
            redrives: last(headers::REDRIVES).and_then(|times| text(times).parse().ok()).unwrap_or(0),
        }
    }
}

fn bytes<'a>(mut headers: impl Iterator<Item = &'a (String, Vec<u8>)>, name: &str) -> Option<&'a [u8]> {
    headers.find(|(header, _)| header == name).map(|(_, value)| value.as_slice())
}

/// Whether a header tells that and why a record was given up, and belongs to no other copy of it.
pub fn tells_of_failure(name: &str) -> bool {
    name.starts_with(PREFIX)
        || name.starts_with(RETRY_PREFIX)
        || SPRING_ATTEMPTS.contains(&name)
        || name == headers::ATTEMPTS
}

/// The record's own headers, then why it was given up in Spring's names and encodings, then how often it was tried.
/// `chain` is the causes, outermost first, one a line.
pub fn headers_of(record: &Record, group: &str, class: &str, chain: &str, attempts: u32) -> Headers {
    let message = chain.lines().next().unwrap_or_default();
    let own: [(&str, Vec<u8>); 10] = [
        (TOPIC, record.topic.clone().into_bytes()),
        (PARTITION, record.partition.cast_signed().to_be_bytes().to_vec()),
        (OFFSET, record.offset.cast_signed().to_be_bytes().to_vec()),
        (TIMESTAMP, record.time.millis().to_be_bytes().to_vec()),
        (TIMESTAMP_TYPE, b"CreateTime".to_vec()),
        (GROUP, group.as_bytes().to_vec()),
        (EXCEPTION, class.as_bytes().to_vec()),
        (MESSAGE, message.as_bytes().to_vec()),
        // In the form of Java's stack traces, which consoles for Spring Kafka show.
        (TRACE, format!("{class}: {}", chain.replace('\n', "\nCaused by: ")).into_bytes()),
        (headers::ATTEMPTS, attempts.to_string().into_bytes()),
    ];
    let mut headers = record.headers.clone();
    headers.extend(own.map(|(name, value)| (name.to_owned(), value)));
    headers
}

/// The headers with which a dead letter is sent through again: its own, without those that tell of its failure; and for
/// whom it comes, and how often. Its event keeps its id, so that a group of ours handles it once however often it is
/// sent.
pub fn headers_again(record: &Record, given_up: &GivenUp) -> Headers {
    let ours = [headers::REDRIVE_GROUP, headers::REDRIVES, headers::DEAD_LETTER, header::SEQ];
    let stays = |name: &str| !tells_of_failure(name) && !ours.contains(&name);
    let mut all: Headers = record.headers.iter().filter(|(name, _)| stays(name)).cloned().collect();
    let mut add = |name: &str, value: String| all.push((name.to_owned(), value.into_bytes()));
    let GivenUp { topic, partition, offset, group, redrives, .. } = given_up;
    if let (None, Some(topic), Some(partition), Some(offset)) =
        (record.header(header::ID), topic, partition, offset)
    {
        add(header::ID, format!("{topic}/{partition}/{offset}"));
    }
    if let Some(group) = group {
        add(headers::REDRIVE_GROUP, group.clone());
    }
    add(headers::REDRIVES, (redrives + 1).to_string());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: Headers) -> Record {
        Record {
            topic: "orders".to_owned(),
            partition: 3,
            offset: 1_042,
            time: Timestamp(1_700_000_000_000),
            key: None,
            headers,
            value: None,
        }
    }

    fn named(headers: &[(&str, &[u8])]) -> Headers {
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = headers_of(&record(named(&[("own", b"1")])), "billing", "Class", "outer\ninner", 6);
        assert_eq!(written[0], ("own".to_owned(), b"1".to_vec()));
        let wanted = GivenUp {
            topic: Some("orders".to_owned()),
            partition: Some(3),
            offset: Some(1_042),
            time: Some(Timestamp(1_700_000_000_000)),
            group: Some("billing".to_owned()),
            exception: Some("Class".to_owned()),
            cause: None,
            message: Some("outer".to_owned()),
            trace: Some("Class: outer\nCaused by: inner".to_owned()),
            attempts: Some(6),
            redrives: 0,
        };
        assert_eq!(GivenUp::of(&record(written)), wanted);
    }

    #[test]
    fn of_a_record_that_was_given_up_twice_the_first_place_and_the_last_reason_count() {
        let twice = named(&[
            (TOPIC, b"orders"),
            (MESSAGE, b"first"),
            (TOPIC, b"orders-retry"),
            (MESSAGE, b"last"),
            ("retry_topic-attempts", &[0, 0, 0, 3]),
        ]);
        let given_up = GivenUp::of(&record(twice));
        assert_eq!(
            (given_up.topic.as_deref(), given_up.message.as_deref(), given_up.attempts),
            (Some("orders"), Some("last"), Some(3))
        );
    }

    #[test]
    fn what_is_sent_again_keeps_its_own_headers_alone_and_says_for_whom_it_comes_and_how_often() {
        let own = named(&[("own", b"1"), ("tidings-seq", b"7"), ("tidings-redrives", b"2")]);
        let dead = record(headers_of(&record(own), "billing", "Class", "why", 6));
        let again = headers_again(&dead, &GivenUp::of(&dead));
        let wanted = named(&[
            ("own", b"1"),
            ("ce_id", b"orders/3/1042"),
            ("tidings-redrive-group", b"billing"),
            ("tidings-redrives", b"3"),
        ]);
        assert_eq!(again, wanted);
    }

    #[test]
    fn headers_of_another_form_tell_nothing() {
        let odd = named(&[(PARTITION, b"3"), (OFFSET, &[255; 8]), (headers::ATTEMPTS, b"often")]);
        assert_eq!(GivenUp::of(&record(odd)), GivenUp::default());
    }
}
