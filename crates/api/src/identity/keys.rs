//! The keys that tokens are verified with. A key's type fixes its algorithm; a token cannot choose another.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};

use super::InvalidToken;

/// The algorithms that are taken; a key fixes which of them its tokens have.
pub(super) const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
/// The shortest secret, in bytes.
const MIN_SECRET_BYTES: usize = 32;
/// The most keys of a set.
const MAX_KEYS: usize = 64;

/// One key, and the only algorithm that it is good for.
#[derive(Clone)]
pub(super) struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    verifies: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A shared secret of at least 32 bytes: HS256.
    pub(super) fn secret(secret: &[u8]) -> Result<Self, String> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "the secret has {} bytes, it needs at least {MIN_SECRET_BYTES}; make one with `openssl rand -hex 32`",
                secret.len()
            ));
        }
        Ok(Self { kid: None, algorithm: Algorithm::HS256, verifies: DecodingKey::from_secret(secret) })
    }

    /// A public key in PEM: RSA is RS256, P-256 is ES256, Ed25519 is `EdDSA`.
    pub(super) fn pem(pem: &[u8]) -> Result<Self, String> {
        let tried = [
            (Algorithm::RS256, DecodingKey::from_rsa_pem(pem)),
            (Algorithm::ES256, DecodingKey::from_ec_pem(pem)),
            (Algorithm::EdDSA, DecodingKey::from_ed_pem(pem)),
        ];
        tried
            .into_iter()
            .find_map(|(algorithm, key)| Some(Self { kid: None, algorithm, verifies: key.ok()? }))
            .ok_or_else(|| "it is no public key in PEM of RSA, P-256 or Ed25519".to_owned())
    }

    fn jwk(jwk: &Jwk) -> Option<Self> {
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            // A secret has no place in a set that is published.
            AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_)
            | AlgorithmParameters::OctetKey(_)
            | AlgorithmParameters::Other(_)
            | _ => return None,
        };
        let signs = jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
        let fits = jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == named);
        let verifies = DecodingKey::from_jwk(jwk).ok().filter(|_| signs && fits)?;
        Some(Self { kid: jwk.common.key_id.clone(), algorithm, verifies })
    }

    /// The keys of a JSON Web Key Set that are good for signatures here.
    pub(super) fn set(json: &[u8]) -> Result<Vec<Self>, String> {
        let set: serde_json::Value =
            serde_json::from_slice(json).map_err(|cause| format!("it is not JSON: {cause}"))?;
        let keys = set.get("keys").and_then(serde_json::Value::as_array).ok_or("it has no list `keys`")?;
        let keys: Vec<Self> = keys
            .iter()
            .take(MAX_KEYS)
            // A kind of key that we do not know must not spoil the others.
            .filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok())
            .filter_map(|key| Self::jwk(&key))
            .collect();
        if keys.is_empty() { Err("it has no key for RS256, ES256 or EdDSA".to_owned()) } else { Ok(keys) }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.verifies
    }
}

/// The key of a token's header.
///
/// A `kid` names one of the set; a key that has none is found by its algorithm alone, and so is the only key
/// of its algorithm for a token that names none.
pub(super) fn choose<'a>(
    keys: &'a [Key],
    algorithm: Algorithm,
    kid: Option<&str>,
) -> Result<&'a Key, InvalidToken> {
    let mut fitting = keys.iter().filter(|key| key.algorithm == algorithm);
    match kid {
        Some(kid) => fitting
            .find(|key| key.kid.as_deref().is_none_or(|own| own == kid))
            .ok_or(InvalidToken::UnknownKey),
        None => match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(InvalidToken::UnknownKey),
            (Some(_), Some(_)) => Err(InvalidToken::Header),
        },
    }
}
