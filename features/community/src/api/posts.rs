//! `POST /posts`, `GET /posts`, `DELETE /posts/{id}`.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings::{
    Deps,
    api::{
        Page, PageQuery, Params, Problem, RawBody, Segment, Somebody, TraceParent, encode_page,
        idempotency::{Answer, IdempotencyKey},
    },
    delivery::{DeliveryRecord, End, deliver, end_item},
    model::{Audience, Channel, PostId, Timestamp, UserId},
};
use utoipa::{IntoParams, ToSchema};

use super::check;
use crate::{
    events::{self, Cause},
    model::{Post, Said},
    spoken::{PostRemoved, REMOVED},
    store::{
        counts::{self, Step},
        posts::{self, Removed},
    },
};

/// The list's name in its cursors.
const LIST: &str = "posts";
/// The largest body, in bytes.
const BODY_BYTES: usize = 256 << 10;

/// Something to tell who follows you.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreatePost {
    #[schema(example = "On the engine")]
    title: String,
    #[schema(example = "It weaves algebraical patterns.")]
    content: String,
}

/// A post.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Post)]
pub(super) struct PostBody {
    #[schema(value_type = String, example = "pst_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    post_id: PostId,
    #[schema(value_type = String, example = "ada")]
    author_id: UserId,
    title: String,
    content: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Post> for PostBody {
    fn from(post: Post) -> Self {
        let Post { id, author_id, said: Said { title, content }, created_at } = post;
        Self { post_id: id, author_id, title, content, created_at }
    }
}

/// Post something: those who follow you now are told.
#[utoipa::path(
    post, path = "/api/v1/posts", tag = "community", request_body = CreatePost,
    responses((status = 201, description = "saved, and on its way", body = PostBody),
        (status = 422, description = "the Idempotency-Key came with another body before"))
)]
pub(super) async fn create_post(
    State(deps): State<Deps>,
    Somebody(caller): Somebody,
    key: IdempotencyKey,
    trace: TraceParent,
    body: RawBody,
) -> Result<Answer, Problem> {
    body.limit(BODY_BYTES)?;
    let CreatePost { title, content } = body.parse()?;
    let said = Said { title, content };
    check(&said)?;
    let (id, created_at) = (deps.ids.post(), deps.clock.now());
    let cause = Cause { id: deps.ids.event(), trace_parent: Some(trace.to_string()) };
    let post = Post { id, author_id: caller.user_id, said, created_at };
    deps.store
        .transact(move |tx| async move {
            if let Some(answer) = key.seen(&tx, &body.0).await? {
                return Ok(answer);
            }
            posts::hold_author(&tx, &post.author_id).await?;
            posts::put(&tx, &post).await?;
            tx.put_event(&events::posted(cause, &post)).await?;
            let answer = Answer::new(StatusCode::CREATED, &PostBody::from(post));
            key.keep(&tx, &body.0, &answer, created_at).await?;
            Ok::<_, Problem>(answer)
        })
        .await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfAuthor {
    /// Only posts of this person.
    #[param(value_type = Option<String>, example = "ada")]
    author: Option<UserId>,
}

/// Posts, newest first.
#[utoipa::path(
    get, path = "/api/v1/posts", tag = "community", params(OfAuthor, PageQuery),
    responses((status = 200, body = Page<PostBody>))
)]
pub(super) async fn list_posts(
    State(deps): State<Deps>,
    _caller: Somebody,
    Params(OfAuthor { author }): Params<OfAuthor>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<PostBody>>, Problem> {
    let limit = page.limit()?;
    let before: Option<(Timestamp, PostId)> = page.after(LIST)?;
    let read = move |tx| async move { posts::list(&tx, author.as_ref(), before, limit).await };
    let found = deps.store.read(read).await?;
    let last = found.last().filter(|_| found.len() == limit);
    let next_cursor = last.map(|last| encode_page(LIST, &(last.created_at, &last.id)));
    Ok(Json(Page { items: found.into_iter().map(PostBody::from).collect(), next_cursor }))
}

/// Remove a post of yours: it leaves lists and inboxes at once, and screens a moment later.
#[utoipa::path(
    delete, path = "/api/v1/posts/{id}", tag = "community", params(("id" = String, Path)),
    responses((status = 204, description = "removed, now or before"))
)]
pub(super) async fn delete_post(
    State(deps): State<Deps>,
    Somebody(caller): Somebody,
    Segment(id): Segment<PostId>,
    trace: TraceParent,
) -> Result<StatusCode, Problem> {
    let (now, ids, author) = (deps.clock.now(), deps.ids, caller.user_id);
    let data = PostRemoved { post_id: &id, reason: "cancelled" };
    let audience = Audience::of(Channel::Author(author.clone()));
    let data = serde_json::value::to_raw_value(&data).unwrap_or_default();
    let removed = DeliveryRecord {
        removes: true,
        trace_parent: Some(trace.to_string()),
        ..DeliveryRecord::change(ids.event(), REMOVED, id.as_str(), audience, now, data)
    };
    deps.store
        .transact(move |tx| async move {
            let counted = match posts::remove(&tx, &id, &author, now).await? {
                Removed::Missing => return Err(Problem::not_found("post")),
                Removed::Before => return Ok(()),
                Removed::Now { counted } => counted,
            };
            end_item(&tx, id.as_str(), End::Cancelled, now).await?;
            deliver(&tx, &removed, None).await?;
            if counted {
                let fewer = Step { posts: -1, ..Step::default() };
                counts::step(&tx, vec![(&author, fewer)], &ids, now).await?;
            }
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
