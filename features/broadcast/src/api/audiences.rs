//! `/audiences`: lists of people by name, and who a target would reach.

use std::collections::BTreeSet;

use axum::{
    Json,
    extract::{Request, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings::{
    Deps,
    api::{
        Caller, FailedLines, Lines, Page, PageQuery, Params, Problem, RawBody, Scope, Segment, encode_page,
    },
    delivery::{Reach, directory},
    model::{ListId, Timestamp, UserId},
    store::{Lane, StoreError},
};
use utoipa::ToSchema;

use super::target::TargetBody;
use crate::{
    audience::{self, List},
    model::ListName,
};

/// The list's name in its cursors.
const LIST: &str = "audiences";
/// People that one transaction adds.
const SLICE: usize = 500;
/// People whom the directory does not know that are named; the rest of them is only counted.
const UNKNOWN_MAX: usize = 1000;
/// People that a preview names.
const SAMPLE: usize = 10;

/// A target to be looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewAudience {
    target: TargetBody,
}

/// Who a target would reach now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preview {
    /// How many people.
    count: u64,
    /// The first of them, by id.
    #[schema(value_type = Vec<String>)]
    sample: Vec<UserId>,
}

/// A list of people.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AudienceList)]
pub(super) struct ListBody {
    #[schema(value_type = String, example = "beta-testers")]
    name: ListName,
    /// This version of it; a list that is put again is another one.
    #[schema(value_type = String)]
    list_id: ListId,
    /// Different people in it.
    people: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// A line of a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListLine {
    #[schema(value_type = String, example = "alice")]
    user_id: UserId,
}

/// What became of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PutList {
    #[serde(flatten)]
    list: ListBody,
    /// The first thousand people whom the directory does not know; what is sent to them stays pending.
    #[schema(value_type = Vec<String>)]
    unknown: Vec<UserId>,
    /// How many people the directory does not know.
    unknown_count: u64,
    #[serde(flatten)]
    failed: FailedLines,
}

impl From<List> for ListBody {
    fn from(list: List) -> Self {
        Self { name: list.name, list_id: list.id, people: list.people, created_at: list.created_at }
    }
}

/// See how many people a target reaches now, and who they are.
#[utoipa::path(
    post, path = "/api/v1/audiences/preview", tag = "broadcasts", security(("token" = ["broadcast:write"])),
    request_body = PreviewAudience, responses((status = 200, body = Preview, description = "as of now"))
)]
pub(super) async fn preview_audience(
    State(deps): State<Deps>,
    caller: Caller,
    body: RawBody,
) -> Result<Json<Preview>, Problem> {
    caller.require(Scope::BroadcastWrite)?;
    let request: PreviewAudience = body.parse()?;
    let target = request.target.resolve(&deps.store).await?;
    let preview = deps
        .store
        .read(move |tx| async move {
            let Some(audience) = target.audience() else {
                let sample = audience::named(&tx, &target, None, SAMPLE).await?;
                return Ok::<_, StoreError>(Preview { count: target.named().unwrap_or_default(), sample });
            };
            let reach = Reach { audience, item: String::new(), late_joiners: true };
            Ok(Preview { count: reach.count(&tx).await?, sample: reach.page(&tx, None, SAMPLE).await? })
        })
        .await?;
    Ok(Json(preview))
}

/// The lists of people, by name.
#[utoipa::path(
    get, path = "/api/v1/audiences", tag = "broadcasts", security(("token" = ["broadcast:read"])), params(PageQuery),
    responses((status = 200, body = Page<ListBody>, description = "a page of them"))
)]
pub(super) async fn list_audiences(
    State(deps): State<Deps>,
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<ListBody>>, Problem> {
    caller.require(Scope::BroadcastRead)?;
    let (limit, after) = (page.limit()?, page.after::<String>(LIST)?);
    let lists = deps.store.read(move |tx| async move { audience::page(&tx, after, limit).await }).await?;
    let last = lists.last().filter(|_| lists.len() == limit);
    let next_cursor = last.map(|last| encode_page(LIST, &last.name.as_str()));
    Ok(Json(Page { items: lists.into_iter().map(ListBody::from).collect(), next_cursor }))
}

/// Put a list of people, one a line, however many they are. Broadcasts that were sent to it before keep what it was.
#[utoipa::path(
    put, path = "/api/v1/audiences/{name}", tag = "broadcasts", security(("token" = ["broadcast:write"])),
    params(("name" = String, Path)),
    request_body(content = ListLine, content_type = "application/x-ndjson", description = "one person a line"),
    responses((status = 200, body = PutList, description = "the name means this list from now on"))
)]
pub(super) async fn put_audience(
    State(deps): State<Deps>,
    caller: Caller,
    Segment(name): Segment<ListName>,
    request: Request,
) -> Result<Json<PutList>, Problem> {
    caller.require(Scope::BroadcastWrite)?;
    let mut lines = Lines::of(request)?;
    let (id, now) = (deps.ids.list(), deps.clock.now());
    let begun = name.clone();
    deps.store
        .transact_in(Lane::Bulk, move |tx| async move { audience::begin(&tx, id, &begun, now).await })
        .await?;
    let mut list = ListBody { name, list_id: id, people: 0, created_at: now };
    let (mut unknown, mut unknown_count, mut failed) = (Vec::new(), 0, FailedLines::default());
    let mut slice = BTreeSet::new();
    loop {
        let line = lines.next::<ListLine>().await?;
        let ended = line.is_none();
        match line {
            Some((_, Ok(ListLine { user_id }))) => drop(slice.insert(user_id)),
            Some((number, Err(problem))) => failed.note(number, &problem),
            None => {}
        }
        if slice.len() < SLICE && !ended {
            continue;
        }
        let people = std::mem::take(&mut slice);
        let (added, mut strangers) = deps
            .store
            .transact_in(Lane::Bulk, move |tx| {
                let people = people.clone();
                async move {
                    let added = audience::add(&tx, id, &people).await?;
                    let people: Vec<UserId> = people.into_iter().collect();
                    Ok::<_, StoreError>((added, directory::unknown(&tx, &people).await?))
                }
            })
            .await?;
        list.people += added;
        unknown_count += strangers.len() as u64;
        strangers.truncate(UNKNOWN_MAX - unknown.len());
        unknown.append(&mut strangers);
        if ended {
            break;
        }
    }
    let (name, people) = (list.name.clone(), list.people);
    deps.store
        .transact_in(Lane::Bulk, move |tx| async move { audience::complete(&tx, id, &name, people).await })
        .await?;
    Ok(Json(PutList { list, unknown, unknown_count, failed }))
}

/// Forget the name of a list. Broadcasts that were sent to it go on.
#[utoipa::path(
    delete, path = "/api/v1/audiences/{name}", tag = "broadcasts", security(("token" = ["broadcast:write"])),
    params(("name" = String, Path)), responses((status = 204, description = "the name means nothing any more"))
)]
pub(super) async fn delete_audience(
    State(deps): State<Deps>,
    caller: Caller,
    Segment(name): Segment<ListName>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::BroadcastWrite)?;
    let forgotten = deps.store.transact(move |tx| async move { audience::forget(&tx, &name).await }).await?;
    if forgotten { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("list")) }
}
