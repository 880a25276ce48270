//! `GET /keys`, `POST /keys`, `DELETE /keys/{id}`: what services come in with.

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_api::{
    Caller, Code, Page, PageQuery, Params, Problem, RawBody, Scope, Segment,
    audit::{self, Act, Actor},
    encode_page,
    idempotency::IdempotencyKey,
    service_keys::{self, KeyRefused, NewKey, ServiceKey},
};
use tidings_model::{KeyId, Timestamp, UserId};
use utoipa::ToSchema;

use super::Operators;

/// The list's name in its cursors.
const LIST: &str = "keys";
/// The largest body of a key that is made, in bytes.
const BODY_BYTES: usize = 16 << 10;
/// The longest name, in characters.
const NAME_LETTERS: usize = 100;
/// The most scopes of a key, and the longest one, in bytes.
const SCOPES: (usize, usize) = (64, 64);

/// A key that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// What it is for: 1 to 100 characters.
    #[schema(example = "billing")]
    name: String,
    /// What it may do: at most 64 scopes, none that its maker does not have.
    #[serde(default)]
    #[schema(example = json!(["message:write"]))]
    scopes: BTreeSet<String>,
    /// `admin` has every scope. A key has no other role: nothing is delivered to it.
    #[serde(default)]
    #[schema(example = json!([]))]
    roles: BTreeSet<String>,
    /// When it ends; never where it is absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A service key, without the key itself.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceKey)]
pub(super) struct KeyBody {
    /// Names it: here, as a caller, and in the audit.
    #[schema(value_type = String, example = "key_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    id: KeyId,
    #[schema(example = "billing")]
    name: String,
    #[schema(example = json!(["message:write"]))]
    scopes: BTreeSet<String>,
    #[schema(example = json!([]))]
    roles: Vec<&'static str>,
    /// `valid`, `revoked` or `expired`.
    #[schema(example = "valid")]
    state: &'static str,
    /// Who made it.
    #[schema(value_type = String, example = "sue")]
    created_by: UserId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, example = json!(null))]
    revoked_at: Option<Timestamp>,
    /// When it was used; noted once a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

impl KeyBody {
    fn of(key: ServiceKey, now: Timestamp) -> Self {
        let state = match key.refused(now) {
            None | Some(KeyRefused::Unknown) => "valid",
            Some(KeyRefused::Revoked) => "revoked",
            Some(KeyRefused::Expired) => "expired",
        };
        let ServiceKey {
            id,
            name,
            scopes,
            admin,
            created_by,
            created_at,
            expires_at,
            revoked_at,
            last_used_at,
        } = key;
        let roles = admin.then_some(ADMIN).into_iter().collect();
        Self { id, name, scopes, roles, state, created_by, created_at, expires_at, revoked_at, last_used_at }
    }
}

/// The one role that says something of a key.
const ADMIN: &str = "admin";

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedKey {
    /// For `Authorization: Bearer …`; it is shown in this answer alone.
    #[schema(example = "tdk_0xNp3rJ5yJpHkZl0m2v8c4s6Tq1u9w7Ab3dEfGhIjKl")]
    key: String,
    #[serde(flatten)]
    known: KeyBody,
}

/// The keys that services come in with, newest first. One that does not hold is listed for 30 days more.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "operators", security(("token" = ["keys:read"])), params(PageQuery),
    responses((status = 200, body = Page<KeyBody>, description = "a page of them"))
)]
pub(super) async fn list_keys(
    State(operators): State<Operators>,
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<KeyBody>>, Problem> {
    caller.require(Scope::KeysRead)?;
    let (limit, after) = (page.limit()?, page.after::<KeyId>(LIST)?);
    let now = operators.clock.now();
    let keys =
        operators.store.read(move |tx| async move { service_keys::list(&tx, after, limit).await }).await?;
    let last = keys.last().filter(|_| keys.len() == limit);
    let next_cursor = last.map(|last| encode_page(LIST, &last.id));
    Ok(Json(Page { items: keys.into_iter().map(|key| KeyBody::of(key, now)).collect(), next_cursor }))
}

/// Make a key for a service. The answer alone shows it, so it is kept nowhere and takes no `Idempotency-Key`: of two that
/// were made, revoke one.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "operators", security(("token" = ["keys:write"])), request_body = CreateKey,
    responses((status = 201, body = CreatedKey, description = "it holds from now on"),
        (status = 409, description = "there are 1,000 keys that hold"))
)]
pub(super) async fn create_key(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    idempotency: IdempotencyKey,
    body: RawBody,
) -> Result<(StatusCode, Json<CreatedKey>), Problem> {
    caller.require(Scope::KeysWrite)?;
    if idempotency.is_given() {
        let detail = "a key is shown once, so its answer is not kept: send this without Idempotency-Key, and revoke a key that was made twice";
        return Err(Problem::new(Code::BadRequest, detail));
    }
    body.limit(BODY_BYTES)?;
    let (asked, now): (CreateKey, _) = (body.parse()?, operators.clock.now());
    let known = ServiceKey {
        id: operators.ids.key(),
        admin: asked.check(now)?,
        name: asked.name,
        scopes: asked.scopes,
        created_by: caller.user_id.clone(),
        created_at: now,
        expires_at: asked.expires_at,
        revoked_at: None,
        last_used_at: None,
    };
    // Nobody gives away what they do not have.
    for scope in &known.scopes {
        caller.require_scope(scope)?;
    }
    if known.admin && !caller.admin {
        return Err(Problem::new(Code::Forbidden, "only who has the role `admin` gives it to a key"));
    }
    let secret = NewKey::random()?;
    let (entry, hash, made) = (operators.ids.audit(), secret.hash(), known.clone());
    operators
        .store
        .transact(move |tx| async move {
            service_keys::put(&tx, &made, hash).await?;
            let detail = json!({
                "name": made.name, "scopes": made.scopes, "admin": made.admin, "expires_at": made.expires_at,
            });
            let act = Act { action: "key.create", subject: &made.id.to_string(), detail };
            audit::put(&tx, (entry, now), &actor, &act).await?;
            Ok::<_, Problem>(())
        })
        .await?;
    let created = CreatedKey { key: secret.into_text(), known: KeyBody::of(known, now) };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Take a key back. Within 5 seconds no process takes it any more.
#[utoipa::path(
    delete, path = "/api/v1/keys/{id}", tag = "operators", security(("token" = ["keys:write"])),
    params(("id" = String, Path)),
    responses((status = 204, description = "revoked, now or before"))
)]
pub(super) async fn revoke_key(
    State(operators): State<Operators>,
    caller: Caller,
    actor: Actor,
    Segment(id): Segment<KeyId>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::KeysWrite)?;
    let (entry, now) = (operators.ids.audit(), operators.clock.now());
    operators
        .store
        .transact(move |tx| async move {
            match service_keys::revoke(&tx, id, now).await? {
                None => return Err(Problem::not_found("key")),
                Some(false) => {}
                Some(true) => {
                    let act = Act { action: "key.revoke", subject: &id.to_string(), detail: json!({}) };
                    audit::put(&tx, (entry, now), &actor, &act).await?;
                }
            }
            Ok(())
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

impl CreateKey {
    /// Refuses what no key can be; answers whether it is to have the role `admin`.
    fn check(&self, now: Timestamp) -> Result<bool, Problem> {
        let letters = self.name.chars().count();
        if !(1..=NAME_LETTERS).contains(&letters) || self.name.chars().any(char::is_control) {
            let sentence = format!("has 1 to {NAME_LETTERS} characters, and no control characters");
            return Err(Problem::field("/name", sentence));
        }
        let (most, longest) = SCOPES;
        let fits = |scope: &String| (1..=longest).contains(&scope.len()) && scope.bytes().all(is_of_scope);
        if self.scopes.len() > most || !self.scopes.iter().all(fits) {
            let sentence =
                format!("are at most {most} words such as `message:write`, of {longest} bytes each");
            return Err(Problem::field("/scopes", sentence));
        }
        let admin = self.roles.contains(ADMIN);
        if self.roles.len() > usize::from(admin) {
            let sentence = "a key has no role but `admin`: the others say who is reached, and nothing is delivered to a key";
            return Err(Problem::field("/roles", sentence));
        }
        if self.scopes.is_empty() && !admin {
            return Err(Problem::field("/scopes", "a key without a scope may do nothing"));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Problem::field("/expires_at", "lies in the past"));
        }
        Ok(admin)
    }
}

/// What a scope is made of: RFC 6749, section 3.3.
fn is_of_scope(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}
