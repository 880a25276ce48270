//! Putting an event into the transaction is appending it to the embedded log.

use tidings_model::{Headers, NewEvent, Timestamp};

use crate::{StoreError, Tx, params, topics::partition_for};

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

/// Where a record came to lie; true once the transaction committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The topic's name in the log.
    pub topic: String,
    /// Which partition.
    pub partition: u32,
    /// Which offset.
    pub offset: u64,
}

impl Tx {
    /// Announces an event: it becomes a record if and only if this transaction commits.
    pub async fn put_event(&self, event: &NewEvent) -> Result<Appended, StoreError> {
        self.append(&NewRecord {
            topic: event.topic,
            partition: None,
            key: event.key.as_deref().map(str::as_bytes),
            headers: &event.headers(),
            value: Some(&event.payload),
            time: event.time,
        })
        .await
    }

    /// Appends a record.
    pub async fn append(&self, record: &NewRecord<'_>) -> Result<Appended, StoreError> {
        let topic = self.topic(record.topic)?;
        let partition = match (record.partition, record.key) {
            (Some(partition), _) if partition >= topic.partitions => {
                return Err(StoreError::UnknownPartition {
                    topic: topic.name,
                    partition,
                    partitions: topic.partitions,
                });
            }
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_for(key, topic.partitions),
            (None, None) => self.spread(topic.partitions),
        };
        let number = topic.first_partition + partition;
        let headers = encode_headers(record.headers);
        let bytes = headers.len() + record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        let next = self
            .one(
                "UPDATE log_partitions SET next_offset = next_offset + 1, bytes = bytes + $2
                 WHERE partition_number = $1
                 RETURNING next_offset",
                params![number, bytes],
            )
            .await?
            .get::<u64>(0)?;
        let offset = next - 1;
        self.execute(
            "INSERT INTO log_records (position, created_at, record_key, headers, value)
             VALUES ($1, $2, $3, $4, $5)",
            params![position(number, offset), record.time, record.key, headers, record.value],
        )
        .await?;
        self.touched(number, next);
        Ok(Appended { topic: topic.name, partition, offset })
    }
}

/// The row id of a place.
pub const fn position(partition_number: u32, offset: u64) -> u64 {
    ((partition_number as u64) << OFFSET_BITS) | offset
}

/// Headers as the log's column holds them: UTF-8 as it is, other bytes in base 16.
pub(crate) fn encode_headers(headers: &Headers) -> String {
    let list: Vec<serde_json::Value> = headers
        .iter()
        .map(|(name, value)| match std::str::from_utf8(value) {
            Ok(text) => serde_json::json!([name, text]),
            Err(_binary) => {
                let hex = value.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
                serde_json::json!([name, { "b": hex }])
            }
        })
        .collect();
    serde_json::Value::Array(list).to_string()
}

/// The headers of a stored record; what cannot be read is left out rather than the record lost.
pub fn decode_headers(column: &str) -> Headers {
    let list: Vec<(String, serde_json::Value)> = serde_json::from_str(column).unwrap_or_default();
    list.into_iter()
        .filter_map(|(name, value)| match value {
            serde_json::Value::String(text) => Some((name, text.into_bytes())),
            other => {
                let hex = other.get("b")?.as_str()?.as_bytes().chunks_exact(2);
                let bytes = hex.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
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
