//! The frame around all routes: whatever happens inside, the answer is one of ours.
//!
//! What no route takes becomes a problem, a panic becomes a 500 that tells nothing, every answer carries the
//! headers of safety, and every problem names the trace of its request.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tidings_telemetry::{Metrics, RequestAnswered, RoutePanicked};
use tracing::Instrument as _;

use crate::{
    Code, Cors, Identity, Problem, Rates, Tickets,
    rates::{self, Told},
    trace::{TRACEPARENT, Traces},
};

/// What the frame needs.
#[derive(Debug)]
pub struct Frame {
    /// Who may come in; none where no route asks who calls.
    pub identity: Option<Arc<Identity>>,
    /// Takes stream tickets.
    pub tickets: Tickets,
    /// Names requests that bring no trace.
    pub traces: Traces,
    /// How much each may ask.
    pub rates: Arc<Rates>,
    /// Which pages may call.
    pub cors: Cors,
    /// Counts requests.
    pub metrics: Arc<Metrics>,
}

/// Headers that every answer has; one that a route set itself stays.
const SAFETY: [(HeaderName, HeaderValue); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Puts the frame around routes.
pub fn frame(routes: Router, frame: Arc<Frame>) -> Router {
    let measured = middleware::from_fn_with_state(Arc::clone(&frame.rates), rates::measure);
    let routes = routes.layer(measured).layer(middleware::from_fn(note_route)).fallback(|| async {
        Problem::new(
            Code::NotFound,
            "no such path; the paths are listed at /docs and in /api/v1/openapi.json",
        )
    });
    // Around the whole router: a layer of the router itself would stand inside the answer 405 and its `Allow`.
    Router::new().fallback_service(routes).layer(middleware::from_fn_with_state(frame, around))
}

async fn around(State(frame): State<Arc<Frame>>, mut request: Request, next: Next) -> Response {
    let brought = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let trace = frame.traces.of(brought);
    let instance = format!("urn:trace:{}", trace.trace_id());
    let span = tracing::info_span!("journey.create", trace_id = trace.trace_id(), method = %request.method());
    let origin = frame.cors.origin_of(&request);
    let (method, began) = (request.method().clone(), Instant::now());
    if let Some(identity) = &frame.identity {
        request.extensions_mut().insert(Arc::clone(identity));
    }
    request.extensions_mut().insert(frame.tickets.clone());
    request.extensions_mut().insert(trace);
    let answered = async {
        if let Some(preflight) = frame.cors.preflight(&request) {
            return preflight;
        }
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_panic| {
            RoutePanicked.emit(&frame.metrics);
            Problem::new(Code::Internal, "the request failed; what it did is unknown").into_response()
        })
    };
    let mut response = answered.instrument(span.clone()).await;
    let route = response.extensions_mut().remove::<Route>();
    let told = response.extensions_mut().remove::<Told>();
    let mut response = named(response, instance);
    if let Some(told) = told {
        told.write(response.headers_mut());
    }
    for (name, value) in SAFETY {
        response.headers_mut().entry(name).or_insert(value);
    }
    frame.cors.allow(origin, &mut response);
    let route = route.as_ref().map_or("none", |route| route.0.as_str());
    let (method, status, took) = (method_name(&method), response.status().as_u16(), began.elapsed());
    span.in_scope(|| RequestAnswered { method, route, status, took }.emit(&frame.metrics));
    response
}

/// The route that took a request, on its way out to the frame.
#[derive(Clone)]
struct Route(MatchedPath);

async fn note_route(route: MatchedPath, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.extensions_mut().insert(Route(route));
    response
}

/// The method as a label: one that nobody knows must not make a new one.
fn method_name(method: &Method) -> &'static str {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ];
    let names = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    known.iter().zip(names).find(|(known, _)| *known == method).map_or("other", |(_, name)| name)
}

/// Gives a problem its instance, and makes one of a bare status.
fn named(mut response: Response, instance: String) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return problem.at(instance).into_response();
    }
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allowed = response.headers().get(header::ALLOW).cloned().unwrap_or(HeaderValue::from_static(""));
    let detail = format!("this path takes {}", allowed.to_str().unwrap_or_default().replace(',', ", "));
    Problem::new(Code::MethodNotAllowed, detail)
        .with_header(header::ALLOW, allowed)
        .at(instance)
        .into_response()
}
