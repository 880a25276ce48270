//! Putting an event into the transaction is appending it to the embedded log, or to the outbox from where a
//! relay takes it to a log that is another system.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use tidings_model::{Headers, NewEvent, Timestamp};

use crate::{
    StoreError, Tx,
    outbox::Appends,
    topics::{TopicPartitions, partition_for},
};

/// How many offsets a partition has room for: the lower bits of a record's position.
pub const OFFSET_BITS: u32 = 40;

/// A record on its way into the log.
#[derive(Clone, Debug)]
pub struct NewRecord<'a> {
    /// The topic, by the name features know it by.
    pub topic: &'a str,
    /// The partition; none lets the key decide.
    pub partition: Option<u32>,
    /// What orders it.
    pub key: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// When it happened.
    pub time: Timestamp,
}

/// Where a record came to lie, or will; true once the transaction committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// Which offset; none while it waits in the outbox.
    pub offset: Option<u64>,
}

impl Appended {
    /// The offset, which only the embedded log knows at once.
    pub fn offset(&self) -> Result<u64, StoreError> {
        self.offset.ok_or_else(|| StoreError::NotRelayed { topic: self.topic.clone() })
    }
}

impl NewRecord<'_> {
    /// Bytes of key, headers and value.
    pub(crate) fn bytes(&self, headers: &str) -> u64 {
        (headers.len() + self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len)) as u64
    }
}

impl Tx {
    /// Announces an event: it becomes a record if and only if this transaction commits.
    pub async fn put_event(&self, event: &NewEvent) -> Result<Appended, StoreError> {
        let record = NewRecord {
            topic: event.topic,
            partition: None,
            key: event.key.as_deref().map(str::as_bytes),
            headers: &event.headers(),
            value: Some(&event.payload),
            time: event.time,
        };
        self.append(&record).await
    }

    /// Appends a record. In the outbox it shares a row with others that the transaction appends to its partition.
    pub async fn append(&self, record: &NewRecord<'_>) -> Result<Appended, StoreError> {
        match self.appends() {
            Appends::Log => self.append_to_log(record),
            Appends::Outbox => self.put_in_outbox(record).await,
        }
    }

    pub(crate) fn append_to_log(&self, record: &NewRecord<'_>) -> Result<Appended, StoreError> {
        let (topic, partition) = self.place(record)?;
        let headers = encode_headers(record.headers);
        let offset = self.insert_record(&topic, topic.first_partition + partition, &headers, record)?;
        Ok(Appended { topic: topic.name.clone(), partition, offset: Some(offset) })
    }

    /// The topic and the partition of a record.
    pub(crate) fn place(&self, record: &NewRecord<'_>) -> Result<(Arc<TopicPartitions>, u32), StoreError> {
        let topic = self.topic(record.topic)?;
        let partition = match (record.partition, record.key) {
            (Some(partition), _) if partition >= topic.partitions => {
                return Err(StoreError::UnknownPartition {
                    topic: topic.name.clone(),
                    partition,
                    partitions: topic.partitions,
                });
            }
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for(key, topic.partitions),
            (None, None) => self.spread(topic.partitions),
        };
        Ok((topic, partition))
    }
}

/// The row id of a place.
pub const fn position(partition_number: u32, offset: u64) -> u64 {
    ((partition_number as u64) << OFFSET_BITS) | offset
}

/// A header's value as the column holds it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderValue<'a> {
    /// UTF-8 as it is.
    Text(Cow<'a, str>),
    /// Other bytes in base 16.
    Binary {
        /// Two digits a byte.
        b: String,
    },
}

/// Headers as the log's column holds them: UTF-8 as it is, other bytes in base 16.
pub fn encode_headers(headers: &Headers) -> String {
    if headers.is_empty() {
        return "[]".to_owned();
    }
    let list: Vec<(&str, HeaderValue<'_>)> = headers
        .iter()
        .map(|(name, value)| match std::str::from_utf8(value) {
            Ok(text) => (name.as_str(), HeaderValue::Text(Cow::Borrowed(text))),
            Err(_binary) => {
                let digits = value.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
                (name.as_str(), HeaderValue::Binary { b: digits })
            }
        })
        .collect();
    serde_json::to_string(&list).unwrap_or_else(|_cause| unreachable!("text is always JSON"))
}

/// The headers of a stored record; what cannot be read is left out rather than the record lost.
pub fn decode_headers(column: &str) -> Headers {
    let list: Vec<(String, HeaderValue<'_>)> = serde_json::from_str(column).unwrap_or_default();
    list.into_iter()
        .filter_map(|(name, value)| match value {
            HeaderValue::Text(text) => Some((name, text.into_owned().into_bytes())),
            HeaderValue::Binary { b } => {
                let pairs = b.as_bytes().chunks_exact(2);
                let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
                Some((name, bytes.collect::<Option<Vec<u8>>>()?))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_byte_by_byte() {
        let headers: Headers = vec![
            ("ce_id".to_owned(), b"evt_1".to_vec()),
            ("n".to_owned(), vec![0, 255, 16]),
            ("n".to_owned(), Vec::new()),
        ];
        assert_eq!(decode_headers(&encode_headers(&headers)), headers);
    }
}
