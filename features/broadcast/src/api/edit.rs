//! `PATCH /broadcasts/{id}`.

use axum::{Json, extract::State};
use tidings::{
    Deps,
    api::{Caller, Code, Problem, RawBody, Scope, Segment, TraceParent},
    model::BroadcastId,
};

use super::{
    BroadcastBody,
    create::{self, CreateBroadcast, New},
};
use crate::{
    events::{Cause, Step},
    model::{Broadcast, Status},
    store,
};

/// Change a broadcast before its time: fields that are named are replaced, `null` takes one away. One whose
/// `scheduled_at` is taken away is said at once.
#[utoipa::path(
    patch, path = "/api/v1/broadcasts/{id}", tag = "broadcasts", security(("token" = ["broadcast:write"])),
    params(("id" = String, Path)), request_body(
        content = Object, description = "fields of a new broadcast",
        example = json!({ "content": "The canteen closes at three today." })),
    responses((status = 200, body = BroadcastBody, description = "as it is now"),
        (status = 409, description = "it has begun or ended already"))
)]
pub(super) async fn edit_broadcast(
    State(deps): State<Deps>,
    caller: Caller,
    Segment(id): Segment<BroadcastId>,
    trace: TraceParent,
    body: RawBody,
) -> Result<Json<BroadcastBody>, Problem> {
    caller.require(Scope::BroadcastWrite)?;
    let patch: serde_json::Map<String, serde_json::Value> = body.parse()?;
    let now = deps.clock.now();
    let before = deps.store.read(move |tx| async move { store::find(&tx, id).await }).await?;
    let before = before.ok_or_else(|| Problem::not_found("broadcast"))?;
    unbegun(&before)?;
    if patch.contains_key("simulate_failure") {
        return Err(Problem::field("/simulate_failure", "is asked for when a broadcast is created"));
    }
    let new = New { id, sender_id: before.sender_id.clone(), created_at: before.created_at };
    let edited = merged(&before, patch)?.validate(new, &deps.store, now).await?;
    let warnings = create::warnings(&deps.store, &edited.target).await?;
    let cause = Cause { id: deps.ids.event(), trace_parent: Some(trace.to_string()), late: false };
    let edited = deps
        .store
        .transact(move |tx| async move {
            store::hold(&tx, id).await?;
            let broadcast = store::find(&tx, id).await?.ok_or_else(|| Problem::not_found("broadcast"))?;
            unbegun(&broadcast)?;
            store::put(&tx, &edited).await?;
            let step = if edited.status == Status::Active { Step::Activated } else { Step::Edited };
            store::announce(&tx, &edited, step, cause, now).await?;
            Ok::<_, Problem>(edited)
        })
        .await?;
    let mut body = BroadcastBody::from(edited);
    body.warnings = warnings;
    Ok(Json(body))
}

fn unbegun(broadcast: &Broadcast) -> Result<(), Problem> {
    if broadcast.status == Status::Scheduled {
        return Ok(());
    }
    let (id, status) = (broadcast.id, broadcast.status.as_str());
    let sentence =
        format!("broadcast {id} is {status}; only what has not begun is edited: cancel it and say it anew");
    Err(Problem::new(Code::Conflict, sentence))
}

/// What a patch makes of what was asked for.
fn merged(
    before: &Broadcast,
    patch: serde_json::Map<String, serde_json::Value>,
) -> Result<CreateBroadcast, Problem> {
    let mut asked = serde_json::to_value(CreateBroadcast::from(before)).unwrap_or_default();
    if let Some(fields) = asked.as_object_mut() {
        for (name, value) in patch {
            if value.is_null() { drop(fields.remove(&name)) } else { drop(fields.insert(name, value)) }
        }
    }
    tidings::api::parse_json(&serde_json::to_vec(&asked).unwrap_or_default())
}
