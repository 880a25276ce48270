//! Who calls: bearer tokens, verified against the one configured key, and the scopes they bring.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{header, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde::{Deserialize, Serialize};
use tidings_model::{Channel, Clock, Timestamp, UserId};

use crate::{Code, Problem};

/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 8 << 10;
/// The furthest that a token's end may lie ahead.
const MAX_LIFE: Duration = Duration::from_hours(24);
/// How far the clocks of issuer and server may differ.
const LEEWAY: Duration = Duration::from_secs(60);
/// The shortest secret, in bytes.
const MIN_SECRET_BYTES: usize = 32;

/// What a token may allow, beyond what everybody may do for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Create, change and cancel broadcasts.
    BroadcastWrite,
    /// See broadcasts and who got them.
    BroadcastRead,
    /// Change the directory.
    DirectoryWrite,
    /// See operators' views.
    OpsRead,
    /// Read and write topics.
    Log,
}

impl Scope {
    /// The word in a token's `scope`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BroadcastWrite => "broadcast:write",
            Self::BroadcastRead => "broadcast:read",
            Self::DirectoryWrite => "directory:write",
            Self::OpsRead => "ops:read",
            Self::Log => "log:read",
        }
    }
}

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenClaims {
    /// The person.
    pub sub: String,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The person's roles; absent: the directory's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// The person's groups; absent: the directory's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// The person's app channels, by name; absent: the directory's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// Scopes, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// Why a token does not hold; for the log, the caller learns only that it does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Its letters, length or parts are not those of a token.
    #[error("it is not a token")]
    Shape,
    /// Its header asks for something that is not allowed here.
    #[error("its header is not allowed")]
    Header,
    /// Its signature or its claims do not hold.
    #[error("it does not verify: {0}")]
    Verification(String),
    /// It is over, not yet valid, or valid for too long.
    #[error("its times do not hold")]
    Times,
    /// Its `sub` names nobody.
    #[error("its `sub` is not a user id")]
    Subject,
}

/// Verifies tokens.
pub struct Identity {
    key: DecodingKey,
    validation: Validation,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity { … }")
    }
}

impl Identity {
    /// Tokens signed with a shared secret of at least 32 bytes.
    pub fn hs256(
        secret: &[u8],
        issuer: Option<&str>,
        audience: Option<&str>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "the secret has {} bytes, it needs at least {MIN_SECRET_BYTES}; make one with `openssl rand -hex 32`",
                secret.len()
            ));
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are judged below, by the clock that was passed in.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        match audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        Ok(Self { key: DecodingKey::from_secret(secret), validation, clock })
    }

    /// The caller that a token names.
    pub fn verify(&self, token: &str) -> Result<Caller, InvalidToken> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if token.len() > MAX_TOKEN_BYTES || !token.bytes().all(letters) {
            return Err(InvalidToken::Shape);
        }
        check_header(token)?;
        let data = jsonwebtoken::decode::<TokenClaims>(token, &self.key, &self.validation)
            .map_err(|cause| InvalidToken::Verification(cause.to_string()))?;
        let claims = data.claims;
        let seconds = self.clock.now().millis() / 1000;
        let leeway = LEEWAY.as_secs().cast_signed();
        let life = MAX_LIFE.as_secs().cast_signed();
        if claims.exp <= seconds - leeway
            || claims.exp > seconds + life + leeway
            || claims.nbf.is_some_and(|from| from > seconds + leeway)
        {
            return Err(InvalidToken::Times);
        }
        let user_id: UserId = claims.sub.parse().map_err(|_cause| InvalidToken::Subject)?;
        let admin = claims.roles.as_ref().is_some_and(|roles| roles.iter().any(|role| role == "admin"));
        let scopes = claims.scope.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect();
        Ok(Caller {
            user_id,
            admin,
            scopes,
            roles: named(claims.roles, Channel::Role),
            groups: named(claims.groups, Channel::Group),
            apps: named(claims.channels, Channel::App),
            expires_at: Timestamp(claims.exp.saturating_mul(1000)),
            issued_at: Timestamp(claims.iat.unwrap_or(0).saturating_mul(1000)),
        })
    }
}

/// Claims as channels; a name that no channel can have is left out.
fn named(claim: Option<Vec<String>>, channel: fn(String) -> Channel) -> Option<Vec<Channel>> {
    claim.map(|names| names.into_iter().filter_map(|name| channel(name).to_string().parse().ok()).collect())
}

/// Refuses what the library would pass over: critical extensions, and tokens made for another use.
fn check_header(token: &str) -> Result<(), InvalidToken> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let (header, _) = token.split_once('.').ok_or(InvalidToken::Shape)?;
    let bytes = URL_SAFE_NO_PAD.decode(header).map_err(|_cause| InvalidToken::Shape)?;
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "alg")]
        _alg: String,
        typ: Option<String>,
        crit: Option<serde_json::Value>,
    }
    let header: Header = serde_json::from_slice(&bytes).map_err(|_cause| InvalidToken::Header)?;
    let typed =
        header.typ.is_none_or(|typ| typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt"));
    if header.crit.is_some() || !typed { Err(InvalidToken::Header) } else { Ok(()) }
}

/// Makes tokens with the same secret, for the command line, demo people and tests.
pub struct Mint {
    key: EncodingKey,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mint { … }")
    }
}

impl Mint {
    /// Signs with a shared secret.
    pub fn hs256(secret: &[u8], clock: Arc<dyn Clock>) -> Self {
        Self { key: EncodingKey::from_secret(secret), clock }
    }

    /// A token for somebody, valid for `life`.
    pub fn token(
        &self,
        sub: &str,
        roles: Option<Vec<String>>,
        scope: Option<String>,
        life: Duration,
    ) -> Result<String, String> {
        let now = self.clock.now();
        let claims = TokenClaims {
            sub: sub.to_owned(),
            exp: now.plus(life).millis() / 1000,
            nbf: None,
            iat: Some(now.millis() / 1000),
            iss: None,
            roles,
            groups: None,
            channels: None,
            scope,
        };
        self.sign(&claims)
    }

    /// Signs claims as they are.
    pub fn sign(&self, claims: &TokenClaims) -> Result<String, String> {
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &self.key)
            .map_err(|cause| cause.to_string())
    }
}

/// Somebody who has shown who they are.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The person or service.
    pub user_id: UserId,
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

impl Caller {
    /// Refuses who lacks the scope.
    pub fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.admin || self.scopes.contains(scope.as_str()) {
            return Ok(());
        }
        Err(Problem::new(Code::Forbidden, format!("the token needs the scope `{}`", scope.as_str())))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let refused = |detail: &str| Problem::new(Code::Unauthorized, detail).into_response();
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let identity = parts.extensions.get::<Arc<Identity>>().cloned();
        let identity = identity.ok_or_else(|| {
            Problem::new(Code::Internal, "the server was built without an identity").into_response()
        })?;
        let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().and_then(|value| value.to_str().ok());
        let token = value.and_then(|value| value.strip_prefix("Bearer ")).filter(|_| values.next().is_none());
        let token = token.ok_or_else(|| refused("send `Authorization: Bearer <token>`"))?;
        let caller = identity.verify(token).map_err(|cause| {
            tracing::debug!(%cause, "refused a token");
            refused("the token does not hold; get a new one")
        })?;
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}
