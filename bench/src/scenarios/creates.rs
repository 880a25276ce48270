//! How many broadcasts a second 64 clients create, beside the same statements behind a bare route.

use std::{
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::to_all;
use crate::{
    Bench, Failure,
    clients::{self, Answered, Asked, CLIENTS},
    process::Process,
    report::Figure,
    rows::Rows,
    samples::Samples,
    server::{self, Server},
    sse,
};

/// Where broadcasts are created.
const PATH: &str = "/api/v1/broadcasts";
/// How long they create.
const LONG: Duration = Duration::from_secs(8);
/// How long what was created may take to be delivered.
const LIMIT: Duration = Duration::from_mins(2);
/// Between two looks into the database.
const LOOK: Duration = Duration::from_millis(20);

/// What one server did.
struct Creates {
    /// Created a second.
    rate: f64,
    /// From question to answer.
    waits: Samples,
    /// Processor time of accepting and delivering one, in microseconds.
    micros: f64,
    /// Delivered a second, until the last one was; 0 where nothing delivers.
    delivered: f64,
}

pub(super) fn run(bench: &Bench) -> Result<Vec<Figure>, Failure> {
    let long = bench.duration(LONG);
    let accepting = floor(bench, long, false)?;
    let floor = floor(bench, long, true)?;
    let keyed = ours(bench, long, true)?;
    let ours = ours(bench, long, false)?;
    Ok(vec![
        Figure::of("creates/s", ours.rate).beside(floor.rate).goal("≥ 0.80"),
        Figure::of("creates/s with an Idempotency-Key", keyed.rate).beside(floor.rate),
        Figure::of("creates/s, floor without handlers", ours.rate).beside(accepting.rate),
        Figure::of("p50, ms", ours.waits.p50()).beside(floor.waits.p50()),
        Figure::of("p99, ms", ours.waits.p99()).beside(floor.waits.p99()).goal("≤ 5 ms"),
        Figure::of("delivered/s, from the first create to the last delivery", ours.delivered)
            .beside(floor.delivered),
        Figure::of("CPU of the whole way, µs a broadcast", ours.micros).beside(floor.micros),
        Figure::of("CPU with an Idempotency-Key, µs a broadcast", keyed.micros).beside(floor.micros),
        Figure::of("CPU, floor without handlers, µs a broadcast", ours.micros).beside(accepting.micros),
    ])
}

fn ours(bench: &Bench, long: Duration, with_key: bool) -> Result<Creates, Failure> {
    let server = Server::start(bench)?;
    let asked: Vec<Asked> = (0..CLIENTS)
        .map(|client| {
            let token = server.sender(&format!("sender-{client}"))?;
            Ok(Asked { path: PATH, token, with_key, body: to_all(&sse::content(0)) })
        })
        .collect::<Result<_, Failure>>()?;
    measure(&server.process, server.address, &server.database(), &asked, long, true)
}

fn floor(bench: &Bench, long: Duration, handlers: bool) -> Result<Creates, Failure> {
    let folder = TempDir::new_in(&bench.folder)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", "creates", "--folder"]).arg(folder.path());
    if handlers {
        command.arg("--handlers");
    }
    let (process, address) = Process::listening(&mut command)?;
    let asked: Vec<Asked> = (0..CLIENTS)
        .map(|_| Asked { path: PATH, token: String::new(), with_key: false, body: sse::content(0) })
        .collect();
    measure(&process, address, &server::database(folder.path()), &asked, long, handlers)
}

fn measure(
    process: &Process,
    address: SocketAddr,
    database: &Path,
    asked: &[Asked],
    long: Duration,
    delivers: bool,
) -> Result<Creates, Failure> {
    let before = process.cpu()?;
    let Answered { begun, count: created, rate, waits } = clients::ask(address, asked, long)?;
    let delivered = if delivers { until_delivered(database, u64::from(created))? } else { Instant::now() };
    let cpu = process.cpu_since(before)?;
    Ok(Creates {
        rate,
        waits,
        micros: cpu.as_secs_f64() * 1e6 / f64::from(created),
        delivered: if delivers { f64::from(created) / (delivered - begun).as_secs_f64() } else { 0.0 },
    })
}

/// Waits until so many messages are delivered, and answers when that was.
fn until_delivered(database: &Path, messages: u64) -> Result<Instant, Failure> {
    let rows = Rows::open(database)?;
    let begun = Instant::now();
    while rows.delivered()? < messages {
        if begun.elapsed() > LIMIT {
            let delivered = rows.delivered()?;
            return Err(
                format!("{delivered} of {messages} were delivered within {} s", LIMIT.as_secs()).into()
            );
        }
        std::thread::sleep(LOOK);
    }
    Ok(Instant::now())
}
