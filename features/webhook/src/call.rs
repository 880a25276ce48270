//! A call: one signed `POST`, to an address that the guard let through. Redirects are not followed.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tidings::model::Timestamp;

use crate::{
    config::Endpoint,
    guard::Guard,
    signature::{self},
};

/// The most of an answer that is read: what it says is of no interest, but read to its end its connection serves the next
/// call too.
const ANSWER_BYTES: usize = 64 << 10;
/// How long its end is waited for.
const ANSWER_REST: Duration = Duration::from_secs(1);
/// Who calls.
const AGENT: &str = concat!("Tidings/", env!("CARGO_PKG_VERSION"));

/// What the endpoint is told.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The same for a message and a person however often it is said.
    pub(crate) id: String,
    /// When it is said.
    pub(crate) at: Timestamp,
    /// What is said.
    pub(crate) body: Bytes,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// There is nobody any more.
    #[error("the endpoint answered 410 Gone")]
    Gone,
    /// It did not answer in time.
    #[error("the endpoint gave no answer in {} s", after.as_secs())]
    Timeout { after: Duration },
    /// It answered something else than 2xx.
    #[error("the endpoint answered {0}")]
    Status(StatusCode),
    /// It could not be reached, or may not be.
    #[error("the endpoint could not be called: {0}")]
    Unreachable(String),
}

/// Calls the endpoint.
pub(crate) struct Caller {
    endpoint: Endpoint,
    client: Client<HttpsConnector<HttpConnector<Guard>>, Full<Bytes>>,
}

impl Caller {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(endpoint.guard.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(endpoint.timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { endpoint, client }
    }

    /// Calls once. Any 2xx is success.
    pub(crate) async fn call(&self, call: &Call) -> Result<(), CallError> {
        let Endpoint { uri, signer, timeout, .. } = &self.endpoint;
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, AGENT)
            .header("webhook-id", &call.id)
            .header("webhook-timestamp", signature::seconds(call.at))
            .header("webhook-signature", signer.sign(&call.id, call.at, &call.body))
            .body(Full::new(call.body.clone()))
            .map_err(|cause| CallError::Unreachable(cause.to_string()))?;
        let answered = tokio::time::timeout(*timeout, async {
            self.client.request(request).await.map_err(|cause| unreachable(&cause))
        });
        let answer = answered.await.map_err(|_elapsed| CallError::Timeout { after: *timeout })??;
        let status = answer.status();
        // Whether it ends well or not, the status has said what there was to say.
        let rest = Limited::new(answer.into_body(), ANSWER_BYTES).collect();
        drop(tokio::time::timeout(ANSWER_REST, rest).await);
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(CallError::Gone),
            status => Err(CallError::Status(status)),
        }
    }
}

/// All causes in one line: the last one says what happened.
fn unreachable(cause: &dyn std::error::Error) -> CallError {
    let mut said = cause.to_string();
    let mut next = cause.source();
    while let Some(cause) = next {
        said.push_str(": ");
        said.push_str(&cause.to_string());
        next = cause.source();
    }
    CallError::Unreachable(said)
}
