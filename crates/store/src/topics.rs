//! Which topics there are, how they are split, and where a key belongs.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// A topic as the embedded log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The name in the log.
    pub name: String,
    /// The number of partition 0; partition `n` has this number plus `n`.
    pub first_partition: u32,
    /// How many partitions.
    pub partitions: u32,
    /// How many bytes of keys, headers and values it may hold; at the bound, appends fail with
    /// [`StoreError::LogFull`](crate::StoreError::LogFull).
    pub bytes_limit: u64,
}

/// The topics by the name that features know them by.
#[derive(Debug, Default)]
pub(crate) struct Topics(RwLock<HashMap<String, Arc<TopicPartitions>>>);

impl Topics {
    pub(crate) fn get(&self, topic: &str) -> Option<Arc<TopicPartitions>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    pub(crate) fn insert(&self, alias: &str, topic: TopicPartitions) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(alias.to_owned(), Arc::new(topic));
    }

    pub(crate) fn remove(&self, alias: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(alias);
    }
}

/// The partition of a key, as Kafka's default partitioner in Java chooses it: murmur2, sign cleared.
pub fn partition_for(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// Murmur2 with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
fn murmur2(data: &[u8]) -> u32 {
    const MIX: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c_u32 ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(MIX);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    let rest = words.remainder();
    if rest.len() == 3 {
        hash ^= u32::from(rest[2]) << 16;
    }
    if rest.len() >= 2 {
        hash ^= u32::from(rest[1]) << 8;
    }
    if !rest.is_empty() {
        hash = (hash ^ u32::from(rest[0])).wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The values are those of `UtilsTest.testMurmur2` in Apache Kafka.
    #[test]
    fn keys_hash_as_in_kafka() {
        let cases: [(&str, i32); 5] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }
}
