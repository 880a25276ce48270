//! The WebSocket handshake, by the letter of RFC 6455.

use axum::{body::Body, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use tidings_api::{Code, Problem};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Judges a request by RFC 6455, 4.2.1; answers the value of `Sec-WebSocket-Accept`.
pub fn accept(version: Version, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
    let bad = |detail: &str| Problem::new(Code::BadRequest, detail);
    let upgrade_required = |detail: &str| {
        Problem::new(Code::UpgradeRequired, detail)
            .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .with_header(header::CONNECTION, HeaderValue::from_static("upgrade"))
            .with_header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
    };
    if version != Version::HTTP_11 {
        return Err(bad("a WebSocket begins with HTTP/1.1"));
    }
    if !has_token(headers, &header::UPGRADE, "websocket")
        || !has_token(headers, &header::CONNECTION, "upgrade")
    {
        return Err(upgrade_required("send `Connection: upgrade` and `Upgrade: websocket`"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(upgrade_required("only version 13 is spoken"));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(bad("send one Sec-WebSocket-Key"));
    };
    if !STANDARD.decode(key).is_ok_and(|key| key.len() == 16) {
        return Err(bad("Sec-WebSocket-Key is 16 bytes in base64"));
    }
    HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .map_err(|_cause| bad("Sec-WebSocket-Key is no text"))
}

/// The answer after which the line speaks WebSocket.
pub fn switch(accept: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn has_token(headers: &HeaderMap, name: &http::HeaderName, wanted: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn status(version: Version, change: &str, to: Option<&'static str>) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for (name, value) in GOOD {
            let value = if *name == change { to } else { Some(*value) };
            if let Some(value) = value {
                headers.insert(*name, HeaderValue::from_static(value));
            }
        }
        accept(version, &headers).err().map(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let headers = GOOD
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        assert_eq!(accept(Version::HTTP_11, &headers.collect()).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_that_is_not_as_the_rfc_wants_it_is_refused() {
        assert_eq!(status(Version::HTTP_10, "", None), Some(400));
        assert_eq!(status(Version::HTTP_11, "connection", Some("close")), Some(426));
        assert_eq!(status(Version::HTTP_11, "upgrade", None), Some(426));
        assert_eq!(status(Version::HTTP_11, "sec-websocket-version", Some("12")), Some(426));
        assert_eq!(status(Version::HTTP_11, "sec-websocket-key", None), Some(400));
        assert_eq!(status(Version::HTTP_11, "sec-websocket-key", Some("YQ==")), Some(400));
    }
}
