//! `POST /consumer-groups/{id}/reset`: a group goes on somewhere else; first shown, then done.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_api::{
    Caller, Code, Problem, RawBody, Scope, Segment,
    audit::{self, Act, Actor},
};
use tidings_consumer::groups;
use tidings_log::{Log, LogError, PartitionState, TopicPartition};
use tidings_model::Timestamp;
use tidings_store::Lane;
use utoipa::ToSchema;

use super::{Operators, groups::ours, topics::failed};

/// Where a group is to go on: exactly one of `to`, `offset` and `timestamp`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResetBody {
    /// Only this topic; all that the group reads where it is absent.
    topic: Option<String>,
    /// Only this partition; all where it is absent.
    partition: Option<u32>,
    /// The oldest record that is kept, or the end.
    to: Option<Edge>,
    /// This offset, within what is kept.
    offset: Option<u64>,
    /// The first record of this moment or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    timestamp: Option<Timestamp>,
    /// Change nothing, only show what would be.
    dry_run: Option<bool>,
}

/// An end of what is kept.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Edge {
    Earliest,
    Latest,
}

/// What a reset does, or would do.
#[derive(Serialize, ToSchema)]
pub(super) struct ResetAnswer {
    /// Whether nothing was changed.
    dry_run: bool,
    partitions: Vec<Moved>,
}

/// One partition of a reset.
#[derive(Clone, Serialize, ToSchema)]
struct Moved {
    topic: String,
    partition: u32,
    from_offset: u64,
    to_offset: u64,
    /// Records that are handled again. Their effects are idempotent where handlers keep their promise.
    again: u64,
    /// Records that are skipped.
    skipped: u64,
}

#[derive(Clone, Copy)]
enum Wanted {
    Edge(Edge),
    Offset(u64),
    Time(Timestamp),
}

/// Let a group go on at another place; its owners follow at once, without a restart.
#[utoipa::path(
    post, path = "/api/v1/consumer-groups/{id}/reset", tag = "operators", security(("token" = ["ops:write"])), params(("id" = String, Path)),
    request_body = ResetBody,
    responses((status = 200, body = ResetAnswer, description = "each partition's old place and its new one"))
)]
pub(super) async fn reset_group(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    Segment(id): Segment<String>,
    body: RawBody,
) -> Result<Json<ResetAnswer>, Problem> {
    caller.require(Scope::OpsWrite)?;
    let body: ResetBody = body.parse()?;
    let wanted = match (body.to, body.offset, body.timestamp) {
        (Some(edge), None, None) => Wanted::Edge(edge),
        (None, Some(offset), None) => Wanted::Offset(offset),
        (None, None, Some(time)) => Wanted::Time(time),
        _none_or_several => {
            let sentence = "name exactly one of `to`, `offset` and `timestamp`";
            return Err(Problem::new(Code::BadRequest, sentence));
        }
    };
    let group = ours(&operators, &id).await?;
    let topics = operators.log.topics().await.map_err(|cause| failed(&cause))?;
    let mut partitions = Vec::new();
    for partition in group.partitions {
        let at = partition.at;
        let is_meant = body.topic.as_ref().is_none_or(|topic| *topic == at.topic)
            && body.partition.is_none_or(|number| number == at.partition);
        let topic = topics.iter().find(|topic| topic.name == at.topic).filter(|_| is_meant);
        let state =
            topic.and_then(|topic| topic.partitions.iter().find(|state| state.partition == at.partition));
        let Some(state) = state else { continue };
        let to_offset = place(&*operators.log, &at, *state, wanted).await.map_err(|cause| failed(&cause))?;
        let from_offset = partition.next_offset;
        partitions.push(Moved {
            topic: at.topic,
            partition: at.partition,
            from_offset,
            to_offset,
            again: from_offset.saturating_sub(to_offset),
            skipped: to_offset.saturating_sub(from_offset),
        });
    }
    if partitions.is_empty() {
        let sentence =
            "the group reads no such topic or partition; `GET /consumer-groups/{id}` lists what it reads";
        return Err(Problem::new(Code::BadRequest, sentence));
    }
    let dry_run = body.dry_run.unwrap_or(false);
    if !dry_run {
        write(&operators, actor, id, partitions.clone()).await?;
    }
    Ok(Json(ResetAnswer { dry_run, partitions }))
}

/// Moves all partitions and says so in the audit, or nothing.
async fn write(operators: &Operators, actor: Actor, id: String, moves: Vec<Moved>) -> Result<(), Problem> {
    let (entry, now) = (operators.ids.audit(), operators.clock.now());
    operators
        .store
        .transact_in(Lane::Bulk, move |tx| async move {
            for Moved { topic, partition, to_offset, .. } in &moves {
                let at = TopicPartition { topic: topic.clone(), partition: *partition };
                groups::reset(&tx, &id, &at, *to_offset).await?;
            }
            let act = Act { action: "group.reset", subject: &id, detail: json!({ "partitions": moves }) };
            audit::put(&tx, (entry, now), &actor, &act).await?;
            Ok::<_, Problem>(())
        })
        .await
}

/// The offset that is meant, within what is kept.
async fn place(
    log: &dyn Log,
    at: &TopicPartition,
    state: PartitionState,
    wanted: Wanted,
) -> Result<u64, LogError> {
    let (mut from, mut end) = (state.first_offset, state.next_offset);
    let time = match wanted {
        Wanted::Edge(Edge::Earliest) => return Ok(from),
        Wanted::Edge(Edge::Latest) => return Ok(end),
        Wanted::Offset(offset) => return Ok(offset.clamp(from, end)),
        Wanted::Time(time) => time,
    };
    // Records stand by time, but for the skew of those who append.
    while from < end {
        let middle = from + (end - from) / 2;
        match log.records(at.clone(), middle, 1).await?.first() {
            Some(record) if record.time < time => from = record.offset + 1,
            _later_or_gone => end = middle,
        }
    }
    Ok(from)
}
