//! Settings: the endpoint, its secrets, and the networks that may be called.

use std::time::Duration;

use http::Uri;
use tidings::config::WebhookConfig;

use crate::{
    guard::{Guard, Refused},
    signature::Signer,
};

/// A setting that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhook.{key} {reason}")]
pub struct InvalidSetting {
    /// The key, within its section.
    pub key: &'static str,
    /// What is wrong, and what to do about it.
    pub reason: String,
}

/// Where calls go, and how.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) uri: Uri,
    pub(crate) signer: Signer,
    pub(crate) guard: Guard,
    pub(crate) timeout: Duration,
}

/// Reads the settings; none where no endpoint is set.
pub(crate) fn endpoint(settings: &WebhookConfig) -> Result<Option<Endpoint>, InvalidSetting> {
    let invalid = |key, reason: String| InvalidSetting { key, reason };
    let mut networks = Vec::new();
    for network in &settings.allowed_networks {
        let parsed = network.parse();
        networks.push(parsed.map_err(|_cause| {
            let shown = network.escape_debug();
            invalid("allowed_networks", format!("must be networks such as 10.1.0.0/16; `{shown}` is none"))
        })?);
    }
    let (Some(url), Some(secret)) = (&settings.url, &settings.secret) else { return Ok(None) };
    let wrong = || invalid("url", "must be an address such as https://hooks.example.com/tidings".to_owned());
    let uri: Uri = url.parse().map_err(|_cause| wrong())?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "https" | "http")).ok_or_else(wrong)?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(wrong)?;
    if authority.as_str().contains('@') {
        return Err(invalid(
            "url",
            "must have no name and password: calls are known by their signature".to_owned(),
        ));
    }
    let guard = Guard { networks: networks.into(), is_plain: scheme == "http" };
    // An address that is written as one is looked up by nobody, so it is checked here.
    let literal = authority.host().trim_start_matches('[').trim_end_matches(']').parse();
    if let Ok(address) = literal {
        guard.check(address).map_err(|refused: Refused| invalid("url", refused.to_string()))?;
    }
    if scheme == "http" && settings.allowed_networks.is_empty() {
        let sentence = "must begin with https://, or lead into one of webhook.allowed_networks";
        return Err(invalid("url", sentence.to_owned()));
    }
    let signer = Signer::new(secret).ok_or_else(|| {
        let sentence = "must be whsec_ and base64 of 24 to 64 bytes; make one with \
             `echo whsec_$(openssl rand -base64 32)`";
        invalid("secret", sentence.to_owned())
    })?;
    let timeout = Duration::from_secs(settings.timeout_secs);
    Ok(Some(Endpoint { uri, signer, guard, timeout }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, allowed: &[&str]) -> Result<Option<Endpoint>, InvalidSetting> {
        endpoint(&WebhookConfig {
            url: Some(url.to_owned()),
            secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            allowed_networks: allowed.iter().map(|network| (*network).to_owned()).collect(),
            ..WebhookConfig::default()
        })
    }

    #[test]
    fn an_address_that_may_not_be_called_is_refused_at_the_start() {
        for url in [
            "ftp://example.com/",
            "example.com",
            "https://",
            "https://me:secret@example.com/",
            "http://example.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert_eq!(read(url, &[]).unwrap_err().key, "url", "{url}");
        }
        assert!(read("https://example.com/hook", &[]).unwrap().is_some());
        assert!(read("http://127.0.0.1:9/hook", &["127.0.0.0/8"]).unwrap().is_some());
        assert_eq!(read("http://10.0.0.1/hook", &["127.0.0.0/8"]).unwrap_err().key, "url");
        assert_eq!(read("https://example.com/", &["10.0.0.0/33"]).unwrap_err().key, "allowed_networks");
        assert!(endpoint(&WebhookConfig::default()).unwrap().is_none());
    }
}
