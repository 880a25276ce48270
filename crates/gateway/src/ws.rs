//! The WebSocket handshake: `GET /api/v1/ws`.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use hyper_util::rt::TokioIo;
use tidings_api::{Caller, Code, Identity, Problem};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{Gateway, conversation};

/// The subprotocol.
const PROTOCOL: &str = "tidings.v1";

/// Listen and speak over a WebSocket, subprotocol `tidings.v1`.
#[utoipa::path(
    get, path = "/api/v1/ws", tag = "stream",
    responses((status = 101, description = "the stream; say `hello` first"))
)]
pub(crate) async fn ws(State(gateway): State<Gateway>, request: Request) -> Response {
    match upgrade(gateway, request).await {
        Ok(response) | Err(response) => response,
    }
}

async fn upgrade(gateway: Gateway, request: Request) -> Result<Response, Response> {
    let (mut parts, body) = request.into_parts();
    let accept = check(parts.version, &parts.headers).map_err(Problem::into_response)?;
    gateway.origins.check(&parts.headers).map_err(Problem::into_response)?;
    let identity = parts.extensions.get::<Arc<Identity>>().cloned();
    let identity = identity.ok_or_else(|| {
        Problem::new(Code::Internal, "the server was built without an identity").into_response()
    })?;
    // A token or ticket in the handshake is judged before the upgrade; without one, `hello` brings a token.
    let caller = Caller::brought(&mut parts).await.map_err(Problem::into_response)?;
    let asked = parts.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let speaks = asked
        .flat_map(|list| list.as_bytes().split(|&byte| byte == b','))
        .any(|name| name.trim_ascii() == PROTOCOL.as_bytes());
    let upgrading = hyper::upgrade::on(Request::from_parts(parts, body));
    let tasks = gateway.tasks.clone();
    tasks.spawn(async move {
        match upgrading.await {
            Ok(io) => conversation::run(gateway, TokioIo::new(io), identity, caller).await,
            Err(cause) => tracing::debug!(%cause, "a client left during the handshake"),
        }
    });
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if speaks {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok(response)
}

/// The rules of RFC 6455, 4.2.1; answers the value of `Sec-WebSocket-Accept`.
fn check(version: Version, headers: &HeaderMap) -> Result<HeaderValue, Problem> {
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

fn has_token(headers: &HeaderMap, name: &http::HeaderName, wanted: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
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
        check(version, &headers).err().map(|problem| problem.into_response().status().as_u16())
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let headers = GOOD
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        assert_eq!(check(Version::HTTP_11, &headers.collect()).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
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
