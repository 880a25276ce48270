//! `POST /broadcasts`.

use std::collections::BTreeSet;

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use tidings::{
    Deps,
    api::{
        Caller, Code, FieldError, Problem, RawBody, Scope, TraceParent,
        idempotency::{Answer, IdempotencyKey},
    },
    consumer::faults::{self, Failure, Fault},
    delivery::directory,
    model::{Priority, Timestamp, UserId},
};
use utoipa::ToSchema;

use super::{BroadcastBody, DEFAULT_LIFE};
use crate::{
    events::{Cause, LIFECYCLE_TOPIC, Step},
    model::{Broadcast, Said, Status, Target},
    store,
};

/// Title, content and data together.
const SAID_BYTES: usize = 64 << 10;
/// The body of a request that names nobody one by one.
const BODY_BYTES: usize = 256 << 10;
/// People named one by one.
const MAX_SELECTED: usize = 10_000;
/// Roles or groups of one broadcast.
const MAX_CHANNELS: usize = 100;

/// A broadcast to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBroadcast {
    /// What it says, as plain text.
    #[schema(example = "The canteen closes at two today.")]
    content: String,
    title: Option<String>,
    /// Anything the application's own client wants to know.
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
    /// Where a click leads.
    action_url: Option<String>,
    target: CreateTarget,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "normal")]
    priority: Priority,
    /// What people can mute.
    category: Option<String>,
    /// When it becomes active; at once where it is absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    scheduled_at: Option<Timestamp>,
    /// When it is no longer delivered; 30 days where it is absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Let its first step fail, `transient` (twice, then it works) or `permanent` (a dead letter). Only where
    /// `testing.faults` is set.
    #[schema(example = "transient")]
    simulate_failure: Option<String>,
}

/// Who it is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreateTarget {
    #[serde(rename = "type")]
    kind: TargetType,
    /// Roles, groups or people; absent for `all`.
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TargetType {
    All,
    Role,
    Group,
    Selected,
}

/// Say something to everybody, to roles, to groups, or to selected people.
#[utoipa::path(
    post, path = "/api/v1/broadcasts", tag = "broadcasts", security(("token" = ["broadcast:write"])), request_body = CreateBroadcast,
    responses((status = 201, description = "saved, and on its way", body = BroadcastBody),
        (status = 422, description = "the Idempotency-Key came with another body before"))
)]
pub(super) async fn create_broadcast(
    State(deps): State<Deps>,
    caller: Caller,
    key: IdempotencyKey,
    trace: TraceParent,
    body: RawBody,
) -> Result<Answer, Problem> {
    caller.require(Scope::BroadcastWrite)?;
    let request: CreateBroadcast = body.parse()?;
    if !matches!(request.target.kind, TargetType::Selected) {
        body.limit(BODY_BYTES)?;
    }
    let now = deps.clock.now();
    let failure = simulated(request.simulate_failure.as_deref(), &deps)?;
    let broadcast = validate(request, &caller, &deps, now)?;
    let unknown = match &broadcast.target {
        Target::Selected { ids } => {
            let ids: Vec<UserId> = ids.iter().cloned().collect();
            deps.store.read(move |tx| async move { directory::unknown(&tx, &ids).await }).await?
        }
        Target::All | Target::Role { .. } | Target::Group { .. } => Vec::new(),
    };
    let cause = Cause { id: deps.ids.event(), trace_parent: Some(trace.to_string()), late: false };
    let answer = deps
        .store
        .transact(move |tx| async move {
            if let Some(answer) = key.seen(&tx, &body.0).await? {
                return Ok(answer);
            }
            store::insert(&tx, &broadcast).await?;
            let step = if broadcast.status == Status::Active { Step::Activated } else { Step::Scheduled };
            store::announce(&tx, &broadcast, step, cause, now).await?;
            if let Some(failure) = failure {
                let fault = Fault {
                    id: broadcast.id.to_string(),
                    topic: Some(LIFECYCLE_TOPIC.to_owned()),
                    group: None,
                    key: Some(broadcast.id.to_string()),
                    failure,
                };
                faults::plan(&tx, &fault).await?;
            }
            let mut created = BroadcastBody::from(broadcast);
            created.warnings = unknown
                .iter()
                .map(|id| format!("the directory does not know `{id}`; it stays pending"))
                .collect();
            let answer = Answer::new(StatusCode::CREATED, &created);
            key.keep(&tx, &body.0, &answer, now).await?;
            Ok::<_, Problem>(answer)
        })
        .await?;
    Ok(answer)
}

/// The failure that a tester asked for.
fn simulated(asked: Option<&str>, deps: &Deps) -> Result<Option<Failure>, Problem> {
    let wrong = |detail: String| Problem::field("/simulate_failure", detail);
    match asked {
        None => Ok(None),
        Some(_) if !deps.faults => Err(wrong(
            "this server lets nothing fail on purpose; set `testing.faults` on one for tests".to_owned(),
        )),
        Some(asked) => {
            let failure = asked.parse::<Failure>();
            failure.map(Some).map_err(|unknown| wrong(unknown.to_string()))
        }
    }
}

fn validate(
    request: CreateBroadcast,
    caller: &Caller,
    deps: &Deps,
    now: Timestamp,
) -> Result<Broadcast, Problem> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: &str, detail: String| {
        errors.push(FieldError { pointer: pointer.to_owned(), detail });
    };
    if request.content.trim().is_empty() {
        wrong("/content", "must say something".to_owned());
    }
    let said_bytes = request.content.len()
        + request.title.as_ref().map_or(0, String::len)
        + request.data.as_ref().map_or(0, |data| data.get().len());
    if said_bytes > SAID_BYTES {
        return Err(Problem::new(
            Code::TooLarge,
            format!(
                "title, content and data have {said_bytes} bytes together, at most {SAID_BYTES} are allowed"
            ),
        ));
    }
    if let Some(at) = request.scheduled_at
        && at <= now
    {
        wrong("/scheduled_at", "must lie in the future".to_owned());
    }
    let begins = request.scheduled_at.unwrap_or(now);
    let expires_at = request.expires_at.unwrap_or_else(|| begins.plus(DEFAULT_LIFE));
    if expires_at <= begins {
        wrong("/expires_at", "must come after the beginning".to_owned());
    }
    if let Some(url) = &request.action_url
        && !(url.starts_with("https://") || url.starts_with("http://") || url.starts_with('/'))
    {
        wrong("/action_url", "must begin with https://, http:// or /".to_owned());
    }
    let target = match target(request.target) {
        Ok(target) => Some(target),
        Err((pointer, detail)) => {
            wrong(pointer, detail);
            None
        }
    };
    let Some(target) = target.filter(|_| errors.is_empty()) else { return Err(Problem::fields(errors)) };
    Ok(Broadcast {
        id: deps.ids.broadcast(),
        status: if request.scheduled_at.is_some() { Status::Scheduled } else { Status::Active },
        sender_id: caller.user_id.clone(),
        said: Said {
            title: request.title,
            content: request.content,
            data: request.data,
            action_url: request.action_url,
            category: request.category,
        },
        target,
        priority: request.priority,
        created_at: now,
        scheduled_at: request.scheduled_at,
        expires_at,
        ended_at: None,
        final_stats: None,
    })
}

fn target(target: CreateTarget) -> Result<Target, (&'static str, String)> {
    let wrong = |detail: String| ("/target/ids", detail);
    let named = |ids: Vec<String>| -> Result<Vec<String>, (&'static str, String)> {
        let ids: BTreeSet<String> = ids.into_iter().collect();
        if ids.is_empty() || ids.len() > MAX_CHANNELS {
            return Err(wrong(format!("name 1 to {MAX_CHANNELS} of them")));
        }
        // A role or group has the limits of a user id.
        match ids.iter().find(|id| id.parse::<UserId>().is_err()) {
            Some(id) => Err(wrong(format!(
                "`{}` has no 1 to 256 bytes without control characters",
                id.escape_debug()
            ))),
            None => Ok(ids.into_iter().collect()),
        }
    };
    match target.kind {
        TargetType::All if !target.ids.is_empty() => Err(wrong("`all` takes no ids".to_owned())),
        TargetType::All => Ok(Target::All),
        TargetType::Role => Ok(Target::Role { ids: named(target.ids)? }),
        TargetType::Group => Ok(Target::Group { ids: named(target.ids)? }),
        TargetType::Selected => {
            let ids: Result<BTreeSet<UserId>, _> = target.ids.iter().map(|id| id.parse()).collect();
            let ids = ids.map_err(|cause| wrong(format!("{cause}")))?;
            if ids.is_empty() || ids.len() > MAX_SELECTED {
                return Err(wrong(format!("name 1 to {MAX_SELECTED} people")));
            }
            Ok(Target::Selected { ids })
        }
    }
}
