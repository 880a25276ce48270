//! Events and the records they become.

use crate::{EventId, Timestamp};

/// Names of the headers of a record: `CloudEvents` in binary mode, W3C trace context, and our own.
pub mod header {
    /// The event's id.
    pub const ID: &str = "ce_id";
    /// The event's type.
    pub const TYPE: &str = "ce_type";
    /// Who made it.
    pub const SOURCE: &str = "ce_source";
    /// The version of the `CloudEvents` specification.
    pub const SPEC_VERSION: &str = "ce_specversion";
    /// When it happened.
    pub const TIME: &str = "ce_time";
    /// The media type of the value.
    pub const CONTENT_TYPE: &str = "content-type";
    /// The trace it belongs to.
    pub const TRACE_PARENT: &str = "traceparent";
    /// Set on what follows from a record that was sent through again: it comes behind what was said since.
    pub const LATE: &str = "tidings-late";
    /// The number that the relay gave the record, from 1, without holes in each partition.
    pub const SEQ: &str = "tidings-seq";
}

/// The source of all events that features announce.
pub const SOURCE: &str = "tidings";

/// The headers of a record, in order; names may repeat, as in Kafka.
pub type Headers = Vec<(String, Vec<u8>)>;

/// An event that a feature announces; it becomes a record of `topic`.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The event's id; the same event keeps it wherever it is sent again.
    pub id: EventId,
    /// The topic, by the name features know it by.
    pub topic: &'static str,
    /// What happened, for the header `ce_type`.
    pub event_type: &'static str,
    /// Records of one key keep their order; none spreads over the partitions.
    pub key: Option<String>,
    /// The value: JSON.
    pub payload: Vec<u8>,
    /// When it happened.
    pub time: Timestamp,
    /// The trace that caused it, as W3C `traceparent`.
    pub trace_parent: Option<String>,
    /// Whether it follows from a record that was sent through again.
    pub late: bool,
}

impl NewEvent {
    /// The headers of the record that this event becomes.
    pub fn headers(&self) -> Headers {
        let text = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let mut headers = vec![
            text(header::ID, self.id.as_str()),
            text(header::TYPE, self.event_type),
            text(header::SOURCE, SOURCE),
            text(header::SPEC_VERSION, "1.0"),
            text(header::TIME, &self.time.to_string()),
            text(header::CONTENT_TYPE, "application/json"),
        ];
        if let Some(trace_parent) = &self.trace_parent {
            headers.push(text(header::TRACE_PARENT, trace_parent));
        }
        if self.late {
            headers.push(text(header::LATE, "1"));
        }
        headers
    }
}

/// A record as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// The place in the partition, from 0, without holes in the embedded log.
    pub offset: u64,
    /// When it was appended.
    pub time: Timestamp,
    /// What orders it.
    pub key: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Headers,
    /// Its value; none is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl Record {
    /// The first header of a name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The number that the relay gave it; none for a record that no relay sent. Whoever reads numbered records
    /// takes the last one's number plus one and nothing else.
    pub fn number(&self) -> Option<u64> {
        self.header(header::SEQ)?.parse().ok()
    }

    /// The event's id: its header, or `topic/partition/offset` for a record that brought none.
    pub fn event_id(&self) -> EventId {
        self.header(header::ID).and_then(|id| id.parse().ok()).unwrap_or_else(|| {
            let place = format!("{}/{}/{}", self.topic, self.partition, self.offset);
            place.parse().unwrap_or_else(|_too_long| {
                unreachable!("a topic's name has at most 249 bytes, so its places fit an event id")
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_from_its_header_and_nothing_else_is_one() {
        let with = |headers: &[(&str, &str)]| Record {
            topic: "orders".to_owned(),
            partition: 0,
            offset: 0,
            time: Timestamp(0),
            key: None,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
                .collect(),
            value: None,
        };
        assert_eq!(with(&[(header::ID, "evt_1"), (header::SEQ, "42")]).number(), Some(42));
        assert_eq!(with(&[(header::ID, "42")]).number(), None);
        assert_eq!(with(&[(header::SEQ, "-1")]).number(), None);
    }
}
