//! `GET /consumer-groups`, `GET /consumer-groups/{id}`: how far each group is.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde::Serialize;
use tidings_api::{Caller, Problem, Scope, Segment};
use tidings_log::GroupOffset;
use utoipa::ToSchema;

use super::{Operators, topics::failed};

/// All groups.
#[derive(Serialize, ToSchema)]
pub(super) struct Groups {
    items: Vec<GroupBody>,
}

/// A group, and how far it is in each partition.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupBody {
    #[schema(example = "broadcast-service-group")]
    id: String,
    /// Records that it has not consumed, in all its partitions.
    lag: u64,
    partitions: Vec<GroupPartition>,
}

/// How far a group is in one partition.
#[derive(Serialize, ToSchema)]
struct GroupPartition {
    topic: String,
    partition: u32,
    /// The next offset that the group wants.
    next_offset: u64,
    /// The offset of the partition's next record.
    end_offset: u64,
    lag: u64,
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
    Ok(Json(Groups { items: groups(&operators).await? }))
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
    let group = groups(&operators).await?.into_iter().find(|group| group.id == id);
    group.map(Json).ok_or_else(|| Problem::not_found("consumer group"))
}

async fn groups(operators: &Operators) -> Result<Vec<GroupBody>, Problem> {
    let offsets = operators.log.group_offsets().await.map_err(|cause| failed(&cause))?;
    let mut groups: BTreeMap<String, Vec<GroupPartition>> = BTreeMap::new();
    for GroupOffset { group, partition, next_offset, end_offset } in offsets {
        groups.entry(group).or_default().push(GroupPartition {
            topic: partition.topic,
            partition: partition.partition,
            next_offset,
            end_offset,
            lag: end_offset.saturating_sub(next_offset),
        });
    }
    let body = |(id, partitions): (String, Vec<GroupPartition>)| {
        let lag = partitions.iter().map(|partition| partition.lag).sum();
        GroupBody { id, lag, partitions }
    };
    Ok(groups.into_iter().map(body).collect())
}
