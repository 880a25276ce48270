//! The audit: what operators did, who, when, and from where.
//!
//! An entry is written in the transaction of what it tells, or, where that is many transactions, before the first and
//! after the last. No route changes or removes one.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde_json::Value;
use tidings_model::{AuditId, Timestamp, UserId};
use tidings_store::{Row, StoreError, Tx, params};

use crate::{Caller, Problem};

/// The address of the connection that a request came by; the server puts it into each request.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// Whom a request came from: the connection says it, never a header. Where nothing does, all who ask so are one.
    pub(crate) fn of(parts: &Parts) -> Self {
        let nobody = Self(SocketAddr::from(([0, 0, 0, 0], 0)));
        parts.extensions.get().copied().unwrap_or(nobody)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// Who acts, and from where.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The person, or the id of the service's key.
    pub who: UserId,
    /// The address of their connection.
    pub from: Option<IpAddr>,
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let from = parts.extensions.get::<Peer>().map(|peer| peer.0.ip());
        Ok(Self { who: caller.user_id, from })
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which.
    pub id: AuditId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: UserId,
    /// From where.
    pub from: Option<String>,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// With what, and what became of it.
    pub detail: Value,
}

/// What was done, for [`put`].
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// `dead_letter.redrive`, `group.reset`, …
    pub action: &'a str,
    /// An id, a group; empty where it is several.
    pub subject: &'a str,
    /// With what, and what became of it.
    pub detail: Value,
}

/// Adds an entry.
pub async fn put(
    tx: &Tx,
    (id, at): (AuditId, Timestamp),
    actor: &Actor,
    act: &Act<'_>,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO audit (audit_id, at, who, from_address, action, subject, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            id.to_string(),
            at,
            actor.who.as_str(),
            actor.from.map(|from| from.to_string()),
            act.action,
            act.subject,
            act.detail.to_string()
        ],
    )
    .await?;
    Ok(())
}

/// A page of entries, newest first.
pub async fn list(tx: &Tx, after: Option<AuditId>, limit: usize) -> Result<Vec<Entry>, StoreError> {
    let rows = tx
        .query(
            "SELECT audit_id, at, who, from_address, action, subject, detail
             FROM audit
             WHERE (CAST($1 AS TEXT) IS NULL OR audit_id < $1)
             ORDER BY audit_id DESC
             LIMIT $2",
            params![after.map(|id| id.to_string()), limit],
        )
        .await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: row.parse(0)?,
        at: row.get(1)?,
        who: row.parse(2)?,
        from: row.get(3)?,
        action: row.get(4)?,
        subject: row.get(5)?,
        detail: row.parse(6)?,
    })
}
