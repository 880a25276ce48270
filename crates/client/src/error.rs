//! What can go wrong between a client and its server, and whether coming back helps.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

/// A failed request, or the end of a stream.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL is of no use.
    #[error("`{url}` is not a base URL: use http://host:port, or https:// with the feature `tls`")]
    Url {
        /// What was given.
        url: String,
    },
    /// The request could not be put together: a path, token or header with letters that HTTP does not allow.
    #[error("the request cannot be sent")]
    Request(#[from] http::Error),
    /// No connection, or it broke before the answer.
    #[error("could not reach the server")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No answer in time.
    #[error("no answer within {} s", after.as_secs())]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The server refused to open a stream.
    #[error("the server refused: {0}")]
    Refused(Refusal),
    /// The server closed the stream with a code.
    #[error("the server closed the stream: {code} {reason}")]
    Closed {
        /// The WebSocket close code.
        code: u16,
        /// The word beside it.
        reason: String,
    },
    /// The stream ended without a code.
    #[error("the stream ended")]
    Ended,
    /// The stream broke.
    #[error("the stream was cut")]
    Cut(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing came, not even a heartbeat.
    #[error("nothing came for {} s, not even a heartbeat", after.as_secs())]
    Silent {
        /// How long was waited.
        after: Duration,
    },
    /// The answer is not as documented.
    #[error("the server answered what is not documented: {what}")]
    Undocumented {
        /// What came.
        what: String,
    },
}

impl ClientError {
    /// Whether trying again can help. Close codes 35xx and 45xx and most 4xx answers are final.
    pub fn may_reconnect(&self) -> bool {
        match self {
            Self::Url { .. } | Self::Request(_) => false,
            Self::Refused(refusal) => refusal.may_retry(),
            Self::Closed { code, .. } => !matches!(code, 3500..=3599 | 4500..=4599),
            Self::Unreachable(_)
            | Self::Timeout { .. }
            | Self::Ended
            | Self::Cut(_)
            | Self::Silent { .. }
            | Self::Undocumented { .. } => true,
        }
    }

    /// How long the server asks to wait before the next try, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::Url { .. }
            | Self::Request(_)
            | Self::Unreachable(_)
            | Self::Timeout { .. }
            | Self::Closed { .. }
            | Self::Ended
            | Self::Cut(_)
            | Self::Silent { .. }
            | Self::Undocumented { .. } => None,
        }
    }
}

/// A status that is no success, with what its problem document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// The problem's stable word; empty where the answer is no problem document.
    pub code: String,
    /// What is wrong this time.
    pub detail: String,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// Reads the refusal of an answer.
    pub(crate) fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Problem {
            code: String,
            detail: String,
        }
        let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
        let seconds = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            status,
            code: problem.code,
            detail: problem.detail,
            retry_after: seconds.map(Duration::from_secs),
        }
    }

    /// 5xx and 408 may pass; 429 where the server says when to come back.
    fn may_retry(&self) -> bool {
        self.status.is_server_error()
            || self.status == StatusCode::REQUEST_TIMEOUT
            || (self.status == StatusCode::TOO_MANY_REQUESTS && self.retry_after.is_some())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_codes_35xx_and_45xx_are_final() {
        let closed = |code| ClientError::Closed { code, reason: String::new() };
        for code in [1006, 3001, 3004, 3005, 3008, 3010, 3012, 4000] {
            assert!(closed(code).may_reconnect(), "{code}");
        }
        for code in [3500, 3501, 3503, 3504, 3599, 4500] {
            assert!(!closed(code).may_reconnect(), "{code}");
        }
    }

    #[test]
    fn a_refusal_is_final_unless_it_passes_by_itself() {
        let refused = |status: u16, retry_after: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(seconds) = retry_after {
                headers.insert(header::RETRY_AFTER, http::HeaderValue::from_static(seconds));
            }
            ClientError::Refused(Refusal::new(StatusCode::from_u16(status).unwrap(), &headers, b"{}"))
        };
        assert!(!refused(401, None).may_reconnect());
        assert!(!refused(429, None).may_reconnect());
        assert!(refused(429, Some("5")).may_reconnect());
        assert_eq!(refused(503, Some("5")).retry_after(), Some(Duration::from_secs(5)));
    }
}
