//! An envelope is what a record brings with it: an event in the form of JSON or of CloudEvents.
//!
//! A record of another tool is untrusted input: whatever it holds, it is read or it is given up with a sentence.

use serde::Deserialize;
use serde_json::Value;
use tidings::model::{Record, Timestamp, header};

/// How the media types of CloudEvents begin.
const CLOUD_EVENTS: &str = "application/cloudevents";

/// An event, out of its record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Envelope {
    /// Who made it; empty where nobody said so.
    pub(crate) source: String,
    /// Which of theirs.
    pub(crate) id: String,
    /// When it happened: never after now.
    pub(crate) time: Timestamp,
    /// What happened.
    pub(crate) value: Value,
}

/// Why a record is no event.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("its `content-type` is `{0}`; JSON is read, and CloudEvents as JSON")]
    MediaType(String),
    #[error("its value is no JSON ({0})")]
    Json(serde_json::Error),
    #[error("its value is no CloudEvents as JSON ({0})")]
    CloudEvent(serde_json::Error),
    #[error("its CloudEvents data is not JSON: it has `data_base64`")]
    Binary,
}

/// An event of CloudEvents in structured mode.
#[derive(Deserialize)]
struct Structured {
    id: String,
    source: String,
    #[serde(rename = "specversion")]
    _version: String,
    #[serde(rename = "type")]
    _kind: String,
    time: Option<String>,
    #[serde(default)]
    data: Value,
    data_base64: Option<serde::de::IgnoredAny>,
}

impl Envelope {
    /// Opens a record. None for a tombstone, which says nothing.
    pub(crate) fn open(record: &Record, now: Timestamp) -> Result<Option<Self>, Unreadable> {
        let Some(bytes) = record.value.as_deref() else { return Ok(None) };
        let media = record.header(header::CONTENT_TYPE).unwrap_or("application/json");
        let essence = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence.starts_with(CLOUD_EVENTS) {
            if essence != format!("{CLOUD_EVENTS}+json") {
                return Err(Unreadable::MediaType(essence));
            }
            return Self::structured(record, bytes, now).map(Some);
        }
        let is_json = essence == "application/json" || essence == "text/json" || essence.ends_with("+json");
        if !is_json {
            return Err(Unreadable::MediaType(essence));
        }
        let value = serde_json::from_slice(bytes).map_err(Unreadable::Json)?;
        Ok(Some(Self {
            source: record.header(header::SOURCE).unwrap_or_default().to_owned(),
            id: record.event_id().to_string(),
            time: time_of(record, record.header(header::TIME), now),
            value,
        }))
    }

    fn structured(record: &Record, bytes: &[u8], now: Timestamp) -> Result<Self, Unreadable> {
        let event: Structured = serde_json::from_slice(bytes).map_err(Unreadable::CloudEvent)?;
        if event.data_base64.is_some() {
            return Err(Unreadable::Binary);
        }
        let time = time_of(record, event.time.as_deref(), now);
        Ok(Self { source: event.source, id: event.id, time, value: event.data })
    }
}

/// When it happened: as the event says, or the record. Clocks of others may be wrong, or absent: what lies in the
/// future, or nowhere, is now.
fn time_of(record: &Record, said: Option<&str>, now: Timestamp) -> Timestamp {
    let time = said.and_then(|said| said.parse().ok()).unwrap_or(record.time);
    if time.millis() <= 0 { now } else { time.min(now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn record(headers: &[(&str, &str)], value: &str) -> Record {
        Record {
            topic: "invoices".to_owned(),
            partition: 2,
            offset: 7,
            time: Timestamp(1_600_000_000_000),
            key: None,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
            value: Some(value.as_bytes().to_vec()),
        }
    }

    fn opened(headers: &[(&str, &str)], value: &str) -> Result<Envelope, String> {
        let opened =
            Envelope::open(&record(headers, value), NOW).map_err(|unreadable| unreadable.to_string())?;
        opened.ok_or_else(|| "a tombstone".to_owned())
    }

    #[test]
    fn plain_json_and_both_modes_of_cloudevents_say_the_same() {
        let plain = opened(&[], "{\"n\":1}").unwrap();
        assert_eq!((plain.id.as_str(), plain.source.as_str()), ("invoices/2/7", ""));
        assert_eq!(plain.time, Timestamp(1_600_000_000_000));
        let binary = opened(
            &[
                ("ce_id", "42"),
                ("ce_source", "billing"),
                ("ce_time", "2020-01-01T00:00:00Z"),
                ("content-type", "application/json; charset=utf-8"),
            ],
            "{\"n\":1}",
        );
        let structured = opened(
            &[("content-type", "application/cloudevents+json")],
            "{\"specversion\":\"1.0\",\"type\":\"paid\",\"source\":\"billing\",\"id\":\"42\",\
             \"time\":\"2020-01-01T00:00:00Z\",\"data\":{\"n\":1},\"region\":\"eu\"}",
        );
        assert_eq!(binary, structured);
        assert_eq!(binary.unwrap().value, plain.value);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let (media, base64) = ("content-type", "\"data_base64\":\"AA==\"");
        let cloud =
            format!("{{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\",{base64}}}");
        for (headers, value, sentence) in [
            (vec![], "", "its value is no JSON (EOF"),
            (vec![], "\u{0}\u{0}\u{0}\u{1}x", "its value is no JSON (expected value"),
            (vec![], "{\"a\":1e400}", "its value is no JSON (number out of range"),
            (
                vec![(media, "application/avro")],
                "{}",
                "its `content-type` is `application/avro`; JSON is read",
            ),
            (
                vec![(media, "application/cloudevents-batch+json")],
                "[]",
                "`application/cloudevents-batch+json`",
            ),
            (
                vec![(media, "application/cloudevents+json")],
                "{}",
                "its value is no CloudEvents as JSON (missing",
            ),
            (vec![(media, "application/cloudevents+json")], &cloud, "its CloudEvents data is not JSON"),
        ] {
            let said = opened(&headers, value).unwrap_err();
            assert!(said.contains(sentence), "{said}");
        }
        let deep = "[".repeat(10_000);
        assert!(opened(&[], &deep).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn a_time_that_cannot_be_is_now() {
        for time in ["9999-01-01T00:00:00Z", "2100-01-01T00:00:00Z"] {
            assert_eq!(opened(&[("ce_time", time)], "1").unwrap().time, NOW);
        }
        assert_eq!(opened(&[("ce_time", "yesterday")], "1").unwrap().time, Timestamp(1_600_000_000_000));
        let timeless = Record { time: Timestamp(-1), ..record(&[], "1") };
        assert_eq!(Envelope::open(&timeless, NOW).unwrap().unwrap().time, NOW);
    }
}
