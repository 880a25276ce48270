//! `GET /consumer-groups`, `GET /consumer-groups/{id}`, `POST …/pause`, `POST …/resume`: how far each group is, who
//! works for it, and whether it may.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::json;
use tidings_api::{
    Caller, Problem, Scope, Segment,
    audit::{self, Act, Actor},
};
use tidings_consumer::groups::{self, Group, GroupPartition};
use tidings_log::{GroupOffset, LogError, TopicPartition};
use tidings_model::Timestamp;
use utoipa::ToSchema;

use super::{Operators, topics::failed};

/// A partition with records of which none was done for so long stands still.
const STALLED: Duration = Duration::from_mins(1);

/// All groups.
#[derive(Serialize, ToSchema)]
pub(super) struct Groups {
    items: Vec<GroupBody>,
}

/// How a group is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Health {
    /// It consumes what comes.
    Well,
    /// Records are parked because one of their key keeps failing; all others go on.
    Parked,
    /// An operator paused it.
    Paused,
    /// Nobody works for it, or for one of its partitions.
    Unowned,
    /// It has records, and none was done for a minute.
    Stalled,
}

/// A group, and how far it is in each partition.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupBody {
    #[schema(example = "broadcast-service-group")]
    id: String,
    health: Health,
    /// Since when it takes nothing new.
    #[schema(value_type = Option<String>, format = DateTime)]
    paused_at: Option<Timestamp>,
    /// Records that it has not consumed, in all its partitions.
    lag: u64,
    /// How long the oldest of these has waited, in seconds.
    lag_seconds: u64,
    /// Records that wait as rows because one of their key failed.
    parked: u64,
    /// The processes that own its partitions, by their own names.
    members: BTreeSet<String>,
    partitions: Vec<PartitionBody>,
}

/// How far a group is in one partition.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupPartition)]
struct PartitionBody {
    topic: String,
    partition: u32,
    /// The first offset that is not done.
    next_offset: u64,
    /// The offset of the partition's next record.
    end_offset: u64,
    lag: u64,
    /// How long the oldest of these has waited, in seconds.
    lag_seconds: u64,
    /// Records that wait as rows.
    parked: u64,
    /// Who owns it.
    owner: Option<String>,
    /// When one of its records was done last.
    #[schema(value_type = Option<String>, format = DateTime)]
    moved_at: Option<Timestamp>,
    /// The offset that other tools see: a copy, about a second late. One that differs for long was set by such a
    /// tool, and is not followed.
    committed_offset: Option<u64>,
}

/// How far all groups are.
#[utoipa::path(
    get, path = "/api/v1/consumer-groups", tag = "operators", security(("token" = ["ops:read"])),
    responses((status = 200, body = Groups, description = "all groups"))
)]
pub(super) async fn list_groups(
    State(operators): State<Operators>,
    caller: Caller,
) -> Result<Json<Groups>, Problem> {
    caller.require(Scope::OpsRead)?;
    Ok(Json(Groups { items: groups(&operators, None).await? }))
}

/// How far one group is.
#[utoipa::path(
    get, path = "/api/v1/consumer-groups/{id}", tag = "operators", security(("token" = ["ops:read"])), params(("id" = String, Path)),
    responses((status = 200, body = GroupBody, description = "the group"))
)]
pub(super) async fn get_group(
    State(operators): State<Operators>,
    caller: Caller,
    Segment(id): Segment<String>,
) -> Result<Json<GroupBody>, Problem> {
    caller.require(Scope::OpsRead)?;
    one(&operators, &id).await.map(Json)
}

/// Let a group take nothing new, in all processes, until it is resumed; also across restarts.
#[utoipa::path(
    post, path = "/api/v1/consumer-groups/{id}/pause", tag = "operators", security(("token" = ["ops:write"])), params(("id" = String, Path)),
    responses((status = 200, body = GroupBody, description = "the group, paused now or before"))
)]
pub(super) async fn pause_group(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    Segment(id): Segment<String>,
) -> Result<Json<GroupBody>, Problem> {
    caller.require(Scope::OpsWrite)?;
    steer(&operators, actor, id, true).await.map(Json)
}

/// Let a paused group go on.
#[utoipa::path(
    post, path = "/api/v1/consumer-groups/{id}/resume", tag = "operators", security(("token" = ["ops:write"])), params(("id" = String, Path)),
    responses((status = 200, body = GroupBody, description = "the group, which takes records"))
)]
pub(super) async fn resume_group(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    Segment(id): Segment<String>,
) -> Result<Json<GroupBody>, Problem> {
    caller.require(Scope::OpsWrite)?;
    steer(&operators, actor, id, false).await.map(Json)
}

async fn steer(operators: &Operators, actor: Actor, id: String, pause: bool) -> Result<GroupBody, Problem> {
    ours(operators, &id).await?;
    let (entry, now, group) = (operators.ids.audit(), operators.clock.now(), id.clone());
    operators
        .store
        .transact(move |tx| async move {
            let changed = if pause {
                groups::pause(&tx, &group, now).await?
            } else {
                groups::resume(&tx, &group).await?
            };
            if changed {
                let action = if pause { "group.pause" } else { "group.resume" };
                let act = Act { action, subject: &group, detail: json!({}) };
                audit::put(&tx, (entry, now), &actor, &act).await?;
            }
            Ok::<_, Problem>(())
        })
        .await?;
    one(operators, &id).await
}

/// A group whose progress we keep.
pub(super) async fn ours(operators: &Operators, id: &str) -> Result<Group, Problem> {
    let all = operators.store.read(|tx| async move { groups::list(&tx).await }).await?;
    let group = all.into_iter().find(|group| group.id == id);
    group.ok_or_else(|| Problem::not_found("consumer group"))
}

async fn one(operators: &Operators, id: &str) -> Result<GroupBody, Problem> {
    let group = groups(operators, Some(id)).await?.pop();
    group.ok_or_else(|| Problem::not_found("consumer group"))
}

/// Our groups by their progress, and those that others run by what the log says.
async fn groups(operators: &Operators, wanted: Option<&str>) -> Result<Vec<GroupBody>, Problem> {
    let mut ours = operators.store.read(|tx| async move { groups::list(&tx).await }).await?;
    let committed = operators.log.group_offsets().await.map_err(|cause| failed(&cause))?;
    let topics = operators.log.topics().await.map_err(|cause| failed(&cause))?;
    let mut ends = HashMap::new();
    for topic in topics {
        let place = |partition| TopicPartition { topic: topic.name.clone(), partition };
        ends.extend(topic.partitions.iter().map(|state| (place(state.partition), state.next_offset)));
    }
    let mut copies: BTreeMap<String, HashMap<TopicPartition, u64>> = BTreeMap::new();
    for GroupOffset { group, partition, next_offset, .. } in committed {
        copies.entry(group).or_default().insert(partition, next_offset);
    }
    for (id, offsets) in &copies {
        if !ours.iter().any(|group| group.id == *id) {
            ours.push(foreign(id, offsets));
        }
    }
    ours.sort_by(|one, other| one.id.cmp(&other.id));
    let mut bodies = Vec::new();
    for group in ours.into_iter().filter(|group| wanted.is_none_or(|id| group.id == id)) {
        let copies = copies.get(&group.id);
        bodies.push(body(operators, group, &ends, copies).await.map_err(|cause| failed(&cause))?);
    }
    Ok(bodies)
}

/// A group that is not ours: what the log knows is all there is.
fn foreign(id: &str, offsets: &HashMap<TopicPartition, u64>) -> Group {
    let partition = |(at, next_offset): (&TopicPartition, &u64)| GroupPartition {
        at: at.clone(),
        next_offset: *next_offset,
        parked: 0,
        epoch: 0,
        owner: None,
        moved_at: None,
    };
    let mut partitions: Vec<_> = offsets.iter().map(partition).collect();
    partitions.sort_by(|one, other| one.at.cmp(&other.at));
    Group { id: id.to_owned(), paused_at: None, partitions }
}

async fn body(
    operators: &Operators,
    group: Group,
    ends: &HashMap<TopicPartition, u64>,
    copies: Option<&HashMap<TopicPartition, u64>>,
) -> Result<GroupBody, LogError> {
    let (now, paused_at) = (operators.clock.now(), group.paused_at);
    let mut health = if paused_at.is_some() { Health::Paused } else { Health::Well };
    let mut partitions = Vec::new();
    for GroupPartition { at, next_offset, parked, epoch, owner, moved_at } in group.partitions {
        let end_offset = ends.get(&at).copied().unwrap_or(next_offset);
        let lag = end_offset.saturating_sub(next_offset);
        let oldest =
            if lag > 0 { operators.log.records(at.clone(), next_offset, 1).await? } else { Vec::new() };
        let waits = oldest.first().map_or(Duration::ZERO, |oldest| now.since(oldest.time));
        let idle = moved_at.map_or(waits, |moved_at| now.since(moved_at).min(waits));
        let is_ours = epoch > 0;
        if is_ours && paused_at.is_none() {
            health = health.max(match (&owner, lag > 0 && idle > STALLED) {
                (_, true) => Health::Stalled,
                (None, false) => Health::Unowned,
                (Some(_), false) if parked > 0 => Health::Parked,
                (Some(_), false) => Health::Well,
            });
        }
        partitions.push(PartitionBody {
            committed_offset: copies.and_then(|copies| copies.get(&at)).copied(),
            topic: at.topic,
            partition: at.partition,
            next_offset,
            end_offset,
            lag,
            lag_seconds: waits.as_secs(),
            parked,
            owner,
            moved_at,
        });
    }
    Ok(GroupBody {
        id: group.id,
        health,
        paused_at,
        lag: partitions.iter().map(|partition| partition.lag).sum(),
        lag_seconds: partitions.iter().map(|partition| partition.lag_seconds).max().unwrap_or(0),
        parked: partitions.iter().map(|partition| partition.parked).sum(),
        members: partitions.iter().filter_map(|partition| partition.owner.clone()).collect(),
        partitions,
    })
}
