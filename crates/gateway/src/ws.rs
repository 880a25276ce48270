//! `GET /api/v1/ws`, the WebSocket. Who may open one is judged here; then a conversation takes the line over.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};
use hyper_util::rt::TokioIo;
use tidings_api::{Caller, Code, Identity, Problem};

use crate::{Gateway, conversation, handshake};

/// The subprotocol.
const PROTOCOL: &str = "tidings.v1";

/// Listen and speak over a WebSocket, subprotocol `tidings.v1`.
#[utoipa::path(
    get, path = "/api/v1/ws", tag = "stream",
    responses((status = 101, description = "the stream; say `hello` first"),
        (status = 400, description = "not a handshake as RFC 6455 wants it"),
        (status = 403, description = "pages of this origin may not connect"),
        (status = 426, description = "not a handshake"))
)]
pub(crate) async fn ws(State(gateway): State<Gateway>, request: Request) -> Response {
    match upgrade(gateway, request).await {
        Ok(response) | Err(response) => response,
    }
}

async fn upgrade(gateway: Gateway, request: Request) -> Result<Response, Response> {
    let (mut parts, body) = request.into_parts();
    let accept = handshake::accept(parts.version, &parts.headers).map_err(Problem::into_response)?;
    gateway.origins.check(&parts.headers).map_err(Problem::into_response)?;
    let identity = parts.extensions.get::<Arc<Identity>>().cloned();
    let identity = identity.ok_or_else(|| {
        Problem::new(Code::Internal, "the server was built without an identity").into_response()
    })?;
    // A token or ticket in the handshake is judged before the upgrade; without one, `hello` brings a token.
    let caller = Caller::brought(&mut parts).await.map_err(Problem::into_response)?;
    caller.iter().try_for_each(Caller::require_person).map_err(Problem::into_response)?;
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
    let mut response = handshake::switch(accept);
    if speaks {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok(response)
}
