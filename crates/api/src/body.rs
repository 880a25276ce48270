//! What a request brings: bodies, query parameters and path segments, with problems instead of bare statuses.

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use http::{header, request::Parts};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::{Code, Problem, json};

/// The most bytes of an ordinary body.
const BODY_BYTES: usize = 256 << 10;
/// The most bytes of a body that lists ids.
const LISTING_BODY_BYTES: usize = 1 << 20;

/// What is read on of a body that is refused, beside as many bytes as it may have, and thrown away: a connection that is
/// closed over unread bytes is reset, and whoever still writes would not see the answer.
const DISCARDED_BYTES: usize = 1 << 20;

/// The media type of one JSON value.
const JSON: &str = "application/json";
/// The media type of one JSON value a line.
const LINES: &str = "application/x-ndjson";

/// A JSON body of at most 256 KiB.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// The bytes of a JSON body of at most 1 MiB, for routes that list ids or must see them as they were sent.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

/// One JSON value of at most 256 KiB, or one value a line, of at most 1 MiB together; the bytes as they were sent.
#[derive(Debug)]
pub enum Values {
    /// One.
    One(Bytes),
    /// One a line: `application/x-ndjson`.
    Lines(Bytes),
}

impl<S: Send + Sync> FromRequest<S> for Values {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        if essence(&request).0.eq_ignore_ascii_case(LINES) {
            return read_as(request, LINES, LISTING_BODY_BYTES).await.map(Self::Lines);
        }
        read(request, BODY_BYTES).await.map(Self::One)
    }
}

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        read(request, LISTING_BODY_BYTES).await.map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Self::Rejection> {
        let bytes = read(request, BODY_BYTES).await?;
        json::parse(&bytes).map(Self)
    }
}

async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    read_as(request, JSON, limit).await
}

/// What a request says of its body: the media type, the charset.
fn essence(request: &Request) -> (&str, &str) {
    let media =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut parts = media.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| part.strip_prefix("charset=")).unwrap_or("utf-8");
    (essence, charset.trim_matches('"'))
}

async fn read_as(request: Request, media: &str, limit: usize) -> Result<Bytes, Problem> {
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced: Option<usize> = announced.and_then(|value| value.to_str().ok()?.parse().ok());
    // Who waits for our word has sent nothing yet.
    let waits = request.headers().contains_key(header::EXPECT);
    let refused = check(&request, media).err();
    let mut body = request.into_body();
    let refused = match refused {
        Some(problem) => problem,
        // Said before a byte of it is read, where the length is known.
        None if announced.is_some_and(|length| length > limit) => too_large(limit),
        None => match Limited::new(&mut body, limit).collect().await {
            Ok(body) => return Ok(body.to_bytes()),
            Err(cause) if cause.downcast_ref::<LengthLimitError>().is_some() => too_large(limit),
            Err(_cut) => return Err(Problem::new(Code::BadRequest, "the body was cut")),
        },
    };
    if !waits && announced.is_none_or(|length| length <= limit + DISCARDED_BYTES) {
        let mut rest = Limited::new(body, limit + DISCARDED_BYTES);
        while let Some(Ok(_)) = rest.frame().await {}
    }
    Err(refused)
}

fn too_large(limit: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("a body has at most {limit} bytes"))
}

/// Whether a request says that its body is of a media type, in UTF-8, as it is.
fn check(request: &Request, media: &str) -> Result<(), Problem> {
    let (essence, charset) = essence(request);
    if !essence.eq_ignore_ascii_case(media) || !charset.eq_ignore_ascii_case("utf-8") {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            format!("send `Content-Type: {media}`, in UTF-8"),
        ));
    }
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::new(Code::UnsupportedMediaType, "send the body without Content-Encoding"));
    }
    Ok(())
}

impl RawBody {
    /// The body as JSON.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        json::parse(&self.0)
    }

    /// Refuses a body that is larger than one that lists no ids may be.
    pub fn limit(&self, bytes: usize) -> Result<(), Problem> {
        if self.0.len() > bytes {
            return Err(too_large(bytes));
        }
        Ok(())
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(cause) => Err(Problem::new(Code::BadRequest, cause.body_text())),
        }
    }
}

/// The one parameter of a path. What does not parse is not there: 404.
#[derive(Debug)]
pub struct Segment<T>(pub T);

impl<S: Send + Sync, T: std::str::FromStr + Send> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let missing = || Problem::not_found("thing");
        let axum::extract::Path(text) = axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_cause| missing())?;
        text.parse().map(Self).map_err(|_cause| missing())
    }
}
