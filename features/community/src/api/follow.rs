//! `POST` and `DELETE /users/{id}/follow`: the answer comes when the follower has the author's channel, or has it no more.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::Serialize;
use tidings::{
    Deps,
    api::{Caller, Code, Problem, Segment, Somebody, TraceParent},
    delivery::change,
    model::UserId,
    store::Lane,
};
use utoipa::ToSchema;

use crate::{
    events::{self, Cause},
    model::Follow,
    store::{follows, people},
};

/// Whom you follow.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Following {
    #[schema(value_type = String, example = "ada")]
    user_id: UserId,
    following: bool,
}

/// Follow somebody: they are told, and you get what they post from now on.
#[utoipa::path(
    post, path = "/api/v1/users/{id}/follow", tag = "community", params(("id" = String, Path)),
    responses((status = 200, body = Following, description = "you follow them, from now on or since before"),
        (status = 400, description = "nobody follows themselves"))
)]
pub(super) async fn follow(
    State(deps): State<Deps>,
    Somebody(caller): Somebody,
    Segment(id): Segment<UserId>,
    trace: TraceParent,
) -> Result<Json<Following>, Problem> {
    let follow = between(caller, id)?;
    let followed = Following { user_id: follow.followee.clone(), following: true };
    let (now, ids) = (deps.clock.now(), deps.ids);
    let cause = Cause { id: ids.event(), trace_parent: Some(trace.to_string()) };
    let begin = move |tx| async move {
        if people::profile(&tx, &follow.followee).await?.is_none() {
            return Err(Problem::not_found("person"));
        }
        if follows::begin(&tx, &follow, (&cause.id, false), &ids, now).await? {
            tx.put_event(&events::followed(cause, &follow, now)).await?;
        }
        Ok(((), vec![follow.joins()]))
    };
    change::change_with(&deps.store, Lane::People, now, begin).await?;
    Ok(Json(followed))
}

/// Follow somebody no more; they are not told.
#[utoipa::path(
    delete, path = "/api/v1/users/{id}/follow", tag = "community", params(("id" = String, Path)),
    responses((status = 204, description = "you do not follow them"),
        (status = 400, description = "nobody follows themselves"))
)]
pub(super) async fn unfollow(
    State(deps): State<Deps>,
    Somebody(caller): Somebody,
    Segment(id): Segment<UserId>,
    trace: TraceParent,
) -> Result<StatusCode, Problem> {
    let follow = between(caller, id)?;
    let (now, ids) = (deps.clock.now(), deps.ids);
    let cause = Cause { id: ids.event(), trace_parent: Some(trace.to_string()) };
    let end = move |tx| async move {
        if follows::end(&tx, &follow, &ids, now).await? {
            tx.put_event(&events::unfollowed(cause, &follow, now)).await?;
        } else if people::profile(&tx, &follow.followee).await?.is_none() {
            return Err(Problem::not_found("person"));
        }
        Ok(((), vec![follow.leaves()]))
    };
    change::change_with(&deps.store, Lane::People, now, end).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn between(caller: Caller, followee: UserId) -> Result<Follow, Problem> {
    let follow = Follow { follower: caller.user_id, followee };
    if follow.is_of_oneself() {
        return Err(Problem::new(Code::BadRequest, "nobody follows themselves"));
    }
    Ok(follow)
}
