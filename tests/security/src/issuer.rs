//! An issuer of tokens as a company runs one: its key pair, its set of public keys, and the place it serves them.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    rsa,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tidings_api::TokenClaims;

/// A key pair that signs tokens.
pub struct Issuer {
    algorithm: Algorithm,
    key: EncodingKey,
    kid: String,
    /// The public key in PEM.
    pub public_pem: String,
    /// The public key as a member of a set.
    pub jwk: Value,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({:?}, {})", self.algorithm, self.kid)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Issuer {
    /// One that signs with RS256.
    pub fn rs256(kid: &str) -> Self {
        let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("a key pair");
        let private: Pkcs8V1Der<'_> = pair.as_der().expect("a private key");
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
        let key = EncodingKey::from_rsa_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).expect("a key");
        let jwk = json!({
            "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256",
            "n": base64(pair.public_key().modulus().big_endian_without_leading_zero()),
            "e": base64(pair.public_key().exponent().big_endian_without_leading_zero()),
        });
        Self::new(Algorithm::RS256, key, kid, public.as_ref(), jwk)
    }

    /// One that signs with ES256.
    pub fn es256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key pair");
        let private = pair.to_pkcs8v1().expect("a private key");
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
        let key = EncodingKey::from_ec_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).expect("a key");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "kid": kid, "crv": "P-256", "x": base64(x), "y": base64(y) });
        Self::new(Algorithm::ES256, key, kid, public.as_ref(), jwk)
    }

    /// One that signs with `EdDSA`.
    pub fn eddsa(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key pair");
        let private = pair.to_pkcs8v1().expect("a private key");
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("a public key");
        let key = EncodingKey::from_ed_pem(pem("PRIVATE KEY", private.as_ref()).as_bytes()).expect("a key");
        let jwk =
            json!({ "kty": "OKP", "kid": kid, "crv": "Ed25519", "x": base64(pair.public_key().as_ref()) });
        Self::new(Algorithm::EdDSA, key, kid, public.as_ref(), jwk)
    }

    fn new(algorithm: Algorithm, key: EncodingKey, kid: &str, public: &[u8], jwk: Value) -> Self {
        Self { algorithm, key, kid: kid.to_owned(), public_pem: pem("PUBLIC KEY", public), jwk }
    }

    /// A token with these claims, and this issuer's `kid`.
    pub fn token(&self, claims: &TokenClaims) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).expect("the claims are JSON")
    }
}

/// Serves a set of keys over HTTP on this machine.
#[derive(Debug)]
pub struct KeyServer {
    /// Where the set is.
    pub url: String,
    answers: Arc<Mutex<Answers>>,
}

#[derive(Debug)]
struct Answers {
    set: Value,
    asked: usize,
}

impl KeyServer {
    /// Serves these keys. Its thread ends with the process.
    pub fn start(keys: &[&Issuer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/jwks.json", listener.local_addr().expect("an address"));
        let answers = Arc::new(Mutex::new(Answers { set: set(keys), asked: 0 }));
        let served = Arc::clone(&answers);
        std::thread::spawn(move || {
            for mut socket in listener.incoming().filter_map(Result::ok) {
                let head = BufReader::new(&socket).lines().map_while(Result::ok);
                let _lines = head.take_while(|line| !line.is_empty()).count();
                let body = {
                    let mut answers = served.lock().unwrap_or_else(PoisonError::into_inner);
                    answers.asked += 1;
                    answers.set.to_string()
                };
                let length = body.len();
                let sent = write!(
                    socket,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                drop(sent);
            }
        });
        Self { url, answers }
    }

    /// Serves other keys from now on.
    pub fn rotate(&self, keys: &[&Issuer]) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).set = set(keys);
    }

    /// How often the set was asked for.
    pub fn asked(&self) -> usize {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).asked
    }
}

fn set(keys: &[&Issuer]) -> Value {
    json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() })
}
