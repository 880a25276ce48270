//! Topics: made at start from what features ask for, reported when they differ, never changed silently.

use tidings_model::Timestamp;
use tidings_store::{Lane, Store, StoreError, TopicPartitions, Tx, params};

use crate::{Drift, LogError, PartitionState, TopicConfig, TopicState};

pub(super) async fn ensure(
    store: &Store,
    specs: &[TopicConfig],
    now: Timestamp,
) -> Result<Vec<Drift>, LogError> {
    let mut drift = Vec::new();
    for spec in specs {
        spec.check()?;
        let wanted = spec.clone();
        let found = store
            .transact_in(Lane::People, move |tx| async move { find_or_create(&tx, &wanted, now).await })
            .await
            .map_err(LogError::store("create a topic"))?;
        let mut differs = |what: String| drift.push(Drift { topic: spec.name.clone(), what });
        if found.topic.partitions != spec.partitions {
            differs(format!("has {} partitions, wanted {}", found.topic.partitions, spec.partitions));
        }
        if found.retention_ms != spec.retention_ms() {
            differs(format!(
                "keeps records for {} ms, wanted {} ms",
                found.retention_ms,
                spec.retention_ms()
            ));
        }
        if found.topic.bytes_limit != spec.retention_bytes {
            differs(format!("keeps {} bytes, wanted {}", found.topic.bytes_limit, spec.retention_bytes));
        }
        store.register_topic(&spec.name, found.topic.clone());
        store.register_topic(&spec.alias, found.topic);
    }
    Ok(drift)
}

/// A topic as the file has it.
struct Found {
    topic: TopicPartitions,
    retention_ms: u64,
}

async fn find_or_create(tx: &Tx, spec: &TopicConfig, now: Timestamp) -> Result<Found, StoreError> {
    let found = tx
        .optional(
            "SELECT first_partition, partitions, retention_bytes, retention_ms FROM log_topics WHERE topic = $1",
            params![&spec.name],
        )
        .await?;
    if let Some(row) = found {
        let topic = TopicPartitions {
            name: spec.name.clone(),
            first_partition: row.get(0)?,
            partitions: row.get(1)?,
            bytes_limit: row.get(2)?,
        };
        return Ok(Found { topic, retention_ms: row.get(3)? });
    }
    let first_partition: u32 = tx
        .one("SELECT COALESCE(MAX(first_partition + partitions), 1) FROM log_topics", params![])
        .await?
        .get(0)?;
    tx.execute(
        "INSERT INTO log_topics (topic, first_partition, partitions, retention_ms, retention_bytes, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        params![
            &spec.name,
            first_partition,
            spec.partitions,
            spec.retention_ms(),
            spec.retention_bytes,
            now
        ],
    )
    .await?;
    for partition in 0..spec.partitions {
        tx.execute(
            "INSERT INTO log_partitions (partition_number) VALUES ($1)",
            params![first_partition + partition],
        )
        .await?;
    }
    let topic = TopicPartitions {
        name: spec.name.clone(),
        first_partition,
        partitions: spec.partitions,
        bytes_limit: spec.retention_bytes,
    };
    Ok(Found { topic, retention_ms: spec.retention_ms() })
}

pub(super) async fn list(store: &Store) -> Result<Vec<TopicState>, LogError> {
    store
        .read(|tx| async move {
            let rows = tx
                .query(
                    "SELECT topic, retention_ms, retention_bytes, partition_number - first_partition,
                            first_offset, next_offset, bytes
                     FROM log_topics
                     JOIN log_partitions
                       ON partition_number >= first_partition AND partition_number < first_partition + partitions
                     ORDER BY topic, partition_number",
                    params![],
                )
                .await?;
            let mut topics: Vec<TopicState> = Vec::new();
            for row in rows {
                let name: String = row.get(0)?;
                let partition = PartitionState {
                    partition: row.get(3)?,
                    first_offset: row.get(4)?,
                    next_offset: row.get(5)?,
                    bytes: Some(row.get(6)?),
                };
                match topics.last_mut().filter(|topic| topic.name == name) {
                    Some(topic) => topic.partitions.push(partition),
                    None => topics.push(TopicState {
                        name,
                        partitions: vec![partition],
                        retention_ms: row.get(1)?,
                        retention_bytes: row.get(2)?,
                    }),
                }
            }
            Ok::<_, StoreError>(topics)
        })
        .await
        .map_err(LogError::store("list the topics"))
}
