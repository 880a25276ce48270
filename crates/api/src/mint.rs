//! Makes tokens with the shared secret, for who logs in here, the command line, demo people and tests.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::EncodingKey;
use tidings_model::Clock;

use crate::{TokenClaims, TokenRules};

/// Signs tokens.
pub struct Mint {
    key: EncodingKey,
    issuer: Option<String>,
    audience: Option<String>,
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
        Self { key: EncodingKey::from_secret(secret), issuer: None, audience: None, clock }
    }

    /// Says in each token what a server with these rules asks for.
    pub fn for_rules(self, rules: &TokenRules) -> Self {
        Self { issuer: rules.issuer.clone(), audience: rules.audience.clone(), ..self }
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
        self.sign(&TokenClaims {
            exp: now.plus(life).millis() / 1000,
            iat: Some(now.millis() / 1000),
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            roles,
            scope,
            ..TokenClaims::of(sub)
        })
    }

    /// Signs claims as they are.
    pub fn sign(&self, claims: &TokenClaims) -> Result<String, String> {
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &self.key)
            .map_err(|cause| cause.to_string())
    }
}
