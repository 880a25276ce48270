//! `POST /receipts`: what a client says it has, and what its reader read.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use tidings_api::{Body, Caller, Code, Problem, Somebody};
use tidings_delivery_core::Cursor;
use tidings_model::{SessionId, Timestamp, UserId};
use utoipa::ToSchema;

use super::DeliveryApi;
use crate::{
    Person, Word, directory, inbox, receipts,
    sessions::{self, Ack},
};

/// The most ids in one list.
const MAX_IDS: usize = 1000;
/// Ids that one transaction takes.
const SLICE: usize = 100;

/// What a client confirms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Receipts {
    /// Everything offered at or before this cursor is delivered.
    cursor: Option<String>,
    /// These items are delivered.
    #[serde(default)]
    delivered: Vec<String>,
    /// These items are read, and so delivered.
    #[serde(default)]
    read: Vec<String>,
    /// Which device says so; the person's newest where it is absent.
    #[schema(value_type = Option<String>)]
    session: Option<SessionId>,
}

/// Confirm what was delivered and read.
#[utoipa::path(
    post, path = "/api/v1/receipts", tag = "inbox", request_body = Receipts,
    responses((status = 204, description = "kept; the next GET shows it"),
        (status = 409, description = "a cursor of somebody who has opened no stream yet"))
)]
pub(super) async fn post_receipts(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Body(body): Body<Receipts>,
) -> Result<StatusCode, Problem> {
    for (pointer, ids) in [("/delivered", &body.delivered), ("/read", &body.read)] {
        if ids.len() > MAX_IDS {
            return Err(Problem::field(pointer, format!("at most {MAX_IDS} ids")));
        }
    }
    let ack = match body.cursor.as_deref() {
        Some(cursor) => Some(api.ack_of(cursor).await?),
        None => None,
    };
    let now = api.clock.now();
    let (session, delivered, read) = (body.session, body.delivered, body.read);
    if let Some(ack) = ack {
        api.confirm(&caller.user_id, session, ack, now).await?;
    }
    // Most receipts are a cursor alone, and need to know no more of who says so.
    if delivered.is_empty() && read.is_empty() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let person = api.person(&caller).await?;
    for items in delivered.chunks(SLICE).chain(read.chunks(SLICE)) {
        api.feed.settles(&person, items).await?;
    }
    for items in delivered.chunks(SLICE) {
        let (person, items, witnesses) = (person.clone(), items.to_vec(), api.witnesses.clone());
        api.store
            .transact(move |tx| async move {
                directory::hold(&tx, &person.user_id).await?;
                let theirs = receipts::theirs(&tx, &person, &items).await?;
                let fresh = receipts::delivered_all(&tx, &person.user_id, theirs, now).await?;
                witnesses.tell(&tx, &person.user_id, &fresh, Word::Delivered, now).await?;
                Ok::<_, Problem>(())
            })
            .await?;
    }
    for items in read.chunks(SLICE) {
        let (person, items, event) = (person.clone(), items.to_vec(), api.ids.event());
        let witnesses = api.witnesses.clone();
        api.store
            .transact(
                move |tx| async move { inbox::read(&tx, &person, &items, event, &witnesses, now).await },
            )
            .await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl DeliveryApi {
    async fn ack_of(&self, cursor: &str) -> Result<Ack, Problem> {
        let invalid = |detail: String| Problem::new(Code::BadRequest, detail);
        let cursor: Cursor = cursor.parse().map_err(|cause| invalid(format!("cursor: {cause}")))?;
        let narrowing = cursor.narrowing;
        let not_ours = || {
            let detail = "cursor: it is not of this log's present generation; reload, and go on from `ready`";
            invalid(detail.to_owned())
        };
        let place = self.feed.generations().receipt(&cursor, narrowing).ok_or_else(not_ours)?;
        // Another process may have shown more than this one has read.
        let head = self.feed.reaches(place).await.map_err(|cause| {
            tracing::warn!(%cause, "the end of the delivery log could not be asked for");
            Problem::new(
                Code::Unavailable,
                "the log is away, and this cursor is newer than what was read of it",
            )
            .retry_after(5)
        })?;
        if place > head {
            return Err(not_ours());
        }
        Ok(Ack { place, narrowing, opening: None })
    }

    pub(super) async fn person(&self, caller: &Caller) -> Result<Person, Problem> {
        let caller = caller.clone();
        self.store
            .read(move |tx| async move { directory::caller(&tx, &caller).await })
            .await
            .map_err(Problem::from)
    }

    async fn confirm(
        &self,
        user: &UserId,
        session: Option<SessionId>,
        ack: Ack,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let generation = self.feed.generations().current().id;
        let device = (user, session.as_ref());
        let found = sessions::confirm(&self.store, generation, device, ack, &self.witnesses, now).await?;
        // A session that was forgotten has nothing to confirm; somebody without any has none to speak for.
        if !found && session.is_none() {
            return Err(Problem::new(Code::Conflict, "no session yet: open a stream first"));
        }
        Ok(())
    }
}
