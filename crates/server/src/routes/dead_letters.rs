//! `GET /dead-letters`, `GET /dead-letters/{id}`: the records that were given up, and why.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Page, PageQuery, Params, Problem, Scope, Segment, encode_page};
use tidings_consumer::dead_letters::{self, After, DeadLetter, Filter};
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
    State(operators): State<Operators>,
    caller: Caller,
    Params(query): Params<DeadLettersQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<DeadLetterBody>>, Problem> {
    caller.require(Scope::DeadLetterRead)?;
    let limit = page.limit()?;
    let after: Option<(i64, String)> = page.after(LIST)?;
    let after = after.map(|(at, id)| After { created_at: Timestamp(at), id });
    let filter = Filter { topic: query.topic, group: query.group, ..Filter::default() };
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
    State(operators): State<Operators>,
    caller: Caller,
    Segment(id): Segment<String>,
) -> Result<Json<DeadLetterBody>, Problem> {
    caller.require(Scope::DeadLetterRead)?;
    let letter = operators.store.read(move |tx| async move { dead_letters::get(&tx, &id).await }).await?;
    letter.map(|letter| Json(letter.into())).ok_or_else(|| Problem::not_found("dead letter"))
}
