//! The signature of a call, as Standard Webhooks 1.0 says: HMAC-SHA256 over id, time and body.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tidings::model::Timestamp;

/// How a secret begins.
const PREFIX: &str = "whsec_";

/// Signs calls. With two secrets each call has two signatures, so that the receiver can go over to the new one whenever
/// it likes.
pub(crate) struct Signer(Vec<hmac::Key>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.0.len())
    }
}

impl Signer {
    /// Reads secrets, with spaces between them; none where one is none, or there is none.
    pub(crate) fn new(secrets: &str) -> Option<Self> {
        let key = |secret: &str| {
            let bytes = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
            (24..=64).contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        };
        let keys: Vec<hmac::Key> = secrets.split_whitespace().map(key).collect::<Option<_>>()?;
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The value of `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let head = format!("{id}.{}.", seconds(at));
        let sign = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

/// The value of `webhook-timestamp`.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn sign(secrets: &str) -> String {
        let at = Timestamp(1_614_265_330_000);
        Signer::new(secrets).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, br#"{"test": 2432232314}"#)
    }

    #[test]
    fn the_published_example_is_signed_as_published() {
        assert_eq!(sign(SECRET), SIGNED);
    }

    #[test]
    fn two_secrets_give_two_signatures() {
        let both = sign(&format!("whsec_{} {SECRET}", STANDARD.encode([7; 32])));
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.ends_with(SIGNED), "{both}");
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"] {
            assert!(Signer::new(text).is_none(), "{text}");
        }
    }
}
