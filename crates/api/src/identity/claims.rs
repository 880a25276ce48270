//! What a token says, and why one does not hold.

use serde::{Deserialize, Serialize};

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
    /// Whom it is for. The library that verifies a token reads it; here it is only written.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
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

impl TokenClaims {
    /// Claims of somebody, with nothing but their name; `exp` is still to be set.
    pub fn of(sub: &str) -> Self {
        Self {
            sub: sub.to_owned(),
            exp: 0,
            nbf: None,
            iat: None,
            iss: None,
            aud: None,
            roles: None,
            groups: None,
            channels: None,
            scope: None,
        }
    }
}

/// Why a token does not hold; for the log, the caller learns only that it does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidToken {
    /// Its letters, length or parts are not those of a token.
    #[error("it is not a token")]
    Shape,
    /// Its header asks for something that is not allowed here.
    #[error("its header is not allowed")]
    Header,
    /// No key in hand fits its header.
    #[error("no key fits its header")]
    UnknownKey,
    /// Its signature or its claims do not hold.
    #[error("it does not verify: {0}")]
    Verification(String),
    /// It is over, not yet valid, or valid for too long.
    #[error("its times do not hold")]
    Times,
    /// Its `sub` names nobody.
    #[error("its `sub` is not the id of a person")]
    Subject,
}
