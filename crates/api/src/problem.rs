//! Problems: RFC 9457 answers that say what is wrong, where, and what to do.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use tidings_store::StoreError;
use tidings_telemetry::DatabaseAway;
use utoipa::ToSchema;

use crate::pace::whole_seconds;

/// What is wrong, as a stable word for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A body, query or cursor that is not as documented.
    BadRequest,
    /// No token, or one that does not hold.
    Unauthorized,
    /// A token without the scope.
    Forbidden,
    /// Missing, or somebody else's.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// The state does not allow it.
    Conflict,
    /// Too large.
    TooLarge,
    /// Not a media type that is read here.
    UnsupportedMediaType,
    /// The key came with another body before.
    IdempotencyKeyReused,
    /// The path speaks another protocol.
    UpgradeRequired,
    /// Too much of it.
    TooManyRequests,
    /// Too many connections of one person.
    ConnectionLimit,
    /// Our fault.
    Internal,
    /// The log did not take a record.
    PublishFailed,
    /// Something that is needed is away for now.
    Unavailable,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyKeyReused,
        Self::UpgradeRequired,
        Self::TooManyRequests,
        Self::ConnectionLimit,
        Self::Internal,
        Self::PublishFailed,
        Self::Unavailable,
    ];

    /// Status, word and title.
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "bad_request", "The request is not as documented"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Sign in first"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "The token does not allow this"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing here for you"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The path has no such method")
            }
            Self::Conflict => (StatusCode::CONFLICT, "conflict", "The present state does not allow this"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "That is too large"),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "That media type is not read here",
            ),
            Self::IdempotencyKeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency_key_reused",
                "The key came with another body before",
            ),
            Self::UpgradeRequired => {
                (StatusCode::UPGRADE_REQUIRED, "upgrade_required", "The path speaks another protocol")
            }
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Slow down"),
            Self::ConnectionLimit => {
                (StatusCode::TOO_MANY_REQUESTS, "connection_limit", "Too many connections of one person")
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Our fault"),
            Self::PublishFailed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "publish_failed", "The log did not take it")
            }
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not now; try again soon"),
        }
    }

    /// What kind of problem it is, in words.
    pub const fn title(self) -> &'static str {
        self.parts().2
    }

    /// Its status.
    pub const fn status(self) -> StatusCode {
        self.parts().0
    }

    /// The word for programs.
    pub const fn as_str(self) -> &'static str {
        self.parts().1
    }
}

/// One value of a body that is wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer into the body.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What became of a record that has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not written, and will not be.
    NotWritten,
    /// It may have been written, or still be.
    Unknown,
}

/// An answer that says what is wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    outcome: Option<Outcome>,
    instance: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The body of a problem, for the reference.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Names the kind of problem.
    #[serde(rename = "type")]
    problem_type: String,
    /// The kind of problem in words.
    title: &'a str,
    /// The HTTP status again.
    status: u16,
    /// What is wrong this time, and what to do.
    detail: &'a str,
    /// Names this one request: its trace, as the log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    /// The kind of problem as a stable word.
    code: &'a str,
    /// Each value of the body that is wrong.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    /// With `publish_failed`: what became of the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
}

impl Problem {
    /// A problem of a kind, with what is wrong this time.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            outcome: None,
            instance: None,
            headers: Vec::new(),
        }
    }

    /// A value of the body that is wrong.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }

    /// Values of the body that are wrong.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.first() {
            Some(first) if first.pointer.is_empty() => format!("the body: {}", first.detail),
            Some(first) => format!("{}: {}", first.pointer, first.detail),
            None => "the body is not as documented".to_owned(),
        };
        Self { code: Code::BadRequest, detail, errors, outcome: None, instance: None, headers: Vec::new() }
    }

    /// A record that the log did not take, and what became of it.
    pub fn publish_failed(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self { outcome: Some(outcome), ..Self::new(Code::PublishFailed, detail) }
    }

    /// More than somebody may have: how much that is, and when there is more of it.
    pub fn too_many(limit: &str, wait: Duration) -> Self {
        let seconds = whole_seconds(wait).max(1);
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let detail = format!("{limit}; wait {seconds} {unit}, then try again");
        Self::new(Code::TooManyRequests, detail).retry_after(seconds)
    }

    /// Missing, or somebody else's: both look the same.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("no such {what}"))
    }

    /// Adds a header to the answer.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Names the request that it answers.
    pub fn at(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// Asks the client to wait so many seconds.
    pub fn retry_after(self, seconds: u32) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The kind of problem.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Each value of the body that is wrong.
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// What is wrong this time.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The answer's body.
    pub fn body(&self) -> ProblemBody<'_> {
        let (status, code, title) = self.code.parts();
        ProblemBody {
            problem_type: format!("/docs#{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            instance: self.instance.as_deref(),
            code,
            errors: &self.errors,
            outcome: self.outcome,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, _, _) = self.code.parts();
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        // The frame around the routes writes it again, with its instance.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(cause: StoreError) -> Self {
        if cause.is_unavailable() {
            DatabaseAway { cause: &cause }.emit();
            return Self::new(
                Code::Unavailable,
                "the database is away; whether this request was done is unknown: send it again with the same Idempotency-Key",
            )
            .retry_after(1);
        }
        if matches!(cause, StoreError::ReadLimit { .. }) {
            tracing::warn!(cause = chain(&cause), "a request was given up");
            let detail =
                "the database was too slow to answer; nothing was changed: ask again, for less if you can";
            return Self::new(Code::Unavailable, detail).retry_after(1);
        }
        tracing::error!(cause = chain(&cause), "a request failed");
        Self::new(Code::Internal, "the request failed; nothing of it was kept")
    }
}

/// An error and its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_of_the_body_says_where_it_is() {
        assert_eq!(Problem::field("/content", "is missing").detail(), "/content: is missing");
        assert_eq!(Problem::field("", "is no JSON").detail(), "the body: is no JSON");
    }

    #[test]
    fn a_read_that_took_too_long_may_be_asked_for_again_but_a_broken_row_may_not() {
        let slow = Problem::from(StoreError::ReadLimit { limit_ms: 2_000 });
        assert_eq!(slow.code(), Code::Unavailable);
        assert_eq!(Problem::from(StoreError::Panicked).code(), Code::Internal);
    }
}
