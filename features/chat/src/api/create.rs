//! `POST /conversations`: two people find theirs or make it, whoever asks; more people, or a title, make a group.

use std::collections::BTreeSet;

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use tidings::{
    api::{
        Caller, FieldError, Problem, RawBody, Somebody,
        idempotency::{Answer, IdempotencyKey},
    },
    delivery::{
        change::{Wish, change_with},
        directory,
    },
    derived,
    model::{ConversationId, Timestamp, UserId},
    store::{Lane, Tx},
};
use utoipa::ToSchema;

use super::{Chat, ConversationBody, channel, of_member, shown};
use crate::{
    model::{Conversation, MEMBERS_MAX, Pair, TITLE_BYTES, is_line},
    store,
};

/// People who join with one transaction.
const SLICE: usize = 50;

/// People who are to speak with each other.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateConversation {
    /// Who, beside you; one other without a title is the one conversation of you two.
    #[schema(value_type = Vec<String>, example = json!(["bob"]))]
    members: Vec<UserId>,
    /// How a group is called.
    title: Option<String>,
}

/// Speak with somebody: find the conversation of two, or make it or a group.
#[utoipa::path(
    post, path = "/api/v1/conversations", tag = "chat", request_body = CreateConversation,
    responses((status = 201, description = "made; its members listen to it", body = ConversationBody),
        (status = 200, description = "you two had one already", body = ConversationBody),
        (status = 422, description = "the Idempotency-Key came with another body before"))
)]
pub(super) async fn create_conversation(
    State(chat): State<Chat>,
    Somebody(caller): Somebody,
    key: IdempotencyKey,
    body: RawBody,
) -> Result<Answer, Problem> {
    let CreateConversation { members, title } = body.parse()?;
    if title.as_deref().is_some_and(|title| !is_line(title, TITLE_BYTES)) {
        let detail = format!("a title has 1 to {TITLE_BYTES} bytes on one line");
        return Err(Problem::field("/title", detail));
    }
    let others: BTreeSet<UserId> = members.iter().filter(|user| **user != caller.user_id).cloned().collect();
    if others.len() >= MEMBERS_MAX {
        return Err(Problem::field("/members", format!("a conversation has at most {MEMBERS_MAX} members")));
    }
    chat.known(&members, &caller.user_id).await?;
    let asked = Asked { chat: &chat, caller: &caller, key, body: &body.0 };
    match (others.first(), others.len(), &title) {
        (None, _, _) => Err(Problem::field("/members", "name somebody else: nobody speaks with themselves")),
        (Some(other), 1, None) => asked.pair(other.clone()).await,
        (Some(_), _, _) => asked.group(others, title).await,
    }
}

/// A request, as it came.
struct Asked<'a> {
    chat: &'a Chat,
    caller: &'a Caller,
    key: IdempotencyKey,
    body: &'a [u8],
}

impl Asked<'_> {
    /// The conversation of the caller and somebody else.
    async fn pair(self, other: UserId) -> Result<Answer, Problem> {
        let (now, fresh) = (self.chat.deps.clock.now(), self.chat.deps.ids.conversation());
        let (caller, key, body) = (self.caller.clone(), self.key, self.body.to_vec());
        let in_force = change_with(&self.chat.deps.store, Lane::People, now, move |tx| async move {
            if let Some(answer) = key.seen(&tx, &body).await? {
                return Ok((answer, Vec::new()));
            }
            let pair = Pair::of(caller.user_id.clone(), other.clone());
            let found = store::of_pair(&tx, &pair).await?;
            let status = if found.is_some() { StatusCode::OK } else { StatusCode::CREATED };
            let conversation = found.unwrap_or_else(|| made(fresh, &caller.user_id, (Some(pair), None), now));
            if status == StatusCode::CREATED {
                store::put(&tx, &conversation).await?;
            }
            let both = [caller.user_id.clone(), other];
            let (id, seq) = (conversation.id, conversation.last_seq);
            store::join(&tx, id, &both, seq).await?;
            let body_shown = shown(&tx, &caller.user_id, of_member(&tx, id, &caller.user_id).await?).await?;
            let answer = Answer::new(status, &body_shown);
            key.keep(&tx, &body, &answer, now).await?;
            // Who was taken out of the directory and came back listens again.
            Ok::<_, Problem>((answer, wishes(&caller, &both, id)))
        });
        Ok(in_force.await?.0)
    }

    /// A new group, its people slice after slice; the same key goes on with the same group.
    async fn group(self, others: BTreeSet<UserId>, title: Option<String>) -> Result<Answer, Problem> {
        let now = self.chat.deps.clock.now();
        let id = match self.key.event_id(self.body, 1) {
            // When the key came first is not known; what follows from it must not depend on that.
            Some(event) => derived(&[event.as_str()], Timestamp(0)),
            None => self.chat.deps.ids.conversation(),
        };
        let conversation = made(id, &self.caller.user_id, (None, title), now);
        let mut people = vec![self.caller.user_id.clone()];
        people.extend(others);
        let slices: Vec<Vec<UserId>> = people.chunks(SLICE).map(<[UserId]>::to_vec).collect();
        let last = slices.len();
        for (number, slice) in (1..).zip(slices) {
            let (caller, key, body) = (self.caller.clone(), self.key.clone(), self.body.to_vec());
            let conversation = conversation.clone();
            let in_force = change_with(&self.chat.deps.store, Lane::People, now, move |tx| async move {
                if let Some(answer) = key.seen(&tx, &body).await? {
                    return Ok((Some(answer), Vec::new()));
                }
                store::put(&tx, &conversation).await?;
                let seq = held_seq(&tx, id).await?;
                store::join(&tx, id, &slice, seq).await?;
                let wishes = wishes(&caller, &slice, id);
                if number < last {
                    return Ok((None, wishes));
                }
                let me = of_member(&tx, id, &caller.user_id).await?;
                let answer = Answer::new(StatusCode::CREATED, &shown(&tx, &caller.user_id, me).await?);
                key.keep(&tx, &body, &answer, now).await?;
                Ok::<_, Problem>((Some(answer), wishes))
            });
            if let (Some(answer), _) = in_force.await? {
                return Ok(answer);
            }
        }
        Err(super::missing())
    }
}

/// The number of the last message, which stays the last until the transaction is over.
async fn held_seq(tx: &Tx, id: ConversationId) -> Result<u64, Problem> {
    store::hold(tx, id).await?;
    Ok(store::find(tx, id).await?.map_or(0, |found| found.last_seq))
}

fn made(
    id: ConversationId,
    by: &UserId,
    (pair, title): (Option<Pair>, Option<String>),
    now: Timestamp,
) -> Conversation {
    Conversation { id, pair, title, created_by: by.clone(), created_at: now, last_seq: 0, last_at: now }
}

/// What makes people listen to a conversation, in the order of their ids; who asks is entered in the directory.
fn wishes(caller: &Caller, people: &[UserId], id: ConversationId) -> Vec<Wish> {
    let people: BTreeSet<&UserId> = people.iter().collect();
    let wish = |user: &UserId| {
        let known = if *user == caller.user_id { Wish::of_caller(caller) } else { Wish::of(user.clone()) };
        Wish { join: Some(channel(id)), ..known }
    };
    people.into_iter().map(wish).collect()
}

impl Chat {
    /// Refuses people whom nobody knows, each by its place; who asks is known by their token.
    pub(super) async fn known(&self, members: &[UserId], caller: &UserId) -> Result<(), Problem> {
        let asked = members.to_vec();
        let unknown =
            self.deps.store.read(move |tx| async move { directory::unknown(&tx, &asked).await }).await?;
        let wrong = members.iter().enumerate().filter(|(_, user)| *user != caller && unknown.contains(user));
        let wrong = wrong.map(|(number, user)| FieldError {
            pointer: format!("/members/{number}"),
            detail: format!("the directory knows nobody called `{user}`"),
        });
        let wrong: Vec<FieldError> = wrong.take(MEMBERS_MAX).collect();
        if wrong.is_empty() { Ok(()) } else { Err(Problem::fields(wrong)) }
    }
}
