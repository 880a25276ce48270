//! What a request brings: bodies, query parameters and path segments, with problems instead of bare statuses.

use axum::{
    extract::{FromRequest, FromRequestParts, Query, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::{Code, FieldError, Problem};

/// The most bytes of an ordinary body.
const BODY_BYTES: usize = 256 << 10;
/// The most bytes of a body that lists ids.
const LISTING_BODY_BYTES: usize = 1 << 20;

/// A JSON body of at most 1 MiB where it lists ids; routes without lists refuse their own sizes earlier.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// The bytes of a JSON body, for routes that must see them as they were sent.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Response;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        read(request, LISTING_BODY_BYTES).await.map(Self).map_err(Problem::into_response)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        let bytes = read(request, BODY_BYTES).await.map_err(Problem::into_response)?;
        parse(&bytes).map(Self).map_err(Problem::into_response)
    }
}

async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let media =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut parts = media.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| part.strip_prefix("charset=")).unwrap_or("utf-8");
    if !essence.eq_ignore_ascii_case("application/json")
        || !charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
    {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "send `Content-Type: application/json`, in UTF-8",
        ));
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::new(Code::UnsupportedMediaType, "send the body without Content-Encoding"));
    }
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(cause) if cause.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Problem::new(Code::TooLarge, format!("a body has at most {limit} bytes")))
        }
        Err(_cut) => Err(Problem::new(Code::BadRequest, "the body was cut")),
    }
}

/// Reads JSON; the problem points at the value that is wrong.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        Problem::fields(vec![FieldError { pointer, detail: error.inner().to_string() }])
    })?;
    reader.end().map_err(|_more| Problem::field("", "something follows the JSON value"))?;
    if bytes.windows(6).any(|six| six == b"\\u0000") || bytes.contains(&0) {
        // PostgreSQL cannot store it in text, so no database of ours takes it.
        return Err(Problem::field("", "the character U+0000 is not allowed"));
    }
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
            serde_path_to_error::Segment::Map { key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            serde_path_to_error::Segment::Enum { variant } => format!("/{variant}"),
            serde_path_to_error::Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

impl RawBody {
    /// The body as JSON.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        parse(&self.0)
    }

    /// Refuses a body that is larger than one that lists no ids may be.
    pub fn limit(&self, bytes: usize) -> Result<(), Problem> {
        if self.0.len() > bytes {
            return Err(Problem::new(Code::TooLarge, format!("a body has at most {bytes} bytes")));
        }
        Ok(())
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(cause) => Err(Problem::new(Code::BadRequest, cause.body_text()).into_response()),
        }
    }
}

/// The one parameter of a path. What does not parse is not there: 404.
#[derive(Debug)]
pub struct Segment<T>(pub T);

impl<S: Send + Sync, T: std::str::FromStr + Send> FromRequestParts<S> for Segment<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let missing = || Problem::not_found("thing").into_response();
        let axum::extract::Path(text) = axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_cause| missing())?;
        text.parse().map(Self).map_err(|_cause| missing())
    }
}
