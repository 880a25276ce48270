//! `PUT` and `DELETE /conversations/{id}/members/{user}`: who comes into a group, and who goes.

use axum::extract::{Path, State};
use http::StatusCode;
use tidings::{
    api::{Code, Problem, Somebody},
    delivery::change::{Wish, change_with},
    model::{ConversationId, UserId},
    store::Lane,
};

use super::{Chat, channel, missing, of_member};
use crate::{
    model::{Conversation, MEMBERS_MAX},
    store,
};

/// Two ids of a path; what is none names nothing that is there.
fn ids((id, user): (String, String)) -> Result<(ConversationId, UserId), Problem> {
    let id = id.parse().map_err(|_none| missing())?;
    Ok((id, user.parse().map_err(|_none| Problem::not_found("member"))?))
}

/// Two people stay two.
fn group(conversation: &Conversation) -> Result<(), Problem> {
    match conversation.pair {
        None => Ok(()),
        Some(_) => Err(Problem::new(
            Code::Conflict,
            "this conversation is of two people, who stay in it: make a group for more",
        )),
    }
}

/// Bring somebody into a group; they see what is said from now on.
#[utoipa::path(
    put, path = "/api/v1/conversations/{id}/members/{user}", tag = "chat",
    params(("id" = String, Path), ("user" = String, Path)),
    responses((status = 204, description = "they are a member, and listen"),
        (status = 409, description = "it is of two people, or full"))
)]
pub(super) async fn join_conversation(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (id, user) = ids(path)?;
    let (me, asked, now) = (caller.user_id.clone(), user.clone(), chat.deps.clock.now());
    chat.deps.store.read(move |tx| async move { of_member(&tx, id, &me).await }).await?;
    chat.known(std::slice::from_ref(&asked), &caller.user_id)
        .await
        .map_err(|_unknown| Problem::not_found("member"))?;
    change_with(&chat.deps.store, Lane::People, now, move |tx| async move {
        store::hold(&tx, id).await?;
        let (conversation, _) = of_member(&tx, id, &caller.user_id).await?;
        group(&conversation)?;
        let known = store::standing_of(&tx, id, &user).await?.is_some();
        if !known && store::size(&tx, id).await? >= MEMBERS_MAX as u64 {
            let detail = format!("a conversation has at most {MEMBERS_MAX} members, and this one has them");
            return Err(Problem::new(Code::Conflict, detail));
        }
        store::join(&tx, id, std::slice::from_ref(&user), conversation.last_seq).await?;
        Ok::<_, Problem>(((), vec![Wish { join: Some(channel(id)), ..Wish::of(user) }]))
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leave a group, or take somebody out of one that you made.
#[utoipa::path(
    delete, path = "/api/v1/conversations/{id}/members/{user}", tag = "chat",
    params(("id" = String, Path), ("user" = String, Path)),
    responses((status = 204, description = "they are no member, and hear nothing more"),
        (status = 403, description = "only who made a group takes others out of it"),
        (status = 409, description = "it is of two people"))
)]
pub(super) async fn leave_conversation(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (id, user) = ids(path)?;
    change_with(&chat.deps.store, Lane::People, chat.deps.clock.now(), move |tx| async move {
        store::hold(&tx, id).await?;
        let (conversation, _) = of_member(&tx, id, &caller.user_id).await?;
        group(&conversation)?;
        if user != caller.user_id && conversation.created_by != caller.user_id {
            return Err(Problem::new(Code::Forbidden, "only who made a group takes others out of it"));
        }
        if store::standing_of(&tx, id, &user).await?.is_none() {
            return Err(Problem::not_found("member"));
        }
        store::leave(&tx, id, &user).await?;
        Ok::<_, Problem>(((), vec![Wish { leave: Some(channel(id)), ..Wish::of(user) }]))
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}
