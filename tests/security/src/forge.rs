//! Tokens that nobody should be able to come in with: one good one, and every standard forgery of it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// A forgery's name and the token.
pub type Forgery = (&'static str, String);

fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Signs a header and claims as they are, whatever they say.
pub fn sign(header: &Value, claims: &Value, secret: &[u8], algorithm: Algorithm) -> String {
    let signed =
        format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
    let key = EncodingKey::from_secret(secret);
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &key, algorithm).expect("any bytes can be signed");
    format!("{signed}.{signature}")
}

/// The claims `changed` over the good ones; null takes one away.
fn with(good: &Value, changed: Value) -> Value {
    let mut claims = good.clone();
    let (Some(all), Value::Object(changed)) = (claims.as_object_mut(), changed) else { return claims };
    for (name, value) in changed {
        if value.is_null() {
            all.remove(&name)
        } else {
            all.insert(name, value)
        };
    }
    claims
}

/// The good token for these rules, and everything that must be refused.
///
/// `public_pem` is a public key that an attacker may use as if it were a shared secret.
pub fn forgeries(secret: &str, now: i64, public_pem: &[u8]) -> (String, Vec<Forgery>) {
    let secret = secret.as_bytes();
    let head = json!({ "alg": "HS256", "typ": "JWT" });
    let said = json!({
        "sub": "mallory", "iss": "tidings", "aud": "tidings", "iat": now, "nbf": now, "exp": now + 3600, "roles": ["user"],
    });
    let token = |claims: Value| sign(&head, &with(&said, claims), secret, Algorithm::HS256);
    let headed = |header: Value, key: &[u8]| sign(&with(&head, header), &said, key, Algorithm::HS256);
    let good = token(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let (first, payload, signature) = (parts[0], parts[1], parts[2]);
    let unsigned = |alg: &str| format!("{}.{payload}.", base64(json!({ "alg": alg }).to_string().as_bytes()));
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let promoted = base64(with(&said, json!({ "sub": "admin", "roles": ["admin"] })).to_string().as_bytes());
    let forged = vec![
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("alg NONE", unsigned("NONE")),
        ("alg nOnE", unsigned("nOnE")),
        ("no signature", format!("{first}.{payload}.")),
        ("two parts", format!("{first}.{payload}")),
        (
            "flipped signature",
            format!("{first}.{payload}.{flipped}{}", signature.get(1..).unwrap_or_default()),
        ),
        ("swapped payload", format!("{first}.{promoted}.{signature}")),
        ("expired", token(json!({ "exp": now - 3600 }))),
        ("not yet", token(json!({ "nbf": now + 3600 }))),
        ("no exp", token(json!({ "exp": null }))),
        ("exp as text", token(json!({ "exp": "never" }))),
        ("exp far ahead", token(json!({ "exp": 1_000_000_000_000_000_000_i64 }))),
        ("exp negative", token(json!({ "exp": -1 }))),
        ("another issuer", token(json!({ "iss": "evil" }))),
        ("another audience", token(json!({ "aud": "other" }))),
        ("no sub", token(json!({ "sub": null }))),
        ("sub as number", token(json!({ "sub": 1 }))),
        ("sub empty", token(json!({ "sub": "" }))),
        ("weak secret", sign(&head, &said, b"secret", Algorithm::HS256)),
        ("empty secret", sign(&head, &said, b"", Algorithm::HS256)),
        ("HS512", sign(&json!({ "alg": "HS512", "typ": "JWT" }), &said, secret, Algorithm::HS512)),
        ("kid with a path", headed(json!({ "kid": "../../../../dev/null" }), b"")),
        ("kid with SQL", headed(json!({ "kid": "x' UNION SELECT 'k'--" }), b"k")),
        ("jku", headed(json!({ "jku": "http://127.0.0.1:1/jwks" }), b"x")),
        ("embedded jwk", headed(json!({ "jwk": { "kty": "oct", "k": base64(b"x") } }), b"x")),
        ("critical extension", headed(json!({ "crit": ["exp2"] }), secret)),
        (
            "a refresh token",
            sign(
                &with(&head, json!({ "typ": "refresh+jwt" })),
                &with(&said, json!({ "typ": "refresh" })),
                secret,
                Algorithm::HS256,
            ),
        ),
        ("two algs", format!("{}.{payload}.", base64(br#"{"alg":"HS256","alg":"none"}"#))),
        ("padding", format!("{good}=")),
        ("a space", format!(" {good}")),
        ("junk", "a.b.c".to_owned()),
        ("12 KiB", token(json!({ "x": "y".repeat(9000) }))),
        ("a NUL", format!("{good}%00")),
        ("a public key as secret", sign(&head, &said, public_pem, Algorithm::HS256)),
    ];
    (good, forged)
}
