//! Bodies of one JSON object a line, read as they come: as long as they are, a line is all that is held.

use axum::{body::Body, extract::Request};
use http::header;
use http_body_util::BodyExt as _;
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::{Code, Problem, json};

/// The longest line, in bytes.
const LINE_BYTES: usize = 64 << 10;
/// Lines that are named when they fail; the rest of them is only counted.
const FAILED_MAX: usize = 1000;

/// A body of `application/x-ndjson`.
#[derive(Debug)]
pub struct Lines {
    body: Body,
    rest: Vec<u8>,
    // Where in `rest` the next line begins.
    next: usize,
    number: u64,
    ended: bool,
}

/// Lines that were not taken.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct FailedLines {
    /// The first thousand lines that were not taken.
    failed: Vec<FailedLine>,
    /// How many lines were not.
    failed_count: u64,
}

/// A line that was not taken.
#[derive(Debug, Serialize, ToSchema)]
struct FailedLine {
    /// Its number, from 1.
    line: u64,
    /// What is wrong with it.
    detail: String,
}

impl FailedLines {
    /// Notes that a line was not taken.
    pub fn note(&mut self, line: u64, problem: &Problem) {
        self.failed_count += 1;
        if self.failed.len() < FAILED_MAX {
            self.failed.push(FailedLine { line, detail: problem.detail().to_owned() });
        }
    }
}

impl Lines {
    /// The lines of a request. Not an extractor: who may not call is told so before anything else.
    pub fn of(request: Request) -> Result<Self, Problem> {
        let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let plain = !request.headers().contains_key(header::CONTENT_ENCODING);
        if !plain || media.is_none_or(|media| !media.eq_ignore_ascii_case("application/x-ndjson")) {
            let sentence =
                "send `Content-Type: application/x-ndjson`, one JSON object a line, not compressed";
            return Err(Problem::new(Code::UnsupportedMediaType, sentence));
        }
        Ok(Self { body: request.into_body(), rest: Vec::new(), next: 0, number: 0, ended: false })
    }

    /// The next line that is not empty: its number, and what it says. None behind the last one; an error where the
    /// body is cut or a line is too long, for then no later line can be told.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<(u64, Result<T, Problem>)>, Problem> {
        loop {
            let unread = &self.rest[self.next..];
            let (line, taken) = match unread.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&unread[..end], end + 1),
                None if self.ended && unread.is_empty() => return Ok(None),
                None if self.ended => (unread, unread.len()),
                None if unread.len() > LINE_BYTES => {
                    let sentence = format!("line {} has more than {LINE_BYTES} bytes", self.number + 1);
                    return Err(Problem::new(Code::TooLarge, sentence));
                }
                None => {
                    self.more().await?;
                    continue;
                }
            };
            self.number += 1;
            let line = line.trim_ascii();
            let parsed = (!line.is_empty()).then(|| json::parse(line));
            self.next += taken;
            if let Some(parsed) = parsed {
                return Ok(Some((self.number, parsed)));
            }
        }
    }

    async fn more(&mut self) -> Result<(), Problem> {
        self.rest.drain(..std::mem::take(&mut self.next));
        match self.body.frame().await {
            None => self.ended = true,
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    self.rest.extend_from_slice(&data);
                }
            }
            Some(Err(_cut)) => {
                let sentence = format!("the body was cut behind line {}; send it again", self.number);
                return Err(Problem::new(Code::BadRequest, sentence));
            }
        }
        Ok(())
    }
}
