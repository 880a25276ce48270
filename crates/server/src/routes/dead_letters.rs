//! `GET /dead-letters`, `GET /dead-letters/{id}`: the records that were given up, and why.

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Code, Page, PageQuery, Params, Problem, Scope, Segment, encode_page};
use tidings_consumer::dead_letters::{self, After, DeadLetter, Filter, State};
use tidings_model::{EventId, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::Operators;

/// The list's name in its cursors.
const LIST: &str = "dead-letters";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadLettersQuery {
    /// Only records of this topic.
    topic: Option<String>,
    /// Only those that this group gave up.
    group: Option<String>,
    /// Only those that are `open`, `redriven`, `handled` or `purged`; all but the purged where it is absent.
    #[param(pattern = "^(open|redriven|handled|purged)$")]
    state: Option<String>,
    /// Only those with this text in one of their causes.
    cause: Option<String>,
}

/// Which dead letters are meant; what is absent restricts nothing.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FilterBody {
    /// Records of this topic.
    topic: Option<String>,
    /// Those that this group gave up.
    group: Option<String>,
    /// Those with this text in one of their causes, in whatever case.
    cause: Option<String>,
    /// Those that were given up before this moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    before: Option<Timestamp>,
}

impl From<FilterBody> for Filter {
    fn from(body: FilterBody) -> Self {
        let FilterBody { topic, group, cause, before } = body;
        Self { topic, group, cause, before, state: None }
    }
}

/// A record that a group gave up. Bytes that are not UTF-8 are shown with replacement characters.
#[derive(Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(super) struct DeadLetterBody {
    /// In a path, its slashes are written `%2F`.
    #[schema(example = "broadcast-messages/3/1042@broadcast-service-group-lifecycle")]
    id: String,
    group: String,
    handler: String,
    topic: String,
    partition: u32,
    offset: u64,
    #[schema(value_type = String)]
    event_id: EventId,
    key: Option<String>,
    /// Name and value, in order; names may repeat.
    #[schema(value_type = Vec<Vec<String>>)]
    headers: Vec<(String, String)>,
    value: Option<String>,
    /// Why it was given up, outermost cause first.
    causes: Vec<String>,
    /// How often it was tried.
    attempts: u32,
    /// When the record was appended.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// When it was given up.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, example = "open")]
    state: &'static str,
    /// How often it was sent through again.
    redrives: u32,
    /// When its state changed last.
    #[schema(value_type = String, format = DateTime)]
    changed_at: Timestamp,
}

impl From<DeadLetter> for DeadLetterBody {
    fn from(letter: DeadLetter) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            key: letter.key.as_deref().map(text),
            headers: letter.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            value: letter.value.as_deref().map(text),
            id: letter.id,
            group: letter.group,
            handler: letter.handler,
            topic: letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            event_id: letter.event_id,
            causes: letter.causes,
            attempts: letter.attempts,
            recorded_at: letter.recorded_at,
            created_at: letter.created_at,
            state: letter.state.as_str(),
            redrives: letter.redrives,
            changed_at: letter.changed_at,
        }
    }
}

/// Dead letters, newest first.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "operators", security(("token" = ["dlt:read"])),
    params(DeadLettersQuery, PageQuery),
    responses((status = 200, body = Page<DeadLetterBody>, description = "a page of them"))
)]
pub(super) async fn list_dead_letters(
    extract::State(operators): extract::State<Operators>,
    caller: Caller,
    Params(query): Params<DeadLettersQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<DeadLetterBody>>, Problem> {
    caller.require(Scope::DeadLetterRead)?;
    let limit = page.limit()?;
    let after: Option<(i64, String)> = page.after(LIST)?;
    let after = after.map(|(at, id)| After { created_at: Timestamp(at), id });
    let state = query.state.as_deref().map(str::parse::<State>).transpose();
    let state = state.map_err(|unknown| Problem::new(Code::BadRequest, unknown.to_string()))?;
    let DeadLettersQuery { topic, group, cause, .. } = query;
    let filter = Filter { topic, group, state, cause, before: None };
    let reading = operators
        .store
        .read(move |tx| async move { dead_letters::list(&tx, &filter, after.as_ref(), limit).await });
    let letters = reading.await?;
    let last = letters.last().filter(|_| letters.len() == limit);
    let next_cursor = last.map(|last| encode_page(LIST, &(last.created_at.millis(), &last.id)));
    Ok(Json(Page { items: letters.into_iter().map(DeadLetterBody::from).collect(), next_cursor }))
}

/// One dead letter.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/{id}", tag = "operators", security(("token" = ["dlt:read"])),
    params(("id" = String, Path)),
    responses((status = 200, body = DeadLetterBody, description = "the record, and why it was given up"))
)]
pub(super) async fn get_dead_letter(
    extract::State(operators): extract::State<Operators>,
    caller: Caller,
    Segment(id): Segment<String>,
) -> Result<Json<DeadLetterBody>, Problem> {
    caller.require(Scope::DeadLetterRead)?;
    let letter = operators.store.read(move |tx| async move { dead_letters::get(&tx, &id).await }).await?;
    letter.map(|letter| Json(letter.into())).ok_or_else(|| Problem::not_found("dead letter"))
}
