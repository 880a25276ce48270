//! A client: a base URL, a token, and requests with JSON.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::{client::legacy, rt::TokioExecutor};
use serde::{Serialize, de::DeserializeOwned};

use crate::{ClientError, Refusal, connect};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const ANSWER_BYTES: usize = 64 << 20;

/// Speaks to one server as one caller. Clones share connections and token.
#[derive(Clone, Debug)]
pub struct Client {
    base: Uri,
    token: Arc<RwLock<Option<Arc<str>>>>,
    pub(crate) connector: connect::Connector,
    pub(crate) http: legacy::Client<connect::Connector, Full<Bytes>>,
}

/// What the server answered, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

impl Answer {
    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|cause| ClientError::Undocumented { what: cause.to_string() })
    }

    /// This answer if it is a success, or what the server refused.
    pub fn success(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(ClientError::Refused(Refusal::new(self.status, &self.headers, &self.body)))
    }
}

impl Client {
    /// A client of `http://host:port`, with a bearer token. Nothing is sent yet.
    pub fn new(base: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let invalid = || ClientError::Url { url: base.to_owned() };
        let base: Uri = base.trim_end_matches('/').parse().map_err(|_cause| invalid())?;
        if !base.scheme_str().is_some_and(connect::speaks)
            || base.authority().is_none()
            || base.query().is_some()
        {
            return Err(invalid());
        }
        let connector = connect::connector();
        let http = legacy::Client::builder(TokioExecutor::new()).build(connector.clone());
        let client = Self { base, token: Arc::default(), connector, http };
        client.set_token(token);
        Ok(client)
    }

    /// Calls with this token from now on; open streams keep theirs until they reconnect.
    pub fn set_token(&self, token: Option<&str>) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token.map(Arc::from);
    }

    /// The token of the next call.
    pub fn token(&self) -> Option<Arc<str>> {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address of a path of the server; `path` begins with a slash.
    pub fn url(&self, path: &str) -> Result<Uri, ClientError> {
        let prefix = self.base.path().trim_end_matches('/');
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query = Some(format!("{prefix}{path}").parse().map_err(http::Error::from)?);
        Ok(Uri::from_parts(parts).map_err(http::Error::from)?)
    }

    /// Sends GET.
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::GET, path, &[], None).await
    }

    /// Sends POST with a JSON body.
    pub async fn post(&self, path: &str, body: &(impl Serialize + ?Sized)) -> Result<Answer, ClientError> {
        self.send(Method::POST, path, &[], Some(json(body)?)).await
    }

    /// Sends POST with a JSON body and an `Idempotency-Key`: the same key later gives the same answer.
    pub async fn post_once(
        &self,
        path: &str,
        key: &str,
        body: &(impl Serialize + ?Sized),
    ) -> Result<Answer, ClientError> {
        let key = (HeaderName::from_static("idempotency-key"), key);
        self.send(Method::POST, path, &[key], Some(json(body)?)).await
    }

    /// Sends PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &(impl Serialize + ?Sized)) -> Result<Answer, ClientError> {
        self.send(Method::PUT, path, &[], Some(json(body)?)).await
    }

    /// Sends DELETE.
    pub async fn delete(&self, path: &str) -> Result<Answer, ClientError> {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// Sends any request; a body is `application/json` unless a header says otherwise.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, &str)],
        body: Option<Bytes>,
    ) -> Result<Answer, ClientError> {
        let mut request = self.request(method, path)?;
        if body.is_some() && !headers.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(Full::new(body.unwrap_or_default()))?;
        let answering = async {
            let response = self.http.request(request).await.map_err(unreachable)?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await.map_err(ClientError::Cut)?;
            Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(ANSWER, answering).await.unwrap_or(Err(ClientError::Timeout { after: ANSWER }))
    }

    /// GET of something long: each piece of a successful answer as it comes. What is no success is answered whole.
    pub async fn download<E: From<ClientError>>(
        &self,
        path: &str,
        mut piece: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Answer, E> {
        let request = self.request(Method::GET, path)?.body(Full::default()).map_err(ClientError::from)?;
        let late = |_elapsed| ClientError::Timeout { after: ANSWER };
        let response = tokio::time::timeout(ANSWER, self.http.request(request)).await.map_err(late)?;
        let (parts, mut body) = response.map_err(unreachable)?.into_parts();
        let mut answer = Answer { status: parts.status, headers: parts.headers, body: Bytes::new() };
        if !answer.status.is_success() {
            let rest = tokio::time::timeout(ANSWER, Limited::new(body, ANSWER_BYTES).collect());
            answer.body = rest.await.map_err(late)?.map_err(ClientError::Cut)?.to_bytes();
            return Ok(answer);
        }
        while let Some(frame) = tokio::time::timeout(ANSWER, body.frame()).await.map_err(late)? {
            if let Some(data) = frame.map_err(|cause| ClientError::Cut(cause.into()))?.data_ref() {
                piece(data)?;
            }
        }
        Ok(answer)
    }

    /// A request that carries the token.
    pub(crate) fn request(&self, method: Method, path: &str) -> Result<http::request::Builder, ClientError> {
        let mut request = Request::builder().method(method).uri(self.url(path)?);
        if let Some(token) = self.token() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        Ok(request)
    }
}

/// The error of a connector differs with the `tls` feature.
pub(crate) fn unreachable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
    ClientError::Unreachable(cause.into())
}

fn json(body: &(impl Serialize + ?Sized)) -> Result<Bytes, ClientError> {
    let body =
        serde_json::to_vec(body).map_err(|cause| ClientError::Undocumented { what: cause.to_string() })?;
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_keeps_its_path_and_must_be_one_that_can_be_spoken() {
        let client = Client::new("http://127.0.0.1:8080/tidings/", None).unwrap();
        assert_eq!(
            client.url("/api/v1/inbox?limit=2").unwrap(),
            "http://127.0.0.1:8080/tidings/api/v1/inbox?limit=2"
        );
        for url in ["", "127.0.0.1:8080", "ftp://x", "http://x/?a=b", "/api"] {
            assert!(Client::new(url, None).is_err(), "{url}");
        }
    }
}
