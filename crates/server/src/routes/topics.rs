//! `GET /topics`, `GET /topics/{name}/records`: what lies in the log.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Code, Params, Problem, Scope};
use tidings_log::{LogError, PartitionState, TopicPartition, TopicState};
use tidings_model::{Record, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::Operators;

/// The largest page of records.
const MAX_RECORDS: usize = 200;
/// The page of a request that asks for no size.
const DEFAULT_RECORDS: usize = 50;

/// All topics.
#[derive(Serialize, ToSchema)]
pub(super) struct Topics {
    items: Vec<TopicBody>,
}

/// A topic, with how much of it is kept.
#[derive(Serialize, ToSchema)]
struct TopicBody {
    /// The name in the log.
    name: String,
    partitions: Vec<PartitionBody>,
    /// How long records are kept, in milliseconds.
    retention_ms: u64,
    /// How many bytes of keys, headers and values are kept.
    retention_bytes: u64,
}

/// One partition of a topic.
#[derive(Serialize, ToSchema)]
struct PartitionBody {
    partition: u32,
    /// The oldest offset that is kept.
    first_offset: u64,
    /// The offset of the next record.
    next_offset: u64,
    /// Bytes of keys, headers and values; null where the log does not say.
    bytes: Option<u64>,
}

impl From<PartitionState> for PartitionBody {
    fn from(state: PartitionState) -> Self {
        let PartitionState { partition, first_offset, next_offset, bytes } = state;
        Self { partition, first_offset, next_offset, bytes }
    }
}

impl From<TopicState> for TopicBody {
    fn from(state: TopicState) -> Self {
        Self {
            name: state.name,
            partitions: state.partitions.into_iter().map(PartitionBody::from).collect(),
            retention_ms: state.retention_ms,
            retention_bytes: state.retention_bytes,
        }
    }
}

/// Records of one partition, in order.
#[derive(Serialize, ToSchema)]
pub(super) struct Records {
    items: Vec<RecordBody>,
    /// Where the next page begins; the partition's end is reached when a page is empty.
    next_offset: u64,
}

/// One record. Bytes that are not UTF-8 are shown with replacement characters.
#[derive(Serialize, ToSchema)]
struct RecordBody {
    topic: String,
    partition: u32,
    offset: u64,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    key: Option<String>,
    /// Name and value, in order; names may repeat.
    #[schema(value_type = Vec<Vec<String>>)]
    headers: Vec<(String, String)>,
    /// The value as it lies there; null for a tombstone.
    value: Option<String>,
}

impl From<Record> for RecordBody {
    fn from(record: Record) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            key: record.key.as_deref().map(text),
            headers: record.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            value: record.value.as_deref().map(text),
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.time,
        }
    }
}

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RecordsQuery {
    /// Which partition; 0 where it is absent.
    #[serde(default)]
    partition: u32,
    /// From this offset on; from the oldest kept where it is absent.
    #[serde(default)]
    offset: u64,
    /// How many records, 1 to 200; 50 where it is absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// All topics of the log.
#[utoipa::path(
    get, path = "/api/v1/topics", tag = "operators", security(("token" = ["log:read"])), responses((status = 200, body = Topics))
)]
pub(super) async fn list_topics(
    State(operators): State<Operators>,
    caller: Caller,
) -> Result<Json<Topics>, Problem> {
    caller.require(Scope::LogRead)?;
    let topics = operators.log.topics().await.map_err(|cause| failed(&cause))?;
    Ok(Json(Topics { items: topics.into_iter().map(TopicBody::from).collect() }))
}

/// Records of one partition, from an offset on.
#[utoipa::path(
    get, path = "/api/v1/topics/{name}/records", tag = "operators", security(("token" = ["log:read"])),
    params(("name" = String, Path), RecordsQuery), responses((status = 200, body = Records))
)]
pub(super) async fn list_records(
    State(operators): State<Operators>,
    caller: Caller,
    Path(name): Path<String>,
    Params(query): Params<RecordsQuery>,
) -> Result<Json<Records>, Problem> {
    caller.require(Scope::LogRead)?;
    if i64::try_from(query.offset).is_err() {
        return Err(Problem::new(Code::BadRequest, "`offset` is larger than any can be"));
    }
    let limit = query.limit.unwrap_or(DEFAULT_RECORDS);
    if !(1..=MAX_RECORDS).contains(&limit) {
        let sentence = format!("`limit` lies between 1 and {MAX_RECORDS}");
        return Err(Problem::new(Code::BadRequest, sentence));
    }
    // By the name in the log alone: a feature's name for it is not an operator's.
    let topics = operators.log.topics().await.map_err(|cause| failed(&cause))?;
    let topic = topics.iter().find(|topic| topic.name == name);
    let topic = topic.ok_or_else(|| Problem::not_found("topic"))?;
    let state = topic.partitions.iter().find(|state| state.partition == query.partition);
    let state = state.ok_or_else(|| {
        let sentence =
            format!("`{name}` has the partitions 0 to {}", topic.partitions.len().saturating_sub(1));
        Problem::new(Code::BadRequest, sentence)
    })?;
    let partition = TopicPartition { topic: name, partition: query.partition };
    let from = query.offset.max(state.first_offset);
    let records = operators.log.records(partition, from, limit).await.map_err(|cause| failed(&cause))?;
    let next_offset = records.last().map_or(from, |record| record.offset.saturating_add(1));
    Ok(Json(Records { items: records.into_iter().map(RecordBody::from).collect(), next_offset }))
}

/// The log is away, or our fault; which, the server's own log says.
pub(super) fn failed(cause: &LogError) -> Problem {
    tracing::warn!(error = cause as &dyn std::error::Error, "could not read the log");
    Problem::new(Code::Unavailable, "the log cannot be read now; try again soon")
}
