//! Finding the records of a key: the key tells the partition, its time tells where to begin.

use std::time::Duration;

use tidings_log::{Log, LogError, TopicPartition, TopicState};
use tidings_model::{Record, Timestamp};
use tidings_store::partition_for;

/// How far clocks of those who append may differ.
const SKEW: Duration = Duration::from_secs(5);
/// Records that are looked through for a key.
const SCAN: usize = 2000;
/// Records of one look.
const PAGE: usize = 200;

/// The first record of a key that was appended at about `since`; none if it is not among those that came then.
pub(super) async fn first_of_key(
    log: &dyn Log,
    topic: &TopicState,
    key: &str,
    since: Timestamp,
) -> Result<Option<Record>, LogError> {
    let number = partition_for(key.as_bytes(), u32::try_from(topic.partitions.len()).unwrap_or(1));
    let Some(state) = topic.partitions.iter().find(|state| state.partition == number) else {
        return Ok(None);
    };
    let partition = TopicPartition { topic: topic.name.clone(), partition: number };
    let since = since.minus(SKEW);
    // Records stand by time, but for the skew.
    let (mut from, mut end) = (state.first_offset, state.next_offset);
    while from < end {
        let middle = from + (end - from) / 2;
        match log.records(partition.clone(), middle, 1).await?.first() {
            Some(record) if record.time < since => from = record.offset + 1,
            _later_or_gone => end = middle,
        }
    }
    let mut looked = 0;
    while looked < SCAN {
        let page = log.records(partition.clone(), from, PAGE).await?;
        let Some(last) = page.last() else { return Ok(None) };
        (from, looked) = (last.offset + 1, looked + page.len());
        if let Some(found) = page.into_iter().find(|record| record.key.as_deref() == Some(key.as_bytes())) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
