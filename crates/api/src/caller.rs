//! Callers: somebody who has shown who they are, by a bearer token, a service key or a stream ticket.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use http::{header, request::Parts};
use serde::{Deserialize, Serialize};
use tidings_model::{Channel, Timestamp, UserId};

use crate::{Code, Identity, Problem, Scope, Tickets, tickets};

/// Somebody who has shown who they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Caller {
    /// The person, or the id of the service's key.
    pub user_id: UserId,
    /// Whether it is a service.
    #[serde(default)]
    pub service: bool,
    /// Whether the role `admin` gives every scope.
    pub admin: bool,
    /// Scopes of the token.
    pub scopes: BTreeSet<String>,
    /// Roles of the token; none leaves the directory's.
    pub roles: Option<Vec<Channel>>,
    /// Groups of the token; none leaves the directory's.
    pub groups: Option<Vec<Channel>>,
    /// App channels of the token; none leaves the directory's.
    pub apps: Option<Vec<Channel>>,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// When the token was made; the newest wins.
    pub issued_at: Timestamp,
}

/// What the directory says of a caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// They may not come in, whatever their token says.
    pub disabled: bool,
    /// They have the role `admin`; it counts where the token has no `roles`.
    pub admin: bool,
}

/// Where the standing of people comes from.
#[async_trait]
pub trait Standings: Send + Sync + std::fmt::Debug {
    /// The standing of somebody; whom the directory does not know has none.
    async fn standing(&self, user: &UserId) -> Result<Standing, Problem>;
}

impl Caller {
    /// Refuses who lacks the scope.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        self.require_scope(scope.as_str())
    }

    /// Refuses who lacks a scope that the settings name.
    pub fn require_scope(&self, scope: &str) -> Result<(), Problem> {
        if self.admin || self.scopes.contains(scope) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, format!("the token needs the scope `{scope}`")))
    }

    /// Refuses a service: nobody delivers to it, and it speaks in nobody's name.
    pub fn require_person(&self) -> Result<(), Problem> {
        if !self.service {
            return Ok(());
        }
        Err(Problem::new(
            Code::Forbidden,
            "a service key opens only what its scopes name; this is for people, with a token of their own",
        ))
    }

    /// A claim replaces the directory's word, an absent one leaves it; the scopes of a role follow from that.
    pub(crate) fn resolve(mut self, standing: Standing) -> Result<Self, Problem> {
        if standing.disabled {
            return Err(Problem::new(Code::Unauthorized, "this account is disabled"));
        }
        self.admin |= self.roles.is_none() && standing.admin;
        Ok(self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let missing = || Problem::new(Code::Unauthorized, "send `Authorization: Bearer <token>`");
        Self::brought(parts).await?.ok_or_else(missing)
    }
}

/// A caller who is a person: who calls a route that names no scope.
#[derive(Clone, Debug)]
pub struct Somebody(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for Somebody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.require_person()?;
        Ok(Self(caller))
    }
}

/// What came of a request's token, so that it is judged once.
#[derive(Clone)]
struct Known(Result<Option<Caller>, Problem>);

impl Caller {
    /// The caller that a request brings, by token or by ticket; none where it brings neither.
    pub async fn brought(parts: &mut Parts) -> Result<Option<Self>, Problem> {
        if let Some(Known(known)) = parts.extensions.get::<Known>() {
            return known.clone();
        }
        let known = Self::shown(parts).await;
        parts.extensions.insert(Known(known.clone()));
        known
    }

    async fn shown(parts: &Parts) -> Result<Option<Self>, Problem> {
        let unbuilt = || Problem::new(Code::Internal, "the server was built without an identity");
        let identity = parts.extensions.get::<Arc<Identity>>().ok_or_else(unbuilt)?;
        let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
        let caller = match (values.next(), tickets::in_query(&parts.uri)) {
            (None, None) => return Ok(None),
            (None, Some(ticket)) => {
                let tickets = parts.extensions.get::<Tickets>().ok_or_else(unbuilt)?;
                identity.admit(tickets.redeem(&ticket).await?).await?
            }
            (Some(value), _) => {
                let value = value.to_str().ok().filter(|_| values.next().is_none());
                let token = value.and_then(|value| value.strip_prefix("Bearer "));
                let wrong = || Problem::new(Code::Unauthorized, "send one `Authorization: Bearer <token>`");
                identity.caller(token.ok_or_else(wrong)?).await?
            }
        };
        Ok(Some(caller))
    }
}
