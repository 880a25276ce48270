//! `DELETE /dead-letters/{id}`, `POST /dead-letters/purge`: dead letters forgotten.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_api::{
    Caller, Code, Problem, RawBody, Scope, Segment,
    audit::{self, Act, Actor},
};
use tidings_consumer::dead_letters::{self, Filter};
use tidings_store::Lane;
use utoipa::ToSchema;

use super::{Operators, dead_letters::FilterBody};

/// Dead letters that one request may name.
const MOST_IDS: usize = 1_000;
/// Dead letters of one transaction; they may be large.
const SLICE: usize = 50;

/// Which dead letters are forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PurgeBody {
    /// These, 1 to 1,000; or a `filter`.
    ids: Option<Vec<String>>,
    /// Those that this takes; it must restrict something.
    filter: Option<FilterBody>,
    /// Forget nothing, only count.
    dry_run: Option<bool>,
}

/// How many were forgotten.
#[derive(Serialize, ToSchema)]
pub(super) struct PurgeAnswer {
    /// Dead letters that were forgotten, or would be.
    purged: u64,
}

/// Forget one dead letter: of its record only the place is left.
#[utoipa::path(
    delete, path = "/api/v1/dead-letters/{id}", tag = "operators", security(("token" = ["dlt:write"])),
    params(("id" = String, Path)),
    responses((status = 204, description = "forgotten, now or before"))
)]
pub(super) async fn delete_dead_letter(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    Segment(id): Segment<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::DeadLetterWrite)?;
    let (entry, now) = (operators.ids.audit(), operators.clock.now());
    operators
        .store
        .transact(move |tx| async move {
            if dead_letters::purge(&tx, &id, now).await? {
                let act = Act { action: "dead_letter.purge", subject: &id, detail: json!({}) };
                audit::put(&tx, (entry, now), &actor, &act).await?;
            } else if dead_letters::get(&tx, &id).await?.is_none() {
                return Err(Problem::not_found("dead letter"));
            }
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget many dead letters; answers how many there were.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/purge", tag = "operators", security(("token" = ["dlt:write"])),
    request_body = PurgeBody,
    responses((status = 200, body = PurgeAnswer, description = "how many were forgotten"))
)]
pub(super) async fn purge_dead_letters(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    body: RawBody,
) -> Result<Json<PurgeAnswer>, Problem> {
    caller.require(Scope::DeadLetterWrite)?;
    let body: PurgeBody = body.parse()?;
    let dry_run = body.dry_run.unwrap_or(false);
    let (which, purged) = match (body.ids, body.filter) {
        (Some(ids), None) if (1..=MOST_IDS).contains(&ids.len()) => {
            let which = json!({ "ids": ids.clone() });
            (which, purge_ids(&operators, ids, dry_run).await?)
        }
        (Some(_), None) => {
            return Err(Problem::field("/ids", format!("name 1 to {MOST_IDS} dead letters")));
        }
        (None, Some(filter)) => {
            let which = json!({ "filter": &filter });
            let filter = Filter::from(filter);
            if filter.takes_all() && filter.state.is_none() {
                let sentence = "restrict what is purged; `before` with the present time takes all";
                return Err(Problem::field("/filter", sentence));
            }
            (which, purge_filter(&operators, filter, dry_run).await?)
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::new(Code::BadRequest, "name `ids` or a `filter`"));
        }
    };
    if !dry_run {
        let detail = json!({ "which": which, "purged": purged });
        operators.note((operators.ids.audit(), &actor), "dead_letters.purge", detail).await?;
    }
    Ok(Json(PurgeAnswer { purged }))
}

async fn purge_ids(operators: &Operators, ids: Vec<String>, dry_run: bool) -> Result<u64, Problem> {
    let now = operators.clock.now();
    let mut purged = 0;
    for slice in ids.chunks(SLICE) {
        let slice = slice.to_vec();
        let purging = operators.store.transact_in(Lane::Bulk, move |tx| async move {
            let mut count = 0;
            for id in &slice {
                let there = dead_letters::get(&tx, id).await?;
                let is_kept = there.is_some_and(|letter| letter.state != dead_letters::State::Purged);
                count += u64::from(if dry_run { is_kept } else { dead_letters::purge(&tx, id, now).await? });
            }
            Ok::<_, Problem>(count)
        });
        purged += purging.await?;
    }
    Ok(purged)
}

async fn purge_filter(operators: &Operators, filter: Filter, dry_run: bool) -> Result<u64, Problem> {
    let now = operators.clock.now();
    if dry_run {
        let counting = operators.store.read(move |tx| async move { dead_letters::count(&tx, &filter).await });
        return Ok(counting.await?);
    }
    let mut purged = 0;
    loop {
        let filter = filter.clone();
        let slice = operators
            .store
            .transact_in(Lane::Bulk, move |tx| async move {
                dead_letters::purge_some(&tx, &filter, SLICE, now).await
            })
            .await?;
        purged += slice;
        if slice < SLICE as u64 {
            return Ok(purged);
        }
    }
}
