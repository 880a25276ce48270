//! Server-sent events: `GET /api/v1/stream`.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use http_body::Frame;
use serde::Deserialize;
use tidings_api::{Caller, Code, Params, Problem};
use tidings_model::SessionId;
use utoipa::{IntoParams, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Gateway, channels, leave::Leave, renew, resume::Hello, wire::Wire, ws};

/// The gateway's routes.
pub fn routes(gateway: Gateway) -> OpenApiRouter {
    declared().with_state(gateway)
}

/// What the gateway's routes say about themselves, for a process that does not serve them.
pub fn reference() -> OpenApi {
    declared().into_openapi()
}

fn declared() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(stream)).routes(routes!(ws::ws)).routes(routes!(renew::renew))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// The cursor after which to go on; the header `Last-Event-ID` wins over it.
    last_event_id: Option<String>,
    /// Which device this is; a new session where it is absent.
    #[param(value_type = Option<String>, max_length = 64)]
    session: Option<SessionId>,
    /// Only these of your channels, separated by commas.
    channels: Option<String>,
}

/// Listen to everything that is meant for you, as server-sent events.
#[utoipa::path(
    get, path = "/api/v1/stream", tag = "stream", params(StreamQuery),
    responses((status = 200, description = "the stream; its frames are in the reference of streams", body = String,
        content_type = "text/event-stream", example = "event: ready\nretry: 3000\ndata: {\"session_id\":\"phone\",\"user_id\":\"ada\",\"recovered\":false,\"reason\":\"no_cursor\",\"cursor\":\"3kq7v2m9x1.1042\",\"heartbeat_secs\":15}\n\n: hb\n\n"),
        (status = 429, description = "too many connections of one person"))
)]
async fn stream(
    State(gateway): State<Gateway>,
    caller: Caller,
    Params(query): Params<StreamQuery>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if method == Method::HEAD {
        return Err(Problem::new(Code::MethodNotAllowed, "a stream is opened with GET")
            .with_header(header::ALLOW, HeaderValue::from_static("GET")));
    }
    gateway.origins.check(&headers)?;
    let channels = channels::parse_list(query.channels.as_deref())?;
    // What is no cursor, whatever its bytes, is told apart from none: the client learns that it did not hold.
    let header = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let cursor = header.filter(|id| !id.is_empty()).or(query.last_event_id);
    let hello = Hello { session: query.session, cursor, channels };
    let queue = gateway.queue();
    let outlet = Arc::clone(&queue);
    let connection = gateway.connect(&caller, hello, (Wire::Sse, outlet)).await?;
    let leave = Leave { gateway: gateway.clone(), connection, queue };
    let mut response = Body::new(SseBody(leave)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct SseBody(Leave);

impl http_body::Body for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.queue.poll_drain(context).map(|run| run.map(|run| Ok(Frame::data(run))))
    }
}
