//! `POST /dead-letters/{id}/redrive`, `POST /dead-letters/redrive`: dead letters sent through again.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_api::{
    Caller, Code, Problem, RawBody, Scope, Segment,
    audit::{self, Act, Actor},
};
use tidings_consumer::redrive::{
    MOST_LETTERS, RATE, Redrive, RedriveError, Redriven, Selection, redrive as send_again,
};
use tidings_store::StoreError;
use utoipa::ToSchema;

use super::{
    Operators,
    dead_letters::{DeadLetterBody, FilterBody},
};

/// The most dead letters that are sent in a second.
const MOST_RATE: u32 = 1_000;
/// How long an answer waits for what groups say of the last letters.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which dead letters are sent through again, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedriveBody {
    /// These, 1 to 1,000; or a `filter`.
    ids: Option<Vec<String>>,
    /// The open ones that this takes, oldest first; an empty one takes all. One answer is about at most 1,000.
    filter: Option<FilterBody>,
    /// Send nothing, only say what would be.
    dry_run: Option<bool>,
    /// How many in a second, 1 to 1,000; 50 where it is absent.
    #[schema(minimum = 1, maximum = 1000)]
    rate: Option<u32>,
}

/// What became of them.
#[derive(Serialize, ToSchema)]
pub(super) struct RedriveAnswer {
    /// Dead letters that were meant.
    total: u64,
    /// Those that were sent through again, or would be.
    sent: u64,
    /// Of these: handled by their group.
    succeeded: u64,
    /// Not sent, or given up again.
    failed: u64,
    /// Sent, and their group has not said anything yet.
    waiting: u64,
    /// Whether it stopped early, because more than a fifth failed.
    stopped: bool,
    /// Which failed and why, the first hundred.
    failures: Vec<Failure>,
}

/// A dead letter that was not sent, or was given up again.
#[derive(Serialize, ToSchema)]
struct Failure {
    id: String,
    reason: String,
}

impl From<Redriven> for RedriveAnswer {
    fn from(redriven: Redriven) -> Self {
        let Redriven { total, sent, succeeded, failed, waiting, stopped, failures } = redriven;
        let failures = failures.into_iter().map(|(id, reason)| Failure { id, reason }).collect();
        Self { total, sent, succeeded, failed, waiting, stopped, failures }
    }
}

/// Send one dead letter through again: to its topic and key, with its event id, for its group alone.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{id}/redrive", tag = "operators", security(("token" = ["dlt:write"])),
    params(("id" = String, Path)),
    responses((status = 200, body = DeadLetterBody, description = "it is on its way"),
        (status = 409, description = "it is not open, it loops, or its topic is gone"))
)]
pub(super) async fn redrive_dead_letter(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    Segment(id): Segment<String>,
) -> Result<Json<DeadLetterBody>, Problem> {
    caller.require(Scope::DeadLetterWrite)?;
    let (entry, now) = (operators.ids.audit(), operators.clock.now());
    let sent = operators
        .store
        .transact(move |tx| async move {
            let sent = send_again(&tx, &id, &entry.to_string(), now).await.map_err(refused)?;
            let act = Act { action: "dead_letter.redrive", subject: &id, detail: json!({}) };
            audit::put(&tx, (entry, now), &actor, &act).await?;
            Ok::<_, Problem>(sent)
        })
        .await?;
    Ok(Json(sent.into()))
}

fn refused(error: RedriveError) -> Problem {
    match error {
        RedriveError::NotFound => Problem::not_found("dead letter"),
        RedriveError::NotOpen(_) | RedriveError::Loops => Problem::new(Code::Conflict, error.to_string()),
        RedriveError::Store(gone @ StoreError::UnknownTopic { .. }) => {
            Problem::new(Code::Conflict, gone.to_string())
        }
        RedriveError::Store(cause) => cause.into(),
    }
}

/// Send dead letters through again, at a rate; stops when more than a fifth fails.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/redrive", tag = "operators", security(("token" = ["dlt:write"])),
    request_body = RedriveBody,
    responses((status = 200, body = RedriveAnswer, description = "what became of them"))
)]
pub(super) async fn redrive_dead_letters(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    body: RawBody,
) -> Result<Json<RedriveAnswer>, Problem> {
    caller.require(Scope::DeadLetterWrite)?;
    let body: RedriveBody = body.parse()?;
    let rate = body.rate.unwrap_or(RATE);
    if !(1..=MOST_RATE).contains(&rate) {
        return Err(Problem::field("/rate", format!("`rate` lies between 1 and {MOST_RATE}")));
    }
    let (selection, which) = match (body.ids, body.filter) {
        (Some(ids), None) if (1..=MOST_LETTERS).contains(&ids.len()) => {
            let which = json!({ "ids": ids.clone() });
            (Selection::Ids(ids), which)
        }
        (Some(_), None) => {
            return Err(Problem::field("/ids", format!("name 1 to {MOST_LETTERS} dead letters")));
        }
        (None, Some(filter)) => {
            let which = json!({ "filter": &filter });
            (Selection::Filter(filter.into()), which)
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::field(
                "",
                "name `ids` or a `filter`; an empty filter takes all that are open",
            ));
        }
    };
    let dry_run = body.dry_run.unwrap_or(false);
    let run = operators.ids.audit();
    if !dry_run {
        let detail = json!({ "which": which, "rate": rate });
        operators.note((run, &actor), "dead_letters.redrive", detail).await?;
    }
    let redrive = Redrive {
        store: operators.store.clone(),
        clock: Arc::clone(&operators.clock),
        selection,
        run: run.to_string(),
        rate,
        dry_run,
        patience: PATIENCE,
    };
    let done = redrive.run().await?;
    if !dry_run {
        let detail = json!({
            "run": run, "total": done.total, "sent": done.sent, "succeeded": done.succeeded,
            "failed": done.failed, "waiting": done.waiting, "stopped": done.stopped,
        });
        operators.note((operators.ids.audit(), &actor), "dead_letters.redriven", detail).await?;
    }
    Ok(Json(done.into()))
}
