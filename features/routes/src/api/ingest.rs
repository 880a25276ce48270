//! `POST` on a way in: values become records of its topic, and the answer is their places.
//!
//! Nothing else happens with them here, so they go to the log at once, through the ingest port. A repeat of a request
//! with its key gives the first answer; where that was lost on the way, the records are written again under the same
//! event ids, by which their readers know the repeat.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use tidings::{
    Deps, NotIngested, OpenApiRouter,
    api::{
        Caller, Code, Problem, ProblemBody, TraceParent, Values,
        idempotency::{Answer, IdempotencyKey},
        parse_json,
    },
    log::{self, Produce},
    model::{Headers, header},
    routes,
};
use utoipa::{ToSchema, openapi::security::SecurityRequirement};

use crate::ingest::WayIn;

/// The path that the declaration has before it gets its own.
const DECLARED: &str = "/api/v1/ingest";
/// The most lines of one request.
const MAX_LINES: usize = 1000;
/// The longest line, in bytes.
const LINE_BYTES: usize = 256 << 10;

/// A way in, as it is served.
#[derive(Clone, Debug)]
struct Served {
    deps: Deps,
    way: Arc<WayIn>,
}

/// Where a record came to lie.
#[derive(Debug, Serialize, ToSchema)]
struct Placed {
    /// The topic's name in the log.
    topic: String,
    partition: u32,
    /// Null where `kafka.required_acks` is `none`.
    offset: Option<u64>,
}

/// What became of the lines of a request.
#[derive(Debug, Serialize, ToSchema)]
struct PlacedLines {
    /// How many are records now.
    accepted: usize,
    /// How many are not.
    refused: usize,
    /// One for each line that is not empty, in order.
    items: Vec<PlacedLine>,
}

/// What became of one line: its place, or what was wrong with it.
#[derive(Debug, Serialize, ToSchema)]
struct PlacedLine {
    /// Its number, from 1.
    line: usize,
    #[serde(flatten)]
    placed: Option<Placed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    problem: Option<Value>,
}

impl From<log::Written> for Placed {
    fn from(written: log::Written) -> Self {
        let log::Written { topic, partition, offset, acks: _ } = written;
        Self { topic, partition, offset }
    }
}

/// The route of a way in, at its own path, with its own scope.
pub(super) fn routes(deps: &Deps, way: WayIn) -> OpenApiRouter {
    let (schemas, mut paths, methods) = routes!(write_records);
    if let Some(mut item) = paths.paths.remove(DECLARED) {
        if let Some(operation) = &mut item.post {
            operation.operation_id = Some(format!("ingest{}", way.path.replace(['/', '.', '-'], "_")));
            operation.summary = Some(format!("Write to the topic `{}`.", way.topic));
            operation.security = Some(vec![SecurityRequirement::new("token", [way.scope.as_str()])]);
        }
        paths.paths.insert(format!("/api/v1{}", way.path), item);
    }
    let served = Served { deps: deps.clone(), way: Arc::new(way) };
    OpenApiRouter::new().routes((schemas, paths, methods)).with_state(served)
}

/// Write a record, or one for each line, and learn where they lie.
#[utoipa::path(
    post, path = "/api/v1/ingest", tag = "ingest", security(("token" = ["ingest"])),
    request_body(content((Value = "application/json"), (String = "application/x-ndjson")),
        description = "one value, or one a line"),
    responses((status = 201, description = "written: the place of the record", body = Placed),
        (status = 200, description = "lines: what became of each", body = PlacedLines),
        (status = 422, description = "the Idempotency-Key came with another body before"))
)]
async fn write_records(
    State(served): State<Served>,
    caller: Caller,
    key: IdempotencyKey,
    trace: TraceParent,
    body: Values,
) -> Result<Answer, Problem> {
    caller.require_scope(&served.way.scope)?;
    let (Values::One(bytes) | Values::Lines(bytes)) = &body;
    let lines = match &body {
        Values::One(_) => vec![Line { number: 1, read: served.record(bytes, (&key, bytes, 1), &trace) }],
        Values::Lines(_) => served.lines(bytes, &key, &trace)?,
    };
    if let Some(answer) = served.deps.answered(&key, bytes).await? {
        return Ok(answer);
    }
    let written = served.write(lines).await;
    let settled = written.iter().all(|line| match &line.written {
        Ok(_) => true,
        Err(problem) => !matches!(problem.code(), Code::Unavailable | Code::Conflict),
    });
    let answer = match body {
        Values::One(_) => {
            let only = written.into_iter().next().map(|line| line.written);
            let placed = only.unwrap_or_else(|| Err(Problem::field("", "there is no value")))?;
            Answer::new(StatusCode::CREATED, &placed)
        }
        Values::Lines(_) => Answer::new(StatusCode::OK, &PlacedLines::from(written)),
    };
    // An answer that says "not now" is none to keep: the same key tries again.
    if settled { served.deps.keep_answer(key, bytes, answer).await } else { Ok(answer) }
}

/// A line of a request, read.
struct Line {
    number: usize,
    read: Result<Produce, Problem>,
}

/// A line that was written or refused.
struct Written {
    number: usize,
    written: Result<Placed, Problem>,
}

impl Served {
    /// The record of a value, or what is wrong with it.
    fn record(
        &self,
        value: &[u8],
        (key, body, number): (&IdempotencyKey, &[u8], usize),
        trace: &TraceParent,
    ) -> Result<Produce, Problem> {
        let parsed: Value = parse_json(value)?;
        let ordered_by = self.way.admit(&parsed).map_err(Problem::fields)?;
        let id = key.event_id(body, number).unwrap_or_else(|| self.deps.ids.event());
        let header = |name: &str, text: String| (name.to_owned(), text.into_bytes());
        let headers: Headers = vec![
            header(header::ID, id.to_string()),
            header(header::TYPE, self.way.topic.clone()),
            header(header::SOURCE, format!("/api/v1{}", self.way.path)),
            header(header::SPEC_VERSION, "1.0".to_owned()),
            header(header::TIME, self.deps.clock.now().to_string()),
            header(header::CONTENT_TYPE, "application/json".to_owned()),
            header(header::TRACE_PARENT, trace.to_string()),
        ];
        Ok(Produce {
            topic: self.way.topic.clone(),
            partition: None,
            key: ordered_by.map(String::into_bytes),
            headers,
            value: Some(value.to_vec()),
        })
    }

    fn lines(&self, body: &[u8], key: &IdempotencyKey, trace: &TraceParent) -> Result<Vec<Line>, Problem> {
        let texts = body.split(|byte| *byte == b'\n').enumerate();
        let texts: Vec<_> = texts.filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
        if texts.is_empty() {
            return Err(Problem::new(Code::BadRequest, "there is no line with a value"));
        }
        if texts.len() > MAX_LINES {
            let sentence = format!("{} lines; one request has at most {MAX_LINES}", texts.len());
            return Err(Problem::new(Code::TooLarge, sentence));
        }
        let line = |(at, line): (usize, &[u8])| {
            let number = at + 1;
            let large = || Problem::new(Code::TooLarge, format!("a line has at most {LINE_BYTES} bytes"));
            let read = if line.len() > LINE_BYTES {
                Err(large())
            } else {
                self.record(line.trim_ascii(), (key, body, number), trace)
            };
            Line { number, read }
        };
        Ok(texts.into_iter().map(line).collect())
    }

    async fn write(&self, lines: Vec<Line>) -> Vec<Written> {
        let (mut written, mut records, mut numbers) =
            (Vec::with_capacity(lines.len()), Vec::new(), Vec::new());
        for Line { number, read } in lines {
            match read {
                Ok(record) => {
                    records.push(record);
                    numbers.push(number);
                }
                Err(problem) => written.push(Written { number, written: Err(problem) }),
            }
        }
        let places = self.deps.ingest.write(records).await;
        written.extend(numbers.into_iter().zip(places).map(|(number, place)| Written {
            number,
            written: place.map(Placed::from).map_err(|cause| refused(&cause)),
        }));
        written.sort_by_key(|line| line.number);
        written
    }
}

impl From<Vec<Written>> for PlacedLines {
    fn from(lines: Vec<Written>) -> Self {
        let accepted = lines.iter().filter(|line| line.written.is_ok()).count();
        let item = |Written { number: line, written }| match written {
            Ok(placed) => PlacedLine { line, placed: Some(placed), problem: None },
            Err(problem) => {
                let body: ProblemBody<'_> = problem.body();
                PlacedLine { line, placed: None, problem: serde_json::to_value(body).ok() }
            }
        };
        Self { accepted, refused: lines.len() - accepted, items: lines.into_iter().map(item).collect() }
    }
}

/// What a caller is told of a record without a place.
fn refused(cause: &NotIngested) -> Problem {
    match cause {
        NotIngested::NotWritten(_) => {
            Problem::new(Code::Unavailable, "the log does not take it now, and nothing was written: send it again")
                .retry_after(1)
        }
        NotIngested::Unknown(_) => Problem::new(
            Code::Unavailable,
            "the log has not confirmed it, and whether it was written is unknown: send it again with the same \
             Idempotency-Key, and readers take it once",
        )
        .retry_after(1),
        NotIngested::InHand => Problem::new(
            Code::Conflict,
            "a request with this Idempotency-Key is still in hand: send it again in a moment",
        ),
        NotIngested::Refused(_) => Problem::new(Code::TooLarge, "the record is larger than the log takes"),
    }
}
