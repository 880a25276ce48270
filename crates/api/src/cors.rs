//! Cross-origin calls: the pages of a fixed list of origins, never all, never an echo.

use std::collections::BTreeSet;

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, Method, StatusCode, header};

use crate::{Code, Problem};

/// What a page of another origin may send.
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
/// The headers that our routes read.
const HEADERS: &str = "authorization, content-type, idempotency-key, last-event-id, traceparent";
/// The headers that a page may read beyond the usual ones.
const EXPOSED: &str = "retry-after, ratelimit, ratelimit-policy, location, www-authenticate";
/// How long a browser may keep our word, in seconds.
const MAX_AGE: &str = "600";

/// The origins whose pages may call.
#[derive(Clone, Debug, Default)]
pub struct Cors {
    origins: BTreeSet<String>,
}

impl Cors {
    /// Origins as browsers send them: `https://app.example.com`. Refuses what none would send, and `*`.
    pub fn new(origins: &[String]) -> Result<Self, String> {
        for origin in origins {
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"))
                .unwrap_or_default();
            let letters =
                |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b':' | b'[' | b']');
            if host.is_empty() || !host.bytes().all(letters) {
                return Err(format!(
                    "server.origins: `{origin}` is not an origin; write https://app.example.com, in lower case and without a path"
                ));
            }
        }
        Ok(Self { origins: origins.iter().cloned().collect() })
    }

    /// Whether pages of this origin may call.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.contains(origin)
    }

    /// The allowed origin that a request comes from. One with two `Origin` headers comes from none.
    pub(crate) fn origin_of(&self, request: &Request) -> Option<HeaderValue> {
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        origin.to_str().is_ok_and(|text| self.allows(text)).then(|| origin.clone())
    }

    /// The answer of a preflight, if the request is one.
    pub(crate) fn preflight(&self, request: &Request) -> Option<Response> {
        let asked = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() != Method::OPTIONS || !asked {
            return None;
        }
        if self.origin_of(request).is_none() {
            let detail = "pages of this origin may not call; the operator lists them in server.origins";
            return Some(Problem::new(Code::Forbidden, detail).into_response());
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        Some(response)
    }

    /// Lets the page read the answer. There are no credentials to allow: tokens come in a header.
    pub(crate) fn allow(&self, origin: Option<HeaderValue>, response: &mut Response) {
        if self.origins.is_empty() {
            return;
        }
        let headers = response.headers_mut();
        // What is answered to one origin must not be kept for another.
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_origins_of_the_list_are_allowed() {
        let cors = Cors::new(&["https://app.example.com".to_owned()]).unwrap();
        assert!(cors.allows("https://app.example.com"));
        for other in [
            "null",
            "*",
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.test",
            "https://evil-app.example.com",
            "https://example.com",
        ] {
            assert!(!cors.allows(other), "{other}");
        }
    }

    #[test]
    fn a_list_with_a_star_or_a_path_is_refused() {
        for origin in [
            "*",
            "https://*",
            "app.example.com",
            "https://app.example.com/",
            "https://App.example.com",
            "null",
        ] {
            assert!(Cors::new(&[origin.to_owned()]).is_err(), "{origin}");
        }
    }
}
