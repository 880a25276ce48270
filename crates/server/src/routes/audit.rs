//! `GET /audit`: what operators did, who, when, and from where.

use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;
use tidings_api::{
    Caller, Page, PageQuery, Params, Problem, Scope,
    audit::{self, Act, Actor, Entry},
    encode_page,
};
use tidings_model::{AuditId, Timestamp, UserId};
use utoipa::ToSchema;

use super::Operators;

/// The list's name in its cursors.
const LIST: &str = "audit";

/// One thing that an operator did.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditEntry {
    #[schema(value_type = String)]
    id: AuditId,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The `sub` of their token.
    #[schema(value_type = String)]
    who: UserId,
    /// The address of their connection.
    from: Option<String>,
    #[schema(example = "dead_letter.redrive")]
    action: String,
    /// What it was done to; empty where it was several.
    subject: String,
    /// With what, and what became of it.
    #[schema(value_type = Object)]
    detail: Value,
}

impl From<Entry> for AuditEntry {
    fn from(entry: Entry) -> Self {
        let Entry { id, at, who, from, action, subject, detail } = entry;
        Self { id, at, who, from, action, subject, detail }
    }
}

/// What operators did, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "operators", security(("token" = ["ops:read"])), params(PageQuery),
    responses((status = 200, body = Page<AuditEntry>, description = "a page of it"))
)]
pub(super) async fn list_audit(
    State(operators): State<Operators>,
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    caller.require(Scope::OpsRead)?;
    let (limit, after) = (page.limit()?, page.after::<AuditId>(LIST)?);
    let entries = operators.store.read(move |tx| async move { audit::list(&tx, after, limit).await }).await?;
    let last = entries.last().filter(|_| entries.len() == limit);
    let next_cursor = last.map(|last| encode_page(LIST, &last.id));
    Ok(Json(Page { items: entries.into_iter().map(AuditEntry::from).collect(), next_cursor }))
}

impl Operators {
    /// Adds an entry about several things at once, in a transaction of its own.
    pub(super) async fn note(
        &self,
        (entry, actor): (AuditId, &Actor),
        action: &'static str,
        detail: Value,
    ) -> Result<(), Problem> {
        let (actor, now) = (actor.clone(), self.clock.now());
        let noting = self.store.transact(move |tx| async move {
            audit::put(&tx, (entry, now), &actor, &Act { action, subject: "", detail }).await
        });
        Ok(noting.await?)
    }
}
