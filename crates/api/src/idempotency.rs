//! Idempotency keys: the same key gives the one true outcome, also after a crash.
//!
//! The key's row is written in the transaction of the effect itself, so there is no moment in which the one
//! exists without the other.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tidings_model::{EventId, Timestamp};
use tidings_store::{StoreError, Tx, params};

use crate::{Caller, Code, Problem};

/// The header.
const HEADER: &str = "idempotency-key";
/// The longest key, in bytes.
const MAX_BYTES: usize = 255;

/// Stands before a name that nobody has shown to be theirs: no caller's id is empty.
const NOBODY: &str = "";

/// The key of a request, in its scope: caller, method and path.
#[derive(Clone, Debug)]
pub struct IdempotencyKey(Option<Vec<u8>>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let OpenKey(Some(key)) = OpenKey::from_request_parts(parts, state).await? else {
            return Ok(Self(None));
        };
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(key.scoped(&[caller.user_id.as_str()]))
    }
}

/// The key of a request that brings no token: who asks is what the route takes for it.
#[derive(Clone, Debug)]
pub struct OpenKey(Option<Given>);

/// A key, and what it was given with.
#[derive(Clone, Debug)]
struct Given {
    method: Method,
    path: String,
    key: HeaderValue,
}

impl Given {
    fn scoped(&self, who: &[&str]) -> IdempotencyKey {
        let who = who.iter().map(|part| part.as_bytes());
        let what = [self.method.as_str().as_bytes(), self.path.as_bytes(), self.key.as_bytes()];
        let mut hash = Sha256::new();
        for part in who.chain(what) {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        IdempotencyKey(Some(hash.finalize().to_vec()))
    }
}

impl OpenKey {
    /// The key in the scope of who asks, by the name that the request says.
    pub fn of(&self, name: &str) -> IdempotencyKey {
        self.0.as_ref().map_or(IdempotencyKey(None), |given| given.scoped(&[NOBODY, name]))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OpenKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let refused = |detail: &str| Err(Problem::new(Code::BadRequest, detail));
        let mut keys = parts.headers.get_all(HEADER).iter();
        let Some(key) = keys.next().cloned() else { return Ok(Self(None)) };
        if keys.next().is_some() {
            return refused("send one Idempotency-Key");
        }
        if key.is_empty() || key.len() > MAX_BYTES || key.to_str().is_err() {
            return refused("an Idempotency-Key has 1 to 255 printable ASCII characters");
        }
        Ok(Self(Some(Given { method: parts.method.clone(), path: parts.uri.path().to_owned(), key })))
    }
}

/// An answer as it is kept under a key.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body: JSON.
    pub body: String,
}

impl Answer {
    /// An answer with a body.
    pub fn new(status: StatusCode, body: &impl Serialize) -> Self {
        Self { status, body: serde_json::to_string(body).unwrap_or_default() }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

impl IdempotencyKey {
    /// Whether the request has a key.
    pub fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// The id of the event number `number` that a request of this key and body causes: the same whenever it comes, so
    /// that who writes outside the transaction of the key may write again, and readers know the repeat. None without
    /// a key.
    pub fn event_id(&self, body: &[u8], number: usize) -> Option<EventId> {
        let key = self.0.as_ref()?;
        let mut hash = Sha256::new();
        hash.update(key);
        hash.update(Sha256::digest(body));
        hash.update(number.to_be_bytes());
        let id = format!("evt_{}", URL_SAFE_NO_PAD.encode(hash.finalize()));
        id.parse().ok()
    }

    /// The answer that this key was given before, if it was; another body under it is refused.
    pub async fn seen(&self, tx: &Tx, body: &[u8]) -> Result<Option<Answer>, Problem> {
        let Some(key) = &self.0 else { return Ok(None) };
        // Whoever comes with the same key waits for this answer.
        tx.lock("idempotency", &URL_SAFE_NO_PAD.encode(key)).await?;
        let row = tx
            .optional(
                "SELECT body_hash, status, answer FROM idempotency_keys WHERE key_hash = $1",
                params![key.clone()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.get::<Vec<u8>>(0)? != Sha256::digest(body).to_vec() {
            return Err(Problem::new(
                Code::IdempotencyKeyReused,
                "this Idempotency-Key was used with another body; use a new key for a new request",
            ));
        }
        let status = u16::try_from(row.get::<u32>(1)?).unwrap_or(200);
        Ok(Some(Answer { status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body: row.get(2)? }))
    }

    /// Keeps the answer, in the transaction of the effect.
    pub async fn keep(
        &self,
        tx: &Tx,
        body: &[u8],
        answer: &Answer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(key) = &self.0 else { return Ok(()) };
        tx.execute(
            "INSERT INTO idempotency_keys (key_hash, body_hash, status, answer, created_at)
             VALUES ($1, $2, $3, $4, $5)",
            params![
                key.clone(),
                Sha256::digest(body).to_vec(),
                u32::from(answer.status.as_u16()),
                &answer.body,
                now
            ],
        )
        .await?;
        Ok(())
    }
}

/// Forgets keys that are older than `before`, some at a time. Answers how many.
pub async fn forget(tx: &Tx, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM idempotency_keys WHERE key_hash IN (
           SELECT key_hash FROM idempotency_keys WHERE created_at < $1 LIMIT 500)",
        params![before],
    )
    .await
}
