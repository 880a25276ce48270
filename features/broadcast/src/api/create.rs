//! `POST /broadcasts`.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings::{
    Deps,
    api::{
        Caller, Code, FieldError, Problem, RawBody, Scope, TraceParent,
        idempotency::{Answer, IdempotencyKey},
    },
    consumer::faults::{self, Failure, Fault},
    delivery::directory,
    model::{BroadcastId, Priority, Timestamp, UserId},
    store::Store,
};
use utoipa::ToSchema;

use super::{BroadcastBody, DEFAULT_LIFE, target::TargetBody};
use crate::{
    events::{Cause, LIFECYCLE_TOPIC, Step},
    model::{Broadcast, Said, Status, Target},
    store,
};

/// Title, content and data together.
const SAID_BYTES: usize = 64 << 10;
/// The body of a request that names nobody one by one.
const BODY_BYTES: usize = 256 << 10;

/// A broadcast to be said.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBroadcast {
    /// What it says, as plain text.
    #[schema(example = "The canteen closes at two today.")]
    content: String,
    title: Option<String>,
    /// Anything the application's own client wants to know.
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Box<RawValue>>,
    /// Where a click leads.
    action_url: Option<String>,
    target: TargetBody,
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
    /// Whether those who join the audience later are meant too; they are where it is absent.
    #[serde(default = "yes")]
    #[schema(default = true)]
    late_joiners: bool,
    /// Only for those who are online at its moment: never pending, never confirmed, only its audience is counted.
    #[serde(default)]
    fire_and_forget: bool,
    /// Let its first step fail, `transient` (twice, then it works) or `permanent` (a dead letter). Only where
    /// `testing.faults` is set.
    #[schema(example = "transient")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    simulate_failure: Option<String>,
}

const fn yes() -> bool {
    true
}

impl From<&Broadcast> for CreateBroadcast {
    fn from(broadcast: &Broadcast) -> Self {
        let said = broadcast.said.clone();
        Self {
            content: said.content,
            title: said.title,
            data: said.data,
            action_url: said.action_url,
            target: (&broadcast.target).into(),
            priority: broadcast.priority,
            category: said.category,
            scheduled_at: broadcast.scheduled_at,
            expires_at: Some(broadcast.expires_at),
            late_joiners: broadcast.late_joiners,
            fire_and_forget: broadcast.fire_and_forget,
            simulate_failure: None,
        }
    }
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
    if !request.target.names_people() {
        body.limit(BODY_BYTES)?;
    }
    let now = deps.clock.now();
    let failure = simulated(request.simulate_failure.as_deref(), &deps)?;
    let new = New { id: deps.ids.broadcast(), sender_id: caller.user_id.clone(), created_at: now };
    let broadcast = request.validate(new, &deps.store, now).await?;
    let warnings = warnings(&deps.store, &broadcast.target).await?;
    let cause = Cause { id: deps.ids.event(), trace_parent: Some(trace.to_string()), late: false };
    let answer = deps
        .store
        .transact(move |tx| async move {
            if let Some(answer) = key.seen(&tx, &body.0).await? {
                return Ok(answer);
            }
            store::put(&tx, &broadcast).await?;
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
            created.warnings = warnings;
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

/// What the sender should know: people whom the directory does not know.
pub(super) async fn warnings(store: &Store, target: &Target) -> Result<Vec<String>, Problem> {
    let Target::Selected { ids } = target else { return Ok(Vec::new()) };
    let ids: Vec<UserId> = ids.iter().cloned().collect();
    let unknown = store.read(move |tx| async move { directory::unknown(&tx, &ids).await }).await?;
    let warn = |id: &UserId| format!("the directory does not know `{id}`; it stays pending");
    Ok(unknown.iter().map(warn).collect())
}

/// What a broadcast has before anything is said of it.
pub(super) struct New {
    pub(super) id: BroadcastId,
    pub(super) sender_id: UserId,
    pub(super) created_at: Timestamp,
}

impl CreateBroadcast {
    /// The broadcast that it asks for, or all that is wrong with it.
    pub(super) async fn validate(
        self,
        new: New,
        store: &Store,
        now: Timestamp,
    ) -> Result<Broadcast, Problem> {
        let mut errors = Vec::new();
        let mut wrong = |pointer: &str, detail: &str| {
            errors.push(FieldError { pointer: pointer.to_owned(), detail: detail.to_owned() });
        };
        if self.content.trim().is_empty() {
            wrong("/content", "must say something");
        }
        let said_bytes = self.content.len()
            + self.title.as_ref().map_or(0, String::len)
            + self.data.as_ref().map_or(0, |data| data.get().len());
        if said_bytes > SAID_BYTES {
            let sentence = format!(
                "title, content and data have {said_bytes} bytes together, at most {SAID_BYTES} are allowed"
            );
            return Err(Problem::new(Code::TooLarge, sentence));
        }
        if self.scheduled_at.is_some_and(|at| at <= now) {
            wrong("/scheduled_at", "must lie in the future");
        }
        let begins = self.scheduled_at.unwrap_or(now);
        let expires_at = self.expires_at.unwrap_or_else(|| begins.plus(DEFAULT_LIFE));
        if expires_at <= begins {
            wrong("/expires_at", "must come after the beginning");
        }
        if let Some(url) = &self.action_url
            && !(url.starts_with("https://") || url.starts_with("http://") || url.starts_with('/'))
        {
            wrong("/action_url", "must begin with https://, http:// or /");
        }
        let target = match self.target.resolve(store).await {
            Ok(target) => Some(target),
            Err(problem) if problem.errors().is_empty() => return Err(problem),
            Err(problem) => {
                errors.extend_from_slice(problem.errors());
                None
            }
        };
        let Some(target) = target.filter(|_| errors.is_empty()) else { return Err(Problem::fields(errors)) };
        Ok(Broadcast {
            id: new.id,
            status: if self.scheduled_at.is_some() { Status::Scheduled } else { Status::Active },
            sender_id: new.sender_id,
            said: Said {
                title: self.title,
                content: self.content,
                data: self.data,
                action_url: self.action_url,
                category: self.category,
            },
            target,
            priority: self.priority,
            late_joiners: self.late_joiners,
            fire_and_forget: self.fire_and_forget,
            created_at: new.created_at,
            scheduled_at: self.scheduled_at,
            expires_at,
            ended_at: None,
            final_stats: None,
        })
    }
}
