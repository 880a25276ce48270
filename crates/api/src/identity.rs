//! Who calls: tokens, verified with the configured keys and by rules that no token can soften, and service keys.

mod claims;
mod keys;
mod ring;

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use tidings_model::{Channel, Clock, KeyId, Timestamp, UserId};
use tidings_telemetry::TokenRefused;

use crate::{
    Caller, Code, Problem,
    caller::Standings,
    identity::{keys::Key, ring::KeyRing},
    service_keys::ServiceKeys,
};

use claims::InvalidToken;
pub use claims::TokenClaims;
pub use ring::KeySource;

/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 8 << 10;
/// The furthest that a token's end may lie ahead.
const MAX_LIFE: Duration = Duration::from_hours(24);
/// How far the clocks of issuer and server may differ.
const LEEWAY: Duration = Duration::from_mins(1);

/// What a token must say beyond its signature.
#[derive(Clone, Debug, Default)]
pub struct TokenRules {
    /// The `iss` it must have; any where there is none.
    pub issuer: Option<String>,
    /// The `aud` it must have; any where there is none.
    pub audience: Option<String>,
    /// Whether its roles, groups and channels replace the directory's.
    pub trust_claims: bool,
}

/// Verifies tokens, and knows whether their owners may still come in.
pub struct Identity {
    keys: KeyRing,
    validations: [Validation; 4],
    trust_claims: bool,
    standings: Arc<dyn Standings>,
    service_keys: ServiceKeys,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the keys for the first time; the reason why that failed is a sentence for the operator.
    pub async fn new(
        source: KeySource,
        rules: &TokenRules,
        standings: Arc<dyn Standings>,
        service_keys: ServiceKeys,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let keys = KeyRing::load(source, Arc::clone(&clock)).await?;
        let validations = keys::ALGORITHMS.map(|algorithm| validation(algorithm, rules));
        Ok(Self { keys, validations, trust_claims: rules.trust_claims, standings, service_keys, clock })
    }

    /// The caller that a token or a service key names, with their standing of now.
    pub async fn caller(&self, token: &str) -> Result<Caller, Problem> {
        if ServiceKeys::is_one(token) {
            return self.service_keys.caller(token).await?.map_err(|cause| refused(&cause));
        }
        let verified = match self.verify(token) {
            // The issuer may have new keys since the set was read.
            Err(InvalidToken::UnknownKey) if self.keys.renew().await => self.verify(token),
            verified => {
                self.keys.renew_when_old().await;
                verified
            }
        };
        self.admit(verified.map_err(|cause| refused(&cause))?).await
    }

    /// Refuses who may no longer come in, and gives them what the directory adds to their token.
    pub(crate) async fn admit(&self, caller: Caller) -> Result<Caller, Problem> {
        let standing = self.standings.standing(&caller.user_id).await?;
        caller.resolve(standing)
    }

    /// The caller that a token names, by the keys that are in hand.
    fn verify(&self, token: &str) -> Result<Caller, InvalidToken> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if token.len() > MAX_TOKEN_BYTES || !token.bytes().all(letters) {
            return Err(InvalidToken::Shape);
        }
        let header = Header::read(token)?;
        let keys = self.keys.held();
        let key = keys::choose(&keys, header.algorithm()?, header.kid.as_deref())?;
        let claims = self.signed(token, key)?;
        self.in_time(&claims)?;
        self.named(claims)
    }

    fn signed(&self, token: &str, key: &Key) -> Result<TokenClaims, InvalidToken> {
        let of_key = |validation: &&Validation| validation.algorithms.contains(&key.algorithm());
        let validation = self.validations.iter().find(of_key).ok_or(InvalidToken::Header)?;
        jsonwebtoken::decode::<TokenClaims>(token, key.decoding(), validation)
            .map(|data| data.claims)
            .map_err(|cause| InvalidToken::Verification(cause.to_string()))
    }

    /// Judges the times by the clock that was passed in.
    fn in_time(&self, claims: &TokenClaims) -> Result<(), InvalidToken> {
        let seconds = self.clock.now().millis() / 1000;
        let leeway = LEEWAY.as_secs().cast_signed();
        let life = MAX_LIFE.as_secs().cast_signed();
        if claims.exp <= seconds - leeway
            || claims.exp > seconds + life + leeway
            || claims.nbf.is_some_and(|from| from > seconds + leeway)
            || claims.iat.is_some_and(|made| made > seconds + leeway)
        {
            return Err(InvalidToken::Times);
        }
        Ok(())
    }

    fn named(&self, claims: TokenClaims) -> Result<Caller, InvalidToken> {
        let user_id: UserId = claims.sub.parse().map_err(|_cause| InvalidToken::Subject)?;
        // The name of a service key is nobody else's: keys of requests, rates and the audit go by it.
        if claims.sub.parse::<KeyId>().is_ok() {
            return Err(InvalidToken::Subject);
        }
        let trusted = |claim: Option<Vec<String>>| claim.filter(|_| self.trust_claims);
        let roles = trusted(claims.roles);
        Ok(Caller {
            user_id,
            service: false,
            admin: roles.as_ref().is_some_and(|roles| roles.iter().any(|role| role == "admin")),
            scopes: claims.scope.unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect(),
            roles: channels(roles, Channel::Role),
            groups: channels(trusted(claims.groups), Channel::Group),
            apps: channels(trusted(claims.channels), Channel::App),
            expires_at: Timestamp(claims.exp.saturating_mul(1000)),
            issued_at: Timestamp(claims.iat.unwrap_or(0).saturating_mul(1000)),
        })
    }
}

/// The log learns why, the caller only that it does not hold.
fn refused(cause: &dyn std::error::Error) -> Problem {
    TokenRefused { cause }.emit();
    Problem::new(Code::Unauthorized, "the token does not hold; get a new one")
}

fn validation(algorithm: Algorithm, rules: &TokenRules) -> Validation {
    let mut validation = Validation::new(algorithm);
    // Times are judged by the clock that was passed in.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_required_spec_claims(&["exp", "sub"]);
    if let Some(issuer) = &rules.issuer {
        validation.set_issuer(&[issuer]);
        validation.required_spec_claims.insert("iss".to_owned());
    }
    match &rules.audience {
        Some(audience) => {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        None => validation.validate_aud = false,
    }
    validation
}

/// Claims as channels; a name that no channel can have is left out.
fn channels(claim: Option<Vec<String>>, channel: fn(String) -> Channel) -> Option<Vec<Channel>> {
    claim.map(|names| names.into_iter().filter_map(|name| channel(name).to_string().parse().ok()).collect())
}

/// What is read of a token's header. `jku`, `jwk`, `x5u` are not: keys come from the operator alone.
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl Header {
    /// Refuses what the library would pass over: critical extensions, and tokens made for another use.
    fn read(token: &str) -> Result<Self, InvalidToken> {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let (header, _) = token.split_once('.').ok_or(InvalidToken::Shape)?;
        let bytes = URL_SAFE_NO_PAD.decode(header).map_err(|_cause| InvalidToken::Shape)?;
        let header: Self = serde_json::from_slice(&bytes).map_err(|_cause| InvalidToken::Header)?;
        let access = |typ: &str| typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("at+jwt");
        if header.crit.is_some() || !header.typ.as_deref().is_none_or(access) {
            return Err(InvalidToken::Header);
        }
        Ok(header)
    }

    fn algorithm(&self) -> Result<Algorithm, InvalidToken> {
        let known = keys::ALGORITHMS.into_iter().find(|algorithm| format!("{algorithm:?}") == self.alg);
        known.ok_or(InvalidToken::Header)
    }
}
