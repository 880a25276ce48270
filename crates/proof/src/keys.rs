//! Keys: the private one that signs, and the public ones that check.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Bytes of a public key.
const KEY_BYTES: usize = 32;
/// How an Ed25519 key begins in DER (RFC 8410), before its bytes.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A text that is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Not a private key.
    #[error(
        "is no Ed25519 private key in PEM; make one with `openssl genpkey -algorithm ed25519 -out proof.pem`"
    )]
    Private,
    /// Not public keys.
    #[error("has no Ed25519 public key: neither a set (JWKS), as /api/v1/proof-keys answers it, nor PEM")]
    Public,
}

/// Signs proofs.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.public.id)
    }
}

impl Signer {
    /// Reads a private key: PKCS #8 in PEM.
    pub fn from_pem(text: &str) -> Result<Self, InvalidKey> {
        let der = pem(text, "PRIVATE KEY").ok_or(InvalidKey::Private)?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_cause| InvalidKey::Private)?;
        let bytes = pair.public_key().as_ref().try_into().map_err(|_cause| InvalidKey::Private)?;
        Ok(Self { pair, public: PublicKey::new(bytes) })
    }

    /// Whose signatures verify.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(message))
    }
}

/// Checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: String,
    bytes: [u8; KEY_BYTES],
}

impl PublicKey {
    fn new(bytes: [u8; KEY_BYTES]) -> Self {
        // RFC 7638: the members that make the key, in the order of their names.
        let members = json!({ "crv": "Ed25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(bytes) });
        Self { id: URL_SAFE_NO_PAD.encode(Sha256::digest(members.to_string())), bytes }
    }

    /// Reads keys: a set (JWKS), one of its members, or PEM.
    pub fn read(text: &str) -> Result<Vec<Self>, InvalidKey> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        if let Some(der) = pem(text, "PUBLIC KEY") {
            let bytes = der.strip_prefix(&SPKI).and_then(|bytes| bytes.try_into().ok());
            return Ok(vec![Self::new(bytes.ok_or(InvalidKey::Public)?)]);
        }
        let value: Value = serde_json::from_str(text).map_err(|_cause| InvalidKey::Public)?;
        let members = match serde_json::from_value::<Set>(value.clone()) {
            Ok(set) => set.keys,
            Err(_one) => vec![value],
        };
        // A set may hold keys for something else.
        let keys: Vec<Self> = members.iter().filter_map(Self::of_member).collect();
        if keys.is_empty() { Err(InvalidKey::Public) } else { Ok(keys) }
    }

    fn of_member(member: &Value) -> Option<Self> {
        if member["kty"] != "OKP" || member["crv"] != "Ed25519" {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(member["x"].as_str()?).ok()?;
        Some(Self::new(bytes.try_into().ok()?))
    }

    /// Its name: the thumbprint of RFC 7638.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// As a member of a set (JWKS).
    pub fn member(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.bytes);
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.id, "use": "sig", "alg": "EdDSA" })
    }

    pub(crate) fn holds(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = URL_SAFE_NO_PAD.decode(signature);
        signature
            .is_ok_and(|bytes| UnparsedPublicKey::new(&ED25519, self.bytes).verify(message, &bytes).is_ok())
    }
}

/// The bytes between the lines that begin and end something in PEM.
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_before, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (inner, _behind) = rest.split_once(&format!("-----END {label}-----"))?;
    let letters: String = inner.split_whitespace().collect();
    STANDARD.decode(letters).ok()
}
