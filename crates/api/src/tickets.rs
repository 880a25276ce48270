//! Stream tickets: the one secret that a URL may hold, good once and for a minute.
//!
//! A plain `EventSource` cannot send a header, so a page asks for a ticket first. The database holds its hash.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, Uri};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tidings_model::{Clock, Timestamp};
use tidings_store::{Store, StoreError, Tx, params};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Caller, Code, Problem, Somebody};

/// How long a ticket is good.
const LIFE: Duration = Duration::from_mins(1);
/// The random bytes of a ticket.
const BYTES: usize = 32;
/// The most tickets that one person may have open.
const MAX_OPEN: u64 = 100;
/// Where a ticket is taken.
pub(crate) const PATHS: [&str; 2] = ["/api/v1/stream", "/api/v1/ws"];

/// Gives out tickets and takes them back.
#[derive(Clone, Debug)]
pub struct Tickets {
    /// Where their hashes lie.
    pub store: Store,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// A ticket for one stream.
#[derive(Serialize, ToSchema)]
struct Ticket {
    /// Goes into the query of `/stream` or `/ws` as `ticket`, once.
    #[schema(example = "0xNp3rJ5yJpHkZl0m2v8c4s6Tq1u9w7Ab3dEfGhIjKl")]
    ticket: String,
    /// When it is no longer taken: a minute from now.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// The route that gives them out.
pub fn routes(tickets: Tickets) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(create_stream_ticket)).with_state(tickets)
}

/// Get a ticket that opens one stream within a minute, for clients that cannot send a header.
#[utoipa::path(
    post, path = "/api/v1/stream-tickets", tag = "stream",
    responses((status = 201, description = "good once, for a minute", body = Ticket),
        (status = 429, description = "too many tickets that were not used"))
)]
async fn create_stream_ticket(
    State(tickets): State<Tickets>,
    Somebody(caller): Somebody,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    Ok((StatusCode::CREATED, Json(tickets.give(caller).await?)))
}

/// The ticket in a URL, where one is taken.
pub(crate) fn in_query(uri: &Uri) -> Option<String> {
    let query = uri.query().filter(|_| PATHS.contains(&uri.path()))?;
    query.split('&').find_map(|pair| pair.strip_prefix("ticket=")).map(str::to_owned)
}

impl Tickets {
    async fn give(&self, caller: Caller) -> Result<Ticket, Problem> {
        let mut secret = [0; BYTES];
        getrandom::fill(&mut secret).map_err(|cause| {
            tracing::error!(%cause, "the operating system gave no randomness");
            Problem::new(Code::Internal, "no ticket could be made")
        })?;
        let ticket = URL_SAFE_NO_PAD.encode(secret);
        let (hash, now) = (Sha256::digest(&ticket).to_vec(), self.clock.now());
        let expires_at = now.plus(LIFE);
        self.store
            .transact(move |tx| async move {
                let user = caller.user_id.as_str();
                // They are counted before one is given.
                tx.lock("tickets", user).await?;
                tx.execute("DELETE FROM stream_tickets WHERE user_id = $1 AND expires_at <= $2", params![user, now])
                    .await?;
                let open = tx.one("SELECT COUNT(*) FROM stream_tickets WHERE user_id = $1", params![user]).await?;
                if open.get::<u64>(0)? >= MAX_OPEN {
                    let detail = format!("you have {MAX_OPEN} tickets that were not used; wait a minute");
                    return Err(Problem::new(Code::TooManyRequests, detail).retry_after(60));
                }
                tx.execute(
                    "INSERT INTO stream_tickets (ticket_hash, user_id, caller, expires_at) VALUES ($1, $2, $3, $4)",
                    params![hash, user, serde_json::to_string(&caller).unwrap_or_default(), expires_at],
                )
                .await?;
                Ok::<_, Problem>(())
            })
            .await?;
        Ok(Ticket { ticket, expires_at })
    }

    /// The caller that a ticket was given to. It is gone afterwards, whether it still held or not.
    pub(crate) async fn redeem(&self, ticket: &str) -> Result<Caller, Problem> {
        let (hash, now) = (Sha256::digest(ticket).to_vec(), self.clock.now());
        let row = self
            .store
            .transact(move |tx| async move {
                tx.optional(
                    "DELETE FROM stream_tickets WHERE ticket_hash = $1 RETURNING caller, expires_at",
                    params![hash],
                )
                .await
            })
            .await?;
        let caller = row
            .map(|row| Ok::<_, StoreError>((row.get::<String>(0)?, row.get::<Timestamp>(1)?)))
            .transpose()?;
        caller
            .filter(|(_, expires_at)| *expires_at > now)
            .and_then(|(caller, _)| serde_json::from_str::<Caller>(&caller).ok())
            .filter(|caller| caller.expires_at > now)
            .ok_or_else(|| {
                Problem::new(Code::Unauthorized, "the ticket was used, or its minute is over; get a new one")
            })
    }
}

/// Forgets tickets whose time is over, some at a time. Answers how many.
pub async fn forget(tx: &Tx, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM stream_tickets WHERE ticket_hash IN (
           SELECT ticket_hash FROM stream_tickets WHERE expires_at <= $1 LIMIT 500)",
        params![now],
    )
    .await
}
